//! A JSON Feed goes out whole like everything that is neither Atom nor RSS (F19), unless the operator has it cut down to
//! its new items with `[feed] json_feed`; then it is treated as other feeds are (F13-F15, F21, F24, D03, D18, D20).

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Callback, Delivery, Form, Page, Settings, Stage, Subscriber, Topic, sha1_signature};

const MEDIA_TYPE: &str = "application/feed+json; charset=utf-8";

/// Items by number, each on a line, or several on one, as sites write them.
fn item(number: u32) -> String {
    format!("{{\"id\": {number}, \"content_text\":\"],}} naïve \\\"Ж\\\" {number}\" , \"tags\": [ ] }}")
}

/// A feed with these items.
fn feed(title: &str, links: &str, items: &[u32]) -> String {
    let items: Vec<_> = items.iter().map(|number| item(*number)).collect();
    format!(
        "{{\n  \"version\" : \"https://jsonfeed.org/version/1.1\", \"title\": \"{title}\",\n  {links}\"items\": [\n    {}\n  ],\n  \
         \"_after\": [1.0e5, {{}}]\n}}\n",
        items.join(",\n    ")
    )
}

fn put(topic: &Topic, feed: &str) {
    topic.put(Page::of(MEDIA_TYPE, feed.to_owned()));
}

async fn splitting() -> Stage {
    Stage::set_with(Settings::quick().with("feed", "json_feed", "new-entries")).await
}

/// The numbers of the items in a delivery, each of which must stand there in its own bytes.
fn numbers(delivery: &Delivery) -> Vec<u32> {
    let text = std::str::from_utf8(&delivery.body).unwrap();
    let feed: Value = serde_json::from_str(text).unwrap();
    let items = feed["items"].as_array().unwrap();
    let numbers: Vec<u32> =
        items.iter().map(|item| item["id"].as_u64().unwrap().try_into().unwrap()).collect();
    for number in &numbers {
        assert!(text.contains(&item(*number)), "{number} was written anew in {text}");
    }
    assert_eq!(feed["_after"], json!([1.0e5, {}]));
    numbers
}

/// F19: nothing is taken out of it, and every byte of it counts.
#[tokio::test]
async fn a_json_feed_goes_out_whole_by_default() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed.json");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    for (index, items) in [&[1][..], &[2, 1], &[2]].into_iter().enumerate() {
        let feed = feed("t", "", items);
        put(&topic, &feed);
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(index + 1).await[index].body, feed);
    }
}

/// One subscriber of each kind, up all the time.
async fn readers(stage: &Stage, topic: &Topic) -> [Callback; 2] {
    let [old, new] = ["/old", "/new"].map(|path| stage.subscriber.callback(path));
    stage.subscribe_03(topic, &old).await;
    stage.accept(&Form::subscribe(topic, &new).secret("key"), topic, &new).await;
    [old, new]
}

#[tokio::test]
async fn new_items_travel_alone_and_untouched_where_the_operator_says_so() {
    let stage = splitting().await;
    let topic = stage.publisher.topic("/feed.json");
    let readers = readers(&stage, &topic).await;
    let hub = stage.hub.url().trim_end_matches('/');
    let links = format!(
        "\"feed_url\": \"/own.json\", \"hubs\": [{{\"type\":\"rssCloud\",\"url\":\"http://no.example/\"}},\
         {{\"url\":\"{hub}\",\"type\":\"WebSub\"}}],\n  "
    );
    let own = stage.publisher.topic("/own.json").url();
    let link = format!("<{own}>; rel=\"self\", <{hub}>; rel=\"hub\"");
    // What is there, what of it is sent: the first time everything (F17), then what is new, and nothing where only
    // the feed around it changed (F13).
    let steps: [(&str, &[u32], &[u32]); 4] = [
        ("t", &[3, 2, 1], &[3, 2, 1]),
        ("t", &[5, 3, 4, 2], &[5, 4]),
        ("renamed", &[5, 3], &[]),
        ("renamed", &[5, 6], &[6]),
    ];
    for (index, (title, there, sent)) in steps.into_iter().enumerate() {
        put(&topic, &feed(title, &links, there));
        stage.ping(&topic).await;
        for reader in &readers {
            let delivery = reader.delivered(index + 1).await.remove(index);
            assert_eq!(numbers(&delivery), sent);
            // No white space is left of an item but what stood before the first and behind the last.
            let body = if sent.is_empty() {
                feed(title, &links, &[]).into_bytes()
            } else {
                feed(title, &links, sent).into_bytes()
            };
            assert_eq!(delivery.body, body);
            assert_eq!(delivery.header("content-type"), Some(MEDIA_TYPE), "also for 0.3 (D02)");
            assert_eq!(delivery.header("link"), Some(link.as_str()), "(L01, L03, D05)");
        }
        let delivery = readers[1].deliveries().remove(index);
        let signature = sha1_signature(b"key", &delivery.body);
        assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));
    }

    // An item that went away is no news; the next delivery shows that nothing came between.
    put(&topic, &feed("renamed", &links, &[6]));
    let fetches = topic.fetches().len();
    stage.ping(&topic).await;
    topic.fetched(fetches + 1).await;
    put(&topic, &feed("renamed", &links, &[7, 6]));
    stage.ping(&topic).await;
    for reader in &readers {
        assert_eq!(numbers(&reader.delivered(5).await[4]), [7]);
    }
}

/// D18, D20: in one document, newest first, and behind them what the feed no longer shows.
#[tokio::test]
async fn missed_items_come_together_in_one_document() {
    let stage = splitting().await;
    let topic = stage.publisher.topic("/feed.json");
    let house = Subscriber::start();
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), house.callback("/reader"));
    stage.subscribe_ws(&topic, &reader).await;
    stage.subscribe_03(&topic, &keeper).await;
    put(&topic, &feed("t", "", &[1]));
    stage.ping(&topic).await;
    keeper.delivered(1).await;
    reader.delivered(1).await;

    house.go_down().await;
    for (index, there) in [&[2, 1][..], &[3, 2], &[5, 4]].into_iter().enumerate() {
        put(&topic, &feed("t", "", there));
        stage.ping(&topic).await;
        keeper.delivered(index + 2).await;
    }
    house.come_up();
    let delivery = reader.delivered(2).await.remove(1);
    assert_eq!(numbers(&delivery), [5, 4, 3, 2]);
}

/// D03: a `WebSub` subscriber that was sent nothing yet gets the whole feed with the first news.
#[tokio::test]
async fn the_first_delivery_of_a_new_subscription_is_the_whole_feed() {
    let stage = splitting().await;
    let topic = stage.publisher.topic("/feed.json");
    let early = stage.subscriber.callback("/early");
    stage.subscribe_03(&topic, &early).await;
    put(&topic, &feed("t", "", &[2, 1]));
    stage.ping(&topic).await;
    early.delivered(1).await;

    let late = stage.subscriber.callback("/late");
    stage.subscribe_ws(&topic, &late).await;
    let whole = feed("t", "", &[3, 2, 1]);
    put(&topic, &whole);
    stage.ping(&topic).await;
    assert_eq!(numbers(&early.delivered(2).await[1]), [3]);
    assert_eq!(late.delivered(1).await[0].body, whole);
}

/// F19, F20, F23: what is broken, or no JSON Feed, goes out whole whatever the operator wants of JSON Feeds.
#[tokio::test]
async fn what_is_no_sound_json_feed_goes_out_whole_all_the_same() {
    let stage = splitting().await;
    let topic = stage.publisher.topic("/feed.json");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    let sound = feed("t", "", &[2, 1]);
    let versions = [
        sound.clone(),
        format!("{sound}<br>"),
        format!("\u{feff}{sound}"),
        sound.replace("jsonfeed.org", "jsonfeed.example"),
        sound.replace("\"_after\"", "\"items\""),
        format!("<?=$x?>{sound}"),
    ];
    for (index, version) in versions.into_iter().enumerate() {
        put(&topic, &version);
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(index + 1).await[index].body, version);
    }
}

/// The switch may be set for some topics only.
#[tokio::test]
async fn only_some_topics_are_cut_down_where_the_operator_says_which() {
    let mut stage = Stage::set().await;
    let (cut, whole) = (stage.publisher.topic("/cut.json"), stage.publisher.topic("/whole.json"));
    let some = toml::Table::from_iter([(cut.url(), "new-entries".into())]);
    stage.hub.stop(Signal::TERM, Duration::from_secs(15)).await;
    stage.hub.reconfigure(Settings::quick().with("feed", "json_feed_for_topics", some));
    stage.hub.restart().await;
    for (topic, second) in [(&cut, &[2][..]), (&whole, &[2, 1])] {
        let callback = stage.subscriber.callback(&format!("/{}", second.len()));
        stage.subscribe_03(topic, &callback).await;
        for (index, there) in [&[1][..], &[2, 1]].into_iter().enumerate() {
            put(topic, &feed("t", "", there));
            stage.ping(topic).await;
            callback.delivered(index + 1).await;
        }
        assert_eq!(numbers(&callback.deliveries()[1]), second);
    }
}
