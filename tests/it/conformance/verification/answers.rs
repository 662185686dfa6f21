//! The answer, V09-V12 and V25: what is a yes, what is a no, and what is neither.

use std::iter;

use super::{
    super::fetch::coding::{brotli, gzip},
    retries_are_over, set,
};
use crate::harness::{Callback, Form, Gate, Settings, Stage, Subscriber, Topic, Verdict};

/// Makes a body from a challenge.
type Echo = fn(&str) -> String;

/// 200 and a body made from the challenge.
fn says(body: Echo) -> Verdict {
    Verdict::Crafted { status: 200, header: ("content-type", "text/plain".to_owned()), body }
}

/// A redirect that echoes the challenge.
fn redirect(status: u16, to: &Callback) -> Verdict {
    Verdict::Crafted { status, header: ("location", to.url()), body: str::to_owned }
}

/// What a synchronous request is answered when its callback answers like this.
async fn sync_answer(stage: &Stage, topic: &Topic, name: &str, verdict: Verdict) -> u16 {
    let callback = stage.subscriber.callback(&format!("/sync/{name}"));
    callback.judge([verdict]);
    stage.hub.post(&Form::subscribe(topic, &callback).sync()).await.status
}

#[tokio::test]
async fn v09_any_2xx_with_the_challenge_is_a_yes() {
    let (stage, topic) = set(Settings::quick()).await;
    let yes: [(u16, &str, Echo); 8] = [
        (200, "application/octet-stream", str::to_owned),
        (200, "text/html; charset=iso-8859-1", str::to_owned),
        (201, "no media type at all", str::to_owned),
        (202, "text/plain", str::to_owned),
        (206, "application/json", str::to_owned),
        (299, "text/plain", str::to_owned),
        // Hand-written callbacks end in a line break, or in more.
        (200, "text/plain", |challenge| format!("{challenge}\n")),
        (200, "text/plain", |challenge| format!("{challenge} \t\r\n\x0c\n")),
    ];
    for (index, (status, media_type, body)) in yes.iter().copied().enumerate() {
        let verdict = Verdict::Crafted { status, header: ("content-type", media_type.to_owned()), body };
        let answer = sync_answer(&stage, &topic, &format!("yes/{index}"), verdict.clone()).await;
        assert_eq!(answer, 204, "{index}: {status} {media_type}");
        let callback = stage.subscriber.callback(&format!("/async/{index}"));
        callback.judge([verdict]);
        stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    }
    stage.fence(&topic).await;
    retries_are_over(&stage, &topic, "yes").await;
    stage.publish(&topic, "news").await;
    for index in 0..yes.len() {
        for way in ["sync/yes", "async"] {
            let callback = stage.subscriber.callback(&format!("/{way}/{index}"));
            callback.delivered(1).await;
            assert_eq!(callback.verifications().len(), 1);
        }
    }
}

/// A server may compress whatever it sends: what counts is what it says.
#[tokio::test]
async fn v09_a_challenge_in_a_content_coding_is_a_yes() {
    let (stage, topic) = set(Settings::quick()).await;
    let verdicts = [
        (Verdict::Coded("gzip", gzip), 204),
        (Verdict::Coded("br", brotli), 204),
        (Verdict::Coded("gzip", brotli), 409),
        (Verdict::Coded("gzip", <[u8]>::to_vec), 409),
        (Verdict::Coded("zstd", gzip), 409),
    ];
    for (index, (verdict, status)) in verdicts.into_iter().enumerate() {
        assert_eq!(sync_answer(&stage, &topic, &index.to_string(), verdict).await, status, "{index}");
    }
}

#[tokio::test]
async fn v09_a_body_that_is_not_the_challenge_is_no_yes() {
    let (stage, topic) = set(Settings::quick()).await;
    let wrong: [Echo; 9] = [
        |_| String::new(),
        |challenge| challenge.chars().skip(1).collect(),
        |challenge| challenge.chars().take(challenge.len() - 1).collect(),
        |challenge| format!(" {challenge}"),
        |challenge| format!("{challenge}\u{a0}"),
        |challenge| format!("{challenge}\n."),
        |challenge| format!("{challenge}{challenge}"),
        |challenge| format!("<p>{challenge}</p>"),
        |challenge| {
            challenge.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect()
        },
    ];
    for (index, body) in wrong.into_iter().enumerate() {
        assert_eq!(sync_answer(&stage, &topic, &index.to_string(), says(body)).await, 409, "{index}");
    }
    // A 2xx without any body is not enough.
    assert_eq!(sync_answer(&stage, &topic, "204", Verdict::Status(204)).await, 409);
}

/// 8 KiB are read, and what lies behind them is not looked at.
#[tokio::test]
async fn v09_at_most_8_kib_of_an_answer_count() {
    let (stage, topic) = set(Settings::quick()).await;
    let beyond = says(|challenge| format!("{challenge:<8192}{}", "x".repeat(1 << 20)));
    let within = says(|challenge| format!("{challenge:<8191}x"));
    assert_eq!(sync_answer(&stage, &topic, "beyond", beyond).await, 204);
    assert_eq!(sync_answer(&stage, &topic, "within", within).await, 409);
}

#[tokio::test]
async fn v09_a_strict_hub_wants_the_challenge_and_not_a_byte_more() {
    let (stage, topic) = set(Settings::quick().with("verification", "strict_echo", true)).await;
    assert_eq!(sync_answer(&stage, &topic, "padded", Verdict::Padded).await, 409);
    assert_eq!(sync_answer(&stage, &topic, "exact", Verdict::Confirm).await, 204);
}

/// Whoever asks, in whatever mode: the subscriber's no is final, even if it echoes the challenge.
#[tokio::test]
async fn v10_404_and_410_are_a_no_and_are_not_asked_about_again() {
    let (stage, topic) = set(Settings::quick()).await;
    let mut refused = Vec::new();
    for status in [404, 410] {
        for mode in ["subscribe", "unsubscribe"] {
            for verify in ["", "async", "sync"] {
                let callback = stage.subscriber.callback(&format!("/{status}/{mode}/{verify}"));
                callback.always_judge(Verdict::Status(status));
                let form = Form::intent(mode, &topic.url(), &callback.url()).with("hub.verify", verify);
                stage.hub.post(&form).await.expect(if verify == "sync" { 409 } else { 202 });
                callback.verification(1).await;
                refused.push(callback);
            }
        }
    }
    retries_are_over(&stage, &topic, "no").await;
    stage.publish(&topic, "news").await;
    for callback in refused {
        assert_eq!(callback.verifications().len(), 1, "{}", callback.url());
        assert!(callback.attempts().is_empty(), "{}", callback.url());
    }
}

/// Silence and trouble are no answer: the hub asks again, and counts none of them as a yes.
#[tokio::test]
async fn v11_websub_is_asked_again_where_nobody_answered() {
    let settings = Settings::quick().with("verification", "timeout", "2s");
    let (stage, topic) = set(settings.with("verification", "retry", vec!["100ms"; 10])).await;
    let callback = stage.subscriber.callback("/cb");
    let trouble: Vec<_> = [500, 502, 503, 599, 408, 429].map(Verdict::Status).into();
    let others = [Verdict::HangUp, Verdict::Held(Gate::closed())];
    callback.judge(trouble.into_iter().chain(others));
    stage.accept(&Form::subscribe(&topic, &callback), &topic, &callback).await;
    assert_eq!(callback.verifications().len(), 9);
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
}

#[tokio::test]
async fn v11_a_refused_connection_is_nobody_too() {
    let (stage, topic) = set(Settings::quick().with("verification", "retry", vec!["100ms"; 20])).await;
    let away = Subscriber::start();
    let callback = away.callback("/cb");
    away.go_down().await;
    stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    // Asked later and heard the second time: by then the other was asked, too.
    let clock = stage.subscriber.callback("/clock");
    clock.judge([Verdict::Status(500)]);
    stage.accept(&Form::subscribe(&topic, &clock), &topic, &clock).await;
    away.come_up();
    callback.confirmed(1).await;
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
}

/// An answer that is not a yes is a failure there, and the end of it.
#[tokio::test]
async fn v11_websub_is_not_asked_again_after_an_answer() {
    let (stage, topic) = set(Settings::quick()).await;
    let statuses = [300, 304, 400, 401, 403, 405, 409, 422, 451, 204].map(Verdict::Status);
    let bodies = [Verdict::Mumble("yes"), Verdict::Mumble("")];
    let mut failed = Vec::new();
    for (index, verdict) in statuses.into_iter().chain(bodies).enumerate() {
        let callback = stage.subscriber.callback(&format!("/cb/{index}"));
        callback.always_judge(verdict);
        stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
        callback.verification(1).await;
        failed.push(callback);
    }
    retries_are_over(&stage, &topic, "failed").await;
    stage.publish(&topic, "news").await;
    for callback in failed {
        assert_eq!(callback.verifications().len(), 1, "{}", callback.url());
        assert!(callback.attempts().is_empty(), "{}", callback.url());
    }
}

/// In 0.3 all but 404 and 410 is temporary, when nobody waits for the answer.
#[tokio::test]
async fn v11_0_3_is_asked_again_whatever_came() {
    let (stage, topic) = set(Settings::quick().with("verification", "retry_03", vec!["50ms"; 10])).await;
    let callback = stage.subscriber.callback("/cb");
    let elsewhere = stage.subscriber.callback("/elsewhere");
    callback.judge([400, 401, 403, 422, 500].map(Verdict::Status));
    let rest = [Verdict::Mumble("not now"), Verdict::Mumble(""), redirect(301, &elsewhere), Verdict::HangUp];
    callback.judge(rest);
    let form = Form::subscribe(&topic, &callback).with("hub.verify", "async");
    stage.accept(&form, &topic, &callback).await;
    assert_eq!(callback.verifications().len(), 10);
    // A token alone makes it 0.3, too.
    let by_token = stage.subscriber.callback("/token");
    by_token.judge([Verdict::Status(403)]);
    stage.accept(&Form::subscribe(&topic, &by_token).token(""), &topic, &by_token).await;
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
    by_token.delivered(1).await;
}

#[tokio::test]
async fn v12_a_redirect_is_never_followed() {
    let (stage, topic) = set(Settings::quick()).await;
    let elsewhere = stage.subscriber.callback("/elsewhere");
    let mut asked = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        for (verify, times) in [("", 1), ("sync", 1), ("async", 2)] {
            let callback = stage.subscriber.callback(&format!("/{status}/{verify}"));
            // 0.3 asks again, and asks the callback; a no ends that.
            callback.judge([redirect(status, &elsewhere)]);
            callback.always_judge(Verdict::Status(404));
            let form = Form::subscribe(&topic, &callback).with("hub.verify", verify);
            stage.hub.post(&form).await.expect(if verify == "sync" { 409 } else { 202 });
            asked.push((callback, times));
        }
    }
    for (callback, times) in &asked {
        callback.verification(*times).await;
    }
    retries_are_over(&stage, &topic, "moved").await;
    stage.publish(&topic, "news").await;
    assert!(elsewhere.verifications().is_empty());
    for callback in asked.into_iter().map(|(callback, _)| callback).chain(iter::once(elsewhere)) {
        assert!(callback.attempts().is_empty(), "{}", callback.url());
    }
}

/// `FreshRSS` answers 422 where it does not want to leave.
#[tokio::test]
async fn v25_422_keeps_a_subscription() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    callback.always_judge(Verdict::Status(422));
    stage.hub.post(&Form::unsubscribe(&topic, &callback)).await.expect(202);
    callback.verification(2).await;
    stage.hub.post(&Form::unsubscribe(&topic, &callback).sync()).await.expect(409);
    retries_are_over(&stage, &topic, "422").await;
    assert_eq!(callback.verifications().len(), 3, "an answer of WebSub is not asked for again");
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
}
