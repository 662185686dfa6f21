//! Topics that have to name this hub, where the operator says so: L10.

use crate::harness::{Form, Page, Settings, Stage};

/// With the check on, a topic that names another hub is denied after the 202, and a sync request is refused.
#[tokio::test]
async fn l10_v21_v23_a_topic_may_have_to_name_this_hub() {
    let settings = Settings::quick().with("access", "topics_must_name_this_hub", true);
    let stage = Stage::set_with(settings).await;
    let twin = stage.hub.url().trim_end_matches('/').to_owned();
    let (ours, header) = (stage.publisher.topic("/ours"), stage.publisher.topic("/header"));
    let other = stage.publisher.topic("/other");
    let feed = |hub: &str| {
        let feed =
            format!(r#"<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="{hub}"/></feed>"#);
        Page::of("application/atom+xml", feed)
    };
    ours.put(feed(&twin));
    header.put(Page::of("text/plain", "x").with_header("link", &format!("<{}>; rel=hub", stage.hub.url())));
    other.put(feed("http://hub.example/"));
    let [secure, slashed] = ["/secure", "/slashed"].map(|path| stage.publisher.topic(path));
    secure.put(feed(&stage.hub.url().replace("http://", "https://")));
    slashed.put(feed(&format!("{twin}/")));
    for (path, topic) in [("/a", &ours), ("/b", &header), ("/c", &secure), ("/d", &slashed)] {
        let callback = stage.subscriber.callback(path);
        stage.hub.post(&Form::subscribe(topic, &callback)).await.expect(202);
        callback.confirmed(1).await;
        assert_eq!(callback.verifications()[0].mode(), "subscribe");
    }
    // Of headers and elements it is the headers that count, if they name any (L02).
    let outdone = stage.publisher.topic("/outdone");
    outdone.put(feed(&twin).with_header("link", "<http://hub.example/>; rel=hub"));
    let callback = stage.subscriber.callback("/denied");
    for (topic, callback) in [(&other, &callback), (&outdone, &stage.subscriber.callback("/outdone"))] {
        stage.hub.post(&Form::subscribe(topic, callback)).await.expect(202);
        let denial = callback.verification(1).await;
        assert_eq!((denial.mode(), denial.one("hub.topic")), ("denied", Some(topic.url().as_str())));
        assert_eq!(denial.one("hub.reason"), Some("the topic does not name this hub"));
    }
    let refused = stage.hub.post(&Form::subscribe(&other, &callback).sync()).await.expect(409);
    assert!(refused.text.starts_with("hub.topic: "), "{refused:?}");
    // Nobody is kept from leaving (S33).
    stage.hub.post(&Form::unsubscribe(&other, &callback).sync()).await.expect(204);
    assert_eq!(callback.verifications().len(), 2);
}

/// A topic that nobody can fetch names nobody: when the tries are over, the subscriber hears of it (L10).
#[tokio::test]
async fn l10_v21_a_topic_that_cannot_be_fetched_is_denied_in_the_end() {
    let settings = Settings::quick().with("access", "topics_must_name_this_hub", true);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/gone"), stage.subscriber.callback("/cb"));
    topic.put(Page::failing(500));
    stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    let denial = callback.verification(1).await;
    assert_eq!((denial.mode(), denial.one("hub.topic")), ("denied", Some(topic.url().as_str())));
    assert_eq!(denial.one("hub.reason"), Some("the topic could not be fetched"));
    assert_eq!(topic.fetches().len(), 5, "the first try and four more");
    // A site that is up again by then is asked no more than that.
    let (late, callback) = (stage.publisher.topic("/late"), stage.subscriber.callback("/late"));
    late.put(Page::failing(503));
    stage.hub.post(&Form::subscribe(&late, &callback)).await.expect(202);
    late.fetched(2).await;
    late.put(Page::text("x").with_header("link", &format!("<{}>; rel=hub", stage.hub.url())));
    callback.confirmed(1).await;
    assert_eq!(callback.verifications()[0].mode(), "subscribe");
}

/// A subscription that runs is not ended by a request that came while its site was down (V15).
#[tokio::test]
async fn l10_v15_a_topic_that_is_down_for_a_moment_keeps_its_subscribers() {
    let settings = Settings::quick().with("access", "topics_must_name_this_hub", true);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    let page = |text: &str| Page::text(text).with_header("link", &format!("<{}>; rel=hub", stage.hub.url()));
    topic.put(page("one"));
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::failing(500));
    stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
    stage.hub.logged("intent not verified").await;
    topic.put(page("two"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "two");
    assert_eq!(callback.verifications().len(), 1, "and it was told nothing");
}

/// A JSON Feed is read where its items are cut out, and nowhere else: what it says of its hubs is unread otherwise (F20).
#[tokio::test]
async fn l10_f20_the_hubs_of_a_json_feed_count_where_it_is_split() {
    let settings = Settings::quick().with("access", "topics_must_name_this_hub", true);
    for (choice, mode) in [("whole", "denied"), ("new-entries", "subscribe")] {
        let stage = Stage::set_with(settings.clone().with("feed", "json_feed", choice)).await;
        let (topic, callback) = (stage.publisher.topic("/feed"), stage.subscriber.callback("/cb"));
        let feed = format!(
            r#"{{"version":"https://jsonfeed.org/version/1.1","title":"t","hubs":[{{"type":"WebSub","url":"{}"}}],"items":[]}}"#,
            stage.hub.url()
        );
        topic.put(Page::of("application/feed+json", feed));
        stage.hub.post(&Form::subscribe(&topic, &callback)).await.expect(202);
        assert_eq!(callback.verification(1).await.mode(), mode, "{choice}");
    }
}
