//! Verification of intent, V01-V25: how the hub asks a callback, what it makes of the answer, and how long that holds.

mod answers;
mod attempts;
mod denials;
mod holds;
mod leases;
mod overlaps;
mod question;
mod state;
mod validation;

use crate::harness::{Callback, Form, Settings, Stage, Topic, Verdict};

/// A stage with one topic of plain text.
async fn set(settings: Settings) -> (Stage, Topic) {
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    (stage, topic)
}

/// What was sent to a callback, whatever it answered.
fn bodies(callback: &Callback) -> Vec<bytes::Bytes> {
    callback.attempts().into_iter().map(|one| one.body).collect()
}

/// Settings under which a lease may be some seconds, and a 0.3 lease is refreshed after a quarter of it: the other three
/// are for the machine, which may be busy.
fn short_leases() -> Settings {
    Settings::quick().with("lease", "min", "1s").with("lease", "refresh_at", 0.25)
}

/// A lease whose refreshes come a second apart then.
const LEASE: &str = "4";

/// Returns when somebody who failed has been asked again as often as `Settings::quick` says, so that anybody else who
/// failed before and is to be asked again has been, too.
async fn retries_are_over(stage: &Stage, topic: &Topic, name: &str) {
    let clock = stage.subscriber.callback(&format!("/clock/{name}"));
    clock.judge(vec![Verdict::Status(500); 4]);
    stage.accept(&Form::subscribe(topic, &clock), topic, &clock).await;
}

/// Returns when every [`LEASE`] that was granted before has ended: four refreshes of one that was granted now have come.
async fn a_lease_has_passed(stage: &Stage, topic: &Topic, name: &str) {
    let clock = stage.subscriber.callback(&format!("/clock/{name}"));
    stage.accept_sync(&Form::subscribe(topic, &clock).lease(LEASE)).await;
    clock.verification(5).await;
}
