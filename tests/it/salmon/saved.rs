//! What the relay keeps is in an export, and a hub that is made of it goes on where the other was.

use std::fs;

use serde_json::Value;

use super::{
    scene::fixture,
    site::{ALICE, Site, json, magic, note},
};
use crate::harness::{Ended, Program, Reply};

const PATH: &str = "/accounts/alice@alice.example";

async fn store(site: &Site, arguments: &[&str]) -> Ended {
    let arguments: Vec<_> = ["store"].iter().chain(arguments).copied().collect();
    Program::run(site.stage.hub.home(), &arguments).await
}

/// Alice with a key of her own, a group with bob in it, and an entry that waits for its second target.
async fn filled() -> (Site, Value) {
    let site = Site::set().await;
    site.put_alice().await;
    site.ask("PUT", &format!("{PATH}/key"), fixture("keys/gnusocial-1024.keypair")).await.expect(200);
    let group = r#"{"kind":"group","uri":"https://alice.example/group/3","members":"asked"}"#;
    site.ask("PUT", "/accounts/gardeners@alice.example", group).await.expect(201);
    let bob = "/accounts/gardeners@alice.example/members/https://bob.example/user/1";
    site.ask("PUT", bob, "").await.expect(204);
    let (up, down) = (site.stage.subscriber.callback("/up"), site.stage.subscriber.callback("/down"));
    down.always_reply(Reply::Status(503));
    let to = [&up, &down].map(|peer| format!("salmon:{}", peer.url()));
    let slap = site.send(&note("tag:alice.example,2026:1"), &to, "").await;
    site.until(&slap, 0, "delivered").await;
    down.attempted(1).await;
    (site, slap)
}

#[tokio::test]
async fn accounts_keys_members_and_what_waits_are_saved_and_go_on_elsewhere() {
    let (mut site, slap) = filled().await;
    site.stage.hub.end().await;
    let said = store(&site, &["export", "--data", "data", "saved.jsonl"]).await.expect(0);
    for words in ["2 accounts", "1 account-keys", "1 members", "1 outgoing", "2 targets", "1 out-queue"] {
        assert!(said.stderr.contains(words), "{words} is not in {said:?}");
    }
    fs::remove_dir_all(site.stage.hub.data()).unwrap();
    store(&site, &["import", "--data", "data", "saved.jsonl"]).await.expect(0);
    let verified = store(&site, &["verify", "--data", "data"]).await.expect(0);
    assert!(!verified.stdout.contains("missing"), "{verified:?}");
    let again = store(&site, &["export", "--data", "data"]).await.expect(0).stdout;
    assert_eq!(again, fs::read_to_string(site.stage.hub.home().join("saved.jsonl")).unwrap());

    let down = site.stage.subscriber.callback("/down");
    down.always_reply(Reply::Status(200));
    site.stage.hub.restart().await;
    let view = site.until(&slap, 1, "delivered").await;
    assert_eq!(view["targets"][0]["state"], "delivered");
    let alice = json(&site.ask("GET", PATH, "").await.expect(200));
    assert_eq!(alice["magic_key"], Value::from(magic("gnusocial-1024")));
    assert_eq!(alice["has_secret"], true);
    let members = json(&site.ask("GET", "/accounts/gardeners@alice.example/members", "").await.expect(200));
    assert_eq!(members["members"][0]["uri"], "https://bob.example/user/1");
    assert!(!site.ask("POST", &format!("{PATH}/sign"), note("2")).await.expect(200).text.is_empty());
}

#[tokio::test]
async fn without_secrets_an_account_that_signs_is_left_out_with_what_it_sends() {
    let (mut site, slap) = filled().await;
    site.stage.hub.end().await;
    store(&site, &["export", "--data", "data", "--without-secrets", "saved.jsonl"]).await.expect(0);
    let saved = fs::read_to_string(site.stage.hub.home().join("saved.jsonl")).unwrap();
    let private = fixture("keys/gnusocial-1024.keypair");
    assert!(!saved.contains("hush-hush") && !saved.contains(private.trim()), "{saved}");
    fs::remove_dir_all(site.stage.hub.data()).unwrap();
    let said = store(&site, &["import", "--data", "data", "saved.jsonl"]).await.expect(0);
    assert!(said.stderr.contains("left out, as their secrets are not in the file"), "{said:?}");
    store(&site, &["verify", "--data", "data"]).await.expect(0);
    site.stage.hub.restart().await;
    site.ask("GET", PATH, "").await.expect(404);
    let id = slap["id"].as_str().unwrap();
    site.ask("GET", &format!("/slaps/{id}"), "").await.expect(404);
    site.ask("GET", "/accounts/gardeners@alice.example/members", "").await.expect(200);
    // Under its name another one may come, with a key of its own.
    site.ask("PUT", PATH, ALICE).await.expect(201);
}
