//! The site's side: accounts, keys and members (`salmon.md` 6.2).

use serde_json::Value;

use super::{
    scene::fixture,
    site::{ALICE, Site, json, magic},
};
use crate::harness::Stage;

const PATH: &str = "/accounts/alice@alice.example";

#[tokio::test]
async fn nothing_of_a_site_goes_without_the_token() {
    let closed = Stage::set().await;
    closed.hub.client().get(&closed.hub.admin(PATH)).await.expect(403);
    let site = Site::set().await;
    for (method, path) in [
        ("PUT", PATH.to_owned()),
        ("GET", PATH.to_owned()),
        ("DELETE", PATH.to_owned()),
        ("POST", format!("{PATH}/key?confirm=breaks-peers")),
        ("POST", format!("{PATH}/slaps?to=bob@bob.example")),
        ("POST", format!("{PATH}/sign")),
        ("GET", format!("{PATH}/members")),
        ("GET", "/accounts".to_owned()),
        ("GET", format!("/slaps/{}", "0".repeat(32))),
    ] {
        let client = site.stage.hub.client();
        client.send(method, &site.stage.hub.admin(&path), None, ALICE).await.expect(401);
        client.send(method, &site.stage.hub.at(&path), None, ALICE).await.expect(404);
    }
}

#[tokio::test]
async fn an_account_gets_a_key_and_says_what_a_webfinger_elsewhere_needs() {
    let site = Site::set().await;
    let made = site.put_alice().await;
    let endpoint = site.stage.hub.at("/salmon/alice@alice.example");
    assert_eq!((&made["endpoint"], &made["key_bits"]), (&Value::from(endpoint.clone()), &Value::from(2048)));
    let key = made["magic_key"].as_str().unwrap();
    assert_eq!(made["links"][0], serde_json::json!({"rel": "salmon", "href": endpoint}));
    assert_eq!(made["links"][1]["href"], format!("data:application/magic-public-key,{key}"));

    let again = json(&site.ask("PUT", PATH, ALICE.replace("Alice & Co", "Alice")).await.expect(200));
    assert_eq!((&again["magic_key"], &again["display_name"]), (&made["magic_key"], &Value::from("Alice")));
    let read = site.ask("GET", PATH, "").await.expect(200);
    assert_eq!(json(&read), again);
    assert_eq!(again["has_secret"], true);
    assert!(!read.text.contains("hush") && !read.text.contains("PRIVATE"), "{}", read.text);
    assert_eq!(key.split('.').count(), 3, "no fourth part: {key}");
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_named() {
    let site = Site::set().await;
    site.put_alice().await;
    for (path, body, told) in [
        ("/accounts/bob@bob.example", r#"{"uri":"https://bob.example/1"}"#, "feed: is missing"),
        ("/accounts/bob@bob.example", r#"{"adress":"x"}"#, "adress: unknown field"),
        (
            "/accounts/bob@bob.example",
            &ALICE.replace("\"uri\"", "\"kind\":\"robot\",\"uri\""),
            "kind: unknown variant",
        ),
        ("/accounts/bob@bob.example", ALICE, "uri: is a name of another account"),
        ("/accounts/bob", ALICE, "account: is not nick@host"),
        ("/accounts/alice@alice.example", "{", "body: "),
    ] {
        let answer = site.ask("PUT", path, body).await.expect(400);
        assert!(answer.text.starts_with(told), "{}", answer.text);
    }
    site.ask("GET", "/accounts/bob@bob.example", "").await.expect(404);
}

#[tokio::test]
async fn the_key_that_a_site_had_is_the_one_that_is_published() {
    let site = Site::set().await;
    site.put_alice().await;
    let keypair = fixture("keys/gnusocial-1024.keypair");
    assert!(keypair.starts_with("RSA."));
    let taken = json(&site.ask("PUT", &format!("{PATH}/key"), keypair.clone()).await.expect(200));
    assert_eq!(
        (&taken["magic_key"], &taken["key_bits"]),
        (&Value::from(magic("gnusocial-1024")), &Value::from(1024))
    );
    let url = site.stage.hub.at("/.well-known/webfinger?resource=acct:alice@alice.example");
    let jrd = site.stage.hub.client().get(&url).await.expect(200).text;
    assert!(
        jrd.contains(&format!("data:application/magic-public-key,{}\"", magic("gnusocial-1024"))),
        "{jrd}"
    );

    let refused = site.ask("PUT", &format!("{PATH}/key"), "RSA.AQAB").await.expect(400);
    assert!(refused.text.starts_with("key: "), "{}", refused.text);
    let refused = site.ask("POST", &format!("{PATH}/key"), "").await.expect(400);
    assert!(refused.text.starts_with("confirm: "), "{}", refused.text);
    let made = json(&site.ask("POST", &format!("{PATH}/key?confirm=breaks-peers"), "").await.expect(200));
    assert!(made["magic_key"] != taken["magic_key"] && made["key_bits"] == 2048);

    let (stdout, stderr) = {
        let mut site = site;
        site.stage.hub.end().await
    };
    let private = keypair.trim().rsplit('.').next().unwrap();
    for printed in [stdout, stderr] {
        assert!(!printed.contains(private) && !printed.contains("hush"), "{printed}");
    }
}

#[tokio::test]
async fn a_removed_account_is_gone_and_may_come_again_as_another() {
    let site = Site::set().await;
    let first = site.put_alice().await;
    site.ask("DELETE", PATH, "").await.expect(204);
    site.ask("GET", PATH, "").await.expect(410);
    site.ask("DELETE", PATH, "").await.expect(410);
    let client = site.stage.hub.client();
    let webfinger = site.stage.hub.at("/.well-known/webfinger?resource=https://alice.example/alice");
    client.get(&webfinger).await.expect(410);
    let salmon = site.stage.hub.at("/salmon/alice@alice.example");
    client.send("POST", &salmon, Some("application/magic-envelope+xml"), "").await.expect(410);
    let second = site.put_alice().await;
    assert!(first["magic_key"] != second["magic_key"]);
    client.get(&webfinger).await.expect(200);
}

#[tokio::test]
async fn an_account_does_not_become_a_group_nor_a_group_an_account_unasked() {
    let site = Site::set().await;
    let made = site.put_alice().await;
    let group = ALICE.replace("\"uri\"", "\"kind\":\"group\",\"uri\"");
    let refused = site.ask("PUT", PATH, group.clone()).await.expect(409);
    assert!(refused.text.starts_with("kind: ") && refused.text.contains("remove"), "{}", refused.text);
    let read = json(&site.ask("GET", PATH, "").await.expect(200));
    assert_eq!((&read["kind"], &read["magic_key"]), (&"person".into(), &made["magic_key"]));
    site.ask("DELETE", PATH, "").await.expect(204);
    assert_eq!(json(&site.ask("PUT", PATH, group).await.expect(201))["magic_key"], Value::Null);
    let refused = site.ask("PUT", PATH, ALICE).await.expect(409);
    assert!(refused.text.starts_with("kind: "), "{}", refused.text);
    assert_eq!(json(&site.ask("GET", PATH, "").await.expect(200))["kind"], "group");
}

#[tokio::test]
async fn a_group_that_is_removed_and_made_again_has_no_members() {
    let mut site = Site::set().await;
    let group = r#"{"kind":"group","uri":"https://alice.example/group/3","members":"asked"}"#;
    let (path, members) = ("/accounts/gardeners@alice.example", "/accounts/gardeners@alice.example/members");
    site.ask("PUT", path, group).await.expect(201);
    site.ask("PUT", &format!("{members}/https://bob.example/user/1"), "").await.expect(204);
    site.ask("DELETE", path, "").await.expect(204);
    site.ask("PUT", &format!("{members}/https://bob.example/user/1"), "").await.expect(410);
    site.stage.hub.kill_9();
    site.stage.hub.restart().await;
    site.ask("PUT", path, group).await.expect(201);
    let listed = json(&site.ask("GET", members, "").await.expect(200));
    assert_eq!(listed["members"], serde_json::json!([]));
}

#[tokio::test]
async fn a_site_is_told_of_its_accounts_page_by_page_and_of_no_secret() {
    let site = Site::set().await;
    let empty = json(&site.ask("GET", "/accounts", "").await.expect(200));
    assert_eq!(empty, serde_json::json!({"accounts": [], "next": null}));
    site.put_alice().await;
    let group =
        r#"{"kind":"group","uri":"https://alice.example/group/3","members":"asked","secret":"hush-hush"}"#;
    for nick in ["gardeners", "gone"] {
        let body = group.replace("group/3", nick);
        site.ask("PUT", &format!("/accounts/{nick}@alice.example"), body).await.expect(201);
    }
    site.ask("DELETE", "/accounts/gone@alice.example", "").await.expect(204);
    let answer = site.ask("GET", "/accounts", "").await.expect(200);
    assert!(!answer.text.contains("hush"), "{}", answer.text);
    let listed = json(&answer);
    let mut names: Vec<_> =
        listed["accounts"].as_array().unwrap().iter().map(|one| one["account"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["acct:alice@alice.example", "acct:gardeners@alice.example"]);
    assert_eq!(listed["next"], Value::Null);
    let alice = listed["accounts"].as_array().unwrap().iter().find(|one| one["kind"] == "person").unwrap();
    assert_eq!(alice["endpoint"], site.stage.hub.at("/salmon/alice@alice.example"));
    assert_eq!(alice["uri"], "https://alice.example/user/7");
    let behind = json(&site.ask("GET", &format!("/accounts?after={}", "f".repeat(32)), "").await.expect(200));
    assert_eq!(behind["accounts"], serde_json::json!([]));
    site.ask("GET", "/accounts?after=alice", "").await.expect(400);
}

#[tokio::test]
async fn the_members_of_a_group_that_the_relay_keeps_are_told_put_and_removed() {
    let site = Site::set().await;
    let group = r#"{"kind":"group","uri":"https://alice.example/group/3","members":"asked"}"#;
    let made = json(&site.ask("PUT", "/accounts/gardeners@alice.example", group).await.expect(201));
    assert_eq!(made["feed"], site.stage.hub.at("/groups/gardeners@alice.example.atom"));
    assert_eq!(made["magic_key"], Value::Null);
    let members = "/accounts/gardeners@alice.example/members";
    site.ask("PUT", &format!("{members}/https%3A%2F%2Fbob.example%2Fuser%2F1"), "").await.expect(204);
    site.ask("PUT", &format!("{members}/https://bob.example/user/1"), "").await.expect(204);
    site.ask("PUT", &format!("{members}/nobody"), "").await.expect(400);
    let listed = json(&site.ask("GET", members, "").await.expect(200));
    assert_eq!(listed["members"].as_array().unwrap().len(), 1);
    assert_eq!(listed["members"][0]["uri"], "https://bob.example/user/1");
    site.ask("DELETE", &format!("{members}/http://bob.example/user/1"), "").await.expect(204);
    site.ask("DELETE", &format!("{members}/http://bob.example/user/1"), "").await.expect(400);
    site.put_alice().await;
    site.ask("GET", &format!("{PATH}/members"), "").await.expect(409);
    site.ask("PUT", "/accounts/gardeners@alice.example/key", fixture("keys/go-2048.keypair"))
        .await
        .expect(409);
}
