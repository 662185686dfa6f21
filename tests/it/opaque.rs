//! What is no feed and does not say what it is (D02).

use crate::harness::{Page, Stage};

/// A body that comes without a type is given one only because a POST needs it (D02).
#[tokio::test]
async fn untyped_bytes_are_an_octet_stream() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/untyped");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::untyped((0..=255).collect::<Vec<u8>>()));
    stage.ping(&topic).await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!(delivery.header("content-type"), Some("application/octet-stream"));
    assert_eq!(delivery.body, (0..=255).collect::<Vec<u8>>());
}
