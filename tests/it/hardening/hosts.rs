//! What the log says of a host that is down, and what a host is spared that says it has enough (D17).

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;

use crate::harness::{Page, Reply, Settings, Stage, Subscriber};

/// Another host than the one on which the well-behaved subscribers live.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A host with many callbacks goes down for many tries, is probed for a while, and comes back: two lines.
#[tokio::test]
async fn one_line_is_logged_when_a_host_goes_and_one_when_it_is_back() {
    let settings = Settings::quick()
        .with("hosts", "breaker_min_tries", 10)
        .with("hosts", "breaker_pause", "20ms")
        .with("hosts", "connections", 1)
        .with("log", "filter", "info");
    let mut stage = Stage::set_with(settings).await;
    let house = Subscriber::start_on(ELSEWHERE);
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<_> = (0..40).map(|index| house.callback(&format!("/{index}"))).collect();
    for callback in &callbacks {
        stage.subscribe_03(&topic, callback).await;
    }
    house.always_reply(Reply::Status(500));
    topic.put(Page::text("news"));
    stage.ping(&topic).await;
    // All that it takes to open it, and some probes after that.
    house.arrived(10 + 3).await;
    house.always_reply(Reply::Status(204));
    for callback in &callbacks {
        callback.delivered(1).await;
    }
    let (_, log) = stage.hub.end().await;
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("breaker opened"), count("breaker closed")), (1, 1), "{log}");
    assert_eq!(count("WARN"), 1, "and no other line for a delivery that fails:\n{log}");
}

/// One callback says "too many" and when to come back: until then nobody on that host is called, for as long as is
/// granted; everybody else is. The callback itself is left alone for as long as it asked.
#[tokio::test]
async fn d17_a_wish_for_a_pause_is_the_whole_hosts_for_a_while() {
    for status in [429, 503] {
        let settings = Settings::quick()
            .with("hosts", "retry_after_max", "700ms")
            .with("hosts", "connections", 1)
            .with("delivery", "retry", vec!["10ms"]);
        let stage = Stage::set_with(settings).await;
        let house = Subscriber::start_on(ELSEWHERE);
        let (topic, other) = (stage.publisher.topic("/text"), stage.publisher.topic("/other"));
        let (busy, neighbour) = (house.callback("/busy"), house.callback("/neighbour"));
        let healthy = stage.subscriber.callback("/healthy");
        stage.subscribe_03(&topic, &busy).await;
        stage.subscribe_03(&other, &neighbour).await;
        stage.subscribe_03(&other, &healthy).await;
        busy.reply([Reply::Saying(status, vec![("retry-after", "3600".to_owned())], Bytes::new())]);
        topic.put(Page::text("too much"));
        stage.ping(&topic).await;
        let asked = busy.attempted(1).await[0].at;
        stage.hub.logged("host asks for a pause").await;
        other.put(Page::text("news"));
        stage.ping(&other).await;
        healthy.delivered(1).await;
        let came = neighbour.delivered(1).await[0].at;
        assert!(came - asked >= Duration::from_millis(650), "{status}: after {:?}", came - asked);
        assert_eq!(neighbour.attempts().len(), 1);
        assert_eq!(busy.attempts().len(), 1, "an hour is what it asked for");
    }
}

/// Other answers with the header are about the callback, and neighbours are not asked to wait for it.
#[tokio::test]
async fn d17_a_wish_beside_another_status_is_one_callbacks() {
    let stage = Stage::set_with(Settings::quick().with("hosts", "retry_after_max", "1h")).await;
    let (topic, gone) = stage.subscribed("/text").await;
    let neighbour = stage.subscriber.callback("/neighbour");
    stage.subscribe_03(&topic, &neighbour).await;
    gone.reply([Reply::Saying(404, vec![("retry-after", "3600".to_owned())], Bytes::new())]);
    for (index, text) in ["one", "two"].into_iter().enumerate() {
        topic.put(Page::text(text));
        stage.ping(&topic).await;
        neighbour.delivered(index + 1).await;
        gone.attempted(1).await;
    }
    assert_eq!(gone.attempts().len(), 1);
}
