//! What somebody can do who is not the subscriber: little (X03, X04, X11, X12).

use std::net::Ipv4Addr;

use crate::harness::{Form, Gate, Page, Settings, Stage, Subscriber, Verdict, sha1_signature};

/// A host that nobody asked is asked by this hub only so often at once; who is over that is told to come back (X03).
#[tokio::test]
async fn x03_the_verifications_that_wait_for_one_host_are_bounded() {
    let stage = Stage::set_with(Settings::quick().with("limits", "per_callback_host", 2)).await;
    let topic = stage.publisher.topic("/text");
    let victim = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let gate = Gate::closed();
    let callbacks: Vec<_> = (0..3).map(|index| victim.callback(&format!("/{index}"))).collect();
    for callback in &callbacks {
        callback.always_judge(Verdict::Held(gate.clone()));
    }
    for callback in &callbacks[..2] {
        stage.hub.post(&Form::subscribe(&topic, callback)).await.expect(202);
        callback.verification(1).await;
    }
    let answer = stage.hub.post(&Form::subscribe(&topic, &callbacks[2])).await.expect(429);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{answer:?}");
    assert!(answer.text.contains("hub.callback") && !answer.text.contains(&callbacks[2].url()), "{answer:?}");
    stage.hub.post(&Form::unsubscribe(&topic, &callbacks[2])).await.expect(429);
    // It is the host that is spared: others are not held up, and what waits already may be asked for anew.
    stage.hub.post(&Form::subscribe(&topic, &callbacks[0]).secret("new")).await.expect(202);
    stage.hub.post(&Form::subscribe(&topic, &stage.subscriber.callback("/other"))).await.expect(202);

    gate.open();
    callbacks[0].confirmed(2).await;
    callbacks[1].confirmed(1).await;
    stage.fence(&topic).await;
    stage.hub.post(&Form::subscribe(&topic, &callbacks[2])).await.expect(202);
    callbacks[2].confirmed(1).await;
}

/// A lease of a second with a refresh at its half would call somebody twice a second for ever, so none is granted; and a
/// host that never confirmed anything is not asked for hours (X04).
#[tokio::test]
async fn x04_neither_short_leases_nor_long_retries_make_an_attack() {
    let settings = Settings::quick()
        .with("verification", "retry_03", vec!["50ms", "11min"])
        .with("log", "filter", "info");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    for asked in ["1", "2", "299"] {
        let callback = stage.subscriber.callback(&format!("/lease/{asked}"));
        stage.accept_sync(&Form::subscribe(&topic, &callback).lease(asked)).await;
        assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some("300"));
    }

    let elsewhere = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let stranger = elsewhere.callback("/stranger");
    let known = stage.subscriber.callback("/known");
    for callback in [&stranger, &known] {
        callback.always_judge(Verdict::Status(500));
        let form = Form::subscribe(&topic, callback).with("hub.verify", "async");
        stage.hub.post(&form).await.expect(202);
        callback.verification(2).await;
    }
    let (_, log) = stage.hub.end().await;
    let given_up: Vec<_> = log.lines().filter(|line| line.contains("intent not verified")).collect();
    assert_eq!(given_up.len(), 1, "{log}");
    assert!(given_up[0].contains("127.0.0.2"), "{given_up:?}");
}

/// Test hubs tell who is subscribed, take orders in the request, and can be emptied by a URL. This one knows none of
/// that (X11).
#[tokio::test]
async fn x11_nothing_of_a_test_hub_is_there() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    stage.subscribe_03(&topic, &callback).await;
    let client = stage.hub.client();
    let status = format!("/?hub.mode=status&hub.topic={}&hub.callback={}", topic.url(), callback.url());
    let answer = client.get(&stage.hub.at(&status)).await.expect(405);
    assert!(!answer.text.contains("/cb"), "{answer:?}");
    for mode in ["status", "list", "retrieve", "replay", "reset", "debug"] {
        stage.hub.post(&Form::intent(mode, &topic.url(), &callback.url())).await.expect(400);
    }
    for path in ["/reset", "/status", "/debug", "/subscriptions", "/metrics", "/api/status"] {
        client.get(&stage.hub.at(path)).await.expect(404);
        client.send("POST", &stage.hub.at(path), None, "").await.expect(404);
    }

    // An order to ask again after a second is no order: the first failure of a sync request is the last.
    let refusing = stage.subscriber.callback("/refusing");
    refusing.judge([Verdict::Status(500)]);
    let form = Form::subscribe(&topic, &refusing).with("hub.debug.retry_after", "1").sync();
    stage.hub.post(&form).await.expect(409);
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    assert_eq!((refusing.verifications().len(), refusing.attempts().len()), (1, 0));
}

/// A stranger who knows a callback can ask in its name, and a careless subscriber will confirm. One that gave a token
/// can tell: the stranger's verification comes without it, its no leaves everything as it was; and if it does confirm,
/// the operator can see that a secret was replaced (X12).
#[tokio::test]
async fn x12_a_token_tells_a_strangers_request_and_a_changed_secret_is_logged() {
    let mut stage = Stage::set_with(Settings::quick().with("log", "filter", "info")).await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    let own = Form::subscribe(&topic, &callback).token("known to us alone").secret("first");
    stage.accept_sync(&own).await;
    stage.accept_sync(&own).await;
    callback.judge([Verdict::Status(404)]);
    stage.hub.post(&Form::subscribe(&topic, &callback).secret("stranger's")).await.expect(202);
    assert_eq!(callback.verification(3).await.one("hub.verify_token"), None);
    stage.fence(&topic).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    let delivery = callback.delivered(1).await.remove(0);
    let signature = sha1_signature(b"first", b"news");
    assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));

    stage.accept(&Form::subscribe(&topic, &callback).secret("stranger's"), &topic, &callback).await;
    let (_, log) = stage.hub.end().await;
    let changes = log.lines().filter(|line| line.contains("secret_changed") && line.contains("true"));
    let changes: Vec<_> = changes.filter(|line| line.contains("intent verified")).collect();
    assert_eq!(changes.len(), 1, "{log}");
}

/// Some subscribers confirm whatever they are asked: a stranger must not be able to have them asked all day.
#[tokio::test]
async fn x12_requests_for_one_pair_have_a_rate() {
    let stage = Stage::set_with(Settings::quick().with("limits", "repeats_per_minute", 3)).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    for secret in ["1", "2", "3"] {
        stage.hub.post(&Form::subscribe(&topic, &callback).secret(secret)).await.expect(202);
    }
    let refused = stage.hub.post(&Form::subscribe(&topic, &callback).secret("4")).await.expect(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    let other = stage.subscriber.callback("/other");
    stage.hub.post(&Form::subscribe(&topic, &other)).await.expect(202);
}
