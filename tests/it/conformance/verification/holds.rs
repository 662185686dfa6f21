//! Deliveries while a request that changes the secret is verified: V16.

use crate::harness::{Form, Gate, Page, Settings, Stage, Topic, Verdict, sha1_signature};

async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
}

/// Mastodon and GNU social go over to the new secret before they are asked, so nothing is signed with the old one then.
/// Whatever comes of the question, what waited goes out at once, and not when the hub has waited long enough.
#[tokio::test]
async fn v16_deliveries_wait_while_a_new_secret_is_verified() {
    let stage = Stage::set_with(Settings::quick().with("verification", "hold_deliveries", "10min")).await;
    let topic = stage.publisher.topic("/t");
    let witness = stage.subscriber.callback("/witness");
    stage.subscribe_03(&topic, &witness).await;
    let gate = Gate::closed();
    let (changing, refusing) =
        (stage.subscriber.callback("/changing"), stage.subscriber.callback("/refusing"));
    for (callback, verdict) in
        [(&changing, Verdict::Held(gate.clone())), (&refusing, Verdict::HeldThen(gate.clone(), 404))]
    {
        let form = |secret: &str| Form::subscribe(&topic, callback).secret(secret);
        stage.accept_sync(&form("old")).await;
        callback.judge([verdict]);
        stage.hub.post(&form("new")).await.expect(202);
        callback.verification(2).await;
    }
    publish(&stage, &topic, "news").await;
    witness.delivered(1).await;
    gate.open();
    for (callback, secret) in [(&changing, "new"), (&refusing, "old")] {
        let deliveries = callback.delivered(1).await;
        let signature = sha1_signature(secret.as_bytes(), b"news");
        assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()), "{secret}");
        assert_eq!(callback.attempts().len(), 1, "and nothing before");
    }
}

/// When one of two requests is settled, the other may still change the secret, and the subscriber may have gone over to
/// it already.
#[tokio::test]
async fn v16_deliveries_wait_for_the_last_of_several_requests() {
    for older in ["async", "sync"] {
        let settings = Settings::quick().with("verification", "hold_deliveries", "10min");
        let stage = Stage::set_with(settings).await;
        let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
        let witness = stage.subscriber.callback("/witness");
        stage.subscribe_03(&topic, &witness).await;
        let form = |secret: &str| Form::subscribe(&topic, &callback).secret(secret);
        stage.accept_sync(&form("first")).await;
        let [older_gate, newer_gate] = [Gate::closed(), Gate::closed()];
        let refusal = Verdict::HeldThen(older_gate.clone(), 404);
        callback.judge([refusal, Verdict::Held(newer_gate.clone())]);
        let second = form("second").with("hub.verify", older);
        let asked = stage.hub.post(&second);
        let overtaken = async {
            callback.verification(2).await;
            stage.hub.post(&form("third")).await.expect(202);
            older_gate.open();
            callback.verification(3).await;
        };
        let (answer, ()) = tokio::join!(asked, overtaken);
        answer.expect(if older == "sync" { 409 } else { 202 });
        publish(&stage, &topic, "news").await;
        witness.delivered(1).await;
        stage.fence(&topic).await;
        assert!(callback.attempts().is_empty(), "{older}: the newer one is not settled");
        newer_gate.open();
        let deliveries = callback.delivered(1).await;
        let signature = sha1_signature(b"third", b"news");
        assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()), "{older}");
    }
}

/// A request that takes longer than the hub is told to wait for it keeps nothing from the subscriber.
#[tokio::test]
async fn v16_a_hold_ends_with_its_time() {
    let stage = Stage::set_with(Settings::quick().with("verification", "hold_deliveries", "400ms")).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/silent"));
    let form = |secret: &str| Form::subscribe(&topic, &callback).secret(secret);
    stage.accept_sync(&form("old")).await;
    let never = Gate::closed();
    callback.judge([Verdict::Held(never)]);
    stage.hub.post(&form("new")).await.expect(202);
    callback.verification(2).await;
    publish(&stage, &topic, "news").await;
    let deliveries = callback.delivered(1).await;
    let signature = sha1_signature(b"old", b"news");
    assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
}
