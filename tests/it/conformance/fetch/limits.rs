//! What an answer must be to count, and how large and late it may be: F09-F11.

use std::time::Duration;

use tokio::time::Instant;

use super::coding::{Encoder, bomb, brotli, gzip};
use crate::harness::{Feed, Flavour, Form, Gate, Page, Settings, Stage, Topic, sha1_signature};

fn put(topic: &Topic, feed: &Feed) {
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
}

#[tokio::test]
async fn f09_compressed_feeds_are_read_and_sent_on_in_the_clear() {
    let codings: [(&str, Encoder); 2] = [("gzip", gzip), ("br", brotli)];
    for (coding, encode) in codings {
        let stage = Stage::set().await;
        let (topic, callback) = (stage.publisher.topic("/feed"), stage.subscriber.callback("/cb"));
        stage.accept_sync(&Form::subscribe(&topic, &callback).secret("key")).await;
        let mut feed = Feed::new(Flavour::Atom, 5, &topic.url(), &[stage.hub.url()]);
        let put = |feed: &Feed| {
            let page = Page::of(Flavour::Atom.content_type(), encode(&feed.document()));
            topic.put(page.with_header("content-encoding", coding));
        };
        put(&feed);
        stage.ping(&topic).await;
        let first = callback.delivered(1).await.remove(0);
        assert_eq!(first.body, feed.document(), "{coding}");
        let new = feed.add();
        put(&feed);
        stage.ping(&topic).await;
        let second = callback.delivered(2).await.remove(1);
        assert_eq!(second.body, feed.only(&[new]), "{coding}");
        for delivery in [first, second] {
            assert_eq!(delivery.header("content-encoding"), None, "{coding}");
            let signature = sha1_signature(b"key", &delivery.body);
            assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "{coding}");
        }
        let asked = topic.fetches()[0].header("accept-encoding").unwrap().to_owned();
        assert!(asked.split(',').any(|word| word.trim() == coding), "{asked}");
    }
}

/// What cannot be decoded is no content, and is asked for again like anything that failed.
#[tokio::test]
async fn f09_a_coding_is_known_by_its_other_names_and_one_that_is_not_known_is_a_failure() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let coded = |coding: &str, text: &str| {
        Page::of("text/plain", gzip(text.as_bytes())).with_header("content-encoding", coding)
    };
    for (index, coding) in ["x-gzip", "GZIP", "identity, gzip"].into_iter().enumerate() {
        let text = format!("news in {coding}");
        topic.put(coded(coding, &text));
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(index + 1).await[index].body, text);
    }
    for coding in ["deflate", "gzip, br", "compress"] {
        let known = topic.fetches().len();
        topic.put(coded(coding, coding));
        stage.ping(&topic).await;
        topic.fetched(known + 2).await;
    }
    stage.got_only(3, &topic, &callback).await;
}

/// A few octets on the wire may be many in memory.
#[tokio::test]
async fn f09_what_a_compressed_body_becomes_counts() {
    let settings = Settings::quick().with("fetch", "max_bytes", "16KiB");
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::of("text/plain", bomb()).with_header("content-encoding", "gzip"));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    stage.got_only(0, &topic, &callback).await;
    assert_eq!(dropped(&stage).await, 1, "it was read, and dropped for its size");
}

/// How many bodies the hub has dropped for their size.
async fn dropped(stage: &Stage) -> usize {
    let metrics = stage.hub.client().get(&stage.hub.admin("/metrics")).await.expect(200).text;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("hubbub_fetches_total{outcome=\"too_large\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Only a 200 is content; everything else is asked for again, and ends no subscription.
#[tokio::test]
async fn f10_a_fetch_that_failed_is_repeated_without_another_ping() {
    let shipped = Settings::shipped("fetch", "retry").await;
    assert_eq!(shipped, ["30s", "1min", "2min", "4min"].map(toml::Value::from).to_vec().into());
    let stage = Stage::set_with(Settings::quick().with("fetch", "retry", vec!["30ms"; 8])).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let statuses = [500, 404, 410, 206, 503, 201, 204, 300, 403];
    for (index, status) in statuses.into_iter().enumerate() {
        let known = topic.fetches().len();
        topic.put(Page::failing(status));
        stage.ping(&topic).await;
        topic.fetched(known + 2).await;
        topic.put(Page::text(&format!("after {status}")));
        assert_eq!(callback.delivered(index + 1).await[index].body, format!("after {status}"));
    }
}

#[tokio::test]
async fn f10_after_the_last_try_it_takes_another_ping() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "retry", vec!["50ms", "50ms"])).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let (clock, _) = stage.subscribed("/clock").await;
    // The second begins when the first is at its end, and has all its tries after that.
    for failing in [&topic, &clock] {
        failing.put(Page::failing(500));
        stage.ping(failing).await;
        failing.fetched(3).await;
    }
    assert_eq!(topic.fetches().len(), 3);
    stage.got_only(0, &topic, &callback).await;
}

/// What is too large is dropped, and the topic goes on from where it was.
#[tokio::test]
async fn f11_a_document_beyond_the_limit_is_dropped() {
    assert_eq!(Settings::shipped("fetch", "max_bytes").await.as_str(), Some("10MiB"));
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let mut feed = Feed::new(Flavour::Atom, 5, &topic.url(), &[stage.hub.url()]);
    put(&topic, &feed);
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let known = topic.fetches().len();
    topic.put(Page::of("application/atom+xml", vec![b' '; 11 << 20]));
    stage.ping(&topic).await;
    topic.fetched(known + 1).await;
    let new = feed.add();
    put(&topic, &feed);
    stage.ping(&topic).await;
    let deliveries = callback.delivered(2).await;
    assert_eq!(feed.found_in(&deliveries[1].body), [new]);
    assert_eq!(dropped(&stage).await, 1);
}

/// The time is for all of it: hops that are each in time do not add up to more.
#[tokio::test]
async fn f11_an_answer_beyond_the_time_is_given_up() {
    assert_eq!(Settings::shipped("fetch", "timeout").await.as_str(), Some("30s"));
    let stage = Stage::set_with(Settings::quick().with("fetch", "timeout", "300ms")).await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let mut feed = Feed::new(Flavour::Atom, 5, &topic.url(), &[stage.hub.url()]);
    put(&topic, &feed);
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let new = feed.add();
    let moved = stage.publisher.topic("/moved");
    moved.put(Page::text("too late").behind(&Gate::closed()));
    topic.put(Page::redirect(302, "/moved"));
    let pinged = Instant::now();
    stage.ping(&topic).await;
    moved.fetched(1).await;
    put(&topic, &feed);
    // Nobody pings again: it is a failure like any other, and what was known is still known.
    let deliveries = callback.delivered(2).await;
    assert_eq!(feed.found_in(&deliveries[1].body), [new]);
    let took = pinged.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
}
