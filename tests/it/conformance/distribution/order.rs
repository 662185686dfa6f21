//! Order: what is missed is merged (D20), who leaves gets nothing more (D22), topics of one callback stay apart (D23,
//! D24).

use std::time::Duration;

use super::scene::Scene;
use crate::harness::{
    Callback, Delivery, Feed, Flavour, Form, Page, Reply, Settings, Stage, Subscriber, Topic, Verdict,
    sha1_signature,
};

#[tokio::test]
async fn d20_five_missed_publications_come_as_one_document() {
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

#[tokio::test]
async fn d20_an_entry_edited_while_away_comes_once_and_in_its_newest_version() {
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

/// Some sites give all of their entries one id. Each is an entry of its own to whoever was away as well (F15).
#[tokio::test]
async fn d20_f15_entries_that_share_an_id_do_not_replace_one_another() {
    let stage = Stage::set().await;
    let house = Subscriber::start();
    let topic = stage.publisher.topic("/feed");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), house.callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_03(&topic, &reader).await;
    let feed = |entries: std::ops::RangeInclusive<usize>| {
        let entry = |number| format!("<entry><id>urn:x</id><title>{number}</title></entry>");
        let entries: Vec<_> = entries.rev().map(entry).collect();
        format!("<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>", entries.concat())
    };
    for count in 4..=6 {
        topic.put(Page::of("application/atom+xml", feed(1..=count)));
        stage.ping(&topic).await;
        keeper.delivered(count - 3).await;
        if count == 4 {
            reader.delivered(1).await;
            house.go_down().await;
        }
    }
    house.come_up();
    let bodies: Vec<_> = reader.delivered(2).await.into_iter().map(|one| one.body).collect();
    assert_eq!(bodies, [feed(1..=4), feed(5..=6)]);
}

#[tokio::test]
async fn d20_of_an_opaque_topic_only_the_latest_body_is_caught_up() {
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

#[tokio::test]
async fn d20_a_reader_slower_than_its_publisher_gets_all_in_order_one_at_a_time() {
    let mut scene = Scene::set().await;
    // Longer than a fan-out waits.
    scene.reader.always_reply(Reply::After(Duration::from_millis(400), 200));
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

#[tokio::test]
async fn d20_a_publication_during_a_failing_catch_up_joins_it() {
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

/// A callback that looks at the topic before it answers takes longer than a fan-out waits for it. That is no reason to
/// send it the same again (D21).
#[tokio::test]
async fn d21_a_callback_that_takes_its_time_is_not_asked_twice() {
    // The patience of a fan-out is 300 ms, the timeout of a request the default.
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    callback.reply([Reply::After(Duration::from_millis(900), 200)]);
    for (index, text) in ["one", "two"].into_iter().enumerate() {
        topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        callback.delivered(index + 1).await;
    }
    let bodies: Vec<_> = callback.attempts().into_iter().map(|one| one.body).collect();
    assert_eq!(bodies, ["one", "two"]);
}

/// A keeper who stays, a subscriber who never took the first publication and is tried again quickly, and the feed of the
/// topic.
struct Behind {
    stage: Stage,
    topic: Topic,
    feed: Feed,
    keeper: Callback,
    failing: Callback,
}

impl Behind {
    async fn set(settings: Settings) -> Self {
        let stage = Stage::set_with(settings).await;
        let topic = stage.publisher.topic("/feed");
        let (keeper, failing) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/failing"));
        stage.subscribe_03(&topic, &failing).await;
        failing.always_reply(Reply::Status(500));
        stage.subscribe_03(&topic, &keeper).await;
        let feed = Feed::new(Flavour::Atom, 2, &topic.url(), &[stage.hub.url()]);
        let mut behind = Self { stage, topic, feed, keeper, failing };
        behind.publish(1).await;
        behind.failing.attempted(2).await;
        behind
    }

    /// Publishes one more entry and returns it when the keeper has it as its `count`th delivery.
    async fn publish(&mut self, count: usize) -> String {
        let id = self.feed.add();
        self.topic.put(Page::of(self.feed.flavour().content_type(), self.feed.document()));
        self.stage.ping(&self.topic).await;
        self.keeper.delivered(count).await;
        id
    }
}

/// What waited for a pair goes when the pair goes, and does not come back with it (D22).
#[tokio::test]
async fn d22_leaving_takes_what_was_to_be_tried_again_along() {
    let mut scene = Behind::set(Settings::quick()).await;
    scene.stage.accept_sync(&Form::unsubscribe(&scene.topic, &scene.failing)).await;
    // What was on its way when it left has arrived by the end of another request.
    scene.stage.fence(&scene.topic).await;
    let known = scene.failing.attempts().len();
    // Longer than the other would wait for its next try.
    scene.keeper.reply([500; 4].map(Reply::Status));
    scene.publish(2).await;
    assert_eq!(scene.failing.attempts().len(), known, "nothing came after it had left");
    scene.failing.always_reply(Reply::Status(204));
    scene.stage.subscribe_03(&scene.topic, &scene.failing).await;
    let after = scene.publish(3).await;
    let feed = scene.feed.clone();
    scene.failing.delivered_where("the news after the return", |one| feed.has_in(&one.body, &after)).await;
    let since = scene.failing.attempts().split_off(known);
    let since: Vec<_> = since.iter().map(|one| feed.found_in(&one.body)).collect();
    assert_eq!(since, [[after]], "and nothing of what was before or meanwhile");
}

#[tokio::test]
async fn d22_the_end_of_a_lease_takes_what_was_to_be_tried_again_along() {
    let settings = Settings::quick().with("lease", "min", "1s").with("lease", "default", "1s");
    let mut scene = Behind::set(settings).await;
    // A refusal of the refresh would end it as well; no answer at all leaves the end to the lease.
    scene.failing.always_judge(Verdict::Status(500));
    // The keeper's own lease of a second is renewed at its half each time: four renewals from now are past the other's
    // end, were it renewed a moment ago.
    scene.keeper.confirmed(scene.keeper.confirmations() + 4).await;
    let known = scene.failing.attempts().len();
    // Longer than the other would wait for its next try.
    scene.keeper.reply([500; 4].map(Reply::Status));
    scene.publish(2).await;
    assert_eq!(scene.failing.attempts().len(), known, "nothing came after the end");
}

/// 0.3 lets a hub gather several topics for one callback into one document; this one does not, and so each may have a
/// secret of its own (D23, D24).
#[tokio::test]
async fn d23_d24_topics_of_one_callback_come_apart_each_under_its_own_secret() {
    let stage = Stage::set().await;
    let callback = stage.subscriber.callback("/cb");
    let mut pings = Form::default().with("hub.mode", "publish");
    let mut topics = Vec::new();
    for (path, secret) in [("/a", "key a"), ("/b", "key b")] {
        let topic = stage.publisher.topic(path);
        stage.accept_sync(&Form::subscribe(&topic, &callback).secret(secret)).await;
        let feed = Feed::new(Flavour::Atom, 2, &topic.url(), &[stage.hub.url()]);
        topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
        pings = pings.with("hub.url", topic.url());
        topics.push((topic, secret, feed));
    }
    stage.hub.post(&pings).await.expect(204);
    let deliveries = callback.delivered(2).await;
    for (topic, secret, feed) in topics {
        let own = format!("<{}>; rel=\"self\"", topic.url());
        let of_topic = |one: &&Delivery| one.header("link").unwrap().starts_with(&own);
        let delivery = deliveries.iter().find(of_topic).unwrap();
        assert_eq!(delivery.body, feed.document(), "nothing of the other topic, and no atom:source added");
        let signature = sha1_signature(secret.as_bytes(), &delivery.body);
        assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));
    }
    assert_eq!(callback.attempts().len(), 2);
}
