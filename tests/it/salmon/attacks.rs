//! What an attacker tries (7), against the running program.
//!
//! | Row of section 7 | Test |
//! |---|---|
//! | spoofed authors; swapped labels; confused keys, forms and types; wrapping; forged, cut and out-of-range signatures; documents with a DTD | `every_vector_is_answered_as_it_expects`, `..._where_the_operator_allows_all` |
//! | tiny and huge keys | `keys_that_no_rule_allows_verify_nothing` |
//! | replay | `sites::what_was_answered_200_survives_kill_9_and_a_replay_changes_nothing_after_it` |
//! | slaps that make us fetch | `only_addresses_that_may_be_asked_are_asked_however_a_slap_leads_there` |
//! | unsigned slaps that name a victim | `a_host_that_many_slaps_name_is_asked_so_often_and_no_more` |
//! | somebody else's descriptor | `the_word_of_a_stranger_on_somebody_else_counts_for_nothing` |
//! | an open redirect, a page of a user | `relay::lookup::tests` |
//! | forged posts in a group | `a_group_publishes_nothing_that_its_author_has_not_signed` |
//! | the callback as a proxy | `a_callback_that_may_not_be_reached_is_not` |
//! | the private key | `accounts::the_key_that_a_site_had_is_the_one_that_is_published` |
//! | many slaps at a time | `one_client_has_its_share_of_the_slaps_that_are_looked_at` |

use std::{collections::BTreeMap, net::Ipv4Addr};

use hubbub::store::Membership;
use serde_json::Value;
use tokio::task::JoinSet;

use super::scene::{Author, ENVELOPE, FOLLOW, Scene, alice, alice_untold, fixture, gardeners, settings};
use crate::harness::{Client, Gate, Page, Publisher, Settings, Subscriber, soon};

/// The answer that a vector is due, by default and where the operator allows all that can be allowed.
fn due(vector: &Value) -> (u16, u16) {
    if vector["file"] == "identity/spoof-nested-author.env.xml" {
        // Who is named is bob, who did not sign it.
        return (401, 401);
    }
    match vector["expect"].as_str().unwrap() {
        "accept" | "policy" => (200, 200),
        "accept+weak-key" | "accept-if-legacy" | "accept-if-legacy+weak-key" => (401, 200),
        "reject:signature" | "reject:alg" | "reject:encoding" => (401, 401),
        "reject:identity" => (403, 403),
        "accept-if-compact"
        | "reject:malformed"
        | "reject:doctype"
        | "reject:type"
        | "reject:entry"
        | "reject:not-addressed" => (400, 400),
        other => panic!("{other} is new"),
    }
}

/// Sends every vector to alice or to the group, with the author's key that it was signed with known, and holds the answers
/// against what is due.
async fn send_all(settings: &Settings, due: impl Fn(&Value) -> u16) {
    let vectors: Vec<Value> = serde_json::from_str(&fixture("vectors.json")).unwrap();
    // What alice sends is not for her.
    let to_us = vectors.iter().filter(|vector| vector["signer"] != "alice");
    let mut by_key: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for vector in to_us {
        let key = vector["key"].as_str().filter(|key| *key != "mallory-2048").unwrap_or("indep-2048");
        by_key.entry(key).or_default().push(vector);
    }
    assert_eq!(by_key.values().map(Vec::len).sum::<usize>(), vectors.len() - 1);
    for (key, vectors) in by_key {
        let scene = Scene::set_knowing(settings.clone(), key, |_| {
            vec![alice_untold(), gardeners(None, Some(Membership::Open))]
        });
        let scene = scene.await;
        for vector in vectors {
            let file = vector["file"].as_str().unwrap();
            let is_to_group = ["join", "leave", "group-post"].iter().any(|word| file.contains(word));
            let account = if is_to_group { "gardeners" } else { "alice" };
            let answer = scene.slap(account, fixture(file)).await;
            assert_eq!(answer.status, due(vector), "{file} {answer:?}");
            for word in ["example", "mallory", "bob", "://"] {
                assert!(!answer.text.contains(word), "{file} is answered too much: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_vector_is_answered_as_it_expects() {
    send_all(&settings(), |vector| due(vector).0).await;
}

#[tokio::test]
async fn every_vector_is_answered_as_it_expects_where_the_operator_allows_all() {
    let settings = settings().with("salmon", "legacy_form", true).with("salmon", "small_keys", true);
    send_all(&settings, |vector| due(vector).1).await;
}

/// Somebody at a site, and the descriptor of this key that the site gives out.
fn somebody(site: &Publisher, nick: &str, subject: Option<&str>, key: &str) -> (Author, Page) {
    let root = site.topic(&format!("/{nick}")).url();
    let host = root.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let email = format!("{nick}@{host}");
    let subject = subject.map_or_else(|| format!("acct:{email}"), str::to_owned);
    let document = format!(
        "<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\"><Subject>{subject}</Subject>\
         <Alias>acct:{email}</Alias><Alias>{root}</Alias>\
         <Link rel=\"magic-public-key\" href=\"data:application/magic-public-key,{key}\"/></XRD>"
    );
    (Author::of(&root, &email, "mallory-2048"), Page::of("application/xrd+xml", document))
}

#[tokio::test]
async fn keys_that_no_rule_allows_verify_nothing() {
    let scene = Scene::set(|_| vec![alice_untold()]).await;
    let own = fixture("keys/mallory-2048.magic");
    let modulus = own.split('.').nth(1).unwrap();
    let huge = "AAAA".repeat(64) + &"_".repeat(4000);
    for (number, (key, status)) in [
        (format!("RSA.{modulus}.AQAB"), 200),
        (fixture("keys/friendica-512.magic").trim().to_owned(), 401),
        (format!("RSA.{huge}.AQAB"), 401),
        (format!("RSA.{modulus}.AQ=="), 401),
        (format!("RSA.{modulus}.AgAB"), 401),
        (format!("RSA.{modulus}.{modulus}"), 401),
        ("RSA..AQAB".to_owned(), 401),
        ("RSA.AA==.AQAB".to_owned(), 401),
        ("DSA.AQAB.AQAB".to_owned(), 401),
    ]
    .into_iter()
    .enumerate()
    {
        let (author, page) = somebody(&scene.stage.publisher, &format!("n{number}"), None, &key);
        scene.stage.publisher.topic("/.well-known/webfinger").put(page);
        let answer = scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await;
        assert_eq!(answer.status, status, "{number} {answer:?}");
    }
}

#[tokio::test]
async fn only_addresses_that_may_be_asked_are_asked_however_a_slap_leads_there() {
    let settings =
        settings().allowing_only("127.0.0.1/32").with("salmon", "http_hosts", vec!["127.0.0.1", "127.0.0.2"]);
    let scene = Scene::set_with(settings, |_| vec![alice_untold()]).await;
    let inside = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let key = fixture("keys/mallory-2048.magic");
    let (author, descriptor) = somebody(&inside, "root", None, key.trim());
    let secret = inside.topic("/.well-known/webfinger");
    secret.put(descriptor);
    scene.slap("alice", author.follow(FOLLOW, "tag:1", None)).await.expect(401);
    let site = &scene.stage.publisher;
    for (number, path) in ["/.well-known/webfinger", "/.well-known/host-meta"].into_iter().enumerate() {
        site.topic(path).put(Page::redirect(302, &secret.url()));
        let (author, _) = somebody(site, &format!("n{number}"), None, key.trim());
        scene.slap("alice", author.follow(FOLLOW, "tag:2", None)).await.expect(401);
        assert!(!site.topic(path).fetches().is_empty(), "{path} is asked");
    }
    assert_eq!(secret.fetches().len(), 0);
}

#[tokio::test]
async fn a_host_that_many_slaps_name_is_asked_so_often_and_no_more() {
    let settings = settings().with("salmon", "lookups_per_minute", 4);
    let scene = Scene::set_with(settings, |_| vec![alice_untold()]).await;
    let victim = &scene.stage.publisher;
    let url = scene.stage.hub.at("/salmon/alice@alice.example");
    for number in 0..12_u8 {
        let (author, _) = somebody(victim, &format!("n{number}"), None, "");
        let client = Client::speaking_from(Ipv4Addr::new(127, 0, 1, number));
        let answer = client.send("POST", &url, Some(ENVELOPE), author.follow(FOLLOW, "tag:1", None)).await;
        assert!(matches!(answer.status, 401 | 202), "{number} {answer:?}");
    }
    assert_eq!(victim.topic("/.well-known/webfinger").fetches().len(), 2, "two names each in two slaps");
}

#[tokio::test]
async fn the_word_of_a_stranger_on_somebody_else_counts_for_nothing() {
    let scene = Scene::set(|stage| vec![alice(&stage.subscriber.callback("/site"))]).await;
    let key = fixture("keys/mallory-2048.magic");
    let (evil, page) = somebody(&scene.stage.publisher, "evil", Some("acct:bob@bob.example"), key.trim());
    scene.stage.publisher.topic("/.well-known/webfinger").put(page);
    let as_bob = Author::of("https://bob.example/user/1", &evil.email, "mallory-2048");
    scene.slap("alice", as_bob.follow(FOLLOW, "tag:1", None)).await.expect(403);
    scene.slap("alice", evil.follow(FOLLOW, "tag:2", None)).await.expect(200);
    let told = scene.stage.subscriber.callback("/site").delivered(1).await;
    let event: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!(event["author"]["subject"], format!("acct:{}", evil.email));
}

#[tokio::test]
async fn a_group_publishes_nothing_that_its_author_has_not_signed() {
    let scene = Scene::set(|_| vec![gardeners(None, Some(Membership::Open))]).await;
    scene.slap("gardeners", fixture("verbs/bob-join.env.xml")).await.expect(200);
    let forged = Author::of("https://bob.example/user/1", "bob@bob.example", "mallory-2048");
    let group = "https://alice.example/group/3";
    scene.slap("gardeners", forged.post("tag:forged", group)).await.expect(401);
    scene.slap("gardeners", Author::bob().post("tag:signed", group)).await.expect(200);
    let url = scene.stage.hub.at("/groups/gardeners@alice.example.atom");
    let feed = scene.stage.hub.client().get(&url).await.expect(200).text;
    assert!(feed.contains("tag:signed") && !feed.contains("tag:forged"), "{feed}");
}

#[tokio::test]
async fn a_callback_that_may_not_be_reached_is_not() {
    let inside = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let settings = settings().allowing_only("127.0.0.1/32");
    let scene = Scene::set_with(settings, |_| vec![alice(&inside.callback("/admin"))]).await;
    scene.slap("alice", fixture("verbs/bob-mention.env.xml")).await.expect(200);
    let put_off = async {
        let url = scene.stage.hub.admin("/metrics");
        while !scene
            .stage
            .hub
            .client()
            .get(&url)
            .await
            .text
            .contains("hubbub_forwards_total{outcome=\"later\"}")
        {
            tokio::task::yield_now().await;
        }
    };
    soon("a try to be over", put_off).await;
    assert_eq!(inside.callback("/admin").attempts().len(), 0);
}

#[tokio::test]
async fn one_client_has_its_share_of_the_slaps_that_are_looked_at() {
    let settings = settings().with("salmon", "concurrency", 1);
    let scene = Scene::set_with(settings, |_| vec![alice_untold()]).await;
    let (site, gate) = (&scene.stage.publisher, Gate::closed());
    site.topic("/.well-known/webfinger").put(Page::failing(404).behind(&gate));
    let url = scene.stage.hub.at("/salmon/alice@alice.example");
    let slap = |client: &Client, envelope: String| {
        let (client, url) = (client.clone(), url.clone());
        async move { client.send("POST", &url, Some(ENVELOPE), envelope).await }
    };
    let mut three = JoinSet::new();
    for number in 0..3 {
        let (author, _) = somebody(site, &format!("n{number}"), None, "");
        three.spawn(slap(scene.stage.hub.client(), author.follow(FOLLOW, "tag:1", None)));
    }
    let refused = three.join_next().await.unwrap().unwrap().expect(503);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    let other = Client::speaking_from(Ipv4Addr::new(127, 0, 0, 9));
    slap(&other, Author::bob().follow(FOLLOW, "tag:2", None)).await.expect(200);
    gate.open();
    while let Some(answer) = three.join_next().await {
        answer.unwrap().expect(401);
    }
}
