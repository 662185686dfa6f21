//! What a peer is answered (3.2, 3.3, 3.5).

use hubbub::clock::Timestamp;
use hubbub::store::{Account, Membership};
use serde_json::Value;

use super::scene::{Author, ENVELOPE, FOLLOW, Scene, alice, fixture, gardeners, settings};

#[tokio::test]
async fn every_request_of_the_vectors_is_answered_as_they_say() {
    let scene = Scene::set(|stage| {
        let callback = stage.subscriber.callback("/site");
        vec![alice(&callback), gardeners(Some(&callback), Some(Membership::Open))]
    })
    .await;
    let cases: Vec<Value> = serde_json::from_str(&fixture("http-cases.json")).unwrap();
    for case in &cases {
        let url = scene.stage.hub.at(&format!("/salmon/{}@alice.example", case["to"].as_str().unwrap()));
        let body = case["body"].as_str().map(fixture).unwrap_or_default();
        let method = case["method"].as_str().unwrap_or("POST");
        let answer = scene.stage.hub.client().send(method, &url, case["content_type"].as_str(), body).await;
        assert_eq!(u64::from(answer.status), case["status"].as_u64().unwrap(), "{case} {answer:?}");
        match answer.status {
            200 => {
                assert_eq!((answer.header("content-length"), answer.text.as_str()), ("0", ""), "{case}");
            }
            405 => assert_eq!(answer.header("allow"), "POST"),
            _ => assert_eq!(answer.text.lines().count(), 1, "{case} {answer:?}"),
        }
    }
    // Nine were taken for the first time, and each is told once: the mention came twice, the join is told as well.
    let callback = scene.stage.subscriber.callback("/site");
    let told = callback.delivered(7).await;
    let mut verbs: Vec<_> = told
        .iter()
        .map(|one| serde_json::from_slice::<Value>(&one.body).unwrap()["verb"].as_str().unwrap().to_owned())
        .collect();
    verbs.sort();
    assert_eq!(verbs, ["delete", "follow", "join", "post", "post", "post", "post"]);
}

#[tokio::test]
async fn whoever_claims_to_be_somebody_else_is_refused() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    for (name, status) in [
        ("spoof-actor", 403),
        ("spoof-author-id", 403),
        ("spoof-two-authors", 403),
        // Who is named is bob, who did not sign it.
        ("spoof-nested-author", 401),
        ("no-author", 400),
        ("no-id", 400),
        ("not-an-entry", 400),
        ("author-email-only", 200),
        ("future", 200),
        ("stale", 200),
    ] {
        let answer = scene.slap("alice", fixture(&format!("identity/{name}.env.xml"))).await;
        assert_eq!(answer.status, status, "{name} {answer:?}");
        for word in ["example", "mallory", "bob", "/"] {
            assert!(!answer.text.contains(word), "{name} says too much: {answer:?}");
        }
    }
}

#[tokio::test]
async fn accounts_say_what_they_take() {
    let scene = Scene::set(|stage| {
        let callback = stage.subscriber.callback("/site");
        let named =
            |name: &str, account: Account| Account { name: format!("acct:{name}@alice.example"), ..account };
        vec![
            named("gone", Account { removed_at: Some(Timestamp::EPOCH), ..alice(&callback) }),
            named("open", Account { accept_unaddressed: true, ..alice(&callback) }),
            named("no-bob", Account { blocked: vec!["bob@bob.example".to_owned()], ..alice(&callback) }),
            named("no-host", Account { blocked: vec!["bob.example".to_owned()], ..alice(&callback) }),
        ]
    })
    .await;
    let mention = || fixture("verbs/bob-mention.env.xml");
    scene.slap("gone", mention()).await.expect(410);
    scene.slap("no-bob", mention()).await.expect(403);
    scene.slap("no-host", mention()).await.expect(403);
    scene.slap("open", fixture("identity/not-addressed.env.xml")).await.expect(200);
    let told = scene.stage.subscriber.callback("/site").delivered(1).await;
    let event: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!((&event["addressed"], &event["account"]), (&false.into(), &"acct:open@alice.example".into()));
}

#[tokio::test]
async fn there_is_an_end_to_what_one_address_and_one_author_may_send_and_to_its_size() {
    let settings =
        settings().with("salmon", "slaps_per_author_per_minute", 2).with("salmon", "max_bytes", 8192);
    let scene = Scene::set_with(settings, |stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let (bob, mallory) = (Author::bob(), Author::mallory());
    scene.slap("alice", bob.follow(FOLLOW, "tag:1", None)).await.expect(200);
    scene.slap("alice", bob.follow(FOLLOW, "tag:2", None)).await.expect(200);
    let refused = scene.slap("alice", bob.follow(FOLLOW, "tag:3", None)).await.expect(429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    scene.slap("alice", mallory.follow(FOLLOW, "tag:3", None)).await.expect(200);
    scene.slap("alice", "x".repeat(8193)).await.expect(413);
    scene.slap_as("alice", Some("text/plain"), "x").await.expect(415);
    scene.slap_as("alice", Some(ENVELOPE), "x").await.expect(400);
}

#[tokio::test]
async fn one_address_is_told_to_wait() {
    let settings = settings().with("salmon", "slaps_per_second", 1).with("limits", "burst", 2);
    let scene = Scene::set_with(settings, |stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    scene.slap("alice", "x").await.expect(400);
    scene.slap("alice", "x").await.expect(400);
    let refused = scene.slap("alice", "x").await.expect(429);
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn an_operator_may_say_how_old_is_too_old() {
    let settings = settings().with("salmon", "max_age", "30d");
    let scene = Scene::set_with(settings, |stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let bob = Author::bob();
    let refused =
        scene.slap("alice", bob.follow(FOLLOW, "tag:1", Some("2009-03-01T12:00:00Z"))).await.expect(400);
    assert_eq!(refused.text, "the entry is older than what is taken here\n");
    // Mastodon sends no date with a follow.
    scene.slap("alice", bob.follow(FOLLOW, "tag:2", None)).await.expect(200);
    scene.slap("alice", bob.follow(FOLLOW, "tag:3", Some("2126-03-01T12:00:00Z"))).await.expect(200);
}
