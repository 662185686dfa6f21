//! The hub under attack, and the healthy who must not notice.

use crate::harness::{Callback, Page, Settings, Stage, Topic};

/// Whatever is attacked, a hub without much to do stays below this.
pub(super) const SMALL: usize = 128 << 20;

/// What stands before a form of this length.
pub(super) fn head(length: usize, more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: hub\r\n{more}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// A hub with a topic and a subscriber that are well-behaved and get on with it.
pub(super) struct Siege {
    pub(super) stage: Stage,
    topic: Topic,
    reader: Callback,
    published: usize,
}

impl Siege {
    /// Limits that are short and nobody's excuse: who is slow is cut within half a second.
    pub(super) fn settings() -> Settings {
        Settings::quick()
            .with("verification", "timeout", "400ms")
            .with("fetch", "timeout", "400ms")
            .with("fetch", "retry", vec!["60s"])
            .with("delivery", "timeout", "400ms")
            .with("delivery", "connect_timeout", "400ms")
            .with("delivery", "patience", "100ms")
            .with("log", "filter", "info")
    }

    pub(super) async fn lay() -> Self {
        Self::lay_with(Self::settings()).await
    }

    pub(super) async fn lay_with(settings: Settings) -> Self {
        let stage = Stage::set_with(settings).await;
        let (topic, reader) = stage.subscribed("/healthy").await;
        Self { stage, topic, reader, published: 0 }
    }

    /// The topic that the healthy follow.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Publishes once more, for whom it may concern.
    pub(super) async fn publish(&mut self) -> String {
        self.published += 1;
        let text = format!("news, number {}", self.published);
        self.topic.put(Page::text(&text));
        self.stage.ping(&self.topic).await;
        text
    }

    /// News go out and arrive, once.
    pub(super) async fn goes_on(&mut self) -> String {
        let text = self.publish().await;
        let delivered = self.reader.delivered(self.published).await;
        assert_eq!(delivered.last().unwrap().body, text);
        text
    }

    /// The hub has served the healthy, is well, took no more memory than this at any time, and has not panicked.
    pub(super) async fn ends(mut self, what: &str, at_most: usize) {
        self.goes_on().await;
        assert_eq!(self.reader.attempts().len(), self.published, "nothing is sent twice");
        let most = self.stage.hub.most_memory();
        // For whoever runs it to see.
        println!("{what}: {} MiB at most, {} MiB allowed", most >> 20, at_most >> 20);
        assert!(most <= at_most, "{what}: {} MiB", most >> 20);
        let (_, log) = self.stage.hub.end().await;
        assert!(!log.contains("panic"), "{what}: {log}");
    }
}
