//! What a subscription gets first (D03): the whole document for WebSub, to which nothing was "already delivered"; what
//! is new for 0.3. And nothing is lost when that first delivery fails (D18).

use crate::harness::{Callback, Feed, Flavour, Page, Reply, Settings, Stage, Topic};

/// A topic that has been published, with a keeper to whom all of it was delivered.
async fn old_topic(settings: Settings) -> (Stage, Topic, Feed, Callback) {
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/feed");
    let feed = Feed::new(Flavour::Atom, 6, &topic.url(), &[stage.hub.url()]);
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    let keeper = stage.subscriber.callback("/keeper");
    stage.subscribe_03(&topic, &keeper).await;
    stage.ping(&topic).await;
    keeper.delivered(1).await;
    (stage, topic, feed, keeper)
}

async fn publish(stage: &Stage, topic: &Topic, feed: &mut Feed) -> String {
    let id = feed.add();
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    stage.ping(topic).await;
    id
}

#[tokio::test]
async fn a_new_websub_subscriber_gets_the_whole_document_once_and_then_what_is_new() {
    let (stage, topic, mut feed, _keeper) = old_topic(Settings::quick()).await;
    let (whole, delta) = (stage.subscriber.callback("/whole"), stage.subscriber.callback("/delta"));
    stage.subscribe_ws(&topic, &whole).await;
    stage.subscribe_03(&topic, &delta).await;
    let first = publish(&stage, &topic, &mut feed).await;
    assert_eq!(whole.delivered(1).await[0].body, feed.document(), "byte for byte");
    assert_eq!(delta.delivered(1).await[0].body, feed.only(&[first]));
    let second = publish(&stage, &topic, &mut feed).await;
    for reader in [&whole, &delta] {
        assert_eq!(reader.delivered(2).await[1].body, feed.only(std::slice::from_ref(&second)));
    }
}

#[tokio::test]
async fn the_operator_may_send_new_entries_to_everybody() {
    let (stage, topic, mut feed, _keeper) =
        old_topic(Settings::quick().with("delivery", "first", "new-entries")).await;
    let reader = stage.subscriber.callback("/reader");
    stage.subscribe_ws(&topic, &reader).await;
    let first = publish(&stage, &topic, &mut feed).await;
    assert_eq!(reader.delivered(1).await[0].body, feed.only(&[first]));
}

fn window(topic: &Topic, ids: &[&str]) -> String {
    let entries: Vec<_> = ids.iter().map(|id| format!("<entry><id>urn:{id}</id></entry>")).collect();
    let entries = entries.concat();
    format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>{}</id>{entries}</feed>", topic.url())
}

/// The feed shows two entries at a time: what has left it while the first delivery failed comes all the same.
#[tokio::test]
async fn what_left_the_feed_while_the_first_delivery_failed_is_not_lost() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_ws(&topic, &reader).await;
    stage.fence(&topic).await;
    reader.always_reply(Reply::Status(503));
    for (count, ids) in [["b", "a"], ["d", "c"], ["f", "e"]].into_iter().enumerate() {
        topic.put(Page::of("application/atom+xml", window(&topic, &ids)));
        stage.ping(&topic).await;
        keeper.delivered(count + 1).await;
    }
    reader.always_reply(Reply::Status(204));
    let body = String::from_utf8(reader.delivered(1).await[0].body.to_vec()).unwrap();
    for id in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(body.matches(&format!("<id>urn:{id}</id>")).count(), 1, "{id} in {body}");
    }
    topic.put(Page::of("application/atom+xml", window(&topic, &["g", "f"])));
    stage.ping(&topic).await;
    let last = String::from_utf8(reader.delivered(2).await[1].body.to_vec()).unwrap();
    assert_eq!(last, window(&topic, &["g"]), "after the whole, only what is new");
}
