//! The names of a topic, and whom a ping by one of them is about: P09.

use std::{net::Ipv4Addr, time::Duration};

use rustix::process::Signal;

use crate::harness::{Callback, Feed, Flavour, Form, Page, Publisher, Settings, Stage, Topic};

/// Pings by a name that need not be how the topic is spelled.
async fn ping(stage: &Stage, name: &str) {
    stage.hub.post(&Form::default().with("hub.mode", "publish").with("hub.url", name)).await.expect(204);
}

/// A page that says what it is called.
fn named(text: &str, own: &str) -> Page {
    Page::text(text).with_header("link", &format!("<{own}>; rel=self"))
}

/// Has the hub read a topic, and so learn its names.
async fn learn(stage: &Stage, topic: &Topic, callback: &Callback) {
    stage.ping(topic).await;
    callback.delivered(1).await;
}

/// A ping for what a topic calls itself, or for where it moved to, is a ping for the topic; and the other way round.
#[tokio::test]
async fn p09_a_ping_by_any_name_reaches_all_subscribers() {
    let stage = Stage::set().await;
    let (typed, callback) = stage.subscribed("/typed").await;
    let (own, own_callback) = stage.subscribed("/own").await;
    let moved = stage.publisher.topic("/moved");
    typed.put(Page::redirect(301, "/moved"));
    let mut feed = Feed::new(Flavour::Atom, 2, &own.url(), &[stage.hub.url()]);
    let put = |feed: &Feed| {
        for place in [&moved, &own] {
            place.put(Page::of(Flavour::Atom.content_type(), feed.document()));
        }
    };
    put(&feed);
    // Its other names are learnt by asking it once, and nobody has to ask at any of them.
    stage.ping(&typed).await;
    callback.delivered(1).await;
    let twin = typed.url().replace("http://", "https://");
    for name in [moved.url(), own.url(), twin, typed.url()] {
        let new = feed.add();
        put(&feed);
        stage.hub.post(&Form::default().with("hub.mode", "publish").with("hub.url", &name)).await.expect(204);
        for callback in [&callback, &own_callback] {
            callback.delivered_where(&format!("news by {name}"), |one| feed.has_in(&one.body, &new)).await;
        }
    }
}

/// Anybody may ping, and spell the topic as they like: it is asked for and called as before.
#[tokio::test]
async fn p09_p15_another_spelling_in_a_ping_changes_nothing() {
    let mut stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/~me/feed"), stage.subscriber.callback("/cb"));
    let polled = stage.publisher.topic("/~me/").url() + "*";
    stage.hub.stop(Signal::TERM, Duration::from_secs(15)).await;
    let settings = Settings::quick().with("polling", "every", "1s").with("polling", "topics", vec![polled]);
    stage.hub.reconfigure(settings);
    stage.hub.restart().await;
    topic.put(Page::text("old"));
    stage.subscribe_03(&topic, &callback).await;
    topic.fetched(1).await;
    let address = topic.url().split('/').nth(2).unwrap().to_owned();
    for (index, (scheme, path)) in
        [("HTTP", "/%7Eme/feed"), ("http", "/~%6de/%66eed")].into_iter().enumerate()
    {
        topic.put(Page::text(&format!("news {index}")));
        ping(&stage, &format!("{scheme}://{address}{path}")).await;
        let news = format!("news {index}");
        // The first poll may be under way still, and what it finds is then told as well (F17).
        callback.delivered_where(&news, |one| one.body == news).await;
        let delivery = callback.deliveries().into_iter().find(|one| one.body == news).unwrap();
        let own = format!("<{}>; rel=\"self\"", topic.url());
        assert!(delivery.header("link").unwrap().starts_with(&own), "{delivery:?}");
        assert!(stage.publisher.topic(path).fetches().is_empty(), "it was asked for as {path}");
    }
    // And it is polled as before.
    topic.put(Page::text("unannounced"));
    callback.delivered_where("what nobody pinged", |one| one.body == "unannounced").await;
}

/// What a topic is called is known for as long as the topic is, and each name under both schemes: a feed may call itself
/// by the one that its readers do not use.
#[tokio::test]
async fn p09_names_outlast_a_restart_and_have_twins() {
    let mut stage = Stage::set().await;
    let (typed, callback) = stage.subscribed("/typed").await;
    let (moved, moved_callback) = stage.subscribed("/moved").await;
    let (own, own_callback) = stage.subscribed("/own").await;
    let twin = |topic: &Topic| topic.url().replace("http://", "https://");
    typed.put(Page::redirect(301, "/moved"));
    let put = |text: &str| {
        for place in [&moved, &own] {
            place.put(named(text, &twin(&own)));
        }
    };
    put("one");
    learn(&stage, &typed, &callback).await;
    stage.hub.kill_9();
    stage.hub.restart().await;
    for name in [typed.url(), twin(&moved), own.url(), moved.url(), twin(&own), twin(&typed)] {
        let text = format!("news by {name}");
        put(&text);
        ping(&stage, &name).await;
        for callback in [&callback, &moved_callback, &own_callback] {
            callback.delivered_where(&text, |one| one.body == text).await;
        }
    }
}

/// A topic has the names that it has now: a feed that calls itself something else each time fills nobody's disk.
#[tokio::test]
async fn p09_a_former_name_is_no_name() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let [former, current] = ["/former", "/current"].map(|path| stage.publisher.topic(path).url());
    for (count, own) in [&former, &current].into_iter().enumerate() {
        topic.put(named(&format!("I am {own}"), own));
        stage.ping(&topic).await;
        callback.delivered(count + 1).await;
    }
    topic.put(named("unseen", &current));
    ping(&stage, &former).await;
    // The ping for it was passed over by the time that another topic's has led to a delivery.
    let (witness, witness_callback) = stage.subscribed("/witness").await;
    learn_text(&stage, &witness, &witness_callback).await;
    assert_eq!(topic.fetches().len(), 2);
    ping(&stage, &current).await;
    assert_eq!(callback.delivered(3).await[2].body, "unseen");
}

async fn learn_text(stage: &Stage, topic: &Topic, callback: &Callback) {
    topic.put(Page::text("seen"));
    learn(stage, topic, callback).await;
}

/// Any feed may claim to be another's: that must not keep the other's subscribers from their news, nor make the hub fetch
/// without end.
#[tokio::test]
async fn p09_strangers_who_claim_a_name_come_after_its_own_site() {
    let stage = Stage::set().await;
    let (typed, callback) = stage.subscribed("/typed").await;
    let feed = stage.publisher.topic("/feed");
    let strange = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let reader = stage.subscriber.callback("/stranger");
    let mut strangers = Vec::new();
    let mut pings = Form::default().with("hub.mode", "publish");
    for index in 0..40 {
        let stranger = strange.topic(&format!("/{index}"));
        stranger.put(named(&format!("stranger {index}"), &feed.url()));
        stage.subscribe_03(&stranger, &reader).await;
        pings = pings.with("hub.url", stranger.url());
        strangers.push(stranger);
    }
    stage.hub.post(&pings).await.expect(204);
    reader.delivered(40).await;
    typed.put(Page::redirect(302, "/feed"));
    feed.put(Page::text("one"));
    learn(&stage, &typed, &callback).await;
    let known: usize = strangers.iter().map(|stranger| stranger.fetches().len()).sum();
    feed.put(Page::text("two"));
    ping(&stage, &feed.url()).await;
    assert_eq!(callback.delivered(2).await[1].body, "two");
    let now: usize = strangers.iter().map(|stranger| stranger.fetches().len()).sum();
    assert!(now <= known + 8, "{} fetches for one ping", now - known);
}

/// Two that share a name are pinged together; what else one of them is called does not lead on to a third.
#[tokio::test]
async fn p09_a_shared_name_leads_no_further() {
    let stage = Stage::set().await;
    let [shared, end] = ["/shared", "/end"].map(|path| stage.publisher.topic(path));
    let mut topics = Vec::new();
    for path in ["/x", "/y", "/z"] {
        topics.push(stage.subscribed(path).await);
    }
    let [(x, of_x), (y, of_y), (z, of_z)] = &topics[..] else { panic!() };
    y.put(Page::redirect(302, "/end"));
    let put = |text: &str| {
        x.put(named(text, &shared.url()));
        end.put(named(text, &shared.url()));
        z.put(named(text, &end.url()));
    };
    put("one");
    for (topic, callback) in &topics {
        learn(&stage, topic, callback).await;
    }
    put("two");
    let known = z.fetches().len();
    ping(&stage, &x.url()).await;
    for callback in [of_x, of_y] {
        callback.delivered_where("the second", |one| one.body == "two").await;
    }
    stage.fence(z).await;
    assert_eq!(z.fetches().len(), known);
    // By the name that it shares with the third, the other two are meant.
    ping(&stage, &end.url()).await;
    of_z.delivered_where("the second", |one| one.body == "two").await;
}
