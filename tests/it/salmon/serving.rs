//! What we say of our accounts: as the vectors have it, but for where slaps go (`salmon.md` 2.3, 6.1).

use hubbub::salmon::{Descriptor, KeySizes, discovery::rel};

use super::{
    scene::{fixture, settings},
    site::{Site, json},
};
use crate::harness::Answer;

/// Alice and the gardeners as in the vectors.
async fn vectors() -> Site {
    let site = Site::set_with(settings().with("server", "trusted_proxies", vec!["127.0.0.1"])).await;
    site.put_alice().await;
    let key = fixture("keys/indep-4096.keypair");
    site.ask("PUT", "/accounts/alice@alice.example/key", key).await.expect(200);
    let group = r#"{"kind":"group","uri":"https://alice.example/group/3","profile":"https://alice.example/group/gardeners",
        "feed":"https://alice.example/feed/group/3.atom"}"#;
    site.ask("PUT", "/accounts/gardeners@alice.example", group).await.expect(201);
    site
}

impl Site {
    async fn read(&self, path: &str, accept: &str) -> Answer {
        self.stage.hub.client().send_with("GET", &self.stage.hub.at(path), &[("accept", accept)]).await
    }
}

#[tokio::test]
async fn the_descriptors_say_what_those_of_the_vectors_say() {
    let site = vectors().await;
    for nick in ["alice", "gardeners"] {
        let path = format!("/.well-known/webfinger?resource=acct:{nick}@alice.example");
        let jrd = site.read(&path, "*/*").await.expect(200);
        let xrd = site.read(&path, "application/xrd+xml").await.expect(200);
        assert_eq!(jrd.header("content-type"), "application/jrd+json");
        assert_eq!(xrd.header("content-type"), "application/xrd+xml");
        assert!(jrd.header("access-control-allow-origin") == "*" && xrd.header("vary") == "accept");
        let template =
            site.read(&format!("/xrd?uri=acct%3A{nick}%40alice.example"), "application/json").await;
        assert_eq!(template.expect(200).text, xrd.text);
        for (ours, theirs) in [(jrd, format!("{nick}.jrd.json")), (xrd, format!("{nick}.xrd.xml"))] {
            let ours = Descriptor::read(ours.text.as_bytes()).unwrap();
            let theirs = Descriptor::read(fixture(&format!("discovery/{theirs}")).as_bytes()).unwrap();
            assert_eq!(ours.subject, theirs.subject);
            assert!(theirs.aliases.iter().all(|alias| ours.has_name(alias)), "{ours:?}");
            assert_eq!((ours.feed(), ours.profile()), (theirs.feed(), theirs.profile()));
            assert_eq!(ours.keys(KeySizes::Usual), theirs.keys(KeySizes::Usual));
            let endpoint = site.stage.hub.at(&format!("/salmon/{nick}@alice.example"));
            for rel in [rel::SALMON, rel::SALMON_REPLIES, rel::SALMON_MENTION] {
                let links: Vec<_> = ours.all(rel).filter_map(|link| link.href.clone()).collect();
                assert_eq!(links, std::slice::from_ref(&endpoint), "{rel}");
            }
        }
    }
}

#[tokio::test]
async fn an_account_is_found_by_all_its_names_however_they_are_written() {
    let site = vectors().await;
    let all =
        site.read("/.well-known/webfinger?resource=acct:alice@alice.example", "").await.expect(200).text;
    for name in [
        "acct%3Aalice%40alice.example",
        "alice@alice.example",
        "https://alice.example/user/7",
        "http://alice.example/user/7",
        "https%3A%2F%2Falice.example%2Falice",
        "HTTP://ALICE.example/alice",
    ] {
        let path = format!("/.well-known/webfinger?resource={name}");
        assert_eq!(site.read(&path, "").await.expect(200).text, all, "{name}");
    }
    for name in
        ["acct:carol@alice.example", "acct:alice@bob.example", "https://alice.example/user/8", "tag:x"]
    {
        let path = format!("/.well-known/webfinger?resource={name}");
        assert_eq!(site.read(&path, "").await.expect(404).header("access-control-allow-origin"), "*");
    }
    for path in ["/.well-known/webfinger", "/.well-known/webfinger?resource=", "/xrd"] {
        site.read(path, "").await.expect(400);
    }
    let some = "/.well-known/webfinger?resource=acct:alice@alice.example&rel=salmon&rel=magic-public-key";
    let some = json(&site.read(some, "").await.expect(200));
    let rels: Vec<_> =
        some["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["salmon", "magic-public-key"]);
}

#[tokio::test]
async fn a_host_meta_names_the_domain_that_was_asked_for_it() {
    let site = vectors().await;
    let (url, own) = (site.stage.hub.at("/.well-known/host-meta"), site.stage.hub.address().to_string());
    let client = site.stage.hub.client();
    for (headers, host) in [
        (vec![], own.as_str()),
        (vec![("host", "alice.example")], "alice.example"),
        (vec![("host", "ALICE.example:80")], "alice.example"),
        (vec![("host", "mallory.example")], own.as_str()),
        (vec![("x-forwarded-host", "mallory.example, alice.example")], "alice.example"),
    ] {
        let answer = client.send_with("GET", &url, &headers).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/xrd+xml");
        let meta = Descriptor::read(answer.text.as_bytes()).unwrap();
        assert_eq!(meta.hosts, [host], "{headers:?}");
        let templates =
            ["/xrd?uri=", "/.well-known/webfinger?resource="].map(|path| site.stage.hub.at(path) + "{uri}");
        assert_eq!(meta.templates(), templates);
    }
    let json = client.get(&site.stage.hub.at("/.well-known/host-meta.json")).await.expect(200);
    assert_eq!(json.header("access-control-allow-origin"), "*");
    let meta = Descriptor::read(json.text.as_bytes()).unwrap();
    assert_eq!(meta.templates()[0], site.stage.hub.at("/xrd?uri=") + "{uri}");
}

#[tokio::test]
async fn whom_nobody_trusts_names_no_domain() {
    let site = Site::set().await;
    site.put_alice().await;
    let url = site.stage.hub.at("/.well-known/host-meta");
    let forwarded = [("x-forwarded-host", "alice.example")];
    let answer = site.stage.hub.client().send_with("GET", &url, &forwarded).await.expect(200);
    assert_eq!(
        Descriptor::read(answer.text.as_bytes()).unwrap().hosts,
        [site.stage.hub.address().to_string()]
    );
}
