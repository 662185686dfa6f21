//! The question, V01-V08: a bare GET with our parameters behind whatever the callback has.

use super::{a_lease_has_passed, bodies, retries_are_over, set, short_leases};
use crate::harness::{Callback, Form, Gate, Settings, Verdict, Verification};

/// What stands raw between a parameter's name and the next parameter.
fn raw<'a>(seen: &'a Verification, name: &str) -> &'a str {
    let after = seen.query.split(&format!("{name}=")).nth(1).expect(name);
    after.split('&').next().unwrap()
}

#[tokio::test]
async fn v01_our_parameters_come_last_behind_an_untouched_query() {
    let (stage, topic) = set(Settings::quick()).await;
    // Everything that a careless URL library rewrites, and names that are the hub's own; the harness reads the last
    // challenge, as old PHP and Ruby servers do.
    let theirs = "a=b+c&a=%2f%2F%7e&&hub.challenge=fake&hub.mode=x&hub.topic&empty&u=%C3%A9&d=../e?f";
    let callback = stage.subscriber.callback(&format!("/a/../%7Eb//c?{theirs}"));
    stage.accept(&Form::subscribe(&topic, &callback), &topic, &callback).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &callback)).await;
    for (seen, mode) in callback.verifications().iter().zip(["subscribe", "unsubscribe"]) {
        let ours = seen.query.strip_prefix(&format!("{theirs}&")).expect("theirs comes first, untouched");
        assert!(ours.starts_with(&format!("hub.mode={mode}&hub.topic=")), "{ours}");
        assert_eq!(seen.all("hub.mode"), ["x", mode], "theirs stays, ours is added");
        assert_eq!(seen.all("hub.challenge").len(), 2);
    }
    // Without a query there is one; with an empty one there is still only one question mark.
    for (path, joint) in [("/none", ""), ("/empty?", "&")] {
        let callback = stage.subscriber.callback(path);
        stage.accept_sync(&Form::subscribe(&topic, &callback)).await;
        let query = callback.verification(1).await.query;
        assert!(query.starts_with(&format!("{joint}hub.mode=subscribe&")), "{path}: {query}");
    }
}

#[tokio::test]
async fn v02_each_parameter_stands_once_and_reads_the_same_to_every_decoder() {
    let (stage, _) = set(Settings::quick()).await;
    let topic = stage.publisher.topic("/t?x=1&y=%7E+%20(*)!'");
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback).token("t&=+ %é~-._*").lease("600")).await;
    let seen = callback.verification(1).await;
    let mut names: Vec<_> = seen.query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
    names.sort_unstable();
    let expected = ["hub.challenge", "hub.lease_seconds", "hub.mode", "hub.topic", "hub.verify_token"];
    assert_eq!(names, expected, "each once, dots as they are");
    // Form and URI decoders differ in `+` and in nothing else, so a space is %20 and only the unreserved go bare.
    assert_eq!(raw(&seen, "hub.verify_token"), "t%26%3D%2B%20%25%C3%A9~-._%2A");
    let host = topic.url().replace("http://", "").split('/').next().unwrap().replace(':', "%3A");
    let path = "%2Ft%3Fx%3D1%26y%3D%257E%2B%2520%28%2A%29%21%27";
    assert_eq!(raw(&seen, "hub.topic"), format!("http%3A%2F%2F{host}{path}"));
}

#[tokio::test]
async fn v03_the_topic_is_told_as_it_was_asked_for() {
    let (stage, _) = set(Settings::quick()).await;
    let topic = stage.publisher.topic("/~name/a-b?q=%7e&r=é+%20");
    let callback = stage.subscriber.callback("/cb");
    let spellings = [
        topic.url(),
        topic.url().replace("http://", "HTTP://"),
        topic.url().replace('~', "%7e"),
        topic.url().replace("a-b", "%61%2Db"),
        topic.url().replace("/~", "/./x/../~"),
    ];
    for (index, spelt) in spellings.iter().enumerate() {
        // Subscribers compare byte by byte, with what they sent last (S22).
        for mode in ["subscribe", "unsubscribe"] {
            stage.accept_sync(&Form::intent(mode, spelt, &callback.url())).await;
        }
        let seen = callback.verification(2 * index + 2).await;
        assert_eq!(seen.one("hub.topic"), Some(spelt.as_str()));
        assert_eq!(callback.verification(2 * index + 1).await.one("hub.topic"), Some(spelt.as_str()));
    }
}

#[tokio::test]
async fn v04_every_attempt_has_a_long_harmless_challenge_of_its_own() {
    let (stage, topic) = set(Settings::quick()).await;
    let callbacks = ["/a", "/b"].map(|path| stage.subscriber.callback(path));
    for callback in &callbacks {
        callback.judge([Verdict::Status(500), Verdict::HangUp, Verdict::Status(503)]);
        stage.accept(&Form::subscribe(&topic, callback), &topic, callback).await;
        stage.accept_sync(&Form::subscribe(&topic, callback)).await;
        stage.accept_sync(&Form::unsubscribe(&topic, callback)).await;
    }
    let seen = callbacks.iter().flat_map(Callback::verifications);
    let mut challenges: Vec<_> = seen.map(|one| one.one("hub.challenge").unwrap().to_owned()).collect();
    for challenge in &challenges {
        assert!(challenge.len() >= 32, "{challenge}");
        let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(challenge.bytes().all(is_harmless), "{challenge}");
    }
    challenges.sort();
    challenges.dedup();
    assert_eq!(challenges.len(), 12);
}

#[tokio::test]
async fn v05_who_subscribes_is_always_told_the_lease() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    callback.judge([Verdict::Status(500)]);
    let forms = [
        Form::subscribe(&topic, &callback).lease("600"),
        Form::subscribe(&topic, &callback).lease("").with("hub.verify", "async"),
        Form::subscribe(&topic, &callback),
    ];
    for form in forms {
        stage.accept(&form, &topic, &callback).await;
    }
    let told: Vec<_> =
        callback.verifications().iter().map(|one| raw(one, "hub.lease_seconds").to_owned()).collect();
    assert_eq!(told, ["600", "600", "864000", "864000"], "decimal, and again with each attempt");
}

/// The lease counts from the question, not from an answer that took its time.
#[tokio::test]
async fn v05_the_lease_counts_from_the_question() {
    let (stage, topic) = set(short_leases().with("verification", "timeout", "1min")).await;
    let gate = Gate::closed();
    let (short, long) = (stage.subscriber.callback("/short"), stage.subscriber.callback("/long"));
    for (callback, lease) in [(&short, "1"), (&long, "600")] {
        callback.judge([Verdict::Held(gate.clone())]);
        stage.hub.post(&Form::subscribe(&topic, callback).lease(lease)).await.expect(202);
        callback.verification(1).await;
    }
    a_lease_has_passed(&stage, &topic, "lease").await;
    gate.open();
    short.confirmed(1).await;
    long.confirmed(1).await;
    stage.publish(&topic, "news").await;
    long.delivered(1).await;
    assert!(short.attempts().is_empty(), "its second was over when it answered");
}

#[tokio::test]
async fn v06_who_leaves_is_told_no_lease() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    let form = Form::unsubscribe(&topic, &callback).lease("600");
    stage.accept(&form, &topic, &callback).await;
    stage.accept_sync(&form).await;
    for left in &callback.verifications()[1..] {
        assert_eq!((left.mode(), left.one("hub.lease_seconds")), ("unsubscribe", None));
    }
    assert_eq!(callback.verifications().len(), 3);
}

#[tokio::test]
async fn v07_a_token_is_echoed_if_and_only_if_it_was_given() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    let given: [Option<&[u8]>; 4] = [Some(b"t&=+ %\xff"), None, Some(b""), None];
    let expected = [Some("t%26%3D%2B%20%25%FF"), None, Some(""), None];
    for (mode, sync) in [("subscribe", false), ("unsubscribe", true)] {
        for (token, expected) in given.iter().zip(expected) {
            let mut form = Form::intent(mode, &topic.url(), &callback.url());
            if let Some(token) = token {
                form = form.with("hub.verify_token", token);
            }
            let seen = callback.verifications().len();
            if sync {
                stage.accept_sync(&form).await;
            } else {
                // Each attempt tells it.
                callback.judge([Verdict::Status(500)]);
                stage.accept(&form, &topic, &callback).await;
                assert_eq!(callback.verifications().len(), seen + 2);
            }
            for one in &callback.verifications()[seen..] {
                assert_eq!(one.all("hub.verify_token").len(), usize::from(expected.is_some()), "{one:?}");
                let told = expected.map(|_| raw(one, "hub.verify_token"));
                assert_eq!(told, expected, "byte for byte, and none that was not given: {mode}");
            }
        }
    }
}

#[tokio::test]
async fn v08_the_question_is_a_bare_get() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret("key")).await;
    callback.judge([Verdict::Status(500)]);
    stage.accept(&Form::unsubscribe(&topic, &callback), &topic, &callback).await;
    retries_are_over(&stage, &topic, "body").await;
    assert!(bodies(&callback).is_empty(), "nothing but GET came");
    assert_eq!(callback.verifications().len(), 3);
    for seen in callback.verifications() {
        assert!(seen.body.is_empty());
        let mut names: Vec<_> = seen.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "user-agent"], "no length, no coding, no cookies");
        assert_eq!(seen.headers["accept"], "*/*");
        assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("hubbub/"));
    }
}
