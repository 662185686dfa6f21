//! How often and how long the hub asks, V13, V14 and V24.

use super::{bodies, retries_are_over, set};
use crate::harness::{Form, Gate, Page, Program, Settings, Subscriber, Verdict, soon};

/// What the hub does when its operator said nothing.
#[tokio::test]
async fn v13_v14_it_asks_three_times_within_six_seconds_and_then_ever_more_rarely() {
    let folder = tempfile::tempdir().unwrap();
    let printed = Program::run(folder.path(), &["config", "default"]).await.expect(0).stdout;
    let defaults = &printed.parse::<toml::Table>().unwrap()["verification"];
    let schedule = |key: &str| -> Vec<_> {
        defaults[key].as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned()).collect()
    };
    // WebSub ends within ten minutes.
    assert_eq!(schedule("retry"), ["1s", "2s", "30s", "2min", "7min"]);
    assert_eq!(schedule("retry_03"), ["1s", "2s", "30s", "2min", "10min", "1h", "3h"]);
    assert_eq!(defaults["timeout"].as_str(), Some("10s"), "the budget of V14");
}

#[tokio::test]
async fn v13_after_the_last_attempt_a_request_is_abandoned() {
    let settings = Settings::quick().with("verification", "retry", vec!["50ms"; 2]);
    let (stage, topic) = set(settings.with("verification", "retry_03", vec!["50ms"; 3])).await;
    let (new, old) = (stage.subscriber.callback("/new"), stage.subscriber.callback("/old"));
    for (callback, form) in
        [(&new, Form::subscribe(&topic, &new)), (&old, Form::subscribe(&topic, &old).token("t"))]
    {
        callback.judge(vec![Verdict::Status(500); 4]);
        stage.hub.post(&form).await.expect(202);
    }
    new.verification(3).await;
    old.verification(4).await;
    // The next one would be confirmed, if it came.
    let clock = stage.subscriber.callback("/clock");
    clock.judge(vec![Verdict::Status(500); 3]);
    stage.accept(&Form::subscribe(&topic, &clock).token("t"), &topic, &clock).await;
    stage.publish(&topic, "news").await;
    assert_eq!((new.verifications().len(), old.verifications().len()), (3, 4));
    assert!(new.attempts().is_empty() && old.attempts().is_empty());
}

/// The long tail is only for hosts that confirmed before: whether a request still waits shows in the room that its
/// host has for another (X03).
#[tokio::test]
async fn v13_a_stranger_is_not_asked_for_hours() {
    let settings = Settings::quick().with("verification", "retry_03", vec!["50ms", "11min"]);
    let (stage, topic) = set(settings.with("limits", "per_callback_host", 1)).await;
    let stranger = Subscriber::start();
    stage.fence(&topic).await;
    let [known, unknown] = [&stage.subscriber, &stranger].map(|subscriber| {
        let (failing, next) = (subscriber.callback("/failing"), subscriber.callback("/next"));
        failing.always_judge(Verdict::Status(500));
        (failing, next)
    });
    for (failing, _) in [&known, &unknown] {
        stage.hub.post(&Form::subscribe(&topic, failing).token("t")).await.expect(202);
        failing.verification(2).await;
    }
    let next = Form::subscribe(&topic, &unknown.1);
    // Neither of the two hosts has room for a fence.
    let third = Subscriber::start();
    soon("the stranger's request to be abandoned", async {
        for number in 0.. {
            if stage.hub.post(&next).await.status != 429 {
                break;
            }
            stage.subscribe_03(&topic, &third.callback(&format!("/fence/{number}"))).await;
        }
    })
    .await;
    unknown.1.confirmed(1).await;
    stage.hub.post(&Form::subscribe(&topic, &known.1)).await.expect(429);
}

#[tokio::test]
async fn v14_a_sync_request_is_verified_before_its_answer() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/cb");
    let gate = Gate::closed();
    callback.judge([Verdict::Held(gate.clone())]);
    let form = Form::subscribe(&topic, &callback).sync();
    let asked = async {
        stage.hub.post(&form).await.expect(204);
        callback.confirmations()
    };
    let answered = async {
        callback.verification(1).await;
        gate.open();
    };
    let (confirmed, ()) = tokio::join!(asked, answered);
    assert_eq!(confirmed, 1);
    stage.publish(&topic, "news").await;
    callback.delivered(1).await;
}

/// Whoever waits for the answer waits no longer than the budget, wherever the time goes: here to a topic that has to be
/// fetched first, and is not to be had.
#[tokio::test]
async fn v14_the_budget_of_a_sync_request_is_for_all_of_it() {
    let settings = Settings::quick().with("verification", "timeout", "1s");
    let (stage, topic) = set(settings.with("access", "topics_must_name_this_hub", true)).await;
    let never = Gate::closed();
    topic.put(Page::text("slow").behind(&never));
    let callback = stage.subscriber.callback("/cb");
    // A fetch may take thirty seconds, which is longer than the harness waits.
    let answer = stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.expect(503);
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
    assert!(callback.verifications().is_empty());
}

/// Sync answers with the outcome, whichever it is, and leaves nothing behind (S13).
#[tokio::test]
async fn v14_a_sync_failure_is_a_conflict() {
    let (stage, topic) = set(Settings::quick().with("verification", "timeout", "2s")).await;
    let away = Subscriber::start();
    away.go_down().await;
    let verdicts = [
        Some(Verdict::Status(404)),
        Some(Verdict::Status(500)),
        Some(Verdict::Redirect(topic.url())),
        Some(Verdict::Mumble("no")),
        Some(Verdict::HangUp),
        // Its budget ends.
        Some(Verdict::Held(Gate::closed())),
        // Nobody listens.
        None,
    ];
    let mut callbacks = Vec::new();
    for (index, verdict) in verdicts.into_iter().enumerate() {
        for mode in ["subscribe", "unsubscribe"] {
            let (name, asked) = (format!("/{mode}/{index}"), usize::from(verdict.is_some()));
            let subscriber = if verdict.is_some() { &stage.subscriber } else { &away };
            let callback = subscriber.callback(&name);
            // Asked again, it would confirm.
            callback.judge(verdict.clone());
            let form = Form::intent(mode, &topic.url(), &callback.url());
            let answer = stage.hub.post(&form.sync()).await;
            assert_eq!(answer.status, 409, "{name}: {answer:?}");
            assert!(answer.header("content-type").starts_with("text/plain"), "{name}: {answer:?}");
            assert!(answer.text.to_lowercase().contains("callback"), "{name}: {answer:?}");
            callbacks.push((callback, asked));
        }
    }
    away.come_up();
    retries_are_over(&stage, &topic, "sync").await;
    stage.publish(&topic, "news").await;
    for (callback, asked) in &callbacks {
        assert_eq!(callback.verifications().len(), *asked, "{}", callback.url());
        assert!(bodies(callback).is_empty(), "{}", callback.url());
    }
}

/// A test client takes a second GET for its next stage.
#[tokio::test]
async fn v24_one_accepted_request_is_one_question() {
    let (mut stage, topic) = set(Settings::quick()).await;
    let (new, old) = (stage.subscriber.callback("/new"), stage.subscriber.callback("/old"));
    for form in
        [Form::subscribe(&topic, &new), Form::subscribe(&topic, &new), Form::unsubscribe(&topic, &new)]
    {
        stage.accept(&form, &topic, &new).await;
    }
    stage.accept_sync(&Form::subscribe(&topic, &old)).await;
    stage.accept(&Form::subscribe(&topic, &old).with("hub.verify", "async"), &topic, &old).await;
    stage.publish(&topic, "news").await;
    old.delivered(1).await;
    retries_are_over(&stage, &topic, "before").await;
    assert_eq!((new.verifications().len(), old.verifications().len()), (3, 2));
    // Nor does a hub that died ask again for what it was told.
    stage.hub.kill_9();
    stage.hub.restart().await;
    retries_are_over(&stage, &topic, "after").await;
    assert_eq!((new.verifications().len(), old.verifications().len()), (3, 2));
}
