//! Answers that are too large, or become so when they are unpacked.

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{
    rogue::{Deed, Rogue},
    siege::{SMALL, Siege},
};
use crate::harness::{Form, Page};

/// What a bomb unpacks to: ten times what a fetch may be, and more than the hub may have.
const UNPACKED: usize = 100 << 20;
/// What the hub may have of one of them at any time: what a fetch may be, as it is collected and as it is handed on.
const FETCHED: usize = SMALL + (32 << 20);

/// As many zeros, in pieces.
async fn zeros(mut encoder: impl AsyncWrite + Unpin) {
    let piece = vec![0; 1 << 20];
    for _ in 0..UNPACKED / piece.len() {
        encoder.write_all(&piece).await.unwrap();
    }
    encoder.shutdown().await.unwrap();
}

/// Bombs of all three kinds, and one inside another.
async fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let (mut gzip, mut brotli) = (Vec::new(), Vec::new());
    zeros(GzipEncoder::new(&mut gzip)).await;
    zeros(BrotliEncoder::with_quality(&mut brotli, async_compression::Level::Fastest)).await;
    let mut twice = GzipEncoder::new(Vec::new());
    twice.write_all(&gzip).await.unwrap();
    twice.shutdown().await.unwrap();
    let deflate = gzip[10..gzip.len() - 8].to_vec();
    vec![("gzip", gzip), ("br", brotli), ("deflate", deflate), ("gzip, gzip", twice.into_inner())]
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn bombs_are_not_unpacked() {
    let mut siege = Siege::lay_with(Siege::settings().with("fetch", "timeout", "10s")).await;
    let callback = siege.stage.subscriber.callback("/bombed");
    for (index, (coding, bomb)) in bombs().await.into_iter().enumerate() {
        assert!(bomb.len() < 1 << 20, "{coding}");
        let topic = siege.stage.publisher.topic(&format!("/bomb/{index}"));
        siege.stage.subscribe_03(&topic, &callback).await;
        topic.put(Page::of("text/plain", bomb.clone()).with_header("content-encoding", coding));
        siege.stage.ping(&topic).await;
        topic.fetched(1).await;
        siege.goes_on().await;
        // The same in answer to a question, and to a delivery.
        let bomb = answer(&format!("Content-Encoding: {coding}\r\n"), &bomb);
        let rogue = Rogue::from_the_start(Deed::Say(bomb.clone())).await;
        let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb")).sync();
        siege.stage.hub.post(&form).await.expect(409);
        let rogue = Rogue::start(Deed::Say(bomb)).await;
        siege.stage.accept_sync(&Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb"))).await;
        siege.goes_on().await;
        rogue.met(1).await;
        // Once the topic has something else to say, it is heard.
        let text = format!("after {coding}");
        topic.put(Page::text(&text));
        siege.stage.ping(&topic).await;
        callback.delivered_where("what came after the bomb", |one| one.body == text.as_bytes()).await;
    }
    let bodies: Vec<_> = callback.attempts().into_iter().map(|one| one.body.len()).collect();
    assert!(bodies.iter().all(|length| *length < 30), "{bodies:?}");
    siege.ends("bombs of 100 MiB", FETCHED).await;
}

/// An echo of a hundred mebibytes, of which the first octets may even be right, and as large an answer to a delivery.
#[tokio::test]
async fn nobody_reads_a_hundred_mebibytes_of_an_answer() {
    let mut siege = Siege::lay().await;
    let large = answer("", &vec![b'x'; UNPACKED]);
    let rogue = Rogue::from_the_start(Deed::Say(large.clone())).await;
    let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb"));
    siege.stage.hub.post(&form.clone().sync()).await.expect(409);
    rogue.is_left_alone().await;
    let rogue = Rogue::start(Deed::Say(large)).await;
    let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb"));
    siege.stage.accept_sync(&form).await;
    siege.goes_on().await;
    rogue.met(1).await;
    rogue.is_left_alone().await;
    siege.ends("a challenge of 100 MiB", SMALL).await;
}

/// A feed that is five times too large, announced and not.
#[tokio::test]
async fn a_feed_of_fifty_mebibytes_is_dropped() {
    let mut siege = Siege::lay_with(Siege::settings().with("fetch", "timeout", "10s")).await;
    let entry = "<entry><id>urn:1</id><content>and so on</content></entry>";
    let feed = format!(
        "<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>",
        entry.repeat((50 << 20) / entry.len())
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\n";
    let unannounced = format!("{head}\r\n{feed}");
    let announced = format!("{head}Content-Length: {}\r\n\r\n{feed}", feed.len());
    let callback = siege.stage.subscriber.callback("/large");
    for said in [announced, unannounced] {
        let rogue = Rogue::start(Deed::Say(said.into())).await;
        let url = rogue.url("/feed");
        siege.stage.accept_sync(&Form::intent("subscribe", &url, &callback.url())).await;
        let ping = Form::default().with("hub.mode", "publish").with("hub.url", url);
        siege.stage.hub.post(&ping).await.expect(204);
        rogue.met(1).await;
        siege.goes_on().await;
        rogue.is_left_alone().await;
    }
    assert!(callback.attempts().is_empty());
    siege.ends("a feed of 50 MiB", FETCHED).await;
}
