//! A clock that jumps by a day, while the hub runs and while it does not.

use super::injected::Faults;
use crate::harness::{Callback, Form, Page, Reply, Settings, Stage, Topic};

const DAY: i64 = 24 * 60 * 60;

struct Scene {
    faults: Faults,
    stage: Stage,
    topic: Topic,
    callback: Callback,
    down: Callback,
}

impl Scene {
    /// A hub with two subscribers, one of whom is down.
    async fn set() -> Self {
        let faults = Faults::new();
        let settings = Settings::quick().with("delivery", "retry", vec!["2s"; 20]);
        let mut stage = Stage::set_with(settings).await;
        let topic = stage.publisher.topic("/text");
        let (callback, down) = (stage.subscriber.callback("/cb"), stage.subscriber.callback("/down"));
        stage.hub.end().await;
        stage.hub.live_under(Some(faults.conditions()));
        stage.hub.restart().await;
        for one in [&callback, &down] {
            stage.subscribe_03(&topic, one).await;
        }
        down.always_reply(Reply::Status(503));
        Self { faults, stage, topic, callback, down }
    }

    /// What was published reaches the one and is tried with the other.
    async fn publish(&self, text: &str) {
        self.topic.put(Page::of("text/plain", text.to_owned()));
        self.stage.ping(&self.topic).await;
        self.callback.delivered_where(text, |one| one.body == text.as_bytes()).await;
        self.down.attempted(1).await;
    }

    /// The one who was down is told when it is back, and gets what is published after that.
    async fn is_made_good(&self, missed: &str) {
        self.down.always_reply(Reply::Status(204));
        self.down.delivered_where(missed, |one| one.body == missed.as_bytes()).await;
        self.publish("the end").await;
        self.down.delivered_where("the end", |one| one.body == "the end").await;
        let late = self.stage.subscriber.callback("/late");
        self.stage.accept(&Form::subscribe(&self.topic, &late), &self.topic, &late).await;
    }
}

#[tokio::test]
async fn a_day_back_leaves_nothing_waiting_for_a_day() {
    let scene = Scene::set().await;
    scene.publish("before").await;
    scene.faults.shift_clock(-DAY);
    scene.is_made_good("before").await;
}

#[tokio::test]
async fn a_day_forward_and_back_again_ends_no_lease_and_leaves_nothing_waiting() {
    let scene = Scene::set().await;
    scene.publish("before").await;
    scene.faults.shift_clock(DAY);
    scene.publish("a day later").await;
    scene.faults.shift_clock(0);
    scene.publish("back again").await;
    scene.is_made_good("back again").await;
}

/// The clock was a day ahead when the hub was stopped, and is right when it is started again.
#[tokio::test]
async fn a_day_back_over_a_restart_leaves_nothing_waiting_for_a_day() {
    let mut scene = Scene::set().await;
    scene.publish("before").await;
    scene.stage.hub.end().await;
    scene.faults.shift_clock(-DAY);
    scene.stage.hub.restart().await;
    scene.is_made_good("before").await;
    let (_, said) = scene.stage.hub.end().await;
    let told: Vec<_> = said.lines().filter(|line| line.contains("the clock is behind")).collect();
    let [told] = told[..] else { panic!("once: {said}") };
    // As far as it was set back, but for the seconds of the test.
    let behind = told.split("\"behind_seconds\":").nth(1).and_then(|rest| rest.split(',').next());
    let behind: i64 = behind.unwrap().parse().unwrap();
    assert!((DAY - 60..=DAY).contains(&behind), "{told}");
}
