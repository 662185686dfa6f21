//! Topics that never ping, for operators who poll them (P15).
//!
//! A poll is a pending fetch like any other, due later: one a topic, on disk, hastened by a ping. It stays pending as
//! long as somebody subscribes to the topic and the operator says so.

use std::sync::Arc;

use super::{Publishing, ping::spelling};
use crate::{
    clock::Timestamp,
    protocol::{TopicId, TopicUrl},
    store::{PendingFetch, Record, StoreError},
};

/// Topics looked at in one go when the hub starts.
const PAGE: usize = 256;

impl Publishing {
    pub(super) fn is_polled(&self, topic: &TopicUrl) -> bool {
        self.parts.polling.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// The look after this one, if the topic is polled.
    pub(super) fn next_poll(&self, url: &TopicUrl, now: Timestamp) -> Option<PendingFetch> {
        self.is_polled(url).then(|| poll(url.clone(), now, now.after(self.parts.polling.every)))
    }

    /// Somebody subscribed: looks at the topic soon, and then again and again.
    pub async fn keep_polled(&self, url: &TopicUrl) -> Result<(), StoreError> {
        if self.is_polled(url) { self.start_polling(url.id(), url.clone()).await } else { Ok(()) }
    }

    async fn start_polling(&self, topic: TopicId, url: TopicUrl) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        if self.pending(topic)?.is_some() {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let fetch = poll(spelling(store, topic, url)?, now, now);
        store.commit(Record::FetchPut { topic, fetch, was: None }.into()).await?;
        self.poke.due(now);
        Ok(())
    }

    /// At the start: the operator may have added topics that are subscribed to already.
    pub async fn poll_what_is_subscribed(self: Arc<Self>) -> Result<(), StoreError> {
        if self.parts.polling.topics.is_empty() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.parts.store.read(move |store| store.subscribed_topics(after, PAGE)).await?;
            for (topic, url) in &page {
                if self.is_polled(url) {
                    self.start_polling(*topic, url.clone()).await?;
                }
            }
            after = page.last().map(|(topic, _)| *topic);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn poll(url: TopicUrl, now: Timestamp, due_at: Timestamp) -> PendingFetch {
    PendingFetch { url, pinged_at: now, due_at, attempts: 0, looks: 0, is_poll: true }
}
