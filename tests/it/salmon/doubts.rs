//! Authors who are looked up over the network, and what is kept while they cannot be (2, 3.2).

use serde_json::Value;

use super::scene::{Author, FOLLOW, Scene, UNFOLLOW, alice, fixture, settings};
use crate::harness::{Page, Publisher};

/// An author at a site of its own.
fn dora(site: &Publisher) -> (Author, Page) {
    let root = site.topic("/dora").url();
    let host = root.trim_start_matches("http://").trim_end_matches("/dora").to_owned();
    let email = format!("dora@{host}");
    let author = Author::of(&root, &email, "go-2048");
    let document = format!(
        "<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\"><Subject>acct:{email}</Subject><Alias>{root}</Alias>\
         <Link rel=\"magic-public-key\" href=\"{}\"/></XRD>",
        author.key_href()
    );
    (author, Page::of("application/xrd+xml", document))
}

#[tokio::test]
async fn an_author_is_asked_for_at_its_own_host() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let (author, descriptor) = dora(&scene.stage.publisher);
    let webfinger = scene.stage.publisher.topic("/.well-known/webfinger");
    webfinger.put(descriptor);
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(200);
    scene.slap("alice", author.follow(UNFOLLOW, "tag:1", None)).await.expect(200);
    scene.stage.subscriber.callback("/site").delivered(2).await;
    assert_eq!(webfinger.fetches().len(), 1, "it is asked once");
}

#[tokio::test]
async fn a_slap_whose_author_cannot_be_asked_for_is_kept_through_kill_9_and_in_order() {
    let mut scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let (author, descriptor) = dora(&scene.stage.publisher);
    let webfinger = scene.stage.publisher.topic("/.well-known/webfinger");
    for path in ["/.well-known/webfinger", "/.well-known/host-meta"] {
        scene.stage.publisher.topic(path).put(Page::failing(503));
    }
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(202);
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(202);
    scene.stage.hub.kill_9();
    webfinger.put(Page::failing(503));
    scene.stage.hub.restart().await;
    scene.slap("alice", author.follow(UNFOLLOW, "tag:1", None)).await.expect(202);
    // What failed is remembered for a minute, but not beyond a restart.
    webfinger.put(descriptor);
    scene.stage.hub.kill_9();
    scene.stage.hub.restart().await;
    let told = scene.stage.subscriber.callback("/site").delivered(2).await;
    let verbs: Vec<Value> =
        told.iter().map(|one| serde_json::from_slice::<Value>(&one.body).unwrap()["verb"].clone()).collect();
    assert_eq!(verbs, ["follow", "unfollow"]);
}

#[tokio::test]
async fn there_is_an_end_to_what_is_kept_and_a_join_never_is() {
    let settings = settings().with("salmon", "most_waiting", 1);
    let scene = Scene::set_with(settings, |stage| {
        let site = stage.subscriber.callback("/site");
        vec![alice(&site), super::scene::gardeners(Some(&site), None)]
    })
    .await;
    let (author, _) = dora(&scene.stage.publisher);
    for path in ["/.well-known/webfinger", "/.well-known/host-meta"] {
        scene.stage.publisher.topic(path).put(Page::failing(503));
    }
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(202);
    let full = scene.slap("alice", author.follow(FOLLOW, "tag:2", None)).await.expect(503);
    assert!(full.header("retry-after").parse::<u64>().unwrap() > 0);
    let join = fixture("entries/join.atom.xml");
    let object = join.split_once("<activity:object>").unwrap().1.split_once("</activity:object>").unwrap().0;
    let join = author.signs(
        "http://activitystrea.ms/schema/1.0/join",
        "tag:3",
        &format!("<activity:object>{object}</activity:object>"),
    );
    scene.slap("gardeners", join).await.expect(503);
}
