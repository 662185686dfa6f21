//! What a verification leaves behind, V15 and V16: the old state or the new one, and never a mixture.

use super::{a_lease_has_passed, bodies, retries_are_over, set, short_leases};
use crate::harness::{Form, Reply, Settings, Verdict, sha1_signature};

/// A request that its callback does not confirm, whoever made it, changes nothing.
#[tokio::test]
async fn v15_a_failed_or_abandoned_request_leaves_the_old_state() {
    let (stage, topic) = set(Settings::quick()).await;
    let failures = [
        vec![Verdict::Status(404)],
        vec![Verdict::Status(410)],
        vec![Verdict::Status(403)],
        vec![Verdict::Mumble("no")],
        vec![Verdict::Redirect(topic.url())],
        // Asked to the end of the schedule.
        vec![Verdict::Status(500); 5],
    ];
    let mut callbacks = Vec::new();
    for (index, failure) in failures.into_iter().enumerate() {
        for mode in ["subscribe", "unsubscribe"] {
            let callback = stage.subscriber.callback(&format!("/{mode}/{index}"));
            stage.accept_sync(&Form::subscribe(&topic, &callback).secret("first")).await;
            let asked = 1 + failure.len();
            callback.judge(failure.clone());
            let form = Form::intent(mode, &topic.url(), &callback.url()).secret("stranger's");
            stage.hub.post(&form).await.expect(202);
            callbacks.push((callback, asked));
        }
    }
    for (callback, asked) in &callbacks {
        callback.verification(*asked).await;
    }
    for (callback, _) in &callbacks {
        callback.judge([Verdict::Status(404)]);
        stage.hub.post(&Form::unsubscribe(&topic, callback).sync()).await.expect(409);
    }
    retries_are_over(&stage, &topic, "failed").await;
    stage.publish(&topic, "news").await;
    for (callback, asked) in &callbacks {
        let delivery = callback.delivered(1).await.remove(0);
        let signature = sha1_signature(b"first", b"news");
        assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()), "{}", callback.url());
        assert_eq!(callback.verifications().len(), asked + 1, "{}", callback.url());
    }
}

#[tokio::test]
async fn v16_a_renewal_replaces_the_secret_in_one_go() {
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
        stage.publish(&topic, &text).await;
        let deliveries = callback.delivered(index + 1).await;
        assert_eq!(deliveries.len(), index + 1, "one subscription, however often it is renewed (S21)");
        let expected = secret.map(|secret| sha1_signature(secret.as_bytes(), text.as_bytes()));
        assert_eq!(deliveries[index].header("x-hub-signature").map(str::to_owned), expected);
    }
}

/// A delivery that failed goes out again with the secret of the moment, not with that of its first try.
#[tokio::test]
async fn v16_a_delivery_is_signed_with_the_secret_of_the_moment() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret("first")).await;
    callback.always_reply(Reply::Status(500));
    stage.publish(&topic, "news").await;
    let first = callback.attempted(1).await.remove(0);
    assert_eq!(first.header("x-hub-signature"), Some(sha1_signature(b"first", b"news").as_str()));
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret("second")).await;
    // One may have been on its way while the hub heard the confirmation.
    let after = callback.attempts().len() + 1;
    let second = callback.attempted(after + 1).await.remove(after);
    assert_eq!(second.header("x-hub-signature"), Some(sha1_signature(b"second", b"news").as_str()));
}

/// Lease, token and profile are the request's own as well, which its refreshes tell (V19).
#[tokio::test]
async fn v16_a_renewal_replaces_lease_token_and_profile_too() {
    let (stage, topic) = set(short_leases()).await;
    let [refused, renewed, modern, old] =
        ["/refused", "/renewed", "/modern", "/old"].map(|path| stage.subscriber.callback(path));
    let subscribe = Form::subscribe;
    // Refreshed after two seconds, by when all of this has been asked for.
    let lease = "8";
    for callback in [&refused, &renewed, &modern] {
        stage.accept_sync(&subscribe(&topic, callback).lease(lease).token("first")).await;
    }
    stage.accept(&subscribe(&topic, &old).lease("600"), &topic, &old).await;
    refused.judge([Verdict::Status(404)]);
    for (callback, renewal) in [
        (&refused, subscribe(&topic, &refused).lease("600").token("second")),
        (&renewed, subscribe(&topic, &renewed).lease(lease).token("second")),
        (&modern, subscribe(&topic, &modern).lease("1")),
        (&old, subscribe(&topic, &old).lease(lease).with("hub.verify", "async")),
    ] {
        stage.hub.post(&renewal).await.expect(202);
        callback.verification(2).await;
    }
    for (callback, token) in [(&refused, Some("first")), (&renewed, Some("second")), (&old, None)] {
        let refresh = callback.verification(3).await;
        assert_eq!(refresh.one("hub.verify_token"), token, "{}", callback.url());
        assert_eq!(refresh.one("hub.lease_seconds"), Some(lease), "{}", callback.url());
    }
    a_lease_has_passed(&stage, &topic, "profile").await;
    stage.publish(&topic, "news").await;
    for callback in [refused, renewed, old] {
        callback.delivered(1).await;
    }
    assert_eq!(modern.verifications().len(), 2, "who renewed as WebSub is not refreshed");
    assert!(bodies(&modern).is_empty(), "and ends with its lease");
}
