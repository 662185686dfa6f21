//! How the hub asks publishers: when a ping makes it ask (P01, P05-P12), how it asks (F01-F11), and what it does not
//! let itself be talked into (X01).

use std::net::Ipv4Addr;

use crate::harness::{Callback, Feed, Flavour, Form, Gate, Page, Publisher, Settings, Stage, Topic};

async fn subscribed(stage: &Stage, path: &str) -> (Topic, Callback) {
    let (topic, callback) = (stage.publisher.topic(path), stage.subscriber.callback(path));
    stage.subscribe_03(&topic, &callback).await;
    (topic, callback)
}

fn text(text: &str) -> Page {
    Page::of("text/plain", text.to_owned())
}

/// Publishes one more version, and checks that the callback gets it next, after `known` others.
async fn fence(stage: &Stage, topic: &Topic, callback: &Callback, known: usize) {
    topic.put(text("the fence"));
    stage.ping(topic).await;
    callback.delivered(known + 1).await;
    let attempts = callback.attempts();
    assert_eq!(attempts.len(), known + 1, "{attempts:?}");
    assert_eq!(attempts[known].body, "the fence");
}

#[tokio::test]
async fn validators_go_back_as_they_came() {
    let stage = Stage::set().await;
    let (topic, callback) = subscribed(&stage, "/text").await;
    let (etag, date) = ("W/\"a, b \u{7e}\"", "Tue,  1 Jan 2019 00:00:00 +0000");
    let page = |version: &str| text(version).with_header("etag", etag).with_header("last-modified", date);
    topic.put(page("one"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    stage.ping(&topic).await;
    let fetches = topic.fetched(2).await;
    let [first, second] = &fetches[..] else { panic!("{fetches:?}") };
    assert_eq!(first.header("if-none-match"), None);
    assert_eq!(first.header("if-modified-since"), None);
    assert_eq!(second.header("if-none-match"), Some(etag), "verbatim (F03)");
    assert_eq!(second.header("if-modified-since"), Some(date), "verbatim (F03)");
    assert_eq!(second.answered, 304);
    for fetch in [first, second] {
        assert_eq!(fetch.method, "GET", "F01");
        assert_eq!(fetch.header("accept"), Some("*/*"), "F07");
        assert_eq!(fetch.header("cache-control"), Some("no-cache"), "F08");
        assert_eq!(fetch.header("accept-language"), None, "F07");
        assert_eq!(fetch.header("cookie"), None, "F07");
        assert_eq!(fetch.header("x-hub-subscribers"), Some("1"), "F06");
        let agent = fetch.header("user-agent").unwrap();
        assert!(agent.contains("1 subscribers"), "F04: {agent}");
    }
    // Not modified is no news.
    fence(&stage, &topic, &callback, 1).await;
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_five_hops() {
    let stage = Stage::set().await;
    let hops = [301, 302, 303, 307, 308];
    for (index, status) in hops.into_iter().enumerate() {
        // Relative and absolute targets alike.
        let next = format!("/hop/{}", index + 1);
        let target = if index % 2 == 0 { next } else { stage.publisher.topic(&next).url() };
        stage.publisher.topic(&format!("/hop/{index}")).put(Page::redirect(status, &target));
    }
    let end = stage.publisher.topic("/hop/5");
    end.put(text("the end of the way"));
    let (far, callback) = subscribed(&stage, "/hop/0").await;
    stage.ping(&far).await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!(delivery.body, "the end of the way");
    // The topic keeps its name (F02).
    assert!(delivery.header("link").unwrap().starts_with(&format!("<{}>; rel=\"self\"", far.url())));

    let (too_far, lost) = subscribed(&stage, "/one-more").await;
    too_far.put(Page::redirect(302, "/hop/0"));
    let before = end.fetches().len();
    stage.ping(&too_far).await;
    stage.publisher.topic("/hop/4").fetched(before + 1).await;
    fence(&stage, &too_far, &lost, 0).await;
    assert_eq!(end.fetches().len(), before, "the sixth hop was not taken");
}

/// A redirect, and a name that is allowed only as a name, lead to no address that the operator did not allow (X01).
#[tokio::test]
async fn no_redirect_leads_to_an_address_that_is_not_allowed() {
    let stage = Stage::set_with(Settings::quick().allowing_only("127.0.0.1/32")).await;
    let inside = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let secret = inside.topic("/metadata");
    secret.put(text("for nobody's eyes"));
    let (topic, callback) = subscribed(&stage, "/text").await;
    topic.put(Page::redirect(302, &secret.url()));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    let direct = stage.subscriber.callback("/direct");
    let answer = stage.hub.post(&Form::subscribe(&secret, &direct)).await;
    assert!([202, 403].contains(&answer.status), "{answer:?}");
    stage.hub.post(&Form::publish(&secret)).await;
    fence(&stage, &topic, &callback, 0).await;
    assert!(secret.fetches().is_empty(), "it went where it must not");
    assert!(direct.attempts().is_empty());
}

/// The ping may be faster than the publisher's own cache (P12).
#[tokio::test]
async fn a_fetch_that_found_nothing_new_is_repeated_a_little_later() {
    let settings = Settings::quick().with("fetch", "look_again", vec!["100ms", "200ms"]);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = subscribed(&stage, "/text").await;
    topic.put(text("one"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let known = topic.fetches().len();
    stage.ping(&topic).await;
    topic.fetched(known + 2).await;
    // Now the cache is fresh, and nobody pings again.
    topic.put(text("two"));
    assert_eq!(callback.delivered(2).await[1].body, "two");

    // The list is the end of it: pinged for nothing, the topic is asked thrice, and not a fourth time.
    let known = topic.fetches().len();
    stage.ping(&topic).await;
    topic.fetched(known + 3).await;
    let (other, other_callback) = subscribed(&stage, "/clock").await;
    for version in 0..5 {
        other.put(text(&format!("tick {version}")));
        stage.ping(&other).await;
        other_callback.delivered(version + 1).await;
    }
    assert_eq!(topic.fetches().len(), known + 3);
}

#[tokio::test]
async fn a_topic_without_subscribers_is_not_fetched() {
    let stage = Stage::set().await;
    let lonely = stage.publisher.topic("/lonely");
    lonely.put(text("news"));
    let (left, former) = subscribed(&stage, "/left").await;
    stage.accept_sync(&Form::unsubscribe(&left, &former)).await;
    for topic in [&lonely, &left] {
        stage.ping(topic).await;
    }
    let (topic, callback) = subscribed(&stage, "/text").await;
    fence(&stage, &topic, &callback, 0).await;
    assert!(lonely.fetches().is_empty() && left.fetches().is_empty(), "P07");
}

/// Every way in which publishers have ever named their topics (P01).
#[tokio::test]
async fn one_ping_may_name_many_topics_in_many_ways() {
    let stage = Stage::set().await;
    let mut topics = Vec::new();
    for index in 0..8 {
        let (topic, callback) = subscribed(&stage, &format!("/t/{index},x")).await;
        topic.put(text(&format!("news {index}")));
        topics.push((topic, callback));
    }
    let url = |index: usize| topics[index].0.url();
    let ping = Form::default()
        .with("hub.mode", "publish")
        .with("hub.url", url(0))
        .with("hub.url", url(1))
        .with("hub.topic", url(2))
        .with("hub.topic[]", url(3))
        .with("hub.url[]", url(4))
        // A comma separates only where a URL follows; these have commas of their own.
        .with("hub.url", format!("{},{},{}", url(5), url(6), url(7)));
    stage.hub.post(&ping).await.expect(204);
    for (index, (_, callback)) in topics.iter().enumerate() {
        assert_eq!(callback.delivered(1).await[0].body, format!("news {index}"));
    }

    // One that is no URL spoils the whole (P03): nothing is fetched for the good one.
    let known = topics[0].0.fetches().len();
    let spoilt = Form::publish(&topics[0].0).with("hub.url", "news");
    stage.hub.post(&spoilt).await.expect(400);
    let (_, callback) = &topics[1];
    fence(&stage, &topics[1].0, callback, 1).await;
    assert_eq!(topics[0].0.fetches().len(), known);
}

/// Fifty pings are a few fetches, and the last of them counts (P05, P08, X05).
#[tokio::test]
async fn a_flood_of_pings_is_a_few_fetches() {
    let settings = Settings::quick().with("fetch", "coalesce", "300ms");
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = subscribed(&stage, "/text").await;
    for version in 1..=50 {
        topic.put(text(&format!("version {version}")));
        stage.ping(&topic).await;
    }
    callback.delivered_where("the last version", |one| one.body == "version 50").await;
    let fetches = topic.fetches().len();
    assert!(fetches <= 10, "{fetches} fetches for 50 pings");
}

/// A ping during a fetch asks for another: the first may have seen the old content (P08).
#[tokio::test]
async fn a_ping_during_a_fetch_is_not_lost() {
    let stage = Stage::set().await;
    let (topic, callback) = subscribed(&stage, "/text").await;
    let gate = Gate::closed();
    topic.put(text("old").behind(&gate));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    topic.put(text("new"));
    stage.ping(&topic).await;
    gate.open();
    callback.delivered_where("the new content", |one| one.body == "new").await;
}

/// What is too large is dropped, and the topic goes on from where it was (F11).
#[tokio::test]
async fn a_document_beyond_the_limit_is_dropped() {
    let stage = Stage::set().await;
    let (topic, callback) = subscribed(&stage, "/feed").await;
    let mut feed = Feed::new(Flavour::Atom, 5, &topic.url(), &[stage.hub.url()]);
    let put = |feed: &Feed| topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    put(&feed);
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let known = topic.fetches().len();
    topic.put(Page::of("application/atom+xml", vec![b' '; 11 << 20]));
    stage.ping(&topic).await;
    topic.fetched(known + 1).await;
    let new = feed.add();
    put(&feed);
    stage.ping(&topic).await;
    let deliveries = callback.delivered(2).await;
    assert_eq!(feed.found_in(&deliveries[1].body), [new]);
}

/// Only a 200 is content; everything else is asked for again, and ends no subscription (F10).
#[tokio::test]
async fn a_failed_fetch_is_repeated_without_another_ping() {
    let stage = Stage::set().await;
    let (topic, callback) = subscribed(&stage, "/text").await;
    for (index, status) in [500, 404, 410, 206, 503].into_iter().enumerate() {
        let known = topic.fetches().len();
        topic.put(Page::failing(status));
        stage.ping(&topic).await;
        topic.fetched(known + 2).await;
        topic.put(text(&format!("after {status}")));
        assert_eq!(callback.delivered(index + 1).await[index].body, format!("after {status}"));
    }
}

/// A ping for what a topic calls itself is a ping for the topic (P09).
#[tokio::test]
async fn a_ping_by_another_name_reaches_the_subscribers() {
    let stage = Stage::set().await;
    let (typed, callback) = subscribed(&stage, "/typed").await;
    let (moved, own) = (stage.publisher.topic("/moved"), stage.publisher.topic("/own"));
    typed.put(Page::redirect(301, "/moved"));
    let mut feed = Feed::new(Flavour::Atom, 2, &own.url(), &[stage.hub.url()]);
    for name in [&typed, &moved, &own] {
        feed.add();
        for place in [&moved, &own] {
            place.put(Page::of(Flavour::Atom.content_type(), feed.document()));
        }
        let known = callback.deliveries().len();
        stage.ping(name).await;
        callback.delivered(known + 1).await;
    }
}
