//! What a site is told, in which order, and how often (3.4, 6.3).

use hubbub::store::{Account, ForwardMode};
use serde_json::Value;

use super::scene::{Author, ENVELOPE, FOLLOW, SECRET, Scene, UNFOLLOW, alice, fixture};
use crate::harness::{Delivery, Gate, Reply, signature};

fn event(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

pub(super) fn verb(delivery: &Delivery) -> String {
    event(delivery)["verb"].as_str().unwrap().to_owned()
}

fn is_signed(delivery: &Delivery) -> bool {
    let expected = signature("sha256", SECRET.as_bytes(), &delivery.body);
    delivery.header("x-hub-signature") == Some(&expected)
}

#[tokio::test]
async fn a_site_is_told_all_that_was_found_out_and_can_check_it() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let envelope = fixture("verbs/bob-reply-utf8.env.xml");
    scene.slap("alice", envelope.clone()).await.expect(200);
    let told = scene.stage.subscriber.callback("/site").delivered(1).await;
    assert!(is_signed(&told[0]), "{told:?}");
    assert_eq!(told[0].header("content-type"), Some("application/json"));
    let event = event(&told[0]);
    assert_eq!(event["event"], "slap");
    assert_eq!(event["account"], "acct:alice@alice.example");
    assert_eq!(event["author"]["subject"], "acct:bob@bob.example");
    assert_eq!(event["author"]["uri"], "https://bob.example/user/1");
    assert_eq!(event["author"]["profile"], "https://bob.example/bob");
    assert_eq!((&event["verb"], &event["form"]), (&"post".into(), &"padded".into()));
    assert_eq!(event["envelope"], envelope);
    assert_eq!(event["entry"], fixture("entries/reply-utf8.atom.xml"));
    assert_eq!(event["id"].as_str().unwrap().len(), 32);
    assert!(event["received"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_site_may_have_the_entry_or_the_octets_as_they_came() {
    let scene = Scene::set(|stage| {
        let mode = |name: &str, mode| Account {
            name: format!("acct:{name}@alice.example"),
            mode,
            ..alice(&stage.subscriber.callback(&format!("/{name}")))
        };
        vec![mode("atom", ForwardMode::Atom), mode("envelope", ForwardMode::Envelope)]
    })
    .await;
    let envelope = fixture("verbs/bob-reply-utf8.env.xml");
    scene.slap("atom", envelope.clone()).await.expect(200);
    scene
        .slap_as("envelope", Some("application/magic-envelope+xml; charset=utf-8"), envelope.clone())
        .await
        .expect(200);
    let atom = scene.stage.subscriber.callback("/atom").delivered(1).await;
    assert!(is_signed(&atom[0]));
    assert_eq!(atom[0].body, fixture("entries/reply-utf8.atom.xml"));
    assert_eq!(atom[0].header("x-salmon-author"), Some("acct:bob@bob.example"));
    assert_eq!(atom[0].header("x-salmon-verb"), Some("post"));
    assert_eq!(atom[0].header("content-type"), Some("application/atom+xml;type=entry"));
    let whole = scene.stage.subscriber.callback("/envelope").delivered(1).await;
    assert_eq!(whole[0].body, envelope);
    assert_eq!(whole[0].header("content-type"), Some("application/magic-envelope+xml; charset=utf-8"));
}

#[tokio::test]
async fn an_unfollow_never_overtakes_the_follow_whatever_the_site_answers() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let site = scene.stage.subscriber.callback("/site");
    let gate = Gate::closed();
    site.reply([Reply::Status(500), Reply::HangUp, Reply::Status(302), Reply::Held(gate.clone())]);
    let (bob, mallory) = (Author::bob(), Author::mallory());
    scene.slap("alice", bob.follow(FOLLOW, "tag:1", None)).await.expect(200);
    site.attempted(4).await;
    scene.slap("alice", bob.follow(UNFOLLOW, "tag:1", None)).await.expect(200);
    // Of somebody else: it waits for nobody.
    scene.slap("alice", mallory.follow(FOLLOW, "tag:1", None)).await.expect(200);
    let others = |one: &Delivery| event(one)["author"]["subject"] == "acct:mallory@mallory.example";
    site.delivered_where("mallory's follow", others).await;
    let before = site.attempts();
    assert!(before.iter().all(|one| verb(one) == "follow"), "bob's is not taken yet: {before:?}");
    gate.open();
    let told = site.delivered(3).await;
    assert_eq!(site.attempts().len(), 6);
    let of_bob = told.iter().filter(|one| String::from_utf8_lossy(&one.body).contains("acct:bob@"));
    assert_eq!(of_bob.map(verb).collect::<Vec<_>>(), ["follow", "unfollow"]);
}

#[tokio::test]
async fn a_site_that_says_no_is_not_asked_again_and_the_next_is_told() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let site = scene.stage.subscriber.callback("/site");
    site.reply([Reply::Status(403), Reply::Status(404), Reply::Status(410)]);
    let bob = Author::bob();
    for (number, verb) in [FOLLOW, UNFOLLOW, FOLLOW, UNFOLLOW].into_iter().enumerate() {
        scene.slap("alice", bob.follow(verb, &format!("tag:{number}"), None)).await.expect(200);
    }
    assert_eq!(verb(&site.delivered(1).await[0]), "unfollow");
    assert_eq!(site.attempts().len(), 4);
}

#[tokio::test]
async fn what_was_answered_200_survives_kill_9_and_a_replay_changes_nothing_after_it() {
    let mut scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let site = scene.stage.subscriber.callback("/site");
    scene.stage.subscriber.go_down().await;
    let bob = Author::bob();
    let follow = bob.follow(FOLLOW, "tag:1", None);
    scene.slap("alice", follow.clone()).await.expect(200);
    scene.stage.hub.kill_9();
    scene.stage.subscriber.come_up();
    scene.stage.hub.restart().await;
    site.delivered(1).await;
    scene.slap("alice", bob.follow(UNFOLLOW, "tag:1", None)).await.expect(200);
    site.delivered(2).await;
    scene.stage.hub.kill_9();
    scene.stage.hub.restart().await;
    // The same, in another envelope too: StatusNet and Friendica send it again under another form.
    scene.slap("alice", follow.clone()).await.expect(200);
    scene.slap("alice", follow.replace("sig>", "sig >").replace("</me:sig >", "</me:sig>")).await.expect(200);
    scene.slap("alice", bob.follow(FOLLOW, "tag:2", None)).await.expect(200);
    site.delivered_where("the last follow", |one| event(one)["entry_id"] == "tag:2").await;
    // What a site had just taken when the hub was killed it is told once more, under the same id.
    let mut told: Vec<_> = site.attempts().iter().map(event).collect();
    told.dedup_by_key(|event| event["id"].clone());
    let verbs: Vec<_> = told.iter().map(|event| event["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["follow", "unfollow", "follow"], "the replayed follow is not among them");
}

#[tokio::test]
async fn what_is_older_than_what_was_done_last_is_not_passed_on() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let site = scene.stage.subscriber.callback("/site");
    let bob = Author::bob();
    let (early, late) = (Some("2026-03-01T12:00:00Z"), Some("2026-03-02T12:00:00Z"));
    scene.slap("alice", bob.follow(UNFOLLOW, "tag:2", late)).await.expect(200);
    scene.slap("alice", bob.follow(FOLLOW, "tag:1", early)).await.expect(200);
    // A century ahead counts as now, so that what comes after it is not older.
    scene.slap("alice", bob.follow(FOLLOW, "tag:3", Some("2126-03-01T12:00:00Z"))).await.expect(200);
    scene.slap("alice", bob.follow(UNFOLLOW, "tag:4", Some("2127-03-01T12:00:00Z"))).await.expect(200);
    site.delivered(3).await;
    let verbs: Vec<_> = site.attempts().iter().map(verb).collect();
    assert_eq!(verbs, ["unfollow", "follow", "unfollow"]);
    scene.slap_as("alice", Some(ENVELOPE), bob.follow(FOLLOW, "tag:5", early)).await.expect(200);
    let metrics = scene.stage.hub.client().get(&scene.stage.hub.admin("/metrics")).await.expect(200).text;
    assert!(metrics.contains("hubbub_slaps_total{outcome=\"taken\"} 5"), "{metrics}");
    assert!(metrics.contains("hubbub_forwards_total{outcome=\"taken\"} 3"), "{metrics}");
}
