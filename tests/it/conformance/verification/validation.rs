//! The hub's own no, V22 and V23: what is refused before anything is asked, and what is not said with it.

use super::{retries_are_over, set};
use crate::harness::{Form, Settings};

/// 0.4 had a denial carry a Location; `WebSub` dropped it, and on a request it means nothing. No request to a callback
/// has one.
#[tokio::test]
async fn v22_no_request_to_a_callback_has_a_location() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    stage.publish(&topic, "news").await;
    let delivery = callback.delivered(1).await.remove(0);
    stage.accept(&Form::unsubscribe(&topic, &callback), &topic, &callback).await;
    let asked = callback.verifications();
    assert_eq!(asked.len(), 2);
    for headers in asked.iter().map(|one| &one.headers).chain([&delivery.headers]) {
        assert!(!headers.contains_key("location"), "{headers:?}");
    }
}

/// What policy can tell at once is told at once, and nobody is asked; what would take a look at the topic is not in
/// the way of the 202.
#[tokio::test]
async fn v23_policy_comes_before_verification() {
    let (stage, topic) = set(Settings::quick().allowing_only("127.0.0.1/32")).await;
    let callback = stage.subscriber.callback("/refused");
    let port = topic.url().replace("127.0.0.1", "127.0.0.2");
    for url in [
        "http://10.0.0.1/feed",
        "http://127.0.0.1:25/feed",
        "http://[::1]/feed",
        port.as_str(),
        stage.hub.url(),
    ] {
        for form in [Form::subscribe(&topic, &callback), Form::subscribe(&topic, &callback).sync()] {
            let answer = stage.hub.post(&form.but("hub.topic", url)).await.expect(403);
            assert!(answer.text.contains("hub.topic"), "{url}: {answer:?}");
        }
    }
    let nowhere = stage.subscriber.callback("/nowhere");
    stage.hub.post(&Form::intent("subscribe", "http://topic.invalid/feed", &nowhere.url())).await.expect(202);
    nowhere.confirmed(1).await;
    retries_are_over(&stage, &topic, "policy").await;
    assert!(callback.verifications().is_empty());
    assert!(topic.fetches().is_empty(), "nothing was fetched to decide");
}
