//! The Link header of a delivery (D04-D07).

use crate::harness::{Callback, Feed, Flavour, Form, Page, Stage, Topic};

/// Publishes a page at a topic of this name, and returns the targets of the delivery's two links: self, hub.
async fn links(stage: &Stage, name: &str, page: Page) -> (String, String) {
    let topic = stage.publisher.topic(&format!("/{name}"));
    topic.put(page);
    let callback = stage.subscriber.callback(&format!("/cb/{name}"));
    stage.subscribe_03(&topic, &callback).await;
    stage.ping(&topic).await;
    first_links(&callback).await
}

async fn first_links(callback: &Callback) -> (String, String) {
    let delivery = callback.delivered(1).await.remove(0);
    let link = delivery.header("link").unwrap();
    let (own, hub) = link.split_once(", ").unwrap_or_else(|| panic!("{link}"));
    let target = |link: &str, rel: &str| {
        let end = format!(">; rel=\"{rel}\"");
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(&end));
        target.unwrap_or_else(|| panic!("{link}")).to_owned()
    };
    (target(own, "self"), target(hub, "hub"))
}

fn feed(own: &str, hubs: &[&str]) -> Page {
    Page::of("application/atom+xml", Feed::new(Flavour::Atom, 1, own, hubs).document())
}

/// Both links, in every profile, around a whole document, a delta and what is no feed, and always in the one form that
/// the strictest reader takes: one header, self first, comma and space, semicolon and space (D04, D05).
#[tokio::test]
async fn d04_d05_every_delivery_names_topic_and_hub_in_one_header() {
    let stage = Stage::set().await;
    let (of_feed, of_text) = (stage.publisher.topic("/feed"), stage.publisher.topic("/text"));
    let mut feed = Feed::new(Flavour::Rss, 2, &of_feed.url(), &[stage.hub.url()]);
    let publish = async |topic: &Topic, page: Page| {
        topic.put(page);
        stage.ping(topic).await;
    };
    let mut callbacks = Vec::new();
    for topic in [&of_feed, &of_text] {
        let name = topic.url().rsplit('/').next().unwrap().to_owned();
        let old = stage.subscriber.callback(&format!("/old/{name}"));
        let new = stage.subscriber.callback(&format!("/new/{name}"));
        stage.subscribe_03(topic, &old).await;
        stage.subscribe_ws(topic, &new).await;
        callbacks.push((topic.url(), [old, new]));
    }
    for count in 1..=2 {
        feed.add();
        publish(&of_feed, Page::of(Flavour::Rss.content_type(), feed.document())).await;
        publish(&of_text, Page::of("text/plain", format!("news {count}"))).await;
        for (url, readers) in &callbacks {
            let expected = format!("<{url}>; rel=\"self\", <{}>; rel=\"hub\"", stage.hub.url());
            for reader in readers {
                let delivery = reader.delivered(count).await.pop().unwrap();
                // Fails if there are two.
                assert_eq!(delivery.header("link"), Some(expected.as_str()));
            }
        }
    }
}

/// The hub is called what the topic calls it, to the letter; where the topic says nothing of it, what its operator calls
/// it (D06).
#[tokio::test]
async fn d06_the_hub_is_called_what_the_topic_calls_it() {
    let stage = Stage::set().await;
    let bare = stage.hub.url().trim_end_matches('/').to_owned();
    let slashed = format!("{bare}/");
    let shouted = bare.replace("http://", "HTTP://");
    let in_header = Page::of("text/plain", "a header").with_header("link", &format!("<{shouted}>; rel=hub"));
    let cases = [
        ("bare", feed("", &[&bare]), bare.as_str()),
        ("slashed", feed("", &[&slashed]), &slashed),
        ("shouted", feed("", &[&shouted]), &shouted),
        ("second", feed("", &["http://other.example/", &slashed]), &slashed),
        ("twice", feed("", &[&bare, &slashed]), &bare),
        ("header", in_header, &shouted),
        ("other", feed("", &["http://other.example/"]), stage.hub.url()),
        ("none", Page::of("text/plain", "no links"), stage.hub.url()),
    ];
    for (name, page, expected) in cases {
        assert_eq!(links(&stage, name, page).await.1, expected, "{name}");
    }
}

/// The topic is called what it calls itself if that can be a topic, else what was subscribed to (D07).
#[tokio::test]
async fn d07_the_topic_is_called_what_it_calls_itself_if_that_is_a_url() {
    let stage = Stage::set().await;
    let hub = stage.hub.url();
    for (name, own) in [
        ("plain", "http://topic.example/feed"),
        ("secure", "https://topic.example:8443/feed?a=b,c;d"),
        ("spelt", "HTTP://Topic.Example/%7efeed/../x"),
    ] {
        assert_eq!(links(&stage, name, feed(own, &[hub])).await.0, own, "{name}");
    }
    for (name, own) in [
        ("literal", "#{@content_url}"),
        ("fragment", "http://topic.example/feed#top"),
        ("mail", "mailto:feed@topic.example"),
        ("broken", "http://topic.example/a feed"),
        ("empty", ""),
    ] {
        let subscribed = stage.publisher.topic(&format!("/{name}")).url();
        assert_eq!(links(&stage, name, feed(own, &[hub])).await.0, subscribed, "{name}");
    }
}

/// In the header a URL is ASCII, whatever it was in the feed or in the request (D07).
#[tokio::test]
async fn d07_letters_that_no_header_may_hold_are_encoded() {
    let stage = Stage::set().await;
    let own = links(&stage, "own", feed("http://topic.example/\u{e9}&gt;&lt;x", &[stage.hub.url()])).await.0;
    assert_eq!(own, "http://topic.example/%C3%A9%3E%3Cx");

    let topic = stage.publisher.topic("/%C3%A9");
    topic.put(Page::of("text/plain", "news"));
    let typed = topic.url().replace("%C3%A9", "\u{e9}");
    let callback = stage.subscriber.callback("/typed");
    stage.accept_sync(&Form::intent("subscribe", &typed, &callback.url())).await;
    stage.hub.post(&Form::default().with("hub.mode", "publish").with("hub.url", &typed)).await.expect(204);
    assert_eq!(first_links(&callback).await.0, topic.url());
}
