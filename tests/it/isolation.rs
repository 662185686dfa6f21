//! A slow, dead or hostile subscriber costs the others nothing (promise 3, D20, X10).

use std::net::Ipv4Addr;

use crate::harness::{
    Callback, Feed, Flavour, Form, Gate, Page, Publisher, Reply, Settings, Stage, Subscriber, Topic, Verdict,
};

/// Another host than the one on which the well-behaved subscribers live.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn subscribe_many(stage: &Stage, topic: &Topic, house: &Subscriber, count: usize) -> Vec<Callback> {
    let mut callbacks = Vec::new();
    for index in 0..count {
        let callback = house.callback(&format!("/many/{index}"));
        stage.subscribe_03(topic, &callback).await;
        callbacks.push(callback);
    }
    callbacks
}

/// The slow one stands behind a gate that the test opens last, so that only its order counts, not the clock.
async fn the_slow_one_waits_alone(house: Subscriber) {
    let stage = Stage::set_with(Settings::quick().with("delivery", "timeout", "60s")).await;
    let topic = stage.publisher.topic("/feed");
    let mut feed = Feed::new(Flavour::Atom, 3, &topic.url(), &[stage.hub.url()]);
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    let slow = house.callback("/slow");
    let gate = Gate::closed();
    slow.reply([Reply::Held(gate.clone())]);
    stage.subscribe_03(&topic, &slow).await;
    let others = subscribe_many(&stage, &topic, &stage.subscriber, 50).await;

    stage.ping(&topic).await;
    for other in &others {
        other.delivered(1).await;
    }
    slow.attempted(1).await;
    let second = feed.add();
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    stage.ping(&topic).await;
    for other in &others {
        let deliveries = other.delivered(2).await;
        assert_eq!(feed.found_in(&deliveries[1].body), [second.as_str()]);
    }
    assert_eq!(slow.attempts().len(), 1, "the others had everything while it was still asked the first time");
    assert!(slow.deliveries().is_empty());

    // Its late 2xx counts: what it answered is not sent again, only what came after.
    gate.open();
    let deliveries = slow.delivered(2).await;
    assert_eq!(feed.found_in(&deliveries[1].body), [second.as_str()]);
    assert_eq!(slow.most_in_flight(), 1);
}

#[tokio::test]
async fn a_slow_subscriber_delays_nobody_on_other_hosts() {
    the_slow_one_waits_alone(Subscriber::start_on(ELSEWHERE)).await;
}

#[tokio::test]
async fn a_slow_subscriber_delays_nobody_on_its_own_address() {
    the_slow_one_waits_alone(Subscriber::start()).await;
}

/// Forty callbacks of one host that take a request and never answer hold that host's lane and no other (X10).
#[tokio::test]
async fn a_silent_host_holds_its_own_lane_only() {
    let settings = Settings::quick().with("hosts", "connections", 8).with("delivery", "timeout", "60s");
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let silent = Subscriber::start_on(ELSEWHERE);
    let gate = Gate::closed();
    let silenced = subscribe_many(&stage, &topic, &silent, 40).await;
    silent.always_reply(Reply::Held(gate.clone()));
    let others = subscribe_many(&stage, &topic, &stage.subscriber, 40).await;
    for version in 1..=3 {
        topic.put(Page::of("text/plain", format!("version {version}")));
        stage.ping(&topic).await;
        for other in &others {
            other.delivered(version).await;
        }
    }
    assert!((1..=8).contains(&silent.most_in_flight()), "{} at once", silent.most_in_flight());
    assert!(silenced.iter().all(|callback| callback.deliveries().is_empty()));

    // When it speaks again, everybody there gets the latest version.
    gate.open();
    for callback in &silenced {
        callback.delivered_where("the latest version", |one| one.body == "version 3").await;
    }
    assert!(silent.most_in_flight() <= 8, "{} at once", silent.most_in_flight());
}

/// A host that refuses connections, or hangs up on each, does not stop a fan-out either.
#[tokio::test]
async fn a_dead_host_delays_nobody() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let (dead, rude) = (Subscriber::start_on(ELSEWHERE), Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 3)));
    subscribe_many(&stage, &topic, &dead, 30).await;
    subscribe_many(&stage, &topic, &rude, 30).await;
    let others = subscribe_many(&stage, &topic, &stage.subscriber, 30).await;
    dead.go_down().await;
    rude.always_reply(Reply::HangUp);
    for version in 1..=3 {
        topic.put(Page::of("text/plain", format!("version {version}")));
        stage.ping(&topic).await;
        for other in &others {
            other.delivered(version).await;
        }
    }
    for other in others {
        assert_eq!(other.attempts().len(), 3);
    }
}

/// Callbacks of one host that never answer their verification do not keep another host's from being asked (S35, X10).
#[tokio::test]
async fn a_host_that_never_confirms_keeps_nobody_from_being_verified() {
    let settings = Settings::quick()
        .with("hosts", "connections", 2)
        .with("verification", "concurrency", 6)
        .with("verification", "timeout", "60s");
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let silent = Subscriber::start_on(ELSEWHERE);
    let gate = Gate::closed();
    let mut held = Vec::new();
    for index in 0..12 {
        let callback = silent.callback(&format!("/held/{index}"));
        callback.always_judge(Verdict::Held(gate.clone()));
        stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
        held.push(callback);
    }
    let healthy = stage.subscriber.callback("/healthy");
    stage.hub.post(&Form::subscribe(&topic, &healthy)).await.expect(202);
    healthy.confirmed(1).await;
    assert_eq!(held.iter().map(Callback::confirmations).sum::<usize>(), 0, "the others still hang");
    gate.open();
    for callback in &held {
        callback.confirmed(1).await;
    }
}

/// A site that never answers holds its own few fetches and nobody else's (X05).
#[tokio::test]
async fn a_silent_site_keeps_no_other_topic_from_being_fetched() {
    let settings = Settings::quick().with("fetch", "concurrency", 10).with("fetch", "timeout", "60s");
    let stage = Stage::set_with(settings).await;
    let silent = Publisher::start_on(ELSEWHERE);
    let gate = Gate::closed();
    let callback = stage.subscriber.callback("/cb");
    let mut pings = Form::intent("publish", "", "").without("hub.topic").without("hub.callback");
    let mut topics = Vec::new();
    for index in 0..20 {
        let topic = silent.topic(&format!("/{index}"));
        topic.put(Page::of("text/plain", format!("text {index}")).behind(&gate));
        stage.subscribe_03(&topic, &callback).await;
        pings = pings.with("hub.url", topic.url());
        topics.push(topic);
    }
    stage.hub.post(&pings).await.expect(204);
    let topic = stage.publisher.topic("/healthy");
    topic.put(Page::of("text/plain", "news"));
    stage.subscribe_03(&topic, &callback).await;
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "news");
    gate.open();
    let bodies = callback.delivered(21).await;
    for index in 0..20 {
        assert!(bodies.iter().any(|one| one.body == format!("text {index}")), "text {index} is missing");
    }
}
