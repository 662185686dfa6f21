//! Leases, V18-V20: how long a subscription lasts, and which ones the hub renews by itself.

use std::time::Duration;

use super::{LEASE, a_lease_has_passed, bodies, set, short_leases};
use crate::harness::{Form, Settings, Verdict, sha1_signature};

#[tokio::test]
async fn v18_a_lease_stays_within_its_bounds() {
    let (stage, topic) = set(Settings::quick()).await;
    let table = [
        ("", "864000"),
        ("0", "864000"),
        ("1", "300"),
        ("300", "300"),
        ("604800", "604800"),
        ("2592000", "2592000"),
        ("2592001", "2592000"),
        ("99999999999999999999", "2592000"),
    ];
    for (asked, granted) in table {
        let callback = stage.subscriber.callback(&format!("/cb/{asked}"));
        stage.accept_sync(&Form::subscribe(&topic, &callback).lease(asked)).await;
        assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some(granted), "asked {asked}");
    }
}

#[tokio::test]
async fn v18_a_lease_ends_on_time() {
    let (stage, topic) = set(short_leases()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept(&Form::subscribe(&topic, &callback).lease("600"), &topic, &callback).await;
    stage.publish(&topic, "within the lease").await;
    callback.delivered(1).await;
    stage.accept(&Form::subscribe(&topic, &callback).lease("1"), &topic, &callback).await;
    a_lease_has_passed(&stage, &topic, "lease").await;
    stage.publish(&topic, "after the lease").await;
    assert_eq!(bodies(&callback), ["within the lease"]);
    assert_eq!(callback.verifications().len(), 2, "a WebSub subscriber did not ask for more (V19, V24)");
    // It may come back.
    stage.accept(&Form::subscribe(&topic, &callback).lease("600"), &topic, &callback).await;
    stage.publish(&topic, "back again").await;
    assert_eq!(callback.delivered(2).await[1].body, "back again");
}

#[tokio::test]
async fn v19_a_0_3_lease_is_refreshed_with_everything_it_had() {
    let (stage, topic) = set(short_leases()).await;
    let callback = stage.subscriber.callback("/cb?their=query");
    stage.accept_sync(&Form::subscribe(&topic, &callback).lease(LEASE).token("t&").secret("key")).await;
    a_lease_has_passed(&stage, &topic, "refresh").await;
    callback.confirmed(3).await;
    let seen = callback.verifications();
    let mut challenges: Vec<_> = seen.iter().map(|one| one.one("hub.challenge").unwrap()).collect();
    challenges.sort_unstable();
    challenges.dedup();
    assert_eq!(challenges.len(), seen.len(), "each with a challenge of its own");
    for one in &seen {
        assert!(one.query.starts_with("their=query&"), "{one:?}");
        assert_eq!((one.mode(), one.one("hub.verify_token")), ("subscribe", Some("t&")));
        assert_eq!(one.one("hub.topic"), Some(topic.url().as_str()));
        assert_eq!(one.one("hub.lease_seconds"), Some(LEASE));
    }
    stage.publish(&topic, "after the first lease").await;
    let delivery = callback.delivered(1).await.remove(0);
    let signature = sha1_signature(b"key", b"after the first lease");
    assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "a refresh keeps the secret");
}

#[tokio::test]
async fn v19_a_refresh_that_is_refused_ends_the_subscription_at_once() {
    let (stage, topic) = set(short_leases().with("lease", "refresh_at", 0.1)).await;
    let callbacks = [404, 410].map(|status| {
        let callback = stage.subscriber.callback(&format!("/{status}"));
        callback.judge([Verdict::Confirm]);
        callback.always_judge(Verdict::Status(status));
        callback
    });
    for callback in &callbacks {
        // Long enough that it is not the lease that ends.
        stage.accept_sync(&Form::subscribe(&topic, callback).lease(LEASE)).await;
    }
    for callback in &callbacks {
        callback.verification(2).await;
    }
    stage.publish(&topic, "news").await;
    for callback in callbacks {
        assert!(callback.attempts().is_empty(), "{}", callback.url());
        assert_eq!(callback.verifications().len(), 2, "{}", callback.url());
    }
}

/// Any other failure is asked about again, past the end of the schedule, until the lease ends and the subscription
/// with it; nothing is lost while it lasts.
#[tokio::test]
async fn v19_a_refresh_that_fails_is_repeated_until_the_lease_ends() {
    let (stage, topic) = set(short_leases().with("verification", "retry_03", vec!["50ms"])).await;
    let (failing, recovering) =
        (stage.subscriber.callback("/failing"), stage.subscriber.callback("/recovering"));
    for callback in [&failing, &recovering] {
        stage.accept_sync(&Form::subscribe(&topic, callback).lease(LEASE)).await;
    }
    failing.always_judge(Verdict::Status(403));
    recovering.judge([Verdict::Status(500), Verdict::Mumble("no"), Verdict::Status(403)]);
    a_lease_has_passed(&stage, &topic, "failing").await;
    stage.publish(&topic, "news").await;
    recovering.delivered(1).await;
    assert!(failing.attempts().is_empty());
    let asked = failing.verifications().len();
    assert!(asked >= 4, "asked {asked} times");
    // Longer than a pause between two tries, and nobody asks any more.
    let clock = stage.subscriber.callback("/clock");
    clock.judge([Verdict::Status(500), Verdict::Status(500)]);
    stage.accept(&Form::subscribe(&topic, &clock), &topic, &clock).await;
    assert_eq!(failing.verifications().len(), asked);
}

/// What 0.3 calls permanent is a finite lease, told as such, that is renewed again and again.
#[tokio::test]
async fn v20_a_permanent_subscription_is_told_the_finite_lease() {
    let (stage, topic) = set(Settings::quick()).await;
    for (verify, name) in [("sync", "/sync"), ("async", "/async")] {
        let callback = stage.subscriber.callback(name);
        stage.hub.post(&Form::subscribe(&topic, &callback).with("hub.verify", verify)).await;
        assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some("864000"));
    }
    let (stage, topic) = set(short_leases().with("lease", "default", "4s")).await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback)).await;
    callback.confirmed(3).await;
    for one in callback.verifications() {
        assert_eq!(one.one("hub.lease_seconds"), Some(LEASE));
    }
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
}

/// A hub that was down when a lease ended makes it good at its next start: what WebSub was promised has ended, and who
/// knows only 0.3 is asked the question that it is owed.
#[tokio::test]
async fn v18_v19_a_lease_that_ended_while_the_hub_was_down_is_seen_to_at_its_start() {
    let (mut stage, topic) = set(short_leases().with("lease", "refresh_at", 0.75)).await;
    let (new, old, gone) = (
        stage.subscriber.callback("/new"),
        stage.subscriber.callback("/old"),
        stage.subscriber.callback("/gone"),
    );
    stage.accept(&Form::subscribe(&topic, &new).lease("1"), &topic, &new).await;
    for callback in [&old, &gone] {
        stage.accept_sync(&Form::subscribe(&topic, callback).lease("2").secret("key")).await;
    }
    gone.always_judge(Verdict::Status(404));
    stage.hub.kill_9();
    let before = old.verifications().len();
    // Here time itself is the event: nobody is there who could tell that it has passed.
    tokio::time::sleep(Duration::from_millis(2050)).await;
    stage.hub.restart().await;
    old.verification(before + 1).await;
    gone.verification(before + 1).await;
    old.confirmed(before + 1).await;
    stage.publish(&topic, "news").await;
    let delivery = old.delivered(1).await.remove(0);
    assert_eq!(delivery.header("x-hub-signature"), Some(sha1_signature(b"key", b"news").as_str()));
    assert!(new.attempts().is_empty() && gone.attempts().is_empty());
    assert_eq!(new.verifications().len(), 1);
}
