//! What a body is, whatever its site says, and what is sent on as it was: F12, F19, F20, F23.

use crate::harness::{Feed, Flavour, Form, Page, Stage, sha1_signature};

/// Publishes two versions of a topic, each of which every subscriber must get whole, typed and signed as it was.
async fn travels_whole(stage: &Stage, name: &str, media_type: &str, versions: [&[u8]; 2]) {
    let topic = stage.publisher.topic(&format!("/{name}"));
    let old = stage.subscriber.callback(&format!("/old/{name}"));
    let new = stage.subscriber.callback(&format!("/new/{name}"));
    stage.subscribe_03(&topic, &old).await;
    stage.accept(&Form::subscribe(&topic, &new).secret("key"), &topic, &new).await;
    for (index, version) in versions.into_iter().enumerate() {
        topic.put(Page::of(media_type, version.to_vec()));
        stage.ping(&topic).await;
        let old = old.delivered(index + 1).await.remove(index);
        let new = new.delivered(index + 1).await.remove(index);
        assert_eq!(old.body, version, "{name}");
        assert_eq!(new.body, version, "{name}");
        assert_eq!(new.header("content-type"), Some(media_type), "{name}");
        let signature = sha1_signature(b"key", version);
        assert_eq!(new.header("x-hub-signature"), Some(signature.as_str()), "{name}");
    }
}

/// Sites call their feeds anything.
#[tokio::test]
async fn f12_the_root_element_says_what_a_feed_is() {
    let stage = Stage::set().await;
    let types = ["text/html; charset=utf-8", "application/json", "image/png"];
    for (flavour, media_type) in [Flavour::Atom, Flavour::Rss, Flavour::Rdf].into_iter().zip(types) {
        let (topic, callback) = stage.subscribed(&format!("/{flavour:?}")).await;
        let mut feed = Feed::new(flavour, 4, &topic.url(), &[]);
        topic.put(Page::of(media_type, feed.document()));
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(1).await[0].body, feed.document());
        let new = feed.add();
        topic.put(Page::of(media_type, feed.document()));
        stage.ping(&topic).await;
        assert_eq!(callback.delivered(2).await[1].body, feed.only(&[new]), "as {media_type}");
    }
    // And a name makes no feed.
    let html: [&[u8]; 2] =
        [b"<html><entry><id>1</id></entry></html>", b"<html><entry><id>2</id></entry></html>"];
    travels_whole(&stage, "html", "application/atom+xml", html).await;
    let lone: [&[u8]; 2] = [
        b"<entry xmlns='http://www.w3.org/2005/Atom'><id>1</id></entry>",
        b"<entry xmlns='http://www.w3.org/2005/Atom'><id>2</id></entry>",
    ];
    travels_whole(&stage, "lone-entry", "application/atom+xml;type=entry", lone).await;
}

#[tokio::test]
async fn f19_what_is_no_feed_arrives_as_it_was() {
    let stage = Stage::set().await;
    let html: [&[u8]; 2] = [
        b"<!doctype html><html><head><link rel=hub href=x></head><entry>1</entry>",
        b"<!doctype html><p>2\r\n</p>",
    ];
    travels_whole(&stage, "html", "text/html;charset=utf-8", html).await;
    let text = ["ein Gru\u{df}\r\n\r\n".as_bytes(), "\u{feff}Ж".as_bytes()];
    travels_whole(&stage, "text", "Text/Plain;  Charset=\"UTF-8\"", text).await;
    let (up, down): (Vec<u8>, Vec<u8>) = ((0..=255).collect(), (0..=255).rev().collect());
    travels_whole(&stage, "binary", "application/x-anything", [&up, &down]).await;
    let svg: [&[u8]; 2] = [b"<svg><entry>1</entry></svg>", b"<svg><entry>2</entry></svg>"];
    travels_whole(&stage, "other-xml", "application/xml", svg).await;
    travels_whole(&stage, "nothing", "text/plain", [b"something", b""]).await;
}

/// The same bytes again are no news, one byte more is, and so is a version that comes back.
#[tokio::test]
async fn f19_only_a_change_is_news() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    let mut expected: Vec<&str> = Vec::new();
    for (index, text) in ["one", "one", "one ", "two", "one"].into_iter().enumerate() {
        topic.put(Page::text(text));
        stage.ping(&topic).await;
        topic.fetched(index + 1).await;
        if expected.last() != Some(&text) {
            expected.push(text);
            callback.delivered(expected.len()).await;
        }
    }
    let bodies: Vec<_> = callback.attempts().into_iter().map(|delivery| delivery.body).collect();
    assert_eq!(bodies, expected);
}

/// What calls itself JSON need not be any, and a JSON Feed is cut down by nobody.
#[tokio::test]
async fn f20_json_is_not_read() {
    let stage = Stage::set().await;
    let json: [&[u8]; 2] = [b"{\"a\": [1, 2.0e5]}\n", b"{\"a\": [] }"];
    travels_whole(&stage, "json", "application/json", json).await;
    let feed: [&[u8]; 2] = [
        b"{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\"1\"}]}",
        b"{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\"2\"},{\"id\":\"1\"}]}",
    ];
    travels_whole(&stage, "json-feed", "application/feed+json", feed).await;
    let source: [&[u8]; 2] = [b"<?=$x?>{", b"{\"a\": 1,, \"a\": \xff"];
    travels_whole(&stage, "source", "application/json", source).await;
}

#[tokio::test]
async fn f23_a_feed_that_cannot_be_read_travels_whole() {
    let stage = Stage::set().await;
    let atom = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>a</id><title>one</title></entry>";
    let (torn, crossed) = (atom.as_bytes(), format!("{atom}<entry><id>b</id></wrong></feed>"));
    travels_whole(&stage, "broken", "application/atom+xml", [torn, crossed.as_bytes()]).await;
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let item = |guid: &str| format!("\u{feff}<rss><channel><item><guid>{guid}</guid></item></channel></rss>");
    let (one, two) = (utf_16(&item("1")), utf_16(&item("2")));
    travels_whole(&stage, "utf-16", "application/rss+xml", [&one, &two]).await;
    // Neither the document nor the header says that these are Latin-1.
    let latin_1 = |title: &str| {
        let text = format!("{atom}<entry><id>b</id><title>{title}</title></entry></feed>");
        text.chars().map(|character| u8::try_from(character).unwrap()).collect::<Vec<u8>>()
    };
    let (one, two) = (latin_1("Stra\u{df}e"), latin_1("Stra\u{df}en"));
    travels_whole(&stage, "latin-1", "application/atom+xml", [&one, &two]).await;
}
