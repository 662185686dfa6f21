//! Who talks to the hub itself: too many connections, too slowly, too much, or without ever listening.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use super::siege::{SMALL, Siege, head};
use crate::harness::{Form, Wire, soon, status_of};

/// Another client than the one of the harness.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

const CLOSE: &str = "Connection: close\r\n";

async fn connect_from(host: Ipv4Addr, hub: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((host, 0))).unwrap();
    soon("a connection", socket.connect(hub)).await.unwrap()
}

async fn wire_from(host: Ipv4Addr, hub: SocketAddr) -> Wire {
    Wire::of(connect_from(host, hub).await)
}

/// Ten times as many connections as there are places, from one address: others get a place at once, for the attacker
/// loses one for it. Whoever has the most already is told when to come back.
#[tokio::test]
async fn one_client_cannot_hold_every_connection() {
    let settings = Siege::settings()
        .with("server", "max_connections", 20)
        .with("server", "header_timeout", "60s")
        .with("server", "body_timeout", "60s");
    let mut siege = Siege::lay_with(settings).await;
    let hub = siege.stage.hub.address();
    let mut held = Vec::new();
    for number in 0..200 {
        let mut wire = wire_from(ATTACKER, hub).await;
        // Silent ones, some with half a head, and some that owe a body.
        match number % 3 {
            0 => {}
            1 => wire.try_say("POST / HTTP/1.1\r\nHost: h").await,
            _ => wire.try_say(head(1000, CLOSE) + "hub.mode=").await,
        }
        held.push(wire);
    }
    siege.stage.hub.logged("all connections are taken").await;
    for _ in 0..30 {
        siege.goes_on().await;
    }
    // Who came when the places were taken was told so, and when to come back.
    let refused = held[30].hear().await;
    assert_eq!(status_of(&refused), Some(503), "{refused}");
    assert!(refused.contains("\r\nretry-after: 10\r\n"), "{refused}");
    drop(held);
    siege.ends("200 connections where there are 20", SMALL).await;
}

/// A body that comes slowly is cut like a head that does, with a word that lets the client come back.
#[tokio::test]
async fn a_slow_body_is_cut() {
    let mut siege = Siege::lay_with(Siege::settings().with("server", "body_timeout", "300ms")).await;
    let began = Instant::now();
    let mut slow = wire_from(ATTACKER, siege.stage.hub.address()).await;
    slow.say(head(1000, CLOSE) + "hub.mode=subscribe").await;
    let heard = slow.hear().await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(status_of(&heard), Some(503), "{heard}");
    assert!(heard.contains("\r\nretry-after: "), "{heard}");

    // A little every moment is no faster.
    let mut stream = connect_from(ATTACKER, siege.stage.hub.address()).await;
    stream.write_all(head(1000, CLOSE).as_bytes()).await.unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut answer = [0; 12];
    let heard = soon("an answer", async {
        loop {
            tokio::select! {
                _ = tick.tick() => stream.write_all(b"x").await.unwrap(),
                heard = stream.read(&mut answer) => return heard.unwrap(),
            }
        }
    });
    let heard = heard.await;
    assert_eq!(&answer[..heard], b"HTTP/1.1 503");
    siege.goes_on().await;
    siege.ends("slow bodies", SMALL).await;
}

/// Requests without end on one connection, and not one answer read: the hub does not wait for that for ever.
#[tokio::test]
async fn who_never_reads_is_cut() {
    let mut siege = Siege::lay_with(Siege::settings().with("server", "body_timeout", "300ms")).await;
    let mut stream = connect_from(ATTACKER, siege.stage.hub.address()).await;
    let requests = "GET / HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(1000);
    let cut = soon("the hub to hang up", async {
        while stream.write_all(requests.as_bytes()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    cut.await;
    siege.goes_on().await;
    siege.ends("answers that nobody reads", SMALL).await;
}

/// Everything has a largest size, and what is over it is told so.
#[tokio::test]
async fn what_is_too_large_is_refused_in_time() {
    let mut siege = Siege::lay().await;
    let hub = siege.stage.hub.address();
    let long = "x".repeat(1 << 17);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let many_headers: Vec<_> = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
    let many_headers = many_headers.concat();
    let many_parameters = "hub.mode=publish&a=b".to_owned() + &"&c=d".repeat(5000);
    let many_urls = "hub.mode=publish".to_owned() + &"&hub.url=http://t.example/".repeat(1023);
    let posted = |body: &str| head(body.len(), CLOSE) + body;
    let chunked = format!("POST / HTTP/1.1\r\nHost: h\r\n{form}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = "10000\r\n".to_owned() + &"x".repeat(0x1_0000) + "\r\n";
    let url = |octets: usize| {
        let topic = format!("http://t.example/{}", "x".repeat(octets));
        Form::intent("subscribe", &topic, "http://c.example/").encoded()
    };
    let attacks: [(&str, String, &[u16]); 9] = [
        ("a header", format!("POST / HTTP/1.1\r\nX-Long: {long}\r\n\r\n"), &[431]),
        ("headers", format!("POST / HTTP/1.1\r\n{many_headers}\r\n"), &[431]),
        ("a target", format!("GET /{long} HTTP/1.1\r\n\r\n"), &[414, 431]),
        ("a body that is announced", head(1 << 40, CLOSE), &[413]),
        ("a body that is not", chunked + &chunks.repeat(20), &[413]),
        ("parameters", posted(&many_parameters), &[413]),
        ("URLs in a ping, all of them one", posted(&many_urls), &[204]),
        ("a URL", posted(&url(9000)), &[400]),
        ("a method", format!("{long} / HTTP/1.1\r\n\r\n"), &[400, 431]),
    ];
    for (what, said, statuses) in attacks {
        let mut wire = wire_from(ATTACKER, hub).await;
        wire.try_say(&said).await;
        let heard = wire.hear().await;
        // Who is refused while still talking may find the connection closed before it has read why.
        let status = status_of(&heard);
        assert!(status.is_none_or(|status| statuses.contains(&status)), "{what}: {heard}");
        assert!(status.is_some() || said.len() > 1 << 16, "{what}: {heard}");
    }
    siege.goes_on().await;
    siege.ends("requests that are too large", SMALL).await;
}
