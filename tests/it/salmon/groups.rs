//! Groups: who is let in, and what the hub publishes of what is said in them (5).

use hubbub::store::Membership;
use serde_json::Value;

use super::{
    scene::{Author, Scene, fixture, gardeners, settings},
    sites::verb,
};
use crate::harness::{Form, Gate, Reply};

const FEED: &str = "https://alice.example/feed/group/3.atom";
const GROUP: &str = "https://alice.example/group/3";

#[tokio::test]
async fn what_a_member_says_reaches_the_subscribers_of_the_group_and_what_a_stranger_says_does_not() {
    let scene = Scene::set(|_| vec![gardeners(None, Some(Membership::Open))]).await;
    let reader = scene.stage.subscriber.callback("/reader");
    let subscribe = Form::intent("subscribe", FEED, &reader.url()).sync();
    scene.stage.hub.post(&subscribe).await.expect(204);
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(200);
    // Taken, as a site without a list of its own would; but not published.
    scene.slap("gardeners", Author::mallory().post("tag:m1", GROUP)).await.expect(200);
    scene.slap("gardeners", fixture("verbs/bob-group-post.env.xml")).await.expect(200);
    let said = reader.delivered(1).await;
    let text = String::from_utf8_lossy(&said[0].body).into_owned();
    let id = "<id>tag:bob.example,2026-03-01:";
    assert!(text.contains(id) && text.contains("me:provenance") && !text.contains("tag:m1"), "{text}");
    assert!(text.contains("<source") && text.contains("https://bob.example/feed/user/1.atom"), "{text}");

    // Somebody else may not take the place of what is there, nor take it away.
    let taken =
        text.split("<entry").nth(1).unwrap().split("<id>").nth(1).unwrap().split("</id>").next().unwrap();
    scene.slap("gardeners", Author::mallory().post(taken, GROUP)).await.expect(403);
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    let feed = scene.stage.hub.client().get(&url).await.expect(200);
    assert_eq!(feed.header("content-type"), "application/atom+xml");
    for part in [
        format!("<link rel=\"hub\" href=\"{}\"/>", scene.stage.hub.url()),
        "/salmon/gardeners@alice.example\"/>".to_owned(),
        format!("<link rel=\"self\" type=\"application/atom+xml\" href=\"{FEED}\"/>"),
        format!("<uri>{GROUP}</uri>"),
        "<email>gardeners@alice.example</email>".to_owned(),
        "<poco:preferredUsername>gardeners</poco:preferredUsername>".to_owned(),
        "<poco:displayName>gardeners</poco:displayName>".to_owned(),
        taken.to_owned(),
    ] {
        assert!(feed.text.contains(&part), "{part} in {}", feed.text);
    }
    let same = [("if-none-match", feed.header("etag"))];
    scene.stage.hub.client().send_with("GET", &url, &same).await.expect(304);
    scene.stage.hub.client().get(&scene.stage.hub.at("/groups/alice@alice.example.atom")).await.expect(404);

    // Who has left is a stranger.
    scene.slap("gardeners", fixture("verbs/bob-leave.env.xml")).await.expect(200);
    let bob = Author::bob();
    scene.slap("gardeners", bob.post("tag:b2", GROUP)).await.expect(200);
    let feed = scene.stage.hub.client().get(&url).await.expect(200);
    assert!(!feed.text.contains("tag:b2"));
    // A post that is deleted is no longer there.
    scene.slap("gardeners", bob.signs("delete", taken, "")).await.expect(200);
    let feed = scene.stage.hub.client().get(&url).await.expect(200);
    assert!(!feed.text.contains("<entry"), "{}", feed.text);
}

#[tokio::test]
async fn who_is_let_in_is_the_decision_of_the_site_and_is_waited_for() {
    let settings = settings().with("salmon", "join_timeout", "300ms");
    let scene = Scene::set_with(settings, |stage| {
        vec![gardeners(Some(&stage.subscriber.callback("/site")), Some(Membership::Asked))]
    })
    .await;
    let site = scene.stage.subscriber.callback("/site");
    let join = || fixture("verbs/bob-join.env.xml");
    let never = Gate::closed();
    site.reply([Reply::Status(403), Reply::Status(500), Reply::Held(never)]);
    scene.slap("gardeners", join()).await.expect(403);
    let later = scene.slap("gardeners", join()).await.expect(503);
    assert!(later.header("retry-after").parse::<u64>().unwrap() > 0);
    scene.slap("gardeners", join()).await.expect(503);
    scene.slap("gardeners", join()).await.expect(200);
    let asked = site.attempted(4).await;
    let event: Value = serde_json::from_slice(&asked[3].body).unwrap();
    assert_eq!((&event["event"], &event["verb"]), (&"join".into(), &"join".into()));
    // Once more is no new question, and who was let in may speak.
    scene.slap("gardeners", join()).await.expect(200);
    scene.slap("gardeners", fixture("verbs/bob-group-post.env.xml")).await.expect(200);
    site.attempted(5).await;
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    assert!(scene.stage.hub.client().get(&url).await.expect(200).text.contains("<entry"));
}

#[tokio::test]
async fn a_group_whose_list_the_site_keeps_decides_as_well_and_has_no_feed_here() {
    let scene = Scene::set(|stage| vec![gardeners(Some(&stage.subscriber.callback("/site")), None)]).await;
    let site = scene.stage.subscriber.callback("/site");
    site.reply([Reply::Status(403)]);
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(403);
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(200);
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    scene.stage.hub.client().get(&url).await.expect(404);
}

#[tokio::test]
async fn an_older_version_of_a_post_that_comes_late_does_not_take_the_place_of_the_newer() {
    let scene = Scene::set(|_| vec![gardeners(None, Some(Membership::Open))]).await;
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(200);
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    let version = |updated: &str| {
        let rest = format!("<updated>{updated}</updated><link rel=\"mentioned\" href=\"{GROUP}\"/>");
        Author::bob().signs("http://activitystrea.ms/schema/1.0/post", "tag:b3", &rest)
    };
    // One of the future, by its own account, counts from when it came.
    for (sent, there) in [(2022, 2022), (2021, 2022), (2023, 2023), (9999, 9999), (2024, 9999)] {
        scene.slap("gardeners", version(&format!("{sent}-03-01T12:00:00Z"))).await.expect(200);
        let feed = scene.stage.hub.client().get(&url).await.expect(200).text;
        assert!(feed.contains(&format!("<updated>{there}-03-01T12:00:00Z</updated>")), "{sent}: {feed}");
        assert_eq!(feed.matches("<entry").count(), 1, "{feed}");
    }
}

#[tokio::test]
async fn a_version_of_a_post_that_comes_after_its_delete_is_there_only_if_it_is_newer() {
    let scene = Scene::set(|stage| {
        vec![gardeners(Some(&stage.subscriber.callback("/site")), Some(Membership::Open))]
    })
    .await;
    let site = scene.stage.subscriber.callback("/site");
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(200);
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    let says = |verb: &str, stamps: &str| {
        let rest = format!("{stamps}<link rel=\"mentioned\" href=\"{GROUP}\"/>");
        Author::bob().signs(&format!("http://activitystrea.ms/schema/1.0/{verb}"), "tag:b4", &rest)
    };
    let updated = |day: u8| format!("<updated>2022-03-{day:02}T12:00:00Z</updated>");
    let published = |day: u8| format!("<published>2022-03-{day:02}T12:00:00Z</published>");
    // What comes, and whether it is there then.
    let table = [
        ("post", updated(2), true),
        ("delete", updated(4), false),
        ("post", updated(1), false),
        ("post", updated(4), false),
        ("post", published(3), false),
        ("post", String::new(), false),
        ("post", updated(5), true),
        ("post", updated(3), true),
        // As old as the first is older than what came after it.
        ("delete", updated(3), true),
        // Says nothing of its own time, and so counts from when it came.
        ("delete", published(1), false),
        ("post", updated(6), false),
    ];
    for (number, (verb, stamps, is_there)) in table.iter().enumerate() {
        scene.slap("gardeners", says(verb, stamps)).await.expect(200);
        let feed = scene.stage.hub.client().get(&url).await.expect(200).text;
        assert_eq!(feed.contains("<entry"), *is_there, "{number}: {feed}");
    }
    site.delivered(5).await;
    let told: Vec<_> = site.attempts().iter().map(verb).collect();
    assert_eq!(told, ["join", "post", "delete", "post", "delete"]);
}
