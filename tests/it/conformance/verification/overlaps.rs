//! Overlapping requests for one pair, V17: the newest one that was confirmed is what holds.

use super::set;
use crate::harness::{Form, Gate, Settings, Verdict, sha1_signature};

#[tokio::test]
async fn v17_a_newer_request_ends_the_retries_of_the_older() {
    // Long enough for the newer one to come in between.
    let settings = Settings::quick().with("verification", "retry", vec!["2s"; 4]);
    let (stage, topic) = set(settings).await;
    let callback = stage.subscriber.callback("/cb");
    callback.judge([Verdict::Status(500)]);
    stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    callback.verification(1).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &callback)).await;
    // One who is put off in the same way, but later, marks the time at which this one's retry would have come.
    let clock = stage.subscriber.callback("/clock");
    clock.judge([Verdict::Status(500)]);
    stage.accept(&Form::subscribe(&topic, &clock), &topic, &clock).await;
    let modes: Vec<_> = callback.verifications().iter().map(|one| one.mode().to_owned()).collect();
    assert_eq!(modes, ["subscribe", "unsubscribe"]);
    stage.publish(&topic, "news").await;
    assert!(callback.attempts().is_empty());
}

/// Whether the older one is verified before or after its answer, and whatever the newer one asks for: a confirmation
/// that comes after the newer one's is too late.
#[tokio::test]
async fn v17_a_success_older_than_what_was_applied_is_dropped() {
    let (stage, topic) = set(Settings::quick()).await;
    for older in ["async", "sync"] {
        for newer in ["subscribe", "unsubscribe"] {
            let name = format!("{older}/{newer}");
            let callback = stage.subscriber.callback(&format!("/{name}"));
            let gate = Gate::closed();
            callback.judge([Verdict::Held(gate.clone())]);
            let first = Form::subscribe(&topic, &callback).secret("older").with("hub.verify", older);
            let second = Form::intent(newer, &topic.url(), &callback.url()).secret("newer");
            let asked = stage.hub.post(&first);
            let overtaken = async {
                callback.verification(1).await;
                stage.accept_sync(&second).await;
                gate.open();
                callback.confirmed(2).await;
            };
            let (answer, ()) = tokio::join!(asked, overtaken);
            answer.expect(if older == "sync" { 204 } else { 202 });
            let [one, two] = callback.verifications().try_into().unwrap();
            assert_ne!(one.one("hub.challenge"), two.one("hub.challenge"), "independent challenges");
            stage.publish(&topic, &name).await;
            if newer == "subscribe" {
                let delivery = callback.delivered(1).await.remove(0);
                let signature = sha1_signature(b"newer", name.as_bytes());
                assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "{name}");
            } else {
                assert!(callback.attempts().is_empty(), "{name}: it had left");
            }
        }
    }
}

/// Nor does a request that waits behind it save the older one: what was applied in between counts.
#[tokio::test]
async fn v17_a_success_older_than_an_unsubscription_is_dropped_whoever_waits_behind_it() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    let gate = Gate::closed();
    callback.judge([Verdict::Held(gate.clone()), Verdict::Confirm, Verdict::Status(404)]);
    stage.hub.post(&Form::subscribe(&topic, &callback).secret("older")).await.expect(202);
    callback.verification(1).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &callback)).await;
    stage.hub.post(&Form::subscribe(&topic, &callback).secret("newest")).await.expect(202);
    gate.open();
    callback.verification(3).await;
    assert_eq!(callback.confirmations(), 2);
    stage.publish(&topic, "news").await;
    assert!(callback.attempts().is_empty(), "it had left, and refused to come back");
}

/// A newer request waits for the older one's answer, and then has the last word.
#[tokio::test]
async fn v17_of_two_requests_that_wait_the_newer_one_holds() {
    let (stage, topic) = set(Settings::quick()).await;
    let (renewed, left) = (stage.subscriber.callback("/renewed"), stage.subscriber.callback("/left"));
    let gate = Gate::closed();
    for (callback, newer) in [(&renewed, "subscribe"), (&left, "unsubscribe")] {
        callback.judge([Verdict::Held(gate.clone())]);
        stage.hub.post(&Form::subscribe(&topic, callback).secret("older")).await.expect(202);
        callback.verification(1).await;
        let form = Form::intent(newer, &topic.url(), &callback.url()).secret("newer");
        stage.hub.post(&form).await.expect(202);
    }
    gate.open();
    renewed.confirmed(2).await;
    left.confirmed(2).await;
    stage.publish(&topic, "news").await;
    let delivery = renewed.delivered(1).await.remove(0);
    assert_eq!(delivery.header("x-hub-signature"), Some(sha1_signature(b"newer", b"news").as_str()));
    assert!(left.attempts().is_empty());
}
