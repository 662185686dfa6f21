//! The operator's listener: counts for people, for Prometheus, and as JSON for who has the token.

use crate::harness::{Form, Page, Settings, Stage};

#[tokio::test]
async fn the_pages_show_what_the_hub_holds() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback)).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let page = stage.hub.client().get(&stage.hub.admin("/")).await.expect(200).text;
    assert!(page.contains("<td>subscriptions</td><td>1</td>"), "{page}");
    let metrics = stage.hub.client().get(&stage.hub.admin("/metrics")).await.expect(200).text;
    assert!(metrics.contains("hubbub_verifications_total{outcome=\"confirmed\"} 1"), "{metrics}");
    assert!(metrics.contains("hubbub_publications_total 1"), "{metrics}");
    let front = stage.hub.client().get(&stage.hub.at("/")).await.expect(200).text;
    assert!(front.contains(stage.hub.url()), "{front}");
}

#[tokio::test]
async fn the_api_wants_its_token_and_is_off_without_one() {
    let closed = Stage::set().await;
    closed.hub.client().get(&closed.hub.admin("/api/status")).await.expect(403);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "open sesame\n").unwrap();
    let stage = Stage::set_with(Settings::quick().with("admin", "token_file", file.to_str().unwrap())).await;
    let url = stage.hub.admin("/api/status");
    let client = stage.hub.client();
    assert_eq!(client.get(&url).await.expect(401).header("www-authenticate"), "Bearer");
    client.get_as(&url, "open sesam").await.expect(401);
    let status = client.get_as(&url, "open sesame").await.expect(200);
    let counts: serde_json::Value = serde_json::from_str(&status.text).unwrap();
    assert_eq!(counts["subscriptions"], 0);
}
