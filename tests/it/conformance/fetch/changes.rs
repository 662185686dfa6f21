//! Which changes of a feed are news: F13-F18.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Callback, Feed, Flavour, Form, Page, Reply, Settings, Stage, Topic};

fn put(topic: &Topic, document: &str) {
    topic.put(Page::of("text/xml", document.to_owned()));
}

/// Publishes a document that holds something new, and returns what a callback gets for it that got `known` deliveries
/// and nothing else.
async fn delivered(
    stage: &Stage,
    topic: &Topic,
    callback: &Callback,
    known: usize,
    document: &str,
) -> String {
    put(topic, document);
    stage.ping(topic).await;
    callback.delivered(known + 1).await;
    let deliveries = callback.attempts();
    assert_eq!(deliveries.len(), known + 1, "one for each: {deliveries:?}");
    String::from_utf8(deliveries[known].body.to_vec()).unwrap()
}

/// Publishes a document that holds nothing new; the next that does shows that it was passed over.
async fn passed_over(stage: &Stage, topic: &Topic, document: &str) {
    let known = topic.fetches().len();
    put(topic, document);
    stage.ping(topic).await;
    topic.fetched(known + 1).await;
    // Asked again, it has been read: a topic is never looked at twice at once.
    stage.ping(topic).await;
    topic.fetched(known + 2).await;
}

fn contains(body: &[u8], piece: &str) -> bool {
    std::str::from_utf8(body).unwrap().contains(piece)
}

/// What makes a feed of its head and its entries.
type Shape = fn(&str, &str) -> String;

fn atom(head: &str, entries: &str) -> String {
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:thr=\"http://purl.org/syndication/thread/1.0\" \
         xmlns:x=\"urn:x\"><id>urn:feed</id>{head}{entries}</feed>"
    )
}

fn rss(head: &str, items: &str) -> String {
    format!(
        "<rss version=\"2.0\" xmlns:slash=\"http://purl.org/rss/1.0/modules/slash/\"><channel>\
         <link>http://example.org/</link>{head}{items}</channel></rss>"
    )
}

fn rdf(head: &str, items: &str) -> String {
    format!(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\">\
         <channel rdf:about=\"http://example.org/\"><title>t</title>{head}</channel>{items}</rdf:RDF>"
    )
}

/// What a number and a text are put into.
type Numbered = fn(u8, &str) -> String;

fn atom_noise(n: u8, title: &str) -> String {
    format!(
        "<title>{title}</title><updated>2026-11-2{n}T10:00:00Z</updated><generator version=\"{n}\">G</generator>\
         <thr:total>{n}</thr:total><x:hits>{n}</x:hits><!-- made in {n} ms -->"
    )
}

fn rss_noise(n: u8, title: &str) -> String {
    format!(
        "<title>{title}</title><lastBuildDate>{n}</lastBuildDate><pubDate>{n}</pubDate><generator>{n}</generator>\
         <ttl>{n}</ttl><slash:comments>{n}</slash:comments>"
    )
}

/// Feeds rewrite these whenever they are asked; with each as news, every ping would be one.
#[tokio::test]
async fn f13_a_change_around_the_entries_is_news_unless_it_is_noise() {
    let settings = Settings::quick().with("feed", "volatile_feed", vec!["{urn:x}hits"]);
    let stage = Stage::set_with(settings).await;
    let (entry, item) = ("<entry><id>urn:1</id></entry>", "<item><guid>1</guid></item>");
    let feeds: [(&str, Shape, Numbered, &str); 2] =
        [("atom", atom, atom_noise, entry), ("rss", rss, rss_noise, item)];
    for (name, shape, noise, entry) in feeds {
        let feed = |n, title: &str, entries: &str| shape(&noise(n, title), entries);
        let (topic, callback) = stage.subscribed(&format!("/{name}")).await;
        let first = feed(1, "Old", entry);
        assert_eq!(delivered(&stage, &topic, &callback, 0, &first).await, first, "{name}");
        passed_over(&stage, &topic, &feed(2, "Old", entry)).await;
        // That an entry went away is nothing to tell either.
        passed_over(&stage, &topic, &feed(3, "Old", "")).await;
        let renamed = delivered(&stage, &topic, &callback, 1, &feed(4, "New", entry)).await;
        assert_eq!(renamed, feed(4, "New", ""), "{name}: the feed with none of its old entries");
    }
}

/// Two versions of an entry, and whether they are versions of one or two entries.
struct Identity {
    name: &'static str,
    feed: Shape,
    versions: [&'static str; 2],
    is_one: bool,
}

const fn identity(name: &'static str, feed: Shape, versions: [&'static str; 2], is_one: bool) -> Identity {
    Identity { name, feed, versions, is_one }
}

const IDENTITIES: [Identity; 12] = [
    identity(
        "atom-id",
        atom,
        [
            "<entry><id>urn:a</id><title>1</title></entry>",
            "<entry><id>\n urn:a </id><title>2</title></entry>",
        ],
        true,
    ),
    identity(
        "atom-ids",
        atom,
        ["<entry><id>urn:a</id><title>1</title></entry>", "<entry><id>urn:b</id><title>1</title></entry>"],
        false,
    ),
    identity(
        "guid",
        rss,
        [
            "<item><link>l</link><title>1</title><guid>g</guid></item>",
            "<item><guid>g</guid><link>m</link><title>2</title></item>",
        ],
        true,
    ),
    identity(
        "guids",
        rss,
        ["<item><link>l</link><guid>g</guid></item>", "<item><link>l</link><guid>h</guid></item>"],
        false,
    ),
    identity(
        "link",
        rss,
        ["<item><title>1</title><link>l</link></item>", "<item><title>2</title><link>l</link></item>"],
        true,
    ),
    identity(
        "title",
        rss,
        [
            "<item><description>1</description><title>t</title></item>",
            "<item><description>2</description><title>t</title></item>",
        ],
        true,
    ),
    identity(
        "description",
        rss,
        [
            "<item><description>d</description><author>1</author></item>",
            "<item><description>d</description><author>2</author></item>",
        ],
        true,
    ),
    identity(
        "about",
        rdf,
        [
            "<item rdf:about='urn:a'><link>l</link><title>1</title></item>",
            "<item rdf:about=\"urn:a\"><link>m</link><title>2</title></item>",
        ],
        true,
    ),
    identity(
        "abouts",
        rdf,
        [
            "<item rdf:about='urn:a'><link>l</link><title>t</title></item>",
            "<item rdf:about='urn:b'><link>l</link><title>t</title></item>",
        ],
        false,
    ),
    identity(
        "rdf-link",
        rdf,
        ["<item><title>1</title><link>l</link></item>", "<item><title>2</title><link>l</link></item>"],
        true,
    ),
    // Nothing says that these are one, so they are two; and a feed that says so little is taken all the same.
    identity(
        "nothing-rss",
        rss,
        ["<item><author>1</author></item>", "<item><author>2</author></item>"],
        false,
    ),
    identity(
        "nothing-atom",
        atom,
        ["<entry><title>1</title></entry>", "<entry><title>2</title></entry>"],
        false,
    ),
];

/// What is one entry shows when a subscriber has missed two versions of it: it is sent the newer one alone.
#[tokio::test]
async fn f14_an_entry_is_known_by_the_best_name_it_has() {
    let settings = Settings::quick().with("delivery", "retry", vec!["30ms"; 20]);
    let stage = Stage::set_with(settings).await;
    for Identity { name, feed, versions: [old, new], is_one } in IDENTITIES {
        let (topic, keeper) = stage.subscribed(&format!("/{name}")).await;
        let reader = stage.subscriber.callback(&format!("/reader/{name}"));
        stage.subscribe_03(&topic, &reader).await;
        reader.always_reply(Reply::Status(503));
        delivered(&stage, &topic, &keeper, 0, &feed("", old)).await;
        delivered(&stage, &topic, &keeper, 1, &feed("", new)).await;
        let mut tries = 1;
        while !contains(&reader.attempted(tries).await[tries - 1].body, new) {
            tries += 1;
        }
        reader.always_reply(Reply::Status(204));
        let body = reader.delivered(1).await[0].body.clone();
        // What the newest document no longer holds stands behind what it does.
        let both = format!("{new}\n{old}");
        assert_eq!(body, feed("", if is_one { new } else { &both }), "{name}");
    }
}

/// The entries of the 0.3 suite all have one id, and each of them counts.
#[tokio::test]
async fn f15_entries_that_share_an_id_are_told_apart_by_what_they_say() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let entry = |title: &str| format!("<entry><id>urn:x</id><title>{title}</title></entry>");
    let feed = |titles: &[&str]| {
        let entries: Vec<_> = titles.iter().map(|title| entry(title)).collect();
        atom("", &entries.concat())
    };
    let four = feed(&["one", "two", "three", "four"]);
    assert_eq!(delivered(&stage, &topic, &callback, 0, &four).await, four);
    let five = feed(&["five", "one", "two", "three", "four"]);
    assert_eq!(delivered(&stage, &topic, &callback, 1, &five).await, feed(&["five"]));
    // What was seen is seen, in any order.
    passed_over(&stage, &topic, &feed(&["four", "five", "one"])).await;
    let six = feed(&["four", "six", "one"]);
    assert_eq!(delivered(&stage, &topic, &callback, 2, &six).await, feed(&["six"]));
}

#[tokio::test]
async fn f16_counters_make_no_new_version_of_an_entry() {
    let settings = Settings::quick().with("feed", "volatile_entry", vec!["{urn:x}hits"]);
    let stage = Stage::set_with(settings).await;
    let entry: Numbered = |n, text| {
        let counters = format!("<thr:total>{n}</thr:total><x:hits>{n}</x:hits>");
        format!("<entry><id>a</id><title>{text}</title>{counters}</entry>")
    };
    let item: Numbered = |n, text| {
        format!("<item><guid>a</guid><title>{text}</title><slash:comments>{n}</slash:comments></item>")
    };
    let feeds: [(&str, Shape, Numbered); 2] = [("atom", atom, entry), ("rss", rss, item)];
    for (name, feed, entry) in feeds {
        let (topic, callback) = stage.subscribed(&format!("/{name}")).await;
        delivered(&stage, &topic, &callback, 0, &feed("", &entry(1, "first"))).await;
        passed_over(&stage, &topic, &feed("", &entry(2, "first"))).await;
        let edited = feed("", &entry(3, "second"));
        assert_eq!(delivered(&stage, &topic, &callback, 1, &edited).await, edited, "{name}");
    }
}

/// Suites subscribe, wait a while, publish, and want all there is.
#[tokio::test]
async fn f17_the_first_ping_delivers_everything_and_subscribing_nothing() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed");
    let feed = Feed::new(Flavour::Atom, 4, &topic.url(), &[stage.hub.url()]);
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    let (old, new) = (stage.subscriber.callback("/old"), stage.subscriber.callback("/new"));
    stage.subscribe_ws(&topic, &new).await;
    stage.accept_sync(&Form::subscribe(&topic, &old)).await;
    // A whole round with another topic, in which this one could have been asked.
    let (other, other_callback) = stage.subscribed("/other").await;
    stage.got_only(0, &other, &other_callback).await;
    assert!(topic.fetches().is_empty(), "nobody said that there is news");
    stage.ping(&topic).await;
    for callback in [&old, &new] {
        assert_eq!(callback.delivered(1).await[0].body, feed.document());
        assert_eq!(callback.attempts().len(), 1);
    }
}

#[tokio::test]
async fn f18_an_entry_that_comes_back_is_old() {
    assert_eq!(Settings::shipped("feed", "remember_for").await.as_str(), Some("30d"));
    let mut stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let feed = |ids: &[&str]| {
        let entries: Vec<_> = ids.iter().map(|id| format!("<entry><id>{id}</id></entry>")).collect();
        atom("", &entries.concat())
    };
    delivered(&stage, &topic, &callback, 0, &feed(&["b", "a"])).await;
    assert_eq!(delivered(&stage, &topic, &callback, 1, &feed(&["c"])).await, feed(&["c"]));
    passed_over(&stage, &topic, &feed(&["c", "b", "a"])).await;
    passed_over(&stage, &topic, &feed(&["a"])).await;
    // Nor does a restart make anything new.
    stage.hub.stop(Signal::TERM, Duration::from_secs(10)).await;
    stage.hub.restart().await;
    passed_over(&stage, &topic, &feed(&["b"])).await;
    let last = delivered(&stage, &topic, &callback, 2, &feed(&["d", "c", "b", "a"])).await;
    assert_eq!(last, feed(&["d"]));
}
