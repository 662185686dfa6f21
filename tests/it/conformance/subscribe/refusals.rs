//! What a refusal looks like, and which one is for good: S29, S30.

use std::net::Ipv4Addr;

use super::{CALLBACK, TOPIC, assert_refused, assert_transient, subscribe};
use crate::harness::{Client, Form, Gate, Settings, Stage, Subscriber, Verdict, Wire, soon, status_of};

/// Every fault in the words of a person, and nothing of what was sent: an answer that echoes is a gadget.
#[tokio::test]
async fn s29_a_refusal_is_a_plain_text_that_names_the_fault() {
    let script = "<script>zq7mark</script>";
    let marked_url = format!("http://127.0.0.1:25/?{script}");
    let table: [(Form, u16, &[&str]); 12] = [
        (subscribe().but("hub.mode", script), 400, &["hub.mode"]),
        (subscribe().but("hub.callback", script), 400, &["hub.callback", "url"]),
        (subscribe().but("hub.topic", script), 400, &["hub.topic", "url"]),
        (subscribe().but("hub.topic", format!("{TOPIC}#{script}")), 400, &["hub.topic", "url"]),
        (subscribe().but("hub.callback", &marked_url), 403, &["hub.callback", "url"]),
        (subscribe().but("hub.topic", &marked_url), 403, &["hub.topic", "url"]),
        (subscribe().with("hub.callback", script), 400, &["hub.callback"]),
        (subscribe().with("hub.verify", script), 400, &["hub.verify"]),
        (subscribe().token(&script.repeat(100)), 400, &["hub.verify_token"]),
        (subscribe().lease(script), 400, &["hub.lease_seconds"]),
        (subscribe().secret(script.repeat(10)), 400, &["hub.secret"]),
        (Form::default().with("hub.mode", "publish").with("hub.url", script), 400, &["hub.url", "url"]),
    ];
    let stage = Stage::set().await;
    for (form, status, words) in table {
        let answer = stage.hub.post(&form).await;
        assert_refused(&format!("{words:?}"), &answer, status, words);
        assert!(!answer.text.contains('<'), "{answer:?}");
        // One line, without what an old terminal or a log would choke on.
        assert_eq!(answer.text.lines().count(), 1, "{answer:?}");
        assert_eq!(answer.header("transfer-encoding"), "");
    }
    // A reader that knows no framing but the length gets one, too.
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n").await;
    let heard = wire.hear().await;
    let (lines, text) = heard.split_once("\r\n\r\n").unwrap();
    assert_eq!(status_of(lines), Some(400));
    assert!(lines.to_lowercase().contains(&format!("content-length: {}", text.len())), "{heard}");
    assert!(text.contains("hub.mode"), "{heard}");
}

/// Too fast is not wrong: a subscriber that takes 4xx for good must be told to come back.
#[tokio::test]
async fn s30_too_many_requests_are_told_when_to_come_back() {
    let settings =
        Settings::quick().with("limits", "subscribe_per_second", 1).with("limits", "publish_per_second", 1);
    let stage = Stage::set_with(settings).await;
    for form in [subscribe(), Form::default().with("hub.mode", "publish").with("hub.url", TOPIC)] {
        let mut answers = Vec::new();
        // The burst is ten times the rate.
        for _ in 0..25 {
            answers.push(stage.hub.post(&form).await);
        }
        assert!(answers[..5].iter().all(|answer| answer.status < 300), "{answers:?}");
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status >= 300).collect();
        assert!(!refused.is_empty(), "{answers:?}");
        for answer in refused {
            assert_transient("too fast", answer, 429);
        }
    }
}

#[tokio::test]
async fn s30_too_many_pending_for_one_host_are_told_when_to_come_back() {
    let stage = Stage::set_with(Settings::quick().with("limits", "per_callback_host", 1)).await;
    let topic = stage.publisher.topic("/text");
    let (gate, held) = (Gate::closed(), stage.subscriber.callback("/held"));
    held.judge([Verdict::Held(gate.clone()), Verdict::Status(404)]);
    stage.hub.post(&Form::subscribe(&topic, &held)).await.expect(202);
    held.verification(1).await;
    let callback = stage.subscriber.callback("/cb");
    let answer = stage.hub.post(&Form::subscribe(&topic, &callback)).await;
    assert_transient("one more for the host", &answer, 429);
    // What waits already may be asked for anew, also by who waits for the answer.
    stage.hub.post(&Form::subscribe(&topic, &held).secret("new")).await.expect(202);
    stage.hub.post(&Form::subscribe(&topic, &held).sync()).await.expect(409);
    // Another host is another matter.
    stage.hub.post(&Form::intent("subscribe", &topic.url(), CALLBACK)).await.expect(202);
    gate.open();
    held.confirmed(2).await;
    // Confirmed, and no longer pending in a moment: its host has no room for a fence, but another one has.
    let elsewhere = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 3));
    soon("the first request to be settled", async {
        for number in 0.. {
            if stage.hub.post(&Form::subscribe(&topic, &callback)).await.status != 429 {
                break;
            }
            stage.subscribe_03(&topic, &elsewhere.callback(&format!("/fence/{number}"))).await;
        }
    })
    .await;
    callback.confirmed(1).await;
}

/// However many addresses they come from and whatever they ask for: it is the named host that would be asked (X03).
#[tokio::test]
async fn s30_too_many_requests_that_name_one_host_are_told_when_to_come_back() {
    let stage = Stage::set_with(Settings::quick().with("limits", "callback_host_per_second", 1)).await;
    let mut answers = Vec::new();
    // The burst is ten times the rate.
    for number in 0..25_u8 {
        let client = Client::speaking_from(Ipv4Addr::new(127, 0, 0, 2 + number));
        let form = Form::intent("subscribe", TOPIC, &format!("{CALLBACK}/{number}"));
        answers.push(client.post(stage.hub.url(), &form).await);
    }
    assert!(answers[..5].iter().all(|answer| answer.status == 202), "{answers:?}");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 202).collect();
    assert!(!refused.is_empty(), "{answers:?}");
    for answer in refused {
        assert_transient("named too often", answer, 429);
        assert!(answer.text.contains("hub.callback"), "{answer:?}");
    }
    let elsewhere = CALLBACK.replace("127.0.0.1", "127.0.0.2");
    stage.hub.post(&Form::intent("subscribe", TOPIC, &elsewhere)).await.expect(202);
}

/// A connection that breaks in the middle of a body says nothing about the request.
#[tokio::test]
async fn s30_a_body_that_breaks_off_is_no_fault_of_the_request() {
    let stage = Stage::set().await;
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say("POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 99\r\n\r\nhub.mode=sub").await;
    wire.say_no_more().await;
    let heard = wire.hear().await;
    assert_eq!(status_of(&heard), Some(503), "{heard}");
    assert!(heard.to_lowercase().contains("retry-after: "), "{heard}");
}
