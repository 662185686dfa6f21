//! 64 files: fewer than there are peers.

use tokio::task::JoinSet;

use crate::harness::{Callback, Form, Page, Settings, Stage, Wire};

const FILES: usize = 64;

#[tokio::test]
async fn with_64_files_everybody_is_served_in_turn_and_the_store_stays_whole() {
    const SUBSCRIBERS: usize = 80;
    let settings =
        Settings::quick().with("delivery", "patience", "2s").with("server", "header_timeout", "1s");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/large");
    stage.hub.end().await;
    stage.hub.live_under(Some(format!("ulimit -n {FILES}; exec \"$0\" \"$@\"")));
    stage.hub.restart().await;
    stage.hub.logged("few files may be open").await;
    let callbacks: Vec<Callback> =
        (0..SUBSCRIBERS).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    // All at once, and beside them connections on which nobody says anything: together more than there are files.
    let mut idle = JoinSet::new();
    for _ in 0..FILES / 2 {
        let address = stage.hub.address();
        idle.spawn(async move { Wire::to(address).await.hear().await });
    }
    let mut posts = JoinSet::new();
    for callback in &callbacks {
        let (client, url) = (stage.hub.client().clone(), stage.hub.url().to_owned());
        let form = Form::subscribe(&topic, callback).sync();
        posts.spawn(async move {
            // One that finds the hub busy, or gives up its place, comes again, as it is told to.
            while client.try_post(&url, &form).await.is_none_or(|answer| answer.status != 204) {}
        });
    }
    posts.join_all().await;
    idle.join_all().await;
    // Large enough that the engine opens a file for it.
    topic.put(Page::of("application/octet-stream", vec![b'x'; 1 << 20]));
    stage.ping(&topic).await;
    for callback in &callbacks {
        callback.delivered(1).await;
    }
    stage.hub.client().get(&stage.hub.at("/readyz")).await.expect(200);
    let (_, err) = stage.hub.end().await;
    assert!(!err.contains("the store"), "{err}");
}
