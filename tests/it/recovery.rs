//! kill -9 in the middle of a fan-out: it is ended, and repeats are bounded (promise 1; D16). The campaign draws its moments.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::harness::{Callback, Form, Page, Reply, Settings, Stage, Topic};

/// Subscribes many at once, each active when this returns.
async fn subscribe_all(stage: &Stage, topic: &Topic, callbacks: &[Callback]) {
    const AT_ONCE: usize = 8;
    let mut posts = JoinSet::new();
    for callback in callbacks {
        if posts.len() == AT_ONCE {
            posts.join_next().await.unwrap().unwrap();
        }
        let (client, url) = (stage.hub.client().clone(), stage.hub.url().to_owned());
        let form = Form::subscribe(topic, callback).sync();
        posts.spawn(async move {
            client.post(&url, &form).await.expect(204);
        });
    }
    posts.join_all().await;
}

#[tokio::test]
async fn a_fan_out_cut_by_kill_9_ends_after_a_restart_with_at_most_one_batch_repeated() {
    const SUBSCRIBERS: usize = 1000;
    const BATCH: usize = 100;
    let settings = Settings::quick().with("delivery", "batch", 100).with("delivery", "patience", "2s");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<_> =
        (0..SUBSCRIBERS).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    subscribe_all(&stage, &topic, &callbacks).await;
    // Slow enough that the middle of the fan-out is a moment in which many answers are open.
    stage.subscriber.always_reply(Reply::After(Duration::from_millis(20), 204));
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    stage.subscriber.arrived(SUBSCRIBERS * 2 / 5).await;
    stage.hub.kill_9();
    let cut = callbacks.iter().filter(|callback| callback.attempts().is_empty()).count();
    assert!(cut > 0, "the kill came too late to cut anything");

    stage.hub.restart().await;
    for callback in &callbacks {
        callback.delivered(1).await;
    }
    // The next publication comes after all repeats of this one, since a subscription gets its own in order.
    topic.put(Page::of("text/plain", "later news"));
    stage.ping(&topic).await;
    let mut repeats = 0;
    for callback in &callbacks {
        callback.delivered_where("later news", |one| one.body == "later news").await;
        let attempts = callback.attempts();
        let (later, first): (Vec<_>, Vec<_>) = attempts.iter().partition(|one| one.body == "later news");
        assert!(first.iter().all(|one| one.body == "news"));
        assert_eq!(later.len(), 1);
        repeats += first.len() - 1;
    }
    assert!(repeats <= BATCH, "{repeats} repeats");
}
