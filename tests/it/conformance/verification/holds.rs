//! Deliveries while a request that changes the secret is verified: V16.

use crate::harness::{Form, Gate, Page, Settings, Stage, Topic, Verdict, sha1_signature};

async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
}

/// Mastodon and GNU social go over to the new secret before they are asked, so nothing is signed with the old one then.
#[tokio::test]
async fn v16_deliveries_wait_while_a_new_secret_is_verified() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    let witness = stage.subscriber.callback("/witness");
    stage.subscribe_03(&topic, &witness).await;
    let form = |secret: &str| Form::subscribe(&topic, &callback).secret(secret);
    stage.accept_sync(&form("old")).await;
    let gate = Gate::closed();
    callback.judge([Verdict::Held(gate.clone())]);
    stage.hub.post(&form("new")).await.expect(202);
    callback.verification(2).await;
    publish(&stage, &topic, "news").await;
    witness.delivered(1).await;
    gate.open();
    let deliveries = callback.delivered(1).await;
    let signature = sha1_signature(b"new", b"news");
    assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
    assert_eq!(callback.attempts().len(), 1, "and nothing before");
}

/// A request that fails, or takes longer than the hub is told to wait for it, keeps nothing from the subscriber.
#[tokio::test]
async fn v16_a_hold_ends_with_its_request_or_with_its_time() {
    let stage = Stage::set_with(Settings::quick().with("verification", "hold_deliveries", "400ms")).await;
    let topic = stage.publisher.topic("/t");
    let (refusing, silent) = (stage.subscriber.callback("/refusing"), stage.subscriber.callback("/silent"));
    for callback in [&refusing, &silent] {
        stage.accept_sync(&Form::subscribe(&topic, callback).secret("old")).await;
    }
    let (refusal, never) = (Gate::closed(), Gate::closed());
    refusing.judge([Verdict::HeldThen(refusal.clone(), 404)]);
    silent.judge([Verdict::Held(never)]);
    for callback in [&refusing, &silent] {
        stage.hub.post(&Form::subscribe(&topic, callback).secret("new")).await.expect(202);
        callback.verification(2).await;
    }
    publish(&stage, &topic, "news").await;
    refusal.open();
    let signature = sha1_signature(b"old", b"news");
    for callback in [&refusing, &silent] {
        let deliveries = callback.delivered(1).await;
        assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
    }
}
