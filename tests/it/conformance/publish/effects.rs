//! What a ping sets going, and when: P02, P05-P08, P11-P13.

use std::{net::Ipv4Addr, time::Duration};

use tokio::time::Instant;

use crate::harness::{Client, Form, Gate, Page, Settings, Stage, Verdict};

/// Publishers of three generations test for exactly this number.
#[tokio::test]
async fn p02_a_ping_is_answered_with_204_whatever_its_topic() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let nobodys = stage.publisher.topic("/nobodys").url();
    // What may not be fetched is not fetched, which is none of the publisher's business.
    let topics =
        [&topic.url(), &nobodys, "http://topic.invalid/", "http://10.0.0.1/", "http://127.0.0.1:22/"];
    for url in topics {
        for (mode, path) in [("publish", "/"), ("publish", "/publish"), ("Publish", "/")] {
            let ping = Form::default().with("hub.mode", mode).with("hub.url", url);
            let answer = stage.hub.client().post(&stage.hub.at(path), &ping).await.expect(204);
            assert_eq!((answer.text.as_str(), answer.header("content-type")), ("", ""), "{url}");
        }
    }
    stage.got_only(0, &topic, &callback).await;
}

#[tokio::test]
async fn p05_news_are_delivered_within_three_seconds() {
    assert_eq!(Settings::shipped("fetch", "coalesce").await.as_str(), Some("500ms"));
    let stage = Stage::set_with(Settings::quick().with("fetch", "coalesce", "500ms")).await;
    let (topic, callback) = stage.subscribed("/text").await;
    // The first is asked for at once, the second waits until its window is over.
    for version in 1..=2 {
        topic.put(Page::text(&format!("version {version}")));
        let pinged = Instant::now();
        stage.ping(&topic).await;
        callback.delivered(version).await;
        assert!(pinged.elapsed() < Duration::from_secs(3), "version {version}: {:?}", pinged.elapsed());
    }
}

/// However long the window: it is for those that follow.
#[tokio::test]
async fn p05_the_first_ping_is_fetched_at_once() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "coalesce", "10min")).await;
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::text("news"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "news");
}

#[tokio::test]
async fn p06_the_answer_does_not_wait_for_the_fetch() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let gate = Gate::closed();
    topic.put(Page::text("news").behind(&gate));
    for ping in 1..=3 {
        stage.ping(&topic).await;
        topic.fetched(1).await;
        assert!(callback.attempts().is_empty(), "ping {ping}");
    }
    gate.open();
    callback.delivered(1).await;
}

#[tokio::test]
async fn p07_a_topic_without_subscribers_is_not_fetched() {
    let stage = Stage::set().await;
    let lonely = stage.publisher.topic("/lonely");
    let (left, former) = stage.subscribed("/left").await;
    stage.accept_sync(&Form::unsubscribe(&left, &former)).await;
    let (refused, stranger) = (stage.publisher.topic("/refused"), stage.subscriber.callback("/refused"));
    stranger.always_judge(Verdict::Status(404));
    stage.hub.post(&Form::subscribe(&refused, &stranger).sync()).await.expect(409);
    for topic in [&lonely, &left, &refused] {
        topic.put(Page::text("news"));
        stage.ping(topic).await;
    }
    let (topic, callback) = stage.subscribed("/text").await;
    stage.got_only(0, &topic, &callback).await;
    for topic in [&lonely, &left, &refused] {
        assert!(topic.fetches().is_empty(), "{}", topic.url());
    }
}

/// Fifty pings are a few fetches, and the last of them counts.
#[tokio::test]
async fn p08_a_flood_of_pings_is_a_few_fetches() {
    let settings = Settings::quick().with("fetch", "coalesce", "300ms");
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = stage.subscribed("/text").await;
    for version in 1..=50 {
        topic.put(Page::text(&format!("version {version}")));
        stage.ping(&topic).await;
    }
    callback.delivered_where("the last version", |one| one.body == "version 50").await;
    let fetches = topic.fetches().len();
    assert!(fetches <= 10, "{fetches} fetches for 50 pings");
}

/// A page that says something else each time is news each time; it is asked for no more often than once a window, though
/// nothing is pending when the next ping comes.
#[tokio::test]
async fn p08_p11_a_topic_that_always_has_news_is_fetched_once_a_window() {
    let window = Duration::from_millis(300);
    let stage = Stage::set_with(Settings::quick().with("fetch", "coalesce", "300ms")).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let began = Instant::now();
    for version in 1..=6 {
        topic.put(Page::text(&format!("version {version}")));
        stage.ping(&topic).await;
        callback.delivered(version).await;
    }
    assert_eq!(topic.fetches().len(), 6);
    // Less a moment, as the hub's clock counts in milliseconds.
    assert!(began.elapsed() + Duration::from_millis(5) > window * 5, "six in {:?}", began.elapsed());
}

/// The fetch under way may have seen the old content, so there is another, and one is enough for all of them.
#[tokio::test]
async fn p08_pings_during_a_fetch_make_one_more() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let gate = Gate::closed();
    topic.put(Page::text("old").behind(&gate));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    topic.put(Page::text("new"));
    for _ in 0..20 {
        stage.ping(&topic).await;
    }
    gate.open();
    callback.delivered_where("the new content", |one| one.body == "new").await;
    let known = callback.deliveries().len();
    stage.got_only(known, &topic, &callback).await;
    assert_eq!(topic.fetches().len(), 3, "before, after, and the fence");
}

/// No key, no registration; who pings too often waits, and nobody else does.
#[tokio::test]
async fn p11_anybody_may_ping_and_nobody_too_often() {
    let stage = Stage::set_with(Settings::quick().with("limits", "publish_per_second", 1)).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let mut answers = Vec::new();
    // The burst is ten times the rate.
    for _ in 0..25 {
        answers.push(stage.hub.post(&Form::publish(&topic)).await);
    }
    assert!(answers[..5].iter().all(|answer| answer.status == 204), "{answers:?}");
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{refused:?}");
    assert!(answers.iter().all(|answer| [204, 429].contains(&answer.status)), "{answers:?}");
    // The limit is the source's, not the topic's.
    topic.put(Page::text("news"));
    let other = Client::speaking_from(Ipv4Addr::new(127, 0, 0, 2));
    other.post(stage.hub.url(), &Form::publish(&topic)).await.expect(204);
    callback.delivered_where("the news", |one| one.body == "news").await;
}

/// The ping may be faster than the publisher's own cache.
#[tokio::test]
async fn p12_a_fetch_that_found_nothing_new_is_repeated_a_little_later() {
    let shipped = Settings::shipped("fetch", "look_again").await;
    assert_eq!(shipped, ["5s", "30s", "2min"].map(toml::Value::from).to_vec().into());
    let settings = Settings::quick().with("fetch", "look_again", vec!["100ms", "200ms"]);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::text("one"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let known = topic.fetches().len();
    stage.ping(&topic).await;
    topic.fetched(known + 2).await;
    // Now the cache is fresh, and nobody pings again.
    topic.put(Page::text("two"));
    assert_eq!(callback.delivered(2).await[1].body, "two");

    // The list is the end of it: pinged for nothing, a topic is asked thrice, and not a fourth time while another is.
    let (clock, clock_callback) = stage.subscribed("/clock").await;
    clock.put(Page::text("tick"));
    stage.ping(&clock).await;
    clock_callback.delivered(1).await;
    let known = topic.fetches().len();
    for (unchanged, known) in [(&topic, known), (&clock, 1)] {
        stage.ping(unchanged).await;
        unchanged.fetched(known + 3).await;
    }
    assert_eq!(topic.fetches().len(), known + 3);
}

/// How to ping is left to the two of them, so the hub says how: a publisher that does what its page says is heard.
#[tokio::test]
async fn p13_the_hub_says_how_it_wants_to_be_told() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let page = stage.hub.client().get(stage.hub.url()).await.expect(200).text;
    let line = page.split("<code>").find_map(|rest| rest.strip_prefix("curl ")).expect("a command");
    let command = line.split("</code>").next().unwrap().replace("<i>feed</i>", &topic.url());
    let words: Vec<_> = command.split(' ').collect();
    let ["-d", mode, "-d", url, hub] = words[..] else { panic!("{command}") };
    topic.put(Page::text("news"));
    let form = "application/x-www-form-urlencoded";
    stage.hub.client().send("POST", hub, Some(form), format!("{mode}&{url}")).await.expect(204);
    assert_eq!(callback.delivered(1).await[0].body, "news");
}
