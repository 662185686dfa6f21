//! What is no feed is sent whole, byte for byte, under the topic's own media type (F12, F19, F20, F23, D02, D03).

use crate::harness::{Form, Page, Stage, sha1_signature};

/// The name, the media type, and two versions of a topic that no hub may take apart.
fn contents() -> Vec<(&'static str, &'static str, [Vec<u8>; 2])> {
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let atom = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>a</id><title>one</title></entry>";
    vec![
        ("json", "application/json", [b"{\"a\": [1, 2.0e5]}\n".to_vec(), b"{\"a\": [] }".to_vec()]),
        // A JSON Feed must not be cut down, and what calls itself JSON need not be any (F20).
        ("json-feed", "application/feed+json", [b"{\"items\":[{\"id\":1}]}".to_vec(), b"<?=$x?>{".to_vec()]),
        (
            "html",
            "text/html;charset=utf-8",
            [
                b"<!doctype html><html><head><link rel=hub href=x></head><entry>1</entry>".to_vec(),
                b"<!doctype html><p>2\r\n</p>".to_vec(),
            ],
        ),
        ("text", "Text/Plain;  Charset=\"UTF-8\"", ["ein Gruß\r\n\r\n".into(), "\u{feff}Ж".into()]),
        ("binary", "application/x-anything", [(0..=255).collect(), (0..=255).rev().collect()]),
        (
            "broken",
            "application/atom+xml",
            [atom.as_bytes().to_vec(), format!("{atom}<entry><id>b</id></wrong>").into_bytes()],
        ),
        (
            "utf-16",
            "application/rss+xml",
            [
                utf_16("\u{feff}<rss><channel><item><guid>1</guid></item></channel></rss>"),
                utf_16("\u{feff}<rss><channel><item><guid>2</guid></item></channel></rss>"),
            ],
        ),
        (
            "other-xml",
            "application/xml",
            [b"<svg><entry>1</entry></svg>".to_vec(), b"<svg><entry>2</entry></svg>".to_vec()],
        ),
    ]
}

#[tokio::test]
async fn what_is_no_feed_arrives_as_it_was() {
    let stage = Stage::set().await;
    for (name, media_type, versions) in contents() {
        let topic = stage.publisher.topic(&format!("/{name}"));
        let old = stage.subscriber.callback(&format!("/old/{name}"));
        let new = stage.subscriber.callback(&format!("/new/{name}"));
        stage.subscribe_03(&topic, &old).await;
        stage.accept(&Form::subscribe(&topic, &new).secret("key"), &topic, &new).await;
        for (index, version) in versions.into_iter().enumerate() {
            topic.put(Page::of(media_type, version.clone()));
            stage.ping(&topic).await;
            let old = old.delivered(index + 1).await.remove(index);
            let new = new.delivered(index + 1).await.remove(index);
            assert_eq!(old.body, version, "{name}");
            assert_eq!(new.body, version, "{name}");
            assert_eq!(new.header("content-type"), Some(media_type), "{name}");
            let signature = sha1_signature(b"key", &version);
            assert_eq!(new.header("x-hub-signature"), Some(signature.as_str()), "{name}");
        }
    }
}

/// A body that comes without a type is given one only because a POST needs it (D02).
#[tokio::test]
async fn untyped_bytes_are_an_octet_stream() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/untyped");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::untyped((0..=255).collect::<Vec<u8>>()));
    stage.ping(&topic).await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!(delivery.header("content-type"), Some("application/octet-stream"));
    assert_eq!(delivery.body, (0..=255).collect::<Vec<u8>>());
}

/// The same bytes again are no news, and a version that comes back is (F19).
#[tokio::test]
async fn only_a_change_is_news() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    for (index, text) in ["one", "one", "two", "one"].into_iter().enumerate() {
        topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        topic.fetched(index + 1).await;
        if index != 1 {
            callback.delivered(if index == 0 { 1 } else { index }).await;
        }
    }
    let bodies: Vec<_> = callback.attempts().into_iter().map(|delivery| delivery.body).collect();
    assert_eq!(bodies, ["one", "two", "one"]);
}
