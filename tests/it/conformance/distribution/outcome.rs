//! What a subscriber's answer means: success (D13), failure (D14, D16), the end (D15), another try (D17), and what of
//! it the hub keeps (D19) and ignores (D27).

use std::time::Duration;

use bytes::Bytes;
use toml::Value;

use super::scene::Scene;
use crate::harness::{Form, Page, Reply, Settings, Stage, Topic, sha1_signature, soon};

/// Whatever a 2xx is called, and whatever stands in it, it settles the delivery (D13).
#[tokio::test]
async fn d13_any_2xx_is_success_and_its_body_is_not_read() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let clock = stage.subscriber.callback("/clock");
    let mut callbacks = Vec::new();
    for status in [200, 201, 202, 203, 204, 205, 206, 299] {
        let callback = stage.subscriber.callback(&format!("/cb/{status}"));
        stage.subscribe_03(&topic, &callback).await;
        // Far more than a hub drains.
        let length = if matches!(status, 204 | 205) { 0 } else { 300 << 10 };
        callback.always_reply(Reply::Saying(status, Vec::new(), Bytes::from(vec![b'x'; length])));
        callbacks.push(callback);
    }
    stage.subscribe_03(&topic, &clock).await;
    // As often as this one is tried again, the others would have been.
    clock.reply([500, 500, 500].map(Reply::Status));
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    clock.delivered(1).await;
    topic.put(Page::of("text/plain", "more news"));
    stage.ping(&topic).await;
    for callback in callbacks {
        let bodies: Vec<_> = callback.delivered(2).await.into_iter().map(|one| one.body).collect();
        assert_eq!(bodies, ["news", "more news"], "{}", callback.url());
        assert_eq!(callback.attempts().len(), 2, "{}", callback.url());
    }
}

/// A redirect is a failure like any other: the same callback is asked again, and the place it named never (D14).
#[tokio::test]
async fn d14_redirects_are_failures_and_are_not_followed() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let (callback, elsewhere) = (stage.subscriber.callback("/cb"), stage.subscriber.callback("/elsewhere"));
    stage.subscribe_ws(&topic, &callback).await;
    let redirects = [301, 302, 303, 307, 308];
    callback.reply(
        redirects.map(|status| Reply::Saying(status, vec![("location", elsewhere.url())], Bytes::new())),
    );
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "news");
    let attempts = callback.attempts();
    assert_eq!(attempts.len(), redirects.len() + 1);
    assert!(attempts.iter().all(|one| one.method == "POST" && one.body == "news"));
    assert!(elsewhere.attempts().is_empty() && elsewhere.verifications().is_empty());
}

#[tokio::test]
async fn d15_gone_ends_the_subscription() {
    let mut scene = Scene::set().await;
    scene.reader.reply([Reply::Status(410)]);
    scene.publish_one().await;
    scene.reader.attempted(2).await;
    scene.publish_one().await;
    scene.publish_one().await;
    // Whatever was still on its way would come before, or together with, what a new subscription gets.
    scene.stage.subscribe_03(&scene.topic, &scene.reader).await;
    let fence = scene.publish_one().await;
    scene.reader.delivered(2).await;
    let attempts = scene.reader.attempts();
    assert_eq!(attempts.len(), 3, "one before, the one that was gone, and the fence");
    assert_eq!(scene.feed.found_in(&attempts[2].body), [fence]);
}

/// The same while it catches up, whichever version the subscriber speaks (D15).
#[tokio::test]
async fn d15_gone_ends_a_subscription_of_either_kind_that_is_behind() {
    for is_old in [false, true] {
        gone_while_behind(is_old).await;
    }
}

async fn gone_while_behind(is_old: bool) {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let (keeper, callback) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/cb"));
    if is_old {
        stage.subscribe_03(&topic, &callback).await;
    } else {
        stage.subscribe_ws(&topic, &callback).await;
    }
    stage.subscribe_03(&topic, &keeper).await;
    callback.reply([503, 503, 410].map(Reply::Status));
    for (index, text) in ["one", "two", "three"].into_iter().enumerate() {
        topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        keeper.delivered(index + 1).await;
        if index == 0 {
            callback.attempted(3).await;
            // As often as this one is tried again, the other would have been.
            keeper.reply([500; 4].map(Reply::Status));
        }
    }
    assert_eq!(callback.attempts().len(), 3, "and not once after the 410");
    assert_eq!(callback.verifications().len(), 1, "nor is it asked whether it meant it");
}

#[tokio::test]
async fn d16_refusals_keep_the_subscription_and_what_it_missed() {
    let mut scene = Scene::set().await;
    let failures = [404, 403, 500, 302, 503, 400].map(Reply::Status);
    scene.reader.reply(failures);
    scene.reader.reply([Reply::HangUp]);
    let first = scene.publish_one().await;
    let second = scene.publish_one().await;
    scene.reader.delivered(2).await;
    let got = scene.fence(1).await.concat();
    let mut sorted = got.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), got.len(), "repeated: {got:?}");
    let mut expected = [first, second];
    expected.sort();
    assert_eq!(sorted, expected);
}

/// The schedule is followed step by step, and a `Retry-After` beyond it is honoured up to the longest that is allowed
/// (D17). Only lower bounds: nothing may come early, and all of it comes.
#[tokio::test]
async fn d17_tries_follow_the_schedule_and_the_subscribers_wish() {
    let settings = Settings::quick()
        .with("delivery", "retry", vec!["50ms", "400ms"])
        .with("delivery", "jitter", 0.0)
        .with("delivery", "retry_after_max", "1s");
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    let wish = |seconds: &str| Reply::Saying(503, vec![("retry-after", seconds.to_owned())], Bytes::new());
    // An hour is too much; no wish hastens a step.
    callback.reply([wish("3600"), wish("0"), Reply::Status(500)]);
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let times: Vec<_> = callback.attempts().iter().map(|one| one.at).collect();
    let [first, second, third, last] = times[..] else { panic!("{times:?}") };
    assert!(second - first >= Duration::from_millis(950), "asked for more: {:?}", second - first);
    assert!(second - first < Duration::from_mins(1), "more than the longest wish: {:?}", second - first);
    assert!(third - second >= Duration::from_millis(380), "the second step: {:?}", third - second);
    assert!(last - third >= Duration::from_millis(380), "the last step repeats: {:?}", last - third);
}

/// The tests of this run with short times; what is shipped is what was decided.
#[tokio::test]
async fn d17_d21_v16_the_shipped_times_are_those_that_were_decided() {
    let schedule = ["5s", "30s", "2min", "10min", "30min", "2h", "6h", "12h", "1d"];
    let decided: [(&str, &str, Value); 5] = [
        ("delivery", "timeout", "20s".into()),
        ("delivery", "retry", schedule.to_vec().into()),
        ("delivery", "jitter", 0.2.into()),
        ("delivery", "retry_after_max", "6h".into()),
        ("verification", "hold_deliveries", "10s".into()),
    ];
    for (section, key, value) in decided {
        assert_eq!(Settings::shipped(section, key).await, value, "[{section}] {key}");
    }
}

async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
}

fn on_behalf_of(readers: u32) -> Reply {
    Reply::Saying(204, vec![("x-hub-on-behalf-of", readers.to_string())], Bytes::new())
}

/// What subscribers say they stand for is added to what publishers are told, up to a limit for each host.
#[tokio::test]
async fn d19_f04_subscribers_may_stand_for_many_readers() {
    let mut stage = Stage::set_with(Settings::quick().with("fetch", "readers_per_host", 50)).await;
    let topic = stage.publisher.topic("/t");
    let (one, other) = (stage.subscriber.callback("/one"), stage.subscriber.callback("/other"));
    for callback in [&one, &other] {
        stage.subscribe_03(&topic, callback).await;
    }
    let mut published = 0;
    // Publishes once more, and says how many readers the fetch for that was told of.
    let mut next = async |stage: &Stage| {
        published += 1;
        publish(stage, &topic, &published.to_string()).await;
        let fetch = topic.fetched(published).await.remove(published - 1);
        let count = fetch.header("x-hub-subscribers").unwrap().to_owned();
        assert!(fetch.header("user-agent").unwrap().ends_with(&format!("; {count} subscribers)")), "F04");
        for callback in [&one, &other] {
            callback.delivered(published).await;
        }
        count
    };
    one.always_reply(on_behalf_of(41));
    assert_eq!(next(&stage).await, "2", "nobody has claimed anything yet");
    // A claim is written down behind the answer that makes it, and added up by the fan-out after that.
    soon("the claim to be added up", async { while next(&stage).await != "42" {} }).await;
    // A service whose machines do not all say it costs no write for each of their answers.
    one.reply([Reply::Status(204), Reply::Status(204)]);
    for _ in 0..3 {
        assert_eq!(next(&stage).await, "42", "it stays for a while");
    }
    other.always_reply(on_behalf_of(1_000_000));
    let limited = soon("the other claim", async {
        loop {
            let count = next(&stage).await;
            if count != "42" {
                break count;
            }
        }
    });
    assert_eq!(limited.await, "52", "no host counts for more than the limit");
    // Who no longer claims anything counts for one: after that while, of which a hub that is started anew knows nothing.
    other.always_reply(Reply::Status(204));
    stage.hub.end().await;
    stage.hub.restart().await;
    soon("the claim to be gone", async { while next(&stage).await != "42" {} }).await;
}

/// A subscriber that takes a signature for false has to answer 2xx all the same, so what it thinks of it never comes to
/// the hub: the delivery is settled, and the next one is signed no differently (D27).
#[tokio::test]
async fn d27_what_a_subscriber_thinks_of_a_signature_changes_nothing() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret("key")).await;
    callback.always_reply(Reply::Saying(202, Vec::new(), Bytes::from("the signature does not match")));
    for (index, text) in ["one", "two"].into_iter().enumerate() {
        topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        callback.delivered(index + 1).await;
    }
    let attempts = callback.attempts();
    assert_eq!(attempts.len(), 2, "nothing is sent again");
    for one in attempts {
        let signature = sha1_signature(b"key", &one.body);
        assert_eq!(one.header("x-hub-signature"), Some(signature.as_str()));
    }
}
