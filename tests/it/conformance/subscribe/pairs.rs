//! A subscription is a pair of topic and callback, however they are spelt: S20-S22, S32, S33.

use super::{assert_refused, publish};
use crate::harness::{Callback, Form, Gate, Page, Settings, Stage, Topic, Verdict, sha1_signature};

fn bodies(callback: &Callback) -> Vec<bytes::Bytes> {
    callback.attempts().into_iter().map(|one| one.body).collect()
}

fn signatures(callback: &Callback) -> Vec<Option<String>> {
    callback.attempts().iter().map(|one| one.header("x-hub-signature").map(str::to_owned)).collect()
}

#[tokio::test]
async fn s20_the_old_state_holds_until_the_new_one_is_confirmed() {
    // What is held (V16) would wait for the answer that is held here, or for ten seconds.
    let stage = Stage::set_with(Settings::quick().with("verification", "hold_deliveries", "100ms")).await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    let renewal = |secret: &str| Form::subscribe(&topic, &callback).secret(secret);
    stage.accept(&renewal("first"), &topic, &callback).await;

    // While the subscriber thinks about it, and after it said no, nothing has changed.
    let gate = Gate::closed();
    callback.judge([Verdict::Status(404), Verdict::Status(404), Verdict::Held(gate.clone())]);
    stage.hub.post(&renewal("refused")).await.expect(202);
    callback.verification(2).await;
    stage.hub.post(&Form::unsubscribe(&topic, &callback).sync()).await.expect(409);
    stage.hub.post(&renewal("second")).await.expect(202);
    callback.verification(4).await;
    publish(&stage, &topic, "one").await;
    callback.delivered(1).await;

    gate.open();
    callback.confirmed(2).await;
    publish(&stage, &topic, "two").await;
    callback.delivered(2).await;
    assert_eq!(bodies(&callback), ["one", "two"]);
    let expected = [sha1_signature(b"first", b"one"), sha1_signature(b"second", b"two")].map(Some);
    assert_eq!(signatures(&callback), expected);
}

#[tokio::test]
async fn s21_the_pair_of_topic_and_callback_is_the_key() {
    let stage = Stage::set().await;
    let topics = ["/a", "/b"].map(|path| stage.publisher.topic(path));
    let callbacks = ["/one", "/two", "/one?other"].map(|path| stage.subscriber.callback(path));
    // Each of the six pairs, each three times over.
    for _ in 0..3 {
        for topic in &topics {
            for callback in &callbacks {
                stage.subscribe_03(topic, callback).await;
            }
        }
    }
    let text = |topic: &Topic, text: &str| format!("{text} of {}", topic.url());
    for topic in &topics {
        for news in ["news", "more"] {
            stage.publish(topic, &text(topic, news)).await;
        }
    }
    // The harness keeps one book for a path, so the first and the third share one.
    let got = |callback: &Callback| {
        let attempts = callback.attempts().into_iter();
        let mut got: Vec<_> =
            attempts.map(|one| (one.query, String::from_utf8(one.body.to_vec()).unwrap())).collect();
        got.sort_unstable();
        got
    };
    let each = |queries: &[&str], texts: &[String]| {
        let of =
            |query: &&str| texts.iter().map(|text| ((*query).to_owned(), text.clone())).collect::<Vec<_>>();
        let mut each: Vec<_> = queries.iter().flat_map(of).collect();
        each.sort_unstable();
        each
    };
    let [a, b] = &topics;
    let mut texts = vec![text(a, "news"), text(a, "more"), text(b, "news"), text(b, "more")];
    let [shared, two, _] = &callbacks;
    two.delivered(4).await;
    shared.delivered(8).await;
    assert_eq!(got(two), each(&[""], &texts), "once a pair, however often it was asked for");
    assert_eq!(got(shared), each(&["", "other"], &texts));

    // One pair ends, and no other with it.
    stage.accept_sync(&Form::unsubscribe(a, two)).await;
    for topic in &topics {
        stage.publish(topic, &text(topic, "last")).await;
    }
    two.delivered(5).await;
    shared.delivered(12).await;
    texts.push(text(b, "last"));
    assert_eq!(got(two), each(&[""], &texts));
    texts.push(text(a, "last"));
    assert_eq!(got(shared), each(&["", "other"], &texts));
}

/// What cannot be served by a test without rights, as the default port is, shows in the room that its host has: another
/// spelling takes the place of the first, another pair finds none (X03).
#[tokio::test]
async fn s22_neither_the_case_of_a_host_nor_its_default_port_makes_another_pair() {
    let settings = Settings::quick().with("limits", "per_callback_host", 1);
    let stage = Stage::set_with(settings.with("verification", "delay", "10min")).await;
    let callbacks = [
        ("http://localhost/cb", ["HTTP://LocalHost/cb", "http://localhost:80/cb", "http://localhost:/%63b"]),
        (
            "https://localhost/cb",
            ["HTTPS://LOCALHOST/cb", "https://localhost:443/cb", "https://localhost:/%63b"],
        ),
    ];
    let topics = ["http://localhost/feed", "http://LOCALHOST:80/feed", "HTTP://localhost:/f%65ed"];
    for (callback, spellings) in callbacks {
        for topic in topics {
            for spelling in [callback].into_iter().chain(spellings) {
                let form = Form::intent("subscribe", topic, spelling);
                assert_eq!(stage.hub.post(&form).await.status, 202, "{topic} {spelling}");
            }
        }
        for (topic, other) in [
            (topics[0], callback.replace("/cb", "/CB")),
            (topics[0], callback.replace("localhost/cb", "localhost/cb?")),
            ("http://localhost/Feed", callback.to_owned()),
            ("https://localhost/feed", callback.to_owned()),
            ("http://localhost:8080/feed", callback.to_owned()),
        ] {
            let answer = stage.hub.post(&Form::intent("subscribe", topic, &other)).await;
            assert_eq!(answer.status, 429, "{topic} {other}");
        }
    }
}

/// Differently spelt is the same pair, and each verification repeats the spelling of its request.
#[tokio::test]
async fn s22_spellings_of_one_url_are_one_subscription() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/~name/a-b");
    let callback = stage.subscriber.callback("/~cb");
    let spelt = |url: &str| url.replace("http://", "HTTP://").replace('~', "%7e").replace("a-b", "%61%2Db");
    let forms = [
        Form::subscribe(&topic, &callback).secret("first"),
        Form::intent("subscribe", &spelt(&topic.url()), &callback.url()).secret("second"),
        Form::intent("subscribe", &topic.url(), &spelt(&callback.url())).secret("third"),
    ];
    for form in forms {
        stage.accept_sync(&form).await;
    }
    // To the server of the callbacks, and to the site, another spelling is another path.
    let spelt_callback = stage.subscriber.callback("/%7ecb");
    assert_eq!(callback.verifications()[0].one("hub.topic"), Some(topic.url().as_str()));
    assert_eq!(callback.verifications()[1].one("hub.topic"), Some(spelt(&topic.url()).as_str()));
    assert_eq!(spelt_callback.verification(1).await.one("hub.topic"), Some(topic.url().as_str()));
    let witness = stage.subscriber.callback("/witness");
    stage.subscribe_03(&topic, &witness).await;
    let spelt_topic = stage.publisher.topic("/%7ename/%61%2Db");
    for text in ["one", "two"] {
        topic.put(Page::of("text/plain", text));
        spelt_topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        witness.delivered_where(text, |one| one.body == text).await;
    }
    spelt_callback.delivered(2).await;
    assert!(callback.attempts().is_empty(), "the newest spelling replaced the older");
    let expected = ["one", "two"].map(|text| Some(sha1_signature(b"third", text.as_bytes())));
    assert_eq!(signatures(&spelt_callback), expected, "one subscription");
}

/// Whether a pair exists cannot be found out by leaving it.
#[tokio::test]
async fn s32_leaving_what_was_never_joined_looks_the_same() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let known = stage.subscriber.callback("/known");
    stage.subscribe_03(&topic, &known).await;
    // One callback that left, one that joined something else, one that nobody has heard of.
    let left = stage.subscriber.callback("/left");
    stage.subscribe_03(&topic, &left).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &left)).await;
    let elsewhere = stage.subscriber.callback("/elsewhere");
    stage.subscribe_03(&stage.publisher.topic("/elsewhere"), &elsewhere).await;
    let unknown = stage.subscriber.callback("/unknown");

    let mut seen = Vec::new();
    for callback in [&known, &left, &elsewhere, &unknown] {
        let before = callback.verifications().len();
        let form = Form::unsubscribe(&topic, callback).token("t");
        callback.judge([Verdict::Status(404)]);
        let refused = stage.hub.post(&form.clone().sync()).await.expect(409);
        let pending = stage.hub.post(&form).await.expect(202);
        callback.verification(before + 2).await;
        let done = stage.hub.post(&form.sync()).await.expect(204);
        let asked: Vec<_> = callback.verifications().split_off(before);
        let names: Vec<Vec<_>> =
            asked.iter().map(|one| one.parameters.iter().map(|(name, _)| name.clone()).collect()).collect();
        let answers = [refused, pending, done].map(|mut answer| {
            answer.headers.remove("date");
            (answer.headers, answer.text)
        });
        seen.push((answers, names));
    }
    for other in &seen[1..] {
        assert_eq!(other, &seen[0]);
    }
}

/// Whoever may not come may go.
#[tokio::test]
async fn s33_policy_holds_nobody_back() {
    // Callbacks may be here; topics on the next address may not.
    let stage = Stage::set_with(Settings::quick().allowing_only("127.0.0.1/32")).await;
    let callback = stage.subscriber.callback("/cb");
    let topics =
        ["http://127.0.0.2:9999/feed", "http://127.0.0.1:25/feed", "http://10.0.0.1/", stage.hub.url()];
    for topic in topics {
        let form = |mode| Form::intent(mode, topic, &callback.url());
        assert_refused(topic, &stage.hub.post(&form("subscribe").sync()).await, 403, &["hub.topic", "url"]);
        assert_refused(topic, &stage.hub.post(&form("subscribe")).await, 403, &["hub.topic", "url"]);
        stage.hub.post(&form("unsubscribe")).await.expect(202);
        stage.hub.post(&form("unsubscribe").sync()).await.expect(204);
    }
    assert!(callback.verifications().iter().all(|one| one.mode() == "unsubscribe"));
    // A callback that must not be called cannot be asked, but that is for the verification to find out.
    let topic = stage.publisher.topic("/text").url();
    for callback in ["http://127.0.0.2:9999/cb", "http://127.0.0.1:25/cb"] {
        stage.hub.post(&Form::intent("subscribe", &topic, callback)).await.expect(403);
        stage.hub.post(&Form::intent("unsubscribe", &topic, callback)).await.expect(202);
        stage.hub.post(&Form::intent("unsubscribe", &topic, callback).sync()).await.expect(409);
    }
}
