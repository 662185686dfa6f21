//! A reader who misses things while a keeper gets them.

use crate::harness::{Callback, Feed, Flavour, Page, Stage, Subscriber, Topic};

/// A topic that has been delivered once to a keeper, who stays up, and to a reader on a server of its own.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) topic: Topic,
    pub(super) feed: Feed,
    pub(super) keeper: Callback,
    pub(super) house: Subscriber,
    pub(super) reader: Callback,
    published: usize,
}

impl Scene {
    pub(super) async fn set() -> Self {
        let stage = Stage::set().await;
        let topic = stage.publisher.topic("/feed");
        let feed = Feed::new(Flavour::Atom, 8, &topic.url(), &[stage.hub.url()]);
        let house = Subscriber::start();
        let (keeper, reader) = (stage.subscriber.callback("/keeper"), house.callback("/reader"));
        stage.subscribe_ws(&topic, &reader).await;
        stage.subscribe_03(&topic, &keeper).await;
        let mut scene = Self { stage, topic, feed, keeper, house, reader, published: 0 };
        scene.publish().await;
        scene.reader.delivered(1).await;
        scene
    }

    /// Publishes the feed as it is now; returns when the keeper has it.
    pub(super) async fn publish(&mut self) {
        let content_type = self.feed.flavour().content_type();
        self.topic.put(Page::of(content_type, self.feed.document()));
        self.stage.ping(&self.topic).await;
        self.published += 1;
        self.keeper.delivered(self.published).await;
    }

    /// Publishes one new entry.
    pub(super) async fn publish_one(&mut self) -> String {
        let id = self.feed.add();
        self.publish().await;
        id
    }

    /// Publishes one more entry, waits until the reader has it, and returns what the reader got since `known`.
    pub(super) async fn fence(&mut self, known: usize) -> Vec<Vec<String>> {
        let fence = self.publish_one().await;
        let feed = self.feed.clone();
        self.reader.delivered_where("the fence", |one| feed.has_in(&one.body, &fence)).await;
        let deliveries = self.reader.deliveries().split_off(known);
        let mut got: Vec<_> = deliveries.iter().map(|one| self.feed.found_in(&one.body)).collect();
        assert_eq!(got.pop(), Some(vec![fence]), "the fence came alone and last");
        got
    }
}
