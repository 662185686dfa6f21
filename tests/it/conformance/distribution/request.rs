//! The request of a delivery: where it goes (D01) and what stands around its content (D11, D12, D28).

use bytes::Bytes;

use crate::harness::{Delivery, Feed, Flavour, Form, Page, Reply, Settings, Stage};

/// The callback's query stays in its URL, in the callback's own spelling, and nothing of it gets into the body (D01).
#[tokio::test]
async fn d01_a_delivery_is_a_post_to_the_callback_with_its_own_query() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let query = "user=1&a=b+c%20d&&u=%c3%A9&hub.mode=x";
    let (old, new) = (format!("/old?{query}"), format!("/new?{query}"));
    let (old, new) = (stage.subscriber.callback(&old), stage.subscriber.callback(&new));
    stage.subscribe_03(&topic, &old).await;
    stage.subscribe_ws(&topic, &new).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    for callback in [old, new] {
        let delivery = callback.delivered(1).await.remove(0);
        assert_eq!((delivery.method.as_str(), delivery.query.as_str()), ("POST", query));
        assert_eq!(delivery.body, "news");
    }
}

/// A feed's and a text's deliveries to a signed subscriber of either kind, first and later ones.
async fn many_deliveries(headers: Vec<(&'static str, String)>) -> Vec<Delivery> {
    let stage = Stage::set().await;
    let mut deliveries = Vec::new();
    for path in ["/feed", "/text"] {
        let topic = stage.publisher.topic(path);
        let mut feed = Feed::new(Flavour::Rss, 3, &topic.url(), &[stage.hub.url()]);
        let (old, new) = (
            stage.subscriber.callback(&format!("/old{path}")),
            stage.subscriber.callback(&format!("/new{path}")),
        );
        stage.accept_sync(&Form::subscribe(&topic, &old).secret("key")).await;
        stage.accept(&Form::subscribe(&topic, &new).secret("key"), &topic, &new).await;
        for callback in [&old, &new] {
            callback.always_reply(Reply::Saying(200, headers.clone(), Bytes::from("thanks")));
        }
        for count in 1..=2 {
            feed.add();
            let text = format!("news {count}");
            let is_feed = path == "/feed";
            let content_type = if is_feed { Flavour::Rss.content_type() } else { "text/plain" };
            topic.put(Page::of(content_type, if is_feed { feed.document() } else { text.into() }));
            stage.ping(&topic).await;
            for callback in [&old, &new] {
                deliveries.extend(callback.delivered(count).await.pop());
            }
        }
    }
    assert_eq!(deliveries.len(), 8);
    deliveries
}

/// Old servers take a body with a length and nothing else; and nothing that a subscriber sets comes back to it (D12).
#[tokio::test]
async fn d12_a_body_has_a_length_and_no_coding_and_nothing_is_expected() {
    let cookie = vec![("set-cookie", "session=1; Path=/".to_owned())];
    let mut deliveries = many_deliveries(cookie).await;
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/empty").await;
    topic.put(Page::text(""));
    stage.ping(&topic).await;
    deliveries.extend(callback.delivered(1).await);
    for delivery in deliveries {
        let length = delivery.body.len().to_string();
        assert_eq!(delivery.header("content-length"), Some(length.as_str()));
        for unwanted in ["transfer-encoding", "content-encoding", "expect", "cookie", "te", "trailer"] {
            assert_eq!(delivery.header(unwanted), None, "{unwanted}");
        }
    }
}

/// What is offered beyond the specifications is not sent unasked: a second signature (D11), the topic and the callback
/// as headers (D28).
#[tokio::test]
async fn d11_d28_extra_headers_are_off_by_default() {
    for delivery in many_deliveries(Vec::new()).await {
        assert!(delivery.header("x-hub-signature").is_some());
        let extra: Vec<_> = delivery.headers.keys().filter(|name| name.as_str().starts_with("x-")).collect();
        assert_eq!(extra, ["x-hub-signature"]);
    }
}

#[tokio::test]
async fn d28_topic_and_callback_are_told_where_the_operator_says_so() {
    for switch in [false, true] {
        let stage = Stage::set_with(Settings::quick().with("delivery", "topic_headers", switch)).await;
        let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb?c=d"));
        stage.subscribe_03(&topic, &callback).await;
        topic.put(Page::of("text/plain", "news"));
        stage.ping(&topic).await;
        let delivery = callback.delivered(1).await.remove(0);
        let told = ["topic", "callback"]
            .map(|what| delivery.header(&format!("x-pubsubhubbub-{what}")).map(str::to_owned));
        assert_eq!(told, [topic.url(), callback.url()].map(|url| switch.then_some(url)));
    }
}
