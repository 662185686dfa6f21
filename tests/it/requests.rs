//! What a hostile socket can carry: none of it is taken for a request, and none of it costs anybody else anything.

use crate::harness::{Page, Stage, Wire, soon, status_of};

/// A whole round: subscribed, pinged, delivered.
async fn still_serves(stage: &Stage) {
    let topic = stage.publisher.topic("/alive");
    let callback = stage.subscriber.callback("/alive");
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::of("text/plain", "alive"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let stage = Stage::set().await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let endless_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let nonsense: [&[u8]; 8] = [
        &all_bytes,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhub.mo",
        b"POST / HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        endless_header.as_bytes(),
    ];
    for (index, bytes) in nonsense.into_iter().enumerate() {
        let mut wire = Wire::to(stage.hub.address()).await;
        wire.try_say(bytes).await;
        wire.say_no_more().await;
        let heard = wire.hear().await;
        let accepted = status_of(&heard).is_some_and(|status| (200..300).contains(&status));
        assert!(!accepted, "nonsense {index} was accepted: {heard}");
    }
    // Half a head and half a body stay open while everybody else is served.
    let mut open = Vec::new();
    for half in ["POST / HT", "POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 99\r\n\r\nhub.mode=sub"] {
        for _ in 0..20 {
            let mut wire = Wire::to(stage.hub.address()).await;
            wire.say(half).await;
            open.push(wire);
        }
    }
    soon("the hub to serve others", still_serves(&stage)).await;
    drop(open);
    stage.hub.client().get(&stage.hub.at("/livez")).await.expect(200);
}
