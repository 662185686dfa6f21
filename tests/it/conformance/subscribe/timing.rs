//! Which answer comes, and whether before or after the verification: S13, S27, S28, S35, S36.

use std::time::Duration;

use tokio::time::Instant;

use super::{assert_refused, assert_transient};
use crate::harness::{Answer, Callback, Form, Gate, Page, Settings, Stage, Verdict};

#[tokio::test]
async fn s13_sync_waits_for_the_verification_and_async_does_not() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    for mode in ["subscribe", "unsubscribe"] {
        let [(patient, patient_gate), (waiting, waiting_gate)] = ["async", "sync"].map(|name| {
            let (gate, callback) = (Gate::closed(), stage.subscriber.callback(&format!("/{mode}/{name}")));
            callback.judge([Verdict::Held(gate.clone())]);
            (callback, gate)
        });
        let form = Form::intent(mode, &topic.url(), &patient.url());
        stage.hub.post(&form.with("hub.verify", "async,sync")).await.expect(202);
        patient_gate.open();
        patient.confirmed(1).await;

        let form = Form::intent(mode, &topic.url(), &waiting.url()).with("hub.verify", "sync,async");
        let mut answer = std::pin::pin!(stage.hub.post(&form));
        tokio::select! {
            biased;
            answer = &mut answer => panic!("it did not wait: {answer:?}"),
            _asked = waiting.verification(1) => {}
        }
        waiting_gate.open();
        answer.await.expect(204);
        assert_eq!(waiting.verifications().len(), 1, "once is enough");
    }
}

#[tokio::test]
async fn s13_an_overloaded_hub_takes_async_or_asks_to_come_back() {
    let stage = Stage::set_with(Settings::quick().with("verification", "concurrency", 1)).await;
    let topic = stage.publisher.topic("/text");
    let (gate, held) = (Gate::closed(), stage.subscriber.callback("/held"));
    held.always_judge(Verdict::Held(gate.clone()));
    let form = Form::subscribe(&topic, &held).sync();
    let mut first = std::pin::pin!(stage.hub.post(&form));
    tokio::select! {
        biased;
        answer = &mut first => panic!("it did not wait: {answer:?}"),
        _asked = held.verification(1) => {}
    }
    let callback = stage.subscriber.callback("/cb");
    for form in [Form::subscribe(&topic, &callback), Form::unsubscribe(&topic, &callback)] {
        let answer = stage.hub.post(&form.clone().sync()).await;
        assert_transient("no room for another", &answer, 503);
        stage.hub.post(&form.sync().with("hub.verify", "async")).await.expect(202);
    }
    gate.open();
    first.await.expect(204);
    callback.confirmed(1).await;
    stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.expect(204);
}

/// There may be room for another verification, but none at its host, or too little time; only who insists on sync is sent
/// away.
#[tokio::test]
async fn s13_a_host_without_room_is_asked_later_where_async_will_do() {
    let stage = Stage::set_with(Settings::quick().with("hosts", "connections", 1)).await;
    let topic = stage.publisher.topic("/text");
    let (gate, held) = (Gate::closed(), stage.subscriber.callback("/held"));
    held.judge([Verdict::Held(gate.clone())]);
    stage.hub.post(&Form::subscribe(&topic, &held)).await.expect(202);
    held.verification(1).await;
    let callback = stage.subscriber.callback("/cb");
    let form = Form::subscribe(&topic, &callback).sync();
    assert_transient("no room at the host", &stage.hub.post(&form).await, 503);
    stage.hub.post(&form.with("hub.verify", "async")).await.expect(202);
    assert!(callback.verifications().is_empty());
    gate.open();
    callback.confirmed(1).await;
}

/// The parameters by which 0.3 is known.
type Marks = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn s27_only_a_sync_success_is_204() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let marks: [(&str, Marks, u16); 8] = [
        ("plain", &[], 202),
        ("async", &[("hub.verify", "async")], 202),
        ("async-and-token", &[("hub.verify", "async"), ("hub.verify_token", "t")], 202),
        ("token", &[("hub.verify_token", "t")], 202),
        ("empty", &[("hub.verify", "")], 202),
        ("async-first", &[("hub.verify", "async"), ("hub.verify", "sync")], 202),
        ("sync", &[("hub.verify", "sync")], 204),
        ("sync-and-token", &[("hub.verify", "sync"), ("hub.verify_token", "t")], 204),
    ];
    for (name, marks, status) in marks {
        let callback = stage.subscriber.callback(&format!("/{name}"));
        // Leaving is answered like joining, and joining again like joining.
        for (index, mode) in ["subscribe", "subscribe", "unsubscribe", "unsubscribe"].into_iter().enumerate()
        {
            let form = Form::intent(mode, &topic.url(), &callback.url());
            let form = marks.iter().fold(form, |form, (name, value)| form.with(name, value));
            let answer = stage.hub.post(&form).await;
            assert_eq!((answer.status, answer.text.as_str()), (status, ""), "{name}, {mode}: {answer:?}");
            callback.confirmed(index + 1).await;
        }
    }
}

/// The whole of an answer, but for the time of day.
fn told(mut answer: Answer) -> (u16, http::HeaderMap, String) {
    answer.headers.remove("date");
    (answer.status, answer.headers, answer.text)
}

#[tokio::test]
async fn s28_no_answer_but_that_to_sync_depends_on_the_verification() {
    let stage = Stage::set_with(Settings::quick().with("verification", "timeout", "2s")).await;
    let topic = stage.publisher.topic("/text");
    let verdicts = [
        ("willing", None),
        ("unwilling", Some(Verdict::Status(404))),
        ("gone", Some(Verdict::Status(410))),
        ("broken", Some(Verdict::Status(500))),
        ("mumbling", Some(Verdict::Mumble("yes"))),
        ("moved", Some(Verdict::Redirect(topic.url()))),
        ("hanging-up", Some(Verdict::HangUp)),
        ("silent", Some(Verdict::Held(Gate::closed()))),
    ];
    let mut answers = Vec::new();
    for (name, verdict) in verdicts {
        let callback = stage.subscriber.callback(&format!("/{name}"));
        let is_willing = verdict.is_none();
        if let Some(verdict) = verdict {
            callback.always_judge(verdict);
        }
        for mode in ["subscribe", "unsubscribe"] {
            let form = Form::intent(mode, &topic.url(), &callback.url());
            answers.push(told(stage.hub.post(&form).await.expect(202)));
            let asked = form.clone().with("hub.verify", "async").token("t");
            answers.push(told(stage.hub.post(&asked).await.expect(202)));
            let answer = stage.hub.post(&form.sync()).await;
            if is_willing {
                assert_eq!(answer.status, 204, "{name}: {answer:?}");
            } else {
                assert_refused(name, &answer, 409, &["hub.callback"]);
            }
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

/// Mastodon stores its new secret when it has our answer, and a site with one PHP process cannot answer us before.
#[tokio::test]
async fn s35_the_verification_follows_the_answer_soon_but_not_at_once() {
    // A second, so that the answer is there long before, however busy the machine is.
    const DELAY: Duration = Duration::from_secs(1);
    assert_eq!(Settings::shipped("verification", "delay").await.as_str(), Some("250ms"));
    let stage = Stage::set_with(Settings::quick().with("verification", "delay", "1s")).await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    for (index, mode) in ["subscribe", "unsubscribe"].into_iter().enumerate() {
        let sent = Instant::now();
        stage.hub.post(&Form::intent(mode, &topic.url(), &callback.url())).await.expect(202);
        let answered = Instant::now();
        assert_eq!(callback.verifications().len(), index, "{mode}: asked before the answer was there");
        callback.verification(index + 1).await;
        assert!(sent.elapsed() >= DELAY, "{mode}: {:?}", sent.elapsed());
        // A second is the delay, and two are what a busy machine needs.
        assert!(answered.elapsed() < Duration::from_secs(3), "{mode}: {:?}", answered.elapsed());
    }
}

/// A disk that takes its time takes nothing from the subscriber's: the answer goes out when the request is on it.
#[tokio::test]
async fn s35_a_slow_disk_does_not_bring_the_verification_before_the_answer() {
    let settings = Settings::quick().with("verification", "delay", "500ms").with("storage", "flush", "500ms");
    let stage = Stage::set_with(settings).await;
    let callback = stage.subscriber.callback("/cb");
    let sent = Instant::now();
    let form = Form::subscribe(&stage.publisher.topic("/text"), &callback);
    stage.hub.post(&form).await.expect(202);
    callback.verification(1).await;
    assert!(sent.elapsed() >= Duration::from_secs(1), "{:?}", sent.elapsed());
}

/// A test client that gives four seconds in all, and two of them to connect.
#[tokio::test]
async fn s36_nothing_is_fetched_or_verified_before_a_202() {
    let stage = Stage::set_with(Settings::quick().with("verification", "delay", "0s")).await;
    let gate = Gate::closed();
    let topic = stage.publisher.topic("/text");
    topic.put(Page::of("text/plain", "news").behind(&gate));
    let callbacks: Vec<_> = (0..50).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    for callback in &callbacks {
        callback.judge([Verdict::Held(gate.clone())]);
        let asked = Instant::now();
        stage.hub.post(&Form::subscribe(&topic, callback)).await.expect(202);
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    }
    // All of them wait for an answer of ours, and no answer of ours waited for them.
    assert_eq!(callbacks.iter().map(Callback::confirmations).sum::<usize>(), 0);
    assert!(topic.fetches().is_empty());
    gate.open();
    for callback in &callbacks {
        callback.confirmed(1).await;
    }
}
