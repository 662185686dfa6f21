//! The hub's own no, when it comes after the answer: V21, V22.

use crate::harness::{Callback, Page, Settings, Stage, Topic, Verdict};

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
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    witness.delivered(1).await;
    assert!(callback.attempts().is_empty());
    end(&callback, "token").await.expect(404);
    stage.subscribe_03(&topic, &callback).await;
    assert_eq!(callback.verifications().len(), 4, "two tries, and the question of the new request");
    let location = |n: usize| callback.verifications()[n].headers.get("location").cloned();
    assert_eq!((location(1), location(2)), (None, None), "V22");
}
