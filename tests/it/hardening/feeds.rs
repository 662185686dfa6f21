//! Feeds that are traps for whoever takes them apart.

use super::siege::{SMALL, Siege};
use crate::harness::{Callback, Page, Settings, Topic};

/// "Six times `max_bytes` for a moment", as `config.example.toml` has it, of what these tests allow; and the store's cache
/// of 64 MiB two and a half times, because the engine lets go of what it replaced only after a while.
const PARSED: usize = SMALL + 6 * (10 << 20) + STORE;
const PARSED_OF_THIRTY: usize = SMALL + 6 * (30 << 20) + STORE;
const STORE: usize = 160 << 20;

fn settings() -> Settings {
    // What is taken apart takes its time where the program is built for tests.
    Siege::settings().with("fetch", "timeout", "20s").with("delivery", "timeout", "20s")
}

fn feed(before: &str, inside: &str) -> String {
    format!("{before}<feed xmlns='http://www.w3.org/2005/Atom'><id>urn:f</id>{inside}</feed>")
}

async fn set(siege: &Siege, name: &str) -> (Topic, Callback) {
    let (topic, callback) = (siege.stage.publisher.topic(name), siege.stage.subscriber.callback(name));
    siege.stage.subscribe_03(&topic, &callback).await;
    (topic, callback)
}

async fn publish(siege: &Siege, topic: &Topic, content_type: &str, body: &str) {
    topic.put(Page::of(content_type, body.to_owned()));
    siege.stage.ping(topic).await;
}

/// Its subscriber gets all of them, each once, however many documents that takes; and then the one that is new.
#[tokio::test]
async fn a_feed_of_two_hundred_thousand_entries_arrives() {
    const ENTRIES: usize = 200_000;
    let mut siege = Siege::lay_with(settings().with("delivery", "max_entries", 20_000)).await;
    let (topic, callback) = set(&siege, "/many").await;
    let entries = |from: usize| -> String {
        (from..ENTRIES).map(|number| format!("<entry><id>{number}</id></entry>")).collect::<Vec<_>>().concat()
    };
    publish(&siege, &topic, "application/atom+xml", &feed("", &entries(1))).await;
    siege.goes_on().await;
    callback.delivered(1).await;
    let (mut deliveries, mut count) = (0, 0);
    while count < ENTRIES - 1 {
        let delivered = callback.delivered(deliveries + 1).await;
        for one in &delivered[deliveries..] {
            count += memchr::memmem::find_iter(&one.body, "<entry>").count();
        }
        deliveries = delivered.len();
    }
    assert_eq!(count, ENTRIES - 1);
    siege.goes_on().await;
    publish(&siege, &topic, "application/atom+xml", &feed("", &entries(0))).await;
    callback
        .delivered_where("the new entry alone", |one| one.body == feed("", "<entry><id>0</id></entry>"))
        .await;
    assert_eq!(callback.attempts().len(), deliveries + 1);
    siege.ends("a feed of 200,000 entries", PARSED).await;
}

/// Depth, an attribute of twenty mebibytes, and a DOCTYPE whose entities would fill the world: they come out as they went
/// in, and the topic goes on.
#[tokio::test]
async fn depth_length_and_entities_are_just_content() {
    let settings =
        settings().with("fetch", "max_bytes", "30MiB").with("delivery", "max_document_bytes", "30MiB");
    let mut siege = Siege::lay_with(settings).await;
    let deep = format!("{}x{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let laughs: Vec<_> = (1..30)
        .map(|level| format!("<!ENTITY a{level} '{}'>", format!("&a{};", level - 1).repeat(10)))
        .collect();
    let laughs = laughs.concat();
    let laughs = format!("<!DOCTYPE feed [<!ENTITY a0 'ha'>{laughs}]>");
    let traps = [
        ("deep", feed("", &format!("<entry><id>1</id>{deep}</entry>"))),
        ("deep without an end", feed("", &"<entry>".repeat(10_000))),
        ("laughs", feed(&laughs, "<entry><id>1</id><title>&a29;</title></entry>")),
        (
            "quadratic",
            feed(
                &format!("<!DOCTYPE feed [<!ENTITY a '{}'>]>", "a".repeat(100_000)),
                &format!("<entry><id>1</id><title>{}</title></entry>", "&a;".repeat(100_000)),
            ),
        ),
        ("attribute", feed("", &format!("<entry x='{}'><id>1</id></entry>", "y".repeat(20 << 20)))),
        ("comment", feed("", &format!("<!--{}<entry><id>1</id></entry>", "-".repeat(1 << 20)))),
        ("section", feed("", &format!("<entry><id>1</id><![CDATA[{}", "]]".repeat(1 << 19)))),
    ];
    for (index, (name, trap)) in traps.iter().enumerate() {
        let (topic, callback) = set(&siege, &format!("/trap/{index}")).await;
        publish(&siege, &topic, "application/atom+xml", trap).await;
        siege.goes_on().await;
        assert!(callback.delivered(1).await[0].body == trap.as_bytes(), "{name}");
        publish(&siege, &topic, "text/plain", "and on").await;
        assert_eq!(callback.delivered(2).await[1].body, "and on", "{name}");
    }
    siege.ends("depth, length, entities", PARSED_OF_THIRTY).await;
}

/// Else whoever has ten megabytes and pings without end would have a processor take them apart all the time.
#[tokio::test]
async fn a_large_feed_that_is_pinged_without_end_is_fetched_now_and_then() {
    let mut siege = Siege::lay_with(settings()).await;
    let (topic, callback) = set(&siege, "/large").await;
    let noise = "noise ".repeat((9 << 20) / 6);
    publish(&siege, &topic, "text/plain", &noise).await;
    callback.delivered(1).await;
    // More than ten windows of a small one, and less than one of this.
    for _ in 0..10 {
        siege.stage.ping(&topic).await;
        siege.goes_on().await;
    }
    assert!(topic.fetches().len() <= 2, "{} fetches", topic.fetches().len());
    siege.ends("a large feed that is pinged without end", PARSED).await;
}

/// It is something else each time it is looked at, and what it says it is has nothing to do with that.
#[tokio::test]
async fn a_topic_that_is_something_else_each_time_is_delivered_each_time() {
    let mut siege = Siege::lay_with(settings()).await;
    let (topic, callback) = set(&siege, "/chameleon").await;
    let bodies: [&[u8]; 9] = [
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>1</id></entry></feed>",
        b"<rss version='2.0'><channel><item><guid>2</guid></item></channel></rss>",
        b"{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\"3\"}]}",
        b"<!doctype html><link rel=hub href=http://elsewhere.example/><p>4",
        b"\xff\xfe<\0f\0e\0e\0d\0>\0",
        b"\0\x01\x02\x03",
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><item/></rdf:RDF>",
        b"%PDF-1.7",
        b"plain text",
    ];
    let types = ["application/atom+xml", "text/html", "application/json", "image/png; charset=utf-7", "x"];
    let mut published = 0;
    for (round, content_type) in types.into_iter().enumerate() {
        for body in bodies {
            let body = [body, format!("<!-- {round} -->").as_bytes()].concat();
            topic.put(Page::of(content_type, body.clone()));
            siege.stage.ping(&topic).await;
            topic.fetched(published + 1).await;
            published += 1;
            if published % 9 == 0 {
                callback.delivered_where("the last of a round", |one| one.body == body).await;
                siege.goes_on().await;
            }
        }
    }
    siege.ends("a topic that changes its type", SMALL).await;
}
