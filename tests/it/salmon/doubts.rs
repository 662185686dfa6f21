//! Authors who are looked up over the network, and what is kept while they cannot be (2, 3.2).

use std::net::Ipv4Addr;

use hubbub::store::{Account, Membership};
use serde_json::Value;

use super::scene::{Author, ENVELOPE, FOLLOW, Scene, UNFOLLOW, alice, fixture, gardeners, settings};
use crate::harness::{Client, Page, Publisher, Stage, soon};

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

/// Whoever is asked for at this site cannot be for now.
fn go_down(site: &Publisher) {
    for path in ["/.well-known/webfinger", "/.well-known/host-meta"] {
        site.topic(path).put(Page::failing(503));
    }
}

fn told_at_site(stage: &Stage) -> Vec<Account> {
    vec![alice(&stage.subscriber.callback("/site"))]
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
    go_down(&scene.stage.publisher);
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
        vec![alice(&site), gardeners(Some(&site), None)]
    })
    .await;
    let (author, _) = dora(&scene.stage.publisher);
    go_down(&scene.stage.publisher);
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

#[tokio::test]
async fn what_a_stranger_has_kept_by_naming_a_dead_host_holds_up_nobody_else() {
    let scene = Scene::set(told_at_site).await;
    let (dead, _) = dora(&scene.stage.publisher);
    go_down(&scene.stage.publisher);
    // Bob's name, and one more whose host does not answer.
    let bob = Author::bob();
    let forged = Author::of(&bob.uri, &dead.email, "go-2048");
    scene.slap("alice", forged.follow(UNFOLLOW, "tag:1", None)).await.expect(202);
    scene.slap("alice", bob.follow(FOLLOW, "tag:3", None)).await.expect(200);
    // Behind its own it does wait.
    scene.slap("alice", dead.follow(FOLLOW, "tag:4", None)).await.expect(202);
}

#[tokio::test]
async fn one_client_has_a_share_of_what_is_kept() {
    let settings = settings().with("salmon", "most_waiting", 32);
    let scene = Scene::set_with(settings, told_at_site).await;
    let (author, _) = dora(&scene.stage.publisher);
    go_down(&scene.stage.publisher);
    let url = scene.stage.hub.at("/salmon/alice@alice.example");
    let one = async |client: &Client, id: &str| {
        client.send("POST", &url, Some(ENVELOPE), author.follow(FOLLOW, id, None)).await
    };
    let (first, second) = (Client::new(), Client::speaking_from(Ipv4Addr::new(127, 0, 0, 9)));
    one(&first, "tag:1").await.expect(202);
    one(&first, "tag:2").await.expect(202);
    one(&first, "tag:3").await.expect(503);
    one(&second, "tag:4").await.expect(202);
    // What was taken is known, also to whoever has no room left.
    one(&first, "tag:2").await.expect(202);
}

#[tokio::test]
async fn whoever_has_too_much_looked_up_is_told_to_come_back_and_nothing_is_kept() {
    let settings = settings().with("salmon", "lookups_per_minute", 2);
    let scene = Scene::set_with(settings, told_at_site).await;
    let (author, _) = dora(&scene.stage.publisher);
    // By both of its names.
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(401);
    let other = Author::of(&author.uri, &author.email.replace("dora", "erin"), "go-2048");
    let busy = scene.slap("alice", other.follow(FOLLOW, "tag:2", None)).await.expect(503);
    assert!(busy.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn a_slap_that_fits_no_known_key_is_kept_while_its_author_cannot_be_asked_for_a_new_one() {
    let scene = Scene::set(told_at_site).await;
    let site = &scene.stage.publisher;
    let (author, descriptor) = dora(site);
    site.topic("/.well-known/webfinger").put(descriptor);
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(200);
    go_down(site);
    let with_new_key = || Author::of(&author.uri, &author.email, "mallory-2048");
    scene.slap("alice", with_new_key().follow(UNFOLLOW, "tag:2", None)).await.expect(202);
    scene.slap("alice", with_new_key().follow(UNFOLLOW, "tag:3", None)).await.expect(202);
    // What is signed with the key that is known does not wait behind what anybody may have sent.
    scene.slap("alice", author.follow(UNFOLLOW, "tag:4", None)).await.expect(200);
    scene.stage.subscriber.callback("/site").delivered(2).await;
}

#[tokio::test]
async fn a_slap_of_an_author_who_is_back_brings_on_those_before_it() {
    let settings = settings().with("salmon", "retry", vec!["1h"]);
    let mut scene = Scene::set_with(settings, told_at_site).await;
    let (author, descriptor) = dora(&scene.stage.publisher);
    go_down(&scene.stage.publisher);
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(202);
    // It is remembered for a minute that its host is down, and not beyond a restart.
    scene.stage.hub.kill_9();
    scene.stage.publisher.topic("/.well-known/webfinger").put(descriptor);
    scene.stage.hub.restart().await;
    scene.slap("alice", author.follow(UNFOLLOW, "tag:2", None)).await.expect(202);
    let told = scene.stage.subscriber.callback("/site").delivered(2).await;
    let verbs: Vec<Value> =
        told.iter().map(|one| serde_json::from_slice::<Value>(&one.body).unwrap()["verb"].clone()).collect();
    assert_eq!(verbs, ["follow", "unfollow"]);
}

#[tokio::test]
async fn who_joins_does_not_wait_for_the_turn_of_what_a_stranger_left_in_its_name() {
    let settings = settings().with("salmon", "retry", vec!["1h"]);
    let mut scene = Scene::set_with(settings, |_| vec![gardeners(None, Some(Membership::Open))]).await;
    let (author, descriptor) = dora(&scene.stage.publisher);
    go_down(&scene.stage.publisher);
    let group = "<activity:object><activity:object-type>http://activitystrea.ms/schema/1.0/group\
                 </activity:object-type><id>https://alice.example/group/3</id></activity:object>";
    let of_group = |signer: &Author, verb: &str, id: &str| signer.signs(&format!("http://{verb}"), id, group);
    let forged = Author::of(&author.uri, &author.email, "mallory-2048");
    scene.slap("gardeners", of_group(&forged, "ostatus.org/schema/1.0/leave", "tag:1")).await.expect(202);
    scene.stage.hub.kill_9();
    scene.stage.publisher.topic("/.well-known/webfinger").put(descriptor);
    scene.stage.hub.restart().await;
    let joined = async {
        let join = || of_group(&author, "activitystrea.ms/schema/1.0/join", "tag:2");
        loop {
            match scene.slap("gardeners", join()).await.status {
                200 => return,
                status => assert_eq!(status, 503),
            }
        }
    };
    soon("the join", joined).await;
}
