//! The hub's own no, when it comes after the answer: V21, V22; and what is not ended by it, V15.

use tempfile::TempDir;

use super::{bodies, set};
use crate::harness::{Answer, Callback, Form, Gate, Page, Settings, Stage, Topic, Verdict};

/// A stage with one topic, whose operator has a token; the folder holds it.
async fn operated() -> (TempDir, Stage, Topic) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token").unwrap();
    let (stage, topic) = set(Settings::quick().with("admin", "token_file", file.to_str().unwrap())).await;
    (folder, stage, topic)
}

/// Somebody with this token ends what there is of a pair.
async fn end(stage: &Stage, topic: &Topic, callback: &Callback, token: &str) -> Answer {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let url = stage.hub.admin(&format!(
        "/api/subscriptions?topic={}&callback={}&reason=no%20more%20%3C%26",
        encode(&topic.url()),
        encode(&callback.url())
    ));
    stage.hub.client().send_with("DELETE", &url, &[("authorization", &format!("Bearer {token}"))]).await
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
    let (_folder, stage, topic) = operated().await;
    let callback = stage.subscriber.callback("/cb?x=y");
    stage.subscribe_03(&topic, &callback).await;
    end(&stage, &topic, &callback, "wrong").await.expect(401);
    // Silence is asked once more; any answer, even a 404, will do.
    callback.judge([Verdict::HangUp, Verdict::Status(404)]);
    end(&stage, &topic, &callback, "token").await.expect(200);
    denied(&callback, 2, &topic, "no more <&").await;
    denied(&callback, 3, &topic, "no more <&").await;
    stage.publish(&topic, "news").await;
    assert!(bodies(&callback).is_empty());
    end(&stage, &topic, &callback, "token").await.expect(404);
    stage.subscribe_03(&topic, &callback).await;
    assert_eq!(callback.verifications().len(), 4, "two tries, and the question of the new request");
    let location = |n: usize| callback.verifications()[n].headers.get("location").cloned();
    assert_eq!((location(1), location(2)), (None, None), "V22");
}

/// A callback that is thinking about an older question when the operator ends the pair brings nothing back, whatever it
/// says then.
#[tokio::test]
async fn v21_what_was_being_verified_when_it_was_ended_stays_ended() {
    let (_folder, stage, topic) = operated().await;
    for (verify, has_subscription, answers) in
        [("async", false, true), ("async", true, true), ("sync", true, true), ("async", true, false)]
    {
        let name = format!("{verify}/{has_subscription}/{answers}");
        let callback = stage.subscriber.callback(&format!("/{name}"));
        let mut known = 0;
        if has_subscription {
            stage.subscribe_03(&topic, &callback).await;
            known = 1;
        }
        let gate = Gate::closed();
        let verdict = Verdict::Held(gate.clone());
        callback.judge([if answers { verdict } else { Verdict::HeldThen(gate.clone(), 500) }]);
        let form = Form::subscribe(&topic, &callback).secret("new").with("hub.verify", verify);
        let asked = stage.hub.post(&form);
        let ended = async {
            callback.verification(known + 1).await;
            end(&stage, &topic, &callback, "token").await.expect(200);
            gate.open();
            denied(&callback, known + 2, &topic, "no more <&").await;
        };
        let (answer, ()) = tokio::join!(asked, ended);
        assert!(answer.status < 300, "{name}: {answer:?}");
        stage.publish(&topic, &name).await;
        assert!(bodies(&callback).is_empty(), "{name}");
        assert_eq!(callback.verifications().len(), known + 2, "{name}");
    }
}

/// Where topics have to name the hub, anybody could ask in the subscriber's name after the publisher took its hub link
/// away: the request comes to nothing, and the subscription goes on until its lease ends.
#[tokio::test]
async fn v15_a_request_that_policy_denies_does_not_end_what_runs() {
    let settings = Settings::quick().with("verification", "hold_deliveries", "10min");
    let (stage, topic) = set(settings.with("access", "topics_must_name_this_hub", true)).await;
    let named = |text: &str| Page::text(text).with_header("link", &format!("<{}>; rel=hub", stage.hub.url()));
    topic.put(named("first"));
    let (callback, stranger) = (stage.subscriber.callback("/cb"), stage.subscriber.callback("/stranger"));
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::text("no hub"));
    for callback in [&callback, &stranger] {
        stage.hub.post(&Form::subscribe(&topic, callback).secret("stranger's")).await.expect(202);
    }
    // Who had nothing is told.
    denied(&stranger, 1, &topic, "the topic does not name this hub").await;
    topic.put(named("news"));
    stage.fence(&topic).await;
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "news");
    assert_eq!(callback.verifications().len(), 1, "neither asked nor told");
    assert!(bodies(&stranger).is_empty());
}
