//! Requests to subscribe and unsubscribe, S01-S39: what is read, what is refused, and with which answer.

mod http;
mod operator;
mod options;
mod pairs;
mod refusals;
mod timing;
mod urls;

use crate::harness::{Answer, Form, Page, Stage, Topic};

/// Stands in every bad value, so that an answer that repeats its input is found out (S29).
pub(super) const MARK: &str = "zq7mark";

/// A name that resolves nowhere, and a port on which nobody listens: what is accepted is verified in vain.
pub(super) const TOPIC: &str = "http://topic.invalid/feed";
pub(super) const CALLBACK: &str = "http://127.0.0.1:9999/callback";

pub(super) fn subscribe() -> Form {
    Form::intent("subscribe", TOPIC, CALLBACK)
}

pub(super) fn unsubscribe() -> Form {
    Form::intent("unsubscribe", TOPIC, CALLBACK)
}

/// A refusal is plain text with a length, names the fault, and repeats nothing (S29).
pub(super) fn assert_refused(name: &str, answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert!(answer.header("content-type").starts_with("text/plain"), "{name}: {answer:?}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(answer.header("content-length"), answer.text.len().to_string(), "{name}");
    assert!(!answer.text.is_empty(), "{name} says nothing");
    let text = answer.text.to_lowercase();
    for word in words {
        assert!(text.contains(word), "{name} lacks {word:?}: {answer:?}");
    }
    assert!(!answer.text.contains(MARK), "{name} repeats its input: {answer:?}");
}

/// A refusal that is not for good says when to come back (S30).
pub(super) fn assert_transient(name: &str, answer: &Answer, status: u16) {
    assert_refused(name, answer, status, &[]);
    let pause = answer.header("retry-after").parse::<u32>();
    assert!(pause.is_ok_and(|seconds| seconds >= 1), "{name}: {answer:?}");
}

/// Fails unless each form gets its status.
async fn assert_statuses(stage: &Stage, table: impl IntoIterator<Item = (String, Form, u16)>) {
    for (name, form, status) in table {
        let answer = stage.hub.post(&form).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
}

/// Publishes a text and waits until a witness, who was subscribed for it, has it.
async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    let witness = stage.fence(topic).await;
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
    witness.delivered_where(text, |one| one.body == text.as_bytes()).await;
}
