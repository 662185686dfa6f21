//! Verification of intent, V01-V25: how the hub asks a callback, and what it makes of the answer.

use crate::harness::{Callback, Form, Gate, Page, Settings, Stage, Topic, Verdict, sha1_signature};

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

/// The `n`th request to the callback is a denial of this topic.
async fn denied(callback: &Callback, n: usize, topic: &Topic, reason: &str) {
    let denial = callback.verification(n).await;
    assert_eq!(denial.mode(), "denied");
    assert_eq!(denial.one("hub.topic"), Some(topic.url().as_str()));
    assert_eq!(denial.one("hub.reason"), Some(reason));
    assert_eq!((denial.one("hub.challenge"), denial.one("hub.lease_seconds")), (None, None));
    assert_eq!(denial.body, "");
}

/// The operator ends a subscription: the callback is told, and nothing more is delivered; it may subscribe again.
#[tokio::test]
async fn v21_v22_a_denial_is_announced_and_then_nothing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token").unwrap();
    let stage = Stage::set_with(Settings::quick().with("admin", "token_file", file.to_str().unwrap())).await;
    let topic = stage.publisher.topic("/t");
    let (callback, witness) = (stage.subscriber.callback("/cb?x=y"), stage.subscriber.callback("/witness"));
    for callback in [&callback, &witness] {
        stage.subscribe_03(&topic, callback).await;
    }
    let end = async |callback: &Callback, token: &str| {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let url = stage.hub.admin(&format!(
            "/api/subscriptions?topic={}&callback={}&reason=no%20more%20%3C%26",
            encode(&topic.url()),
            encode(&callback.url())
        ));
        stage.hub.client().send_with("DELETE", &url, &[("authorization", &format!("Bearer {token}"))]).await
    };
    end(&callback, "wrong").await.expect(401);
    // Silence is asked once more; any answer, even a 404, will do.
    callback.judge([Verdict::HangUp, Verdict::Status(404)]);
    end(&callback, "token").await.expect(200);
    denied(&callback, 2, &topic, "no more <&").await;
    denied(&callback, 3, &topic, "no more <&").await;
    publish(&stage, &topic, "news").await;
    witness.delivered(1).await;
    assert!(callback.attempts().is_empty());
    end(&callback, "token").await.expect(404);
    stage.subscribe_03(&topic, &callback).await;
    assert_eq!(callback.verifications().len(), 4, "two tries, and the question of the new request");
    let location = |n: usize| callback.verifications()[n].headers.get("location").cloned();
    assert_eq!((location(1), location(2)), (None, None), "V22");
}
