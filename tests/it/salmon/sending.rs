//! Entries of a site on their way out (`salmon.md` 6.4).

use std::time::Duration;

use hubbub::salmon::{Entry, Envelope, Form, KeySizes, LegacyForm, PublicKey};
use serde_json::Value;

use super::{
    scene::settings,
    site::{Site, json, note},
};
use crate::harness::{Callback, Delivery, Gate, Reply};

fn to(peer: &Callback) -> Vec<String> {
    vec![format!("salmon:{}", peer.url())]
}

/// The entry of a slap, if this key signed it in this form.
fn verified(slap: &Delivery, key: &str, form: Form) -> Entry {
    let (key, _) = PublicKey::parse(key, KeySizes::Usual).unwrap();
    let envelope = Envelope::read(&slap.body).unwrap();
    let found = envelope.verify(&[key], LegacyForm::Accepted).expect("the signature fits");
    assert_eq!(found.form, form);
    Entry::read(envelope.payload()).unwrap()
}

fn outcomes(view: &Value) -> Vec<&str> {
    let tries = view["targets"][0]["tries"].as_array().unwrap();
    tries.iter().map(|made| made["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_entry_is_completed_signed_and_brought_in_the_one_form_that_all_take() {
    let site = Site::set().await;
    let key = site.put_alice().await["magic_key"].as_str().unwrap().to_owned();
    let peer = site.stage.subscriber.callback("/peer/bob");
    let entry = "<entry xmlns=\"http://www.w3.org/2005/Atom\"><title>t</title><content>c</content></entry>";
    let view = site.send(entry, &to(&peer), "&wait=10").await;
    assert_eq!(view["targets"][0]["state"], "delivered");
    assert_eq!(outcomes(&view), ["delivered"]);
    let slap = &peer.delivered(1).await[0];
    assert_eq!(slap.header("content-type"), Some("application/magic-envelope+xml"));
    assert_eq!(slap.header("content-length"), Some(slap.body.len().to_string().as_str()));
    assert!(slap.header("transfer-encoding").is_none() && slap.header("expect").is_none());
    assert!(slap.header("user-agent").unwrap().starts_with("hubbub/"));
    let entry = verified(slap, &key, Form::Padded);
    assert_eq!(view["entry_id"], entry.id);
    assert!(entry.id.starts_with("tag:alice.example,"), "{}", entry.id);
    assert_eq!(entry.author.email.as_deref(), Some("alice@alice.example"));
    assert_eq!(entry.author.display_name.as_deref(), Some("Alice & Co"));

    let signed =
        site.ask("POST", "/accounts/alice@alice.example/sign", note("tag:alice.example,2026:9")).await;
    assert_eq!(signed.header("content-type"), "application/magic-envelope+xml");
    let (public, _) = PublicKey::parse(&key, KeySizes::Usual).unwrap();
    let envelope = Envelope::read(signed.expect(200).text.as_bytes()).unwrap();
    assert!(envelope.verify(&[public], LegacyForm::Refused).is_some());
}

#[tokio::test]
async fn what_cannot_be_signed_or_sent_is_refused_with_the_reason() {
    let site = Site::set().await;
    site.put_alice().await;
    let alice = "/accounts/alice@alice.example";
    let other = note("1").replace("<title>", "<author><uri>https://bob.example/user/1</uri></author><title>");
    for (path, entry, told) in [
        (
            "/slaps?to=bob@bob.example",
            other.as_str(),
            "entry: https://bob.example/user/1 is no name of the account",
        ),
        ("/sign", other.as_str(), "entry: "),
        ("/sign", "<!DOCTYPE x><entry/>", "entry: "),
        ("/sign", "no XML", "entry: "),
        ("/slaps", &note("1"), "to: is missing"),
        ("/slaps?to=bob@bob.example&to=bob", &note("1"), "to: number 2 is neither"),
        ("/slaps?to=bob@bob.example&wiat=3", &note("1"), "query: "),
        ("/slaps?to=bob@bob.example&wait=soon", &note("1"), "wait: "),
    ] {
        let answer = site.ask("POST", &format!("{alice}{path}"), entry).await.expect(400);
        assert!(answer.text.starts_with(told), "{path} {}", answer.text);
    }
    site.ask("POST", "/accounts/bob@bob.example/sign", note("1")).await.expect(404);
    site.ask("GET", "/slaps/0", "").await.expect(404);
}

#[tokio::test]
async fn an_answer_that_may_pass_is_tried_again_and_no_sooner_than_the_peer_asks() {
    let site = Site::set().await;
    site.put_alice().await;
    let peer = site.stage.subscriber.callback("/peer/bob");
    let wait = Reply::Saying(429, vec![("retry-after", "2".to_owned())], "".into());
    peer.reply([Reply::Status(503), Reply::Status(408), Reply::HangUp, wait, Reply::Status(202)]);
    let slap = site.send(&note("tag:alice.example,2026:1"), &to(&peer), "").await;
    assert_eq!((&slap["targets"][0]["state"], outcomes(&slap).len()), (&Value::from("queued"), 0));
    let view = site.until(&slap, 0, "delivered").await;
    assert_eq!(outcomes(&view), ["later", "later", "protocol", "later", "delivered"]);
    let statuses: Vec<_> =
        view["targets"][0]["tries"].as_array().unwrap().iter().map(|made| made["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(503), Some(408), None, Some(429), Some(202)]);
    let tries = peer.attempts();
    let [.., asked, last] = tries.as_slice() else { panic!("{tries:?}") };
    assert!(last.at - asked.at >= Duration::from_secs(2), "{:?}", last.at - asked.at);
    assert!(tries.iter().all(|one| one.body == last.body), "signed once");
}

#[tokio::test]
async fn what_will_not_pass_is_given_up_at_once_and_redirects_of_a_post_are_two() {
    let site = Site::set().await;
    site.put_alice().await;
    let [no, moved, there, got, round] = ["no", "moved", "there", "got", "round"]
        .map(|name| site.stage.subscriber.callback(&format!("/{name}")));
    let hop = |status, to: String| Reply::Saying(status, vec![("location", to)], "".into());
    no.always_reply(Reply::Status(403));
    moved.always_reply(hop(307, "/there".to_owned()));
    got.always_reply(hop(302, there.url()));
    round.always_reply(hop(308, round.url()));
    let all: Vec<_> = [&no, &moved, &got, &round].into_iter().flat_map(to).collect();
    let view = site.send(&note("tag:alice.example,2026:1"), &all, "&wait=10").await;
    let states: Vec<_> = (0..4).map(|index| view["targets"][index]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["gave-up", "delivered", "gave-up", "gave-up"]);
    assert_eq!(there.attempts().len(), 1);
    assert_eq!((no.attempts().len(), got.attempts().len(), round.attempts().len()), (1, 1, 3));
}

#[tokio::test]
async fn a_redirect_to_where_we_may_not_go_is_not_followed() {
    let site = Site::set_with(settings().allowing_only("127.0.0.1/32")).await;
    site.put_alice().await;
    let peer = site.stage.subscriber.callback("/peer");
    let beyond = Reply::Saying(307, vec![("location", "https://127.0.0.2/x".to_owned())], "".into());
    peer.reply([
        beyond,
        Reply::Saying(308, vec![("location", "http://bob.example/x".to_owned())], "".into()),
    ]);
    let slap = site.send(&note("tag:alice.example,2026:1"), &to(&peer), "").await;
    let view = site.until(&slap, 0, "gave-up").await;
    assert_eq!(outcomes(&view), ["redirected", "refused", "redirected"], "by the guard, and for want of TLS");
}

#[tokio::test]
async fn what_goes_to_one_target_goes_in_order_and_one_at_a_time() {
    let site = Site::set().await;
    let key = site.put_alice().await["magic_key"].as_str().unwrap().to_owned();
    let [slow, other] = ["/slow", "/other"].map(|path| site.stage.subscriber.callback(path));
    let gate = Gate::closed();
    slow.reply([Reply::Status(503), Reply::Held(gate.clone())]);
    let both: Vec<_> = [to(&slow), to(&other)].concat();
    let first = site.send(&note("tag:alice.example,2026:1"), &both, "").await;
    let second = site.send(&note("tag:alice.example,2026:2"), &both, "").await;
    other.delivered(2).await;
    slow.attempted(2).await;
    site.until(&first, 1, "delivered").await;
    assert_eq!(slow.attempts().len(), 2, "the second waits for the first");
    gate.open();
    site.until(&second, 0, "delivered").await;
    let ids: Vec<_> = slow.attempts().iter().map(|slap| verified(slap, &key, Form::Padded).id).collect();
    assert_eq!(ids, [1, 1, 2].map(|number| format!("tag:alice.example,2026:{number}")));
    assert_eq!(slow.most_in_flight(), 1);
}

#[tokio::test]
async fn what_was_taken_outlives_kill_9() {
    let mut site = Site::set().await;
    let key = site.put_alice().await["magic_key"].as_str().unwrap().to_owned();
    let peer = site.stage.subscriber.callback("/peer/bob");
    site.stage.subscriber.go_down().await;
    let slap = site.send(&note("tag:alice.example,2026:1"), &to(&peer), "").await;
    site.stage.hub.kill_9();
    site.stage.subscriber.come_up();
    site.stage.hub.restart().await;
    assert_eq!(verified(&peer.delivered(1).await[0], &key, Form::Padded).id, "tag:alice.example,2026:1");
    site.until(&slap, 0, "delivered").await;
}

#[tokio::test]
async fn hosts_that_run_an_old_statusnet_get_its_words_and_its_form() {
    let old = settings().with("salmon", "unfavorite_hosts", vec!["127.0.0.1"]).with(
        "salmon",
        "legacy_hosts",
        vec!["127.0.0.1"],
    );
    let site = Site::set_with(old).await;
    let key = site.put_alice().await["magic_key"].as_str().unwrap().to_owned();
    let peer = site.stage.subscriber.callback("/peer/bob");
    peer.reply([Reply::Status(400), Reply::Status(200)]);
    let entry = note("tag:alice.example,2026:1").replace(
        "<title>",
        "<verb xmlns=\"http://activitystrea.ms/spec/1.0/\">http://activitystrea.ms/schema/1.0/unfavorite</verb>\
         <object xmlns=\"http://activitystrea.ms/spec/1.0/\"><id xmlns=\"http://www.w3.org/2005/Atom\">\
         tag:bob.example,2026:1</id></object><title>",
    );
    let view = site.send(&entry, &to(&peer), "&wait=10").await;
    assert_eq!(outcomes(&view), ["refused", "delivered"]);
    assert_eq!(view["targets"][0]["tries"][1]["form"], "data-only");
    let slaps = peer.attempts();
    for (slap, form) in slaps.iter().zip([Form::Padded, Form::DataOnly]) {
        let entry = Envelope::read(&slap.body).unwrap();
        verified(slap, &key, form);
        assert!(
            String::from_utf8_lossy(entry.payload()).contains("http://ostatus.org/schema/1.0/unfavorite")
        );
    }
}

#[tokio::test]
async fn from_site_to_site_by_nothing_but_a_name() {
    let (ours, theirs) = (Site::set().await, Site::set().await);
    let callback = theirs.stage.subscriber.callback("/slaps");
    let host = |site: &Site| site.stage.hub.address().to_string();
    let put = async |site: &Site, nick: &str, more: &str| {
        let host = host(site);
        let body =
            format!("{{\"uri\":\"http://{host}/{nick}\",\"feed\":\"http://{host}/{nick}.atom\"{more}}}");
        json(&site.ask("PUT", &format!("/accounts/{nick}@{host}"), body).await.expect(201))
    };
    put(&ours, "alice", "").await;
    put(&theirs, "bob", &format!(",\"callback\":\"{}\"", callback.url())).await;
    let bob = format!("bob@{}", host(&theirs));
    let entry = note("tag:alice.example,2026:1").replace(
        "<title>",
        &format!("<link rel=\"mentioned\" href=\"http://{}/bob\"/><title>", host(&theirs)),
    );
    let path = format!("/accounts/alice@{}/slaps?to={bob}&wait=20", host(&ours));
    let view = json(&ours.ask("POST", &path, entry).await);
    assert_eq!(view["targets"][0]["state"], "delivered", "{view}");
    assert_eq!(view["targets"][0]["endpoint"], theirs.stage.hub.at(&format!("/salmon/{bob}")));
    let told = &callback.delivered(1).await[0];
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(told["author"]["subject"], format!("acct:alice@{}", host(&ours)));
}
