//! Verification of intent and what follows from it: the shape of the GET (V01-V08), which answers count (V09-V14),
//! renewals (V15-V17), leaving (S32, D22), leases and their refresh (V18, V19).

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{Callback, Form, Gate, Page, Reply, Settings, Stage, Topic, Verdict, sha1_signature};

/// A stage with one topic of plain text.
async fn set(settings: Settings) -> (Stage, Topic) {
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    (stage, topic)
}

/// Publishes a text and waits until a witness, who was subscribed for it, has it.
async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    let witness = stage.fence(topic).await;
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
    witness.delivered_where(text, |one| one.body == text.as_bytes()).await;
}

fn bodies(callback: &Callback) -> Vec<bytes::Bytes> {
    callback.attempts().into_iter().map(|one| one.body).collect()
}

#[tokio::test]
async fn verification_is_a_bare_get_with_our_parameters_last() {
    let (stage, _) = set(Settings::quick()).await;
    // A query with everything that a careless URL library rewrites, and with names that are the hub's own (V01, S25).
    let theirs = "a=b+c&a=%2f%2F%7e&&hub.challenge=fake&hub.mode=x&empty&u=%C3%A9";
    let callback = stage.subscriber.callback(&format!("/a/../%7Eb//c?{theirs}"));
    let topic = stage.publisher.topic("/t?x=1&y=%7E");
    stage.hub.post(&Form::subscribe(&topic, &callback).token("t&=+ %é").lease("600")).await.expect(202);

    let seen = callback.verification(1).await;
    let ours = seen.query.strip_prefix(&format!("{theirs}&")).expect("their query comes first, untouched");
    let names: Vec<_> = ours.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    let expected = ["hub.challenge", "hub.lease_seconds", "hub.mode", "hub.topic", "hub.verify_token"];
    assert_eq!(sorted, expected, "each once, dots as they are (V02)");
    let ours: Vec<(String, String)> = url::form_urlencoded::parse(ours.as_bytes()).into_owned().collect();
    let value = |name: &str| ours.iter().find(|(given, _)| given == name).unwrap().1.clone();
    assert_eq!(value("hub.mode"), "subscribe");
    assert_eq!(value("hub.topic"), topic.url(), "as it was given (V03)");
    assert_eq!(value("hub.lease_seconds"), "600");
    assert_eq!(value("hub.verify_token"), "t&=+ %é");
    let challenge = value("hub.challenge");
    assert!(challenge.len() >= 32, "{challenge}");
    assert!(challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "V04");
    // Form decoders and URI decoders must agree on every byte (V02).
    let encoded = seen.query.split("hub.verify_token=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(encoded, "t%26%3D%2B%20%25%C3%A9");
    assert!(seen.body.is_empty() && seen.headers.get("content-length").is_none(), "V08: {:?}", seen.headers);
    assert!(seen.headers.get("transfer-encoding").is_none(), "V08");
    assert!(seen.headers.get("user-agent").is_some(), "V08");
    assert_eq!(seen.headers.get("accept").unwrap(), "*/*");
}

/// The path of the callback goes out as it came in, too; the harness looks callbacks up by it (S25).
#[tokio::test]
async fn the_callback_is_used_to_the_letter() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/A%2fb%7Ec/%e9/;x=1,(2)!$'*?q=%7e+%20");
    stage.subscribe_03(&topic, &callback).await;
    publish(&stage, &topic, "news").await;
    assert_eq!(callback.delivered(1).await[0].query, "q=%7e+%20");
}

#[tokio::test]
async fn challenges_are_fresh_and_modes_have_their_parameters() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    stage.accept(&Form::unsubscribe(&topic, &callback).lease("60"), &topic, &callback).await;
    // Templates end in a line break (V09).
    callback.judge([Verdict::Padded]);
    stage.accept_sync(&Form::subscribe(&topic, &callback).token("")).await;
    let [joined, left, joined_again] = callback.verifications().try_into().unwrap();
    assert_eq!([joined.mode(), left.mode(), joined_again.mode()], ["subscribe", "unsubscribe", "subscribe"]);
    let challenges = [&joined, &left, &joined_again].map(|one| one.one("hub.challenge").unwrap());
    assert!(
        challenges[0] != challenges[1] && challenges[1] != challenges[2] && challenges[0] != challenges[2]
    );
    assert_eq!(joined.one("hub.lease_seconds"), Some("864000"), "the default (V05, V18)");
    assert_eq!(left.one("hub.lease_seconds"), None, "V06");
    assert_eq!(joined.one("hub.verify_token"), None, "nobody gave one (V07)");
    assert_eq!(joined_again.one("hub.verify_token"), Some(""), "an empty one was given (S14)");
    publish(&stage, &topic, "news").await;
    callback.delivered(1).await;
}

#[tokio::test]
async fn leases_stay_within_their_bounds() {
    let (stage, topic) = set(Settings::quick()).await;
    for (asked, granted) in
        [("1", "300"), ("0", "864000"), ("604800", "604800"), ("99999999999999999999", "2592000")]
    {
        let callback = stage.subscriber.callback(&format!("/cb/{asked}"));
        stage.hub.post(&Form::subscribe(&topic, &callback).lease(asked)).await.expect(202);
        assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some(granted), "asked {asked}");
    }
}

/// A 5xx, a dead connection and a timeout mean that nobody was there to ask (V11).
#[tokio::test]
async fn a_verification_that_found_nobody_is_repeated() {
    let settings = Settings::quick().with("verification", "timeout", "500ms");
    let (stage, topic) = set(settings).await;
    let nobody = [Verdict::Status(500), Verdict::Status(503), Verdict::HangUp, Verdict::Held(Gate::closed())];
    let old = stage.subscriber.callback("/old");
    old.judge(nobody.clone());
    old.judge([Verdict::Status(403), Verdict::Mumble("not now"), Verdict::Redirect(old.url())]);
    // A host that has confirmed before is asked for longer (V13).
    stage.fence(&topic).await;
    stage.accept(&Form::subscribe(&topic, &old).with("hub.verify", "async"), &topic, &old).await;
    let new = stage.subscriber.callback("/new");
    new.judge(nobody);
    stage.accept(&Form::subscribe(&topic, &new), &topic, &new).await;
    assert_eq!(old.verifications().len(), 8, "0.3 takes all but 404 and 410 for temporary");
    assert_eq!(new.verifications().len(), 5);
    let mut challenges: Vec<_> =
        new.verifications().iter().map(|one| one.one("hub.challenge").unwrap().to_owned()).collect();
    challenges.sort();
    challenges.dedup();
    assert_eq!(challenges.len(), 5, "one challenge is for one attempt (V04)");
    publish(&stage, &topic, "news").await;
    old.delivered(1).await;
    new.delivered(1).await;
}

/// What is a refusal is final, in whatever body it comes, and is not asked again (V09-V12).
#[tokio::test]
async fn a_refusal_is_final() {
    let (stage, topic) = set(Settings::quick()).await;
    let elsewhere = stage.subscriber.callback("/elsewhere");
    let refusals = [
        ("404", Verdict::Status(404)),
        ("410", Verdict::Status(410)),
        ("403", Verdict::Status(403)),
        ("redirect", Verdict::Redirect(elsewhere.url())),
        ("mumbled", Verdict::Mumble("yes")),
        ("nothing", Verdict::Mumble("")),
    ];
    let mut refused = Vec::new();
    for (name, verdict) in refusals {
        let callback = stage.subscriber.callback(&format!("/new/{name}"));
        callback.always_judge(verdict.clone());
        stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
        refused.push(callback);
        // 0.3 has only two refusals; what it asks again about, the test above shows.
        if matches!(verdict, Verdict::Status(404 | 410)) {
            let callback = stage.subscriber.callback(&format!("/old/{name}"));
            callback.always_judge(verdict);
            let form = Form::subscribe(&topic, &callback).with("hub.verify", "async");
            stage.hub.post(&form).await.expect(202);
            refused.push(callback);
        }
    }
    for callback in &refused {
        callback.verification(1).await;
    }
    // One who is asked again as often as the schedule says shows that the time for asking again has passed.
    let clock = stage.subscriber.callback("/clock");
    clock.judge(vec![Verdict::Status(500); 4]);
    stage.accept(&Form::subscribe(&topic, &clock), &topic, &clock).await;
    publish(&stage, &topic, "news").await;
    clock.delivered(1).await;
    for callback in refused {
        assert_eq!(callback.verifications().len(), 1, "{}", callback.url());
        assert!(callback.attempts().is_empty(), "{}", callback.url());
    }
    assert!(elsewhere.verifications().is_empty(), "redirects are not followed (V12)");
}

/// Sync answers with the outcome, whichever it is, and leaves nothing behind (V14, S13).
#[tokio::test]
async fn a_sync_refusal_is_a_conflict() {
    let (stage, topic) = set(Settings::quick().with("verification", "timeout", "1s")).await;
    let verdicts = [
        Verdict::Status(404),
        Verdict::Status(500),
        Verdict::Redirect(topic.url()),
        Verdict::Mumble("no"),
        Verdict::HangUp,
        Verdict::Held(Gate::closed()),
    ];
    for (index, verdict) in verdicts.into_iter().enumerate() {
        let callback = stage.subscriber.callback(&format!("/cb/{index}"));
        callback.judge([verdict]);
        let answer = stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.expect(409);
        assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
        assert!(answer.text.to_lowercase().contains("callback"), "{answer:?}");
        publish(&stage, &topic, &format!("news {index}")).await;
        assert_eq!(callback.verifications().len(), 1);
        assert!(callback.attempts().is_empty());
    }
}

/// A request that its callback does not confirm, whoever made it, leaves the old state (V15).
#[tokio::test]
async fn a_failed_renewal_changes_nothing() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept(&Form::subscribe(&topic, &callback).secret("first"), &topic, &callback).await;
    callback.judge([Verdict::Status(404), Verdict::Status(404)]);
    let renewal = Form::subscribe(&topic, &callback).secret("stranger's");
    stage.hub.post(&renewal).await.expect(202);
    callback.verification(2).await;
    stage.hub.post(&Form::unsubscribe(&topic, &callback).sync()).await.expect(409);
    publish(&stage, &topic, "news").await;
    let delivery = callback.delivered(1).await.remove(0);
    let signature = sha1_signature(b"first", b"news");
    assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "V15");
}

#[tokio::test]
async fn a_renewal_replaces_the_secret_in_one_go() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    let secrets: [Option<&str>; 4] = [Some("first"), Some("second"), None, Some("third")];
    for (index, secret) in secrets.into_iter().enumerate() {
        let mut form = Form::subscribe(&topic, &callback);
        if let Some(secret) = secret {
            form = form.secret(secret);
        }
        stage.accept(&form, &topic, &callback).await;
        let text = format!("news {index}");
        publish(&stage, &topic, &text).await;
        let deliveries = callback.delivered(index + 1).await;
        assert_eq!(deliveries.len(), index + 1, "one subscription, however often it is renewed (S21)");
        let expected = secret.map(|secret| sha1_signature(secret.as_bytes(), text.as_bytes()));
        assert_eq!(deliveries[index].header("x-hub-signature").map(str::to_owned), expected, "V16");
    }
}

/// Leaving is verified, and then nothing comes any more (D22).
#[tokio::test]
async fn after_leaving_nothing_is_delivered() {
    let (stage, topic) = set(Settings::quick()).await;
    let (quiet, failing) = (stage.subscriber.callback("/quiet"), stage.subscriber.callback("/failing"));
    stage.subscribe_ws(&topic, &quiet).await;
    stage.subscribe_03(&topic, &failing).await;
    // This one leaves with a delivery waiting to be tried again.
    failing.always_reply(Reply::Status(500));
    publish(&stage, &topic, "before").await;
    quiet.delivered(1).await;
    failing.attempted(2).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &failing)).await;
    let attempts = failing.attempts().len();
    stage.accept(&Form::unsubscribe(&topic, &quiet), &topic, &quiet).await;
    for text in ["after", "long after"] {
        publish(&stage, &topic, text).await;
    }
    assert_eq!(bodies(&quiet), ["before"]);
    // One request may have been on its way while the hub heard the confirmation.
    assert!(failing.attempts().len() <= attempts + 1, "{:?}", bodies(&failing));
    assert!(bodies(&failing).iter().all(|body| body == "before"));
}

/// Whether a pair exists cannot be found out by leaving it (S32).
#[tokio::test]
async fn leaving_what_was_never_joined_looks_the_same() {
    let (stage, topic) = set(Settings::quick()).await;
    let (known, unknown) = (stage.subscriber.callback("/known"), stage.subscriber.callback("/unknown"));
    stage.subscribe_03(&topic, &known).await;
    let mut answers = Vec::new();
    for callback in [&known, &unknown] {
        let before = callback.verifications().len();
        let form = Form::unsubscribe(&topic, callback).token("t");
        let answer = stage.hub.post(&form).await.expect(202);
        let seen = callback.verification(before + 1).await;
        assert_eq!((seen.mode(), seen.one("hub.verify_token")), ("unsubscribe", Some("t")));
        let sync = stage.hub.post(&form.sync()).await.expect(204);
        callback.judge([Verdict::Status(404)]);
        let refused = stage.hub.post(&Form::unsubscribe(&topic, callback).sync()).await.expect(409);
        answers.push([answer.text, sync.text, refused.text]);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Differently spelt is the same pair, and each verification repeats the spelling of its request (S22).
#[tokio::test]
async fn spellings_of_one_url_are_one_subscription() {
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
    let deliveries = spelt_callback.delivered(2).await;
    assert!(callback.attempts().is_empty(), "the newest spelling replaced the older");
    assert_eq!(deliveries.len(), 2);
    let signature = sha1_signature(b"third", b"one");
    assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
}

/// A newer request for a pair takes the place of one that is still being asked about (V17).
#[tokio::test]
async fn a_newer_request_ends_the_retries_of_the_older() {
    let settings = Settings::quick().with("verification", "retry", vec!["400ms"; 4]);
    let (stage, topic) = set(settings).await;
    let callback = stage.subscriber.callback("/cb");
    callback.judge([Verdict::Status(500)]);
    stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    callback.verification(1).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &callback)).await;
    // Another's retries mark the time at which this one's would have come.
    let clock = stage.subscriber.callback("/clock");
    clock.judge(vec![Verdict::Status(500); 2]);
    stage.accept(&Form::subscribe(&topic, &clock), &topic, &clock).await;
    let modes: Vec<_> = callback.verifications().iter().map(|one| one.mode().to_owned()).collect();
    assert_eq!(modes, ["subscribe", "unsubscribe"]);
    publish(&stage, &topic, "news").await;
    assert!(callback.attempts().is_empty());
}

/// A lease ends on time if nobody renews it (V18), and 0.3 subscriptions are renewed by the hub (V19).
#[tokio::test]
async fn leases_end_and_only_0_3_is_refreshed() {
    let settings = Settings::quick().with("lease", "min", "1s").with("lease", "default", "2s").with(
        "lease",
        "refresh_at",
        0.5,
    );
    let (stage, topic) = set(settings).await;
    let (old, new) = (stage.subscriber.callback("/old"), stage.subscriber.callback("/new"));
    stage.accept(&Form::subscribe(&topic, &new), &topic, &new).await;
    let asked = Instant::now();
    stage.accept_sync(&Form::subscribe(&topic, &old).token("t").secret("key")).await;
    assert_eq!(new.verification(1).await.one("hub.lease_seconds"), Some("2"));
    publish(&stage, &topic, "within the lease").await;
    new.delivered(1).await;

    let refreshed = old.verification(3).await;
    assert!(asked.elapsed() >= Duration::from_millis(1800), "two halves of the lease: {:?}", asked.elapsed());
    assert_eq!(refreshed.mode(), "subscribe");
    assert_eq!(refreshed.one("hub.verify_token"), Some("t"));
    assert_eq!(refreshed.one("hub.topic"), Some(topic.url().as_str()));
    assert_eq!(refreshed.one("hub.lease_seconds"), Some("2"));
    let first = old.verification(1).await;
    assert_ne!(refreshed.one("hub.challenge"), first.one("hub.challenge"));
    // The third verification came when the other's two seconds were all but over; the fourth leaves no doubt.
    old.confirmed(4).await;
    publish(&stage, &topic, "after the lease").await;
    let delivery = old.delivered(2).await.remove(1);
    let signature = sha1_signature(b"key", b"after the lease");
    assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "a refresh keeps the secret");
    assert_eq!(bodies(&new), ["within the lease"]);
    assert_eq!(new.verifications().len(), 1, "a WebSub subscriber did not ask for a second (V19, V24)");

    // Refused, a refresh ends the subscription (V19).
    old.always_judge(Verdict::Status(404));
    let refused = old.verifications().len() + 1;
    old.verification(refused).await;
    publish(&stage, &topic, "after the refusal").await;
    assert_eq!(bodies(&old).len(), 2);
}

/// Neither side of a subscription sees the other's: one callback may have several topics and secrets (D24).
#[tokio::test]
async fn one_callback_may_follow_several_topics() {
    let stage = Stage::set().await;
    let callback = stage.subscriber.callback("/cb");
    let topics = ["/a", "/b"].map(|path| stage.publisher.topic(path));
    for (topic, secret) in topics.iter().zip(["key a", "key b"]) {
        stage.accept_sync(&Form::subscribe(topic, &callback).secret(secret)).await;
        topic.put(Page::of("text/plain", secret));
    }
    for (index, (topic, secret)) in topics.iter().zip(["key a", "key b"]).enumerate() {
        stage.ping(topic).await;
        let delivery = callback.delivered(index + 1).await.remove(index);
        let signature = sha1_signature(secret.as_bytes(), &delivery.body);
        assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));
    }
}
