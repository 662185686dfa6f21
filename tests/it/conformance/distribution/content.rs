//! The content of a delivery and its media type (D02, D03, D18, D25, D26).

use std::time::Duration;

use crate::harness::{Callback, Feed, Flavour, Page, Reply, Settings, Stage, Topic};

/// What the topic's own header says goes out to the byte: test suites compare strings (D02).
#[tokio::test]
async fn d02_the_topics_own_media_type_is_repeated_to_the_byte() {
    let stage = Stage::set().await;
    let feed = |topic: &Topic| Feed::new(Flavour::Atom, 1, &topic.url(), &[]).document();
    for (index, own) in [
        "text/plain;charset=UTF-8",
        "Text/HTML ;  Charset=\"utf-8\"; x=y",
        "application/json",
        "Application/Atom+XML;charset=UTF-8",
        "nonsense",
    ]
    .into_iter()
    .enumerate()
    {
        let topic = stage.publisher.topic(&format!("/{index}"));
        let is_feed = own.contains("Atom");
        topic.put(Page::of(own, if is_feed { feed(&topic) } else { "no feed".into() }));
        let old = stage.subscriber.callback(&format!("/old/{index}"));
        let new = stage.subscriber.callback(&format!("/new/{index}"));
        stage.subscribe_03(&topic, &old).await;
        stage.subscribe_ws(&topic, &new).await;
        stage.ping(&topic).await;
        for reader in [old, new] {
            assert_eq!(reader.delivered(1).await[0].header("content-type"), Some(own), "{}", reader.url());
        }
    }
}

/// Subscribers of 0.3 look at the media type to find the parser; `WebSub` promises the topic's own (D02).
#[tokio::test]
async fn d02_a_generic_media_type_is_made_precise_for_0_3_alone() {
    let stage = Stage::set().await;
    for (flavour, canonical) in [
        (Flavour::Atom, "application/atom+xml"),
        (Flavour::Rss, "application/rss+xml"),
        (Flavour::Rdf, "application/rdf+xml"),
    ] {
        let topic = stage.publisher.topic(&format!("/{flavour:?}"));
        let feed = Feed::new(flavour, 2, &topic.url(), &[]);
        topic.put(Page::of("text/xml; charset=UTF-8", feed.document()));
        let old = stage.subscriber.callback(&format!("/old/{flavour:?}"));
        let new = stage.subscriber.callback(&format!("/new/{flavour:?}"));
        stage.subscribe_03(&topic, &old).await;
        stage.subscribe_ws(&topic, &new).await;
        stage.ping(&topic).await;
        let (old, new) = (old.delivered(1).await, new.delivered(1).await);
        let precise = format!("{canonical}; charset=UTF-8");
        assert_eq!(old[0].header("content-type"), Some(precise.as_str()));
        assert_eq!(new[0].header("content-type"), Some("text/xml; charset=UTF-8"));
        assert_eq!(old[0].body, new[0].body);
    }
}

/// A feed may leave it to the header to say how its letters are written: a more precise type still has to say it (D02).
#[tokio::test]
async fn d02_a_media_type_made_precise_keeps_the_charset() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/latin").await;
    let text =
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>urn:1</id><title>\u{e9}</title></entry></feed>";
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    topic.put(Page::of("text/xml; charset=ISO-8859-1", latin.clone()));
    stage.ping(&topic).await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!(delivery.header("content-type"), Some("application/atom+xml; charset=ISO-8859-1"));
    assert_eq!(delivery.body, latin);
}

/// A topic that does not say what it is, is what its root element says, and else just bytes (D02).
#[tokio::test]
async fn d02_without_a_media_type_the_document_decides() {
    let stage = Stage::set().await;
    let feed = |flavour| Feed::new(flavour, 1, "http://topic.example/", &[]).document();
    for (name, body, expected) in [
        ("atom", feed(Flavour::Atom), "application/atom+xml"),
        ("rss", feed(Flavour::Rss), "application/rss+xml"),
        ("rdf", feed(Flavour::Rdf), "application/rdf+xml"),
        ("text", "no feed".into(), "application/octet-stream"),
    ] {
        let topic = stage.publisher.topic(&format!("/{name}"));
        topic.put(Page::untyped(body));
        let callback = stage.subscriber.callback(&format!("/cb/{name}"));
        stage.subscribe_ws(&topic, &callback).await;
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(1).await[0].header("content-type"), Some(expected));
    }
}

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
async fn d03_a_new_websub_subscriber_gets_the_whole_document_once_and_then_what_is_new() {
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

/// A feed that changed in nothing but its own words is news without an entry (F13), and a first delivery like any other.
#[tokio::test]
async fn d03_f13_the_whole_document_comes_first_even_if_no_entry_is_new() {
    let (stage, topic, mut feed, _keeper) = old_topic(Settings::quick()).await;
    let (whole, delta) = (stage.subscriber.callback("/whole"), stage.subscriber.callback("/delta"));
    stage.subscribe_ws(&topic, &whole).await;
    stage.subscribe_03(&topic, &delta).await;
    feed.rename("Another name");
    topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
    stage.ping(&topic).await;
    assert_eq!(whole.delivered(1).await[0].body, feed.document(), "byte for byte");
    assert_eq!(delta.delivered(1).await[0].body, feed.only(&[]));
    let next = publish(&stage, &topic, &mut feed).await;
    for reader in [&whole, &delta] {
        assert_eq!(reader.delivered(2).await[1].body, feed.only(std::slice::from_ref(&next)));
    }
}

/// So many entries are new that they are published in parts (F25); the whole document, which holds them all, takes longer
/// than a fan-out waits for it.
#[tokio::test]
async fn d03_f25_a_slow_first_delivery_is_not_followed_by_the_parts_of_it() {
    let (stage, topic, mut feed, keeper) =
        old_topic(Settings::quick().with("delivery", "max_entries", 3)).await;
    keeper.delivered(2).await;
    let reader = stage.subscriber.callback("/reader");
    stage.subscribe_ws(&topic, &reader).await;
    reader.reply([Reply::After(Duration::from_millis(900), 204)]);
    for _ in 0..6 {
        feed.add();
    }
    let last = publish(&stage, &topic, &mut feed).await;
    let whole = feed.document();
    assert_eq!(reader.delivered(1).await[0].body, whole);
    let next = publish(&stage, &topic, &mut feed).await;
    let (of_reader, of_keeper) = (feed.clone(), feed.clone());
    reader.delivered_where("what is new", |one| of_reader.has_in(&one.body, &next)).await;
    let got: Vec<_> = reader.attempts().into_iter().map(|one| one.body).collect();
    assert_eq!(got, [whole, feed.only(std::slice::from_ref(&next))]);
    keeper.delivered_where("its last part", |one| of_keeper.has_in(&one.body, &last)).await;
}

#[tokio::test]
async fn d03_the_operator_may_send_new_entries_to_everybody() {
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
async fn d18_what_left_the_feed_while_the_first_delivery_failed_is_not_lost() {
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

/// What grew too old while the hub was down is dropped when it starts. The whole document makes up for it, and what has
/// been published since and left the feed again comes all the same.
#[tokio::test]
async fn d18_what_is_no_longer_kept_is_made_up_for_by_the_whole_document() {
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/reader"));
    for callback in [&keeper, &reader] {
        stage.subscribe_03(&topic, callback).await;
    }
    let publish = async |stage: &Stage, ids: &[&str], count: usize| {
        topic.put(Page::of("application/atom+xml", window(&topic, ids)));
        stage.ping(&topic).await;
        keeper.delivered(count).await;
    };
    publish(&stage, &["a"], 1).await;
    reader.delivered(1).await;
    reader.always_reply(Reply::Status(503));
    publish(&stage, &["b", "a"], 2).await;
    publish(&stage, &["c", "b"], 3).await;
    stage.hub.end().await;
    let settings = Settings::quick().with("publications", "keep_for", "1ms").with("log", "filter", "info");
    stage.hub.reconfigure(settings);
    stage.hub.restart().await;
    stage.hub.logged("publications dropped").await;
    publish(&stage, &["d", "c"], 4).await;
    publish(&stage, &["e", "c"], 5).await;
    reader.always_reply(Reply::Status(204));
    let body = String::from_utf8(reader.delivered(2).await[1].body.to_vec()).unwrap();
    assert_eq!(ids_in(&body), ["e", "c", "d"]);
    publish(&stage, &["f", "e"], 6).await;
    let body = String::from_utf8(reader.delivered(3).await[2].body.to_vec()).unwrap();
    assert_eq!(body, window(&topic, &["f"]), "after the whole, only what is new");
}

/// The ids of the entries that [`window`] wrote, in order.
fn ids_in(body: &str) -> Vec<&str> {
    body.split("<id>urn:").skip(1).filter_map(|rest| Some(rest.split_once("</id>")?.0)).collect()
}

/// Nothing is re-encoded, re-indented or repaired: a delta is the document less the bytes of its old entries (D25).
#[tokio::test]
async fn d25_content_is_never_transformed() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/latin");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    let (one, two) =
        ("<item><guid>1</guid><title>\u{e9}&#233;</title ></item>", "<item ><guid>2</guid>\t</item>");
    let document = |items: [&str; 2]| {
        let text = format!(
            "<?xml version='1.0' encoding='iso-8859-1'?>\r\n<?style x?><!-- \u{fc} --><rss version=\"2.0\">\r\n\t\
             <channel ><title>\u{e4}</title>\r{}\n\n{}</channel></rss>\r\n<!-- end -->",
            items[0], items[1]
        );
        // One byte for each letter.
        text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect::<Vec<u8>>()
    };
    topic.put(Page::of("text/xml", document(["", one])));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, document(["", one]));
    topic.put(Page::of("text/xml", document([two, one])));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(2).await[1].body, document([two, ""]));
}

/// Some readers take no more than 3 MiB, so the whole of a large feed is not sent even to a new subscriber (D26).
#[tokio::test]
async fn d26_of_a_large_feed_even_a_new_subscriber_gets_only_what_is_new() {
    let stage = Stage::set().await;
    let (topic, keeper) = (stage.publisher.topic("/large"), stage.subscriber.callback("/keeper"));
    let document = |entries: &[&str]| {
        let entries: Vec<_> = entries.iter().map(|id| format!("<entry><id>urn:{id}</id></entry>")).collect();
        let large = "x".repeat(70_000);
        let old: Vec<_> =
            (0..31).map(|id| format!("<entry><id>old:{id}</id><t>{large}</t></entry>")).collect();
        format!("<feed xmlns=\"http://www.w3.org/2005/Atom\">{}{}</feed>", entries.concat(), old.concat())
    };
    stage.subscribe_03(&topic, &keeper).await;
    topic.put(Page::of("application/atom+xml", document(&[])));
    stage.ping(&topic).await;
    keeper.delivered(1).await;

    let new = stage.subscriber.callback("/new");
    stage.subscribe_ws(&topic, &new).await;
    let text = document(&["news"]);
    assert!(text.len() > 2 << 20);
    topic.put(Page::of("application/atom+xml", text));
    stage.ping(&topic).await;
    let delta = "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><id>urn:news</id></entry></feed>";
    assert_eq!(new.delivered(1).await[0].body, delta);
}
