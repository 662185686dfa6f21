//! Discovery, L01-L11: what the hub reads of a topic to learn its own name, its hubs and its aliases.

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
    for (path, topic) in [("/a", &ours), ("/b", &header)] {
        let callback = stage.subscriber.callback(path);
        stage.hub.post(&Form::subscribe(topic, &callback)).await.expect(202);
        callback.confirmed(1).await;
        assert_eq!(callback.verifications()[0].mode(), "subscribe");
    }
    let callback = stage.subscriber.callback("/denied");
    stage.hub.post(&Form::subscribe(&other, &callback)).await.expect(202);
    let denial = callback.verification(1).await;
    assert_eq!((denial.mode(), denial.one("hub.topic")), ("denied", Some(other.url().as_str())));
    assert_eq!(denial.one("hub.reason"), Some("the topic does not name this hub"));
    let refused = stage.hub.post(&Form::subscribe(&other, &callback).sync()).await.expect(409);
    assert!(refused.text.starts_with("hub.topic: "), "{refused:?}");
    // Nobody is kept from leaving (S33).
    stage.hub.post(&Form::unsubscribe(&other, &callback).sync()).await.expect(204);
    assert_eq!(callback.verifications().len(), 2);
}
