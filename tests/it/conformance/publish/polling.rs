//! Topics that never ping: P15, and what the first look at them is worth (F17).

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Page, Settings, Stage};

/// The topic never pings. The first look only learns what there is (F17); the next finds what is new.
#[tokio::test]
async fn p15_f17_a_topic_is_polled_where_the_operator_says_so() {
    let mut stage = Stage::set().await;
    let (topic, unpolled) = (stage.publisher.topic("/polled/feed"), stage.publisher.topic("/never"));
    let polled = stage.publisher.topic("/polled/").url() + "*";
    stage.hub.stop(Signal::TERM, Duration::from_secs(15)).await;
    stage.hub.reconfigure(Settings::quick().with("polling", "every", "1s").with(
        "polling",
        "topics",
        vec![polled],
    ));
    stage.hub.restart().await;
    let callback = stage.subscriber.callback("/cb");
    topic.put(Page::of("text/plain", "old"));
    stage.subscribe_03(&topic, &callback).await;
    let first = topic.fetched(1).await.remove(0);
    assert_eq!(first.header("cache-control"), None, "F08: nobody said that caches are stale");
    topic.put(Page::of("text/plain", "new"));
    assert_eq!(callback.delivered(1).await[0].body, "new");
    assert_eq!(callback.attempts().len(), 1, "what the first poll found is no news");
    stage.subscribe_03(&unpolled, &callback).await;
    let seen = topic.fetches().len();
    topic.fetched(seen + 2).await;
    assert!(unpolled.fetches().is_empty());
}

/// The time from one look to the next is for topics that never ping.
#[tokio::test]
async fn p15_a_polled_topic_that_is_pinged_is_looked_at_at_once() {
    let settings = Settings::quick().with("polling", "every", "1h").with("polling", "topics", vec!["*"]);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/feed"), stage.subscriber.callback("/cb"));
    topic.put(Page::text("old"));
    stage.subscribe_03(&topic, &callback).await;
    topic.fetched(1).await;
    for version in 1..=2 {
        topic.put(Page::text(&format!("news {version}")));
        stage.ping(&topic).await;
        // The first poll may be under way still, and what it finds is then told as well (F17).
        let news = format!("news {version}");
        callback.delivered_where(&news, |one| one.body == news).await;
    }
}

/// What was polled goes on being polled: the next look waits on disk.
#[tokio::test]
async fn p15_polling_goes_on_after_a_restart() {
    let settings = Settings::quick().with("polling", "every", "1s").with("polling", "topics", vec!["*"]);
    let mut stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/feed"), stage.subscriber.callback("/cb"));
    topic.put(Page::text("old"));
    stage.subscribe_03(&topic, &callback).await;
    topic.fetched(2).await;
    stage.hub.kill_9();
    topic.put(Page::text("new"));
    stage.hub.restart().await;
    let first = callback.delivered(1).await.remove(0);
    assert_eq!(first.body, "new", "what the first poll found before the end is known");
}

/// What the operator adds begins to be polled though it was subscribed to before.
#[tokio::test]
async fn p15_polling_begins_with_the_hub_for_what_is_subscribed_already() {
    let mut stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/feed"), stage.subscriber.callback("/cb"));
    topic.put(Page::of("text/plain", "old"));
    stage.subscribe_03(&topic, &callback).await;
    stage.ping(&topic).await;
    callback.delivered(1).await;
    stage.hub.stop(Signal::TERM, Duration::from_secs(15)).await;
    stage.hub.reconfigure(Settings::quick().with("polling", "every", "1s").with(
        "polling",
        "topics",
        vec!["*"],
    ));
    stage.hub.restart().await;
    topic.put(Page::of("text/plain", "new"));
    assert_eq!(callback.delivered(2).await[1].body, "new");
}
