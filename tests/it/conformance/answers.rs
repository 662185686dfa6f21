//! The table of answer codes: the rows that no test of a single requirement holds.

use std::time::Duration;

use rustix::process::Signal;

use super::subscribe::{MARK, TOPIC, assert_refused, assert_transient, subscribe};
use crate::harness::{Form, Page, Stage};

fn publish() -> Form {
    Form::default().with("hub.mode", "publish")
}

/// A publisher is told no more than that it was heard, and old ones know no other success.
#[tokio::test]
async fn a_well_formed_ping_is_204_whatever_its_topic() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    stage.fence(&topic).await;
    let known = topic.url();
    let many =
        (0..256).fold(publish(), |form, index| form.with("hub.url", format!("http://t.example/{index}")));
    let table = [
        ("with a subscriber", publish().with("hub.url", &known)),
        ("nobody's", publish().with("hub.url", TOPIC)),
        ("one that would not be fetched", publish().with("hub.url", "http://10.0.0.1/feed")),
        ("on a port that would not be called", publish().with("hub.url", "http://127.0.0.1:25/feed")),
        ("the hub itself", publish().with("hub.url", stage.hub.url())),
        ("by hub.topic", publish().with("hub.topic", &known)),
        ("in brackets", publish().with("hub.url[]", &known).with("hub.topic[]", TOPIC)),
        ("256 at once", many),
    ];
    for (name, form) in table {
        let answer = stage.hub.post(&form).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_malformed_ping_is_400() {
    let stage = Stage::set().await;
    let table: [(&str, Form, &[&str]); 8] = [
        ("none", publish(), &["hub.url"]),
        ("an empty one", publish().with("hub.url", ""), &["hub.url"]),
        ("no URL", publish().with("hub.url", MARK), &["hub.url", "url"]),
        ("no URL in hub.topic", publish().with("hub.topic", MARK), &["url"]),
        ("one bad of two", publish().with("hub.url", TOPIC).with("hub.url", MARK), &["url"]),
        ("a fragment", publish().with("hub.url", "http://t.example/#zq7mark"), &["url"]),
        ("a password", publish().with("hub.url", "http://u:zq7mark@t.example/"), &["url"]),
        ("no mode", publish().without("hub.mode").with("hub.url", TOPIC), &["hub.mode"]),
    ];
    for (name, form, words) in table {
        assert_refused(name, &stage.hub.post(&form).await, 400, words);
    }
}

#[tokio::test]
async fn a_host_that_policy_forbids_is_403() {
    let stage = Stage::set().await;
    let hosts = [
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
        "0x0a000001",
        "100.64.0.1",
    ];
    for name in ["hub.callback", "hub.topic"] {
        for host in hosts {
            let answer = stage.hub.post(&subscribe().but(name, format!("http://{host}/{MARK}"))).await;
            assert_refused(host, &answer, 403, &[name, "url"]);
            // What it is not allowed to call it does not call to verify, either.
            let answer = stage.hub.post(&subscribe().but(name, format!("http://{host}/{MARK}")).sync()).await;
            assert_refused(host, &answer, 403, &[name, "url"]);
        }
        let answer = stage.hub.post(&subscribe().but(name, stage.hub.url())).await;
        assert_refused("the hub itself", &answer, 403, &[name, "url"]);
    }
}

#[tokio::test]
async fn a_method_that_is_not_known_is_405() {
    let stage = Stage::set().await;
    let (client, url) = (stage.hub.client(), stage.hub.url());
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "SUBSCRIBE"] {
        let answer = client.send(method, url, None, "").await;
        assert_refused(method, &answer, 405, &["post"]);
        assert!(answer.header("allow").contains("POST"), "{answer:?}");
    }
}

/// Besides the body's length (S39): what a form may hold.
#[tokio::test]
async fn a_form_with_too_much_in_it_is_413() {
    let stage = Stage::set().await;
    let topics =
        (0..257).fold(publish(), |form, index| form.with("hub.url", format!("http://t.example/{index}")));
    assert_refused("257 topics", &stage.hub.post(&topics).await, 413, &["256"]);
    let parameters = (0..1100).fold(subscribe(), |form, _| form.with("x", MARK));
    assert_refused("1100 parameters", &stage.hub.post(&parameters).await, 413, &[]);
}

/// Nothing is acknowledged that is not on disk, and nobody is told that the request was wrong (S30).
#[tokio::test]
async fn a_store_that_cannot_write_is_503() {
    let mut stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/large"), stage.subscriber.callback("/cb"));
    let witness = stage.fence(&topic).await;
    // The engine keeps large values in files of their own: without the folder for them, the first one is a write that
    // fails, as on a disk that is full.
    std::fs::remove_dir_all(stage.hub.data().join("blobs")).unwrap();
    topic.put(Page::of("application/octet-stream", vec![b'x'; 2 << 20]));
    stage.ping(&topic).await;
    stage.hub.logged("the store cannot write").await;

    let join = Form::subscribe(&topic, &callback);
    let table = [
        ("joining", join.clone()),
        ("joining at once", join.sync()),
        ("leaving", Form::unsubscribe(&topic, &callback)),
        ("a ping", Form::publish(&topic)),
    ];
    for (name, form) in table {
        let answer = stage.hub.post(&form).await;
        assert_transient(name, &answer, 503);
        let data = stage.hub.data();
        assert!(!answer.text.contains(data.to_str().unwrap()), "the reason is the operator's: {answer:?}");
    }
    assert_transient("readiness", &stage.hub.client().get(&stage.hub.at("/readyz")).await, 503);
    stage.hub.client().get(&stage.hub.at("/livez")).await.expect(200);

    // It ends when it is asked to, and what was acknowledged before is done when it is well again.
    stage.hub.stop(Signal::TERM, Duration::from_secs(11)).await;
    stage.hub.restart().await;
    witness.delivered(1).await;
    assert!(callback.attempts().is_empty(), "it was told that it had not been subscribed");
}
