//! A hub, a site and its subscribers, and the steps that every test takes with them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    client::Form,
    hub::{HubUnderTest, Settings},
    publisher::{Page, Publisher, Topic},
    subscriber::{Callback, Subscriber},
};

/// One hub with one site and one server of callbacks.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) hub: HubUnderTest,
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    fences: AtomicUsize,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_with(Settings::quick()).await
    }

    pub(crate) async fn set_with(settings: Settings) -> Self {
        let (publisher, subscriber) = (Publisher::start(), Subscriber::start());
        Self { hub: HubUnderTest::start(settings).await, publisher, subscriber, fences: AtomicUsize::new(0) }
    }

    /// A P03 subscription, active when this returns (S13, S27).
    pub(crate) async fn subscribe_03(&self, topic: &Topic, callback: &Callback) {
        self.accept_sync(&Form::subscribe(topic, callback)).await;
    }

    /// Posts an intent with `hub.verify=sync`, which is on disk when this returns.
    pub(crate) async fn accept_sync(&self, form: &Form) {
        let answer = self.hub.post(&form.clone().sync()).await.expect(204);
        assert_eq!(answer.text, "");
    }

    /// A PWS subscription, active when this returns.
    pub(crate) async fn subscribe_ws(&self, topic: &Topic, callback: &Callback) {
        self.accept(&Form::subscribe(topic, callback), topic, callback).await;
    }

    /// Posts an intent without `hub.verify`, waits for its confirmation, and for its being on disk.
    pub(crate) async fn accept(&self, form: &Form, topic: &Topic, callback: &Callback) {
        let before = callback.confirmations();
        self.hub.post(form).await.expect(202);
        callback.confirmed(before + 1).await;
        self.fence(topic).await;
    }

    /// Makes sure that whatever has been confirmed is on disk.
    ///
    /// Nothing tells the outside when a confirmed subscription has been written. A synchronous subscription to the
    /// same topic goes the whole way (request, verification, commit) after the other's last step has begun, and its
    /// 204 tells. It also makes sure that the topic has an active subscriber, so that a ping is not passed over (P07).
    pub(crate) async fn fence(&self, topic: &Topic) -> Callback {
        let number = self.fences.fetch_add(1, Ordering::Relaxed);
        let callback = self.subscriber.callback(&format!("/fence/{number}"));
        self.subscribe_03(topic, &callback).await;
        callback
    }

    /// A topic, and a callback with a P03 subscription to it.
    pub(crate) async fn subscribed(&self, path: &str) -> (Topic, Callback) {
        let (topic, callback) = (self.publisher.topic(path), self.subscriber.callback(path));
        self.subscribe_03(&topic, &callback).await;
        (topic, callback)
    }

    /// Shows that a callback has been sent `known` deliveries and nothing else: one more version of the topic is
    /// published, and arrives next.
    pub(crate) async fn got_only(&self, known: usize, topic: &Topic, callback: &Callback) {
        topic.put(Page::text("the fence"));
        self.ping(topic).await;
        callback.delivered(known + 1).await;
        let attempts = callback.attempts();
        assert_eq!(attempts.len(), known + 1, "{attempts:?}");
        assert_eq!(attempts[known].body, "the fence");
    }

    /// Pings the hub (P02).
    pub(crate) async fn ping(&self, topic: &Topic) {
        let answer = self.hub.post(&Form::publish(topic)).await.expect(204);
        assert_eq!(answer.text, "");
    }

    /// Publishes a text and waits until a witness, who was subscribed for it, has it; and for a whole request more, so
    /// that what went out to others at the same moment has arrived as well.
    pub(crate) async fn publish(&self, topic: &Topic, text: &str) {
        let witness = self.fence(topic).await;
        topic.put(Page::of("text/plain", text.to_owned()));
        self.ping(topic).await;
        witness.delivered_where(text, |one| one.body == text.as_bytes()).await;
        self.fence(topic).await;
    }
}
