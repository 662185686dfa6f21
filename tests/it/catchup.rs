//! What a subscriber missed reaches it in one document, in order, once (promises 2 and 4; D15-D18, D20, D22).

use std::time::Duration;

use crate::harness::{Callback, Feed, Flavour, Page, Reply, Stage, Subscriber, Topic};

fn put(topic: &Topic, feed: &Feed) {
    topic.put(Page::of(feed.flavour().content_type(), feed.document()));
}

/// A topic that has been delivered once to a keeper, who stays up, and to a reader on a server of its own.
struct Scene {
    stage: Stage,
    topic: Topic,
    feed: Feed,
    keeper: Callback,
    house: Subscriber,
    reader: Callback,
    published: usize,
}

impl Scene {
    async fn set() -> Self {
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
    async fn publish(&mut self) {
        put(&self.topic, &self.feed);
        self.stage.ping(&self.topic).await;
        self.published += 1;
        self.keeper.delivered(self.published).await;
    }

    /// Publishes one new entry.
    async fn publish_one(&mut self) -> String {
        let id = self.feed.add();
        self.publish().await;
        id
    }

    /// Publishes one more entry, waits until the reader has it, and returns what the reader got since `known`.
    async fn fence(&mut self, known: usize) -> Vec<Vec<String>> {
        let fence = self.publish_one().await;
        let feed = self.feed.clone();
        self.reader.delivered_where("the fence", |one| feed.has_in(&one.body, &fence)).await;
        let deliveries = self.reader.deliveries().split_off(known);
        let mut got: Vec<_> = deliveries.iter().map(|one| self.feed.found_in(&one.body)).collect();
        assert_eq!(got.pop(), Some(vec![fence]), "the fence came alone and last");
        got
    }
}

#[tokio::test]
async fn five_missed_publications_come_as_one_document() {
    let mut scene = Scene::set().await;
    scene.house.go_down().await;
    let mut missed = Vec::new();
    for _ in 0..5 {
        missed.push(scene.publish_one().await);
    }
    scene.house.come_up();
    scene.reader.delivered(2).await;
    missed.reverse();
    assert_eq!(scene.fence(1).await, [missed], "the union, newest first as in the feed");
    assert_eq!(scene.reader.most_in_flight(), 1);
}

/// Answers of every kind of failure are treated as a closed port is, and none of them ends the subscription (D14, D16).
#[tokio::test]
async fn refusals_keep_the_subscription_and_what_it_missed() {
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

#[tokio::test]
async fn an_entry_edited_while_away_comes_once_and_in_its_newest_version() {
    let mut scene = Scene::set().await;
    scene.house.go_down().await;
    let new = scene.publish_one().await;
    let old = scene.feed.ids()[4].clone();
    for id in [&new, &old, &new] {
        scene.feed.edit(id);
        scene.publish().await;
    }
    scene.house.come_up();
    scene.reader.delivered(2).await;
    // `found_in` fails on an older version.
    assert_eq!(scene.fence(1).await, [vec![new, old]]);
}

/// Of what is no feed only the latest version is of use.
#[tokio::test]
async fn of_an_opaque_topic_only_the_latest_body_is_caught_up() {
    let stage = Stage::set().await;
    let house = Subscriber::start();
    let topic = stage.publisher.topic("/text");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), house.callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_03(&topic, &reader).await;
    for version in 1..=5 {
        if version == 2 {
            reader.delivered(1).await;
            house.go_down().await;
        }
        topic.put(Page::of("text/plain", format!("version {version}")));
        stage.ping(&topic).await;
        keeper.delivered(version).await;
    }
    house.come_up();
    reader.delivered(2).await;
    topic.put(Page::of("text/plain", "the fence"));
    stage.ping(&topic).await;
    let bodies: Vec<_> = reader.delivered(3).await.into_iter().map(|one| one.body).collect();
    assert_eq!(bodies, ["version 1", "version 5", "the fence"]);
}

/// 410 is the one status by which a subscriber leaves (D15).
#[tokio::test]
async fn gone_ends_the_subscription() {
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

/// Two requests for one subscription are never open at once, and what comes later is not older (promise 2).
#[tokio::test]
async fn a_reader_slower_than_its_publisher_gets_all_in_order_one_at_a_time() {
    let mut scene = Scene::set().await;
    scene.reader.always_reply(Reply::After(Duration::from_millis(120), 200));
    let mut expected = Vec::new();
    for _ in 0..12 {
        expected.push(scene.publish_one().await);
    }
    let last = expected.last().cloned().unwrap();
    let feed = scene.feed.clone();
    scene.reader.delivered_where("the last entry", |one| feed.has_in(&one.body, &last)).await;
    let got = scene.reader.deliveries().split_off(1);
    // Within a document the newest stands first, as in the feed.
    let got = got.iter().flat_map(|one| feed.found_in(&one.body).into_iter().rev()).collect::<Vec<_>>();
    assert_eq!(got, expected);
    assert_eq!(scene.reader.most_in_flight(), 1);
}

/// A publication made after a subscriber has answered its catch-up with failures again is merged, not queued (D20).
#[tokio::test]
async fn a_publication_during_a_failing_catch_up_joins_it() {
    let mut scene = Scene::set().await;
    scene.reader.always_reply(Reply::Status(500));
    let first = scene.publish_one().await;
    scene.reader.attempted(3).await;
    let second = scene.publish_one().await;
    scene.reader.attempted(5).await;
    scene.reader.always_reply(Reply::Status(204));
    scene.reader.delivered(2).await;
    assert_eq!(scene.fence(1).await, [vec![second, first]]);
}
