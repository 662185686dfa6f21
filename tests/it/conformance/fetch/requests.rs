//! What the hub says when it asks for a topic: F01-F08, F26.

use std::net::Ipv4Addr;

use crate::harness::{Form, Page, Settings, Stage, Subscriber, Topic};

/// Puts up something new and waits until it was fetched and delivered; returns what the fetch said in a header.
async fn said(stage: &Stage, topic: &Topic, name: &str) -> Option<String> {
    let known = topic.fetches().len();
    topic.put(Page::text(&format!("version {known}")));
    stage.ping(topic).await;
    let fetches = topic.fetched(known + 1).await;
    fetches[known].header(name).map(str::to_owned)
}

/// The suite of 0.3 looks at the last method that the topic saw.
#[tokio::test]
async fn f01_a_topic_is_asked_with_get_and_with_nothing_else() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "look_again", vec!["50ms"])).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let moved = stage.publisher.topic("/moved");
    moved.put(Page::text("moved"));
    topic.put(Page::failing(500));
    stage.ping(&topic).await;
    // A retry, a redirect, what is new, and another look at what is not.
    topic.fetched(2).await;
    topic.put(Page::redirect(302, "/moved"));
    callback.delivered(1).await;
    let known = moved.fetches().len();
    stage.ping(&topic).await;
    moved.fetched(known + 2).await;
    for fetch in topic.fetches().into_iter().chain(moved.fetches()) {
        assert_eq!(fetch.method, "GET");
        assert_eq!((fetch.header("content-length"), fetch.header("transfer-encoding")), (None, None));
    }
}

#[tokio::test]
async fn f02_redirects_are_followed_as_far_as_five_hops() {
    assert_eq!(Settings::shipped("fetch", "redirects").await.as_integer(), Some(5));
    let stage = Stage::set().await;
    let hops = [301, 302, 303, 307, 308];
    for (index, status) in hops.into_iter().enumerate() {
        // Relative and absolute targets alike.
        let next = format!("/hop/{}", index + 1);
        let target = if index % 2 == 0 { next } else { stage.publisher.topic(&next).url() };
        stage.publisher.topic(&format!("/hop/{index}")).put(Page::redirect(status, &target));
    }
    let end = stage.publisher.topic("/hop/5");
    end.put(Page::text("the end of the way"));
    let (far, callback) = stage.subscribed("/hop/0").await;
    stage.ping(&far).await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!(delivery.body, "the end of the way");
    // The topic keeps its name, moved for good or not.
    assert!(delivery.header("link").unwrap().starts_with(&format!("<{}>; rel=\"self\"", far.url())));
    let known = far.fetches().len();
    end.put(Page::text("news from there"));
    stage.ping(&far).await;
    callback.delivered(2).await;
    assert_eq!(far.fetches().len(), known + 1, "it is asked under its own name");

    let (too_far, lost) = stage.subscribed("/one-more").await;
    too_far.put(Page::redirect(302, "/hop/0"));
    let before = end.fetches().len();
    stage.ping(&too_far).await;
    stage.publisher.topic("/hop/4").fetched(before + 1).await;
    stage.got_only(0, &too_far, &lost).await;
    assert_eq!(end.fetches().len(), before, "the sixth hop was not taken");
}

/// Some sites write a name in the script it is in, without encoding it.
#[tokio::test]
async fn f02_a_redirect_may_be_written_in_any_script() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    stage.publisher.topic("/%E8%AA%9E").put(Page::text("found"));
    topic.put(Page::redirect(302, "/語"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "found");
}

#[tokio::test]
async fn f02_the_operator_says_how_far() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "redirects", 6)).await;
    for hop in 1..=6 {
        stage.publisher.topic(&format!("/{hop}")).put(Page::redirect(302, &format!("/{}", hop + 1)));
    }
    let end = stage.publisher.topic("/7");
    end.put(Page::text("the end of the way"));
    let (six, callback) = stage.subscribed("/1").await;
    let (seven, lost) = stage.subscribed("/0").await;
    seven.put(Page::redirect(302, "/1"));
    stage.ping(&six).await;
    assert_eq!(callback.delivered(1).await[0].body, "the end of the way");
    stage.ping(&seven).await;
    stage.publisher.topic("/6").fetched(2).await;
    stage.got_only(0, &seven, &lost).await;
    assert_eq!(end.fetches().len(), 1);
}

#[tokio::test]
async fn f03_validators_go_back_as_they_came() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let (etag, date) = ("W/\"a, b \u{7e}\"", "Tue,  1 Jan 2019 00:00:00 +0000");
    let page =
        |version: &str| Page::text(version).with_header("etag", etag).with_header("last-modified", date);
    topic.put(page("one"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    stage.ping(&topic).await;
    let fetches = topic.fetched(2).await;
    assert_eq!(fetches[0].header("if-none-match"), None);
    assert_eq!(fetches[0].header("if-modified-since"), None);
    assert_eq!(fetches[1].header("if-none-match"), Some(etag));
    assert_eq!(fetches[1].header("if-modified-since"), Some(date));
    assert_eq!(fetches[1].answered, 304);
    // Not modified is no news.
    stage.got_only(1, &topic, &callback).await;
}

/// Both belong to the place that gave them, and many topics, like those of websub.rocks, give none.
#[tokio::test]
async fn f03_no_validator_is_made_up_or_shown_to_another_place() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let places = ["/first", "/second"].map(|path| stage.publisher.topic(path));
    for place in &places {
        place.put(Page::text("the same").with_header("etag", "\"the same\""));
    }
    topic.put(Page::redirect(302, "/first"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    stage.ping(&topic).await;
    let conditions = |place: &Topic| -> Vec<_> {
        place.fetches().iter().map(|fetch| fetch.header("if-none-match").map(str::to_owned)).collect()
    };
    places[0].fetched(2).await;
    topic.put(Page::redirect(302, "/second"));
    stage.ping(&topic).await;
    places[1].fetched(1).await;
    // Without validators of its own, what it says is compared.
    stage.got_only(1, &topic, &callback).await;
    assert_eq!(said(&stage, &topic, "if-none-match").await, None);
    assert_eq!(said(&stage, &topic, "if-modified-since").await, None);
    assert_eq!(conditions(&places[0]), [None, Some("\"the same\"".to_owned())]);
    assert_eq!(conditions(&places[1]), [None]);
    assert!(conditions(&topic).iter().all(Option::is_none));
}

/// Publishers' log analysers look for this shape, and add up what comes first.
#[tokio::test]
async fn f04_the_user_agent_counts_the_subscribers() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let expected = |count: usize| {
        Some(format!("hubbub/{} (+{}; {count} subscribers)", env!("CARGO_PKG_VERSION"), stage.hub.url()))
    };
    assert_eq!(said(&stage, &topic, "user-agent").await, expected(1), "the noun is always plural");
    for path in ["/two", "/three"] {
        stage.subscribe_03(&topic, &stage.subscriber.callback(path)).await;
    }
    assert_eq!(said(&stage, &topic, "user-agent").await, expected(3));
    stage.accept_sync(&Form::unsubscribe(&topic, &callback)).await;
    assert_eq!(said(&stage, &topic, "user-agent").await, expected(2));
}

/// Who reads a topic is nobody's business, not even its publisher's.
#[tokio::test]
async fn f05_no_fetch_tells_who_subscribes() {
    let stage = Stage::set().await;
    let (topic, _) = stage.subscribed("/text").await;
    let elsewhere = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    stage.subscribe_03(&topic, &elsewhere.callback("/cb")).await;
    said(&stage, &topic, "user-agent").await;
    let fetch = topic.fetches().remove(0);
    for (name, value) in &fetch.headers {
        let value = value.to_str().unwrap();
        assert!(!value.contains("127.0.0.2"), "{name}: {value}");
        assert!(name != "user-agent" || value.matches(';').count() == 1, "a second suffix: {value}");
    }
}

#[tokio::test]
async fn f06_a_header_counts_the_subscribers_too() {
    let stage = Stage::set().await;
    let (topic, _) = stage.subscribed("/text").await;
    assert_eq!(said(&stage, &topic, "x-hub-subscribers").await.as_deref(), Some("1"));
    stage.subscribe_ws(&topic, &stage.subscriber.callback("/second")).await;
    // The way to a WebSub subscription ends with one of 0.3.
    assert_eq!(said(&stage, &topic, "x-hub-subscribers").await.as_deref(), Some("3"));
}

/// What a subscriber saw when it discovered the topic, it saw without preferences or a past.
#[tokio::test]
async fn f07_a_fetch_has_no_preferences_and_no_past() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::text("one").with_header("set-cookie", "session=1; Path=/"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    let moved = stage.publisher.topic("/moved");
    moved.put(Page::text("two"));
    topic.put(Page::redirect(302, "/moved").with_header("set-cookie", "session=2; Path=/"));
    stage.ping(&topic).await;
    callback.delivered(2).await;
    for fetch in topic.fetches().into_iter().chain(moved.fetches()) {
        assert_eq!(fetch.header("accept"), Some("*/*"));
        for name in ["accept-language", "cookie", "referer", "from"] {
            assert_eq!(fetch.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn f08_caches_on_the_way_are_passed_by() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let moved = stage.publisher.topic("/moved");
    moved.put(Page::text("news"));
    topic.put(Page::redirect(302, "/moved"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
    for topic in [topic, moved] {
        assert_eq!(topic.fetches()[0].header("cache-control"), Some("no-cache"));
    }
}

/// What is not public is nothing for a hub, which would publish it.
#[tokio::test]
async fn f26_no_topic_is_asked_for_with_credentials() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let with_password = topic.url().replace("http://", "http://user:pass@");
    let intent = Form::intent("subscribe", &with_password, &callback.url());
    stage.hub.post(&intent).await.expect(400);
    stage
        .hub
        .post(&Form::default().with("hub.mode", "publish").with("hub.url", &with_password))
        .await
        .expect(400);

    // A site that asks for a password gets none; what it says instead is no content.
    topic.put(Page::failing(401).with_header("www-authenticate", "Basic realm=\"all\""));
    stage.ping(&topic).await;
    topic.fetched(2).await;
    // Nor is a redirect to a place with a password followed.
    let inside = stage.publisher.topic("/inside");
    inside.put(Page::text("not for all"));
    topic.put(Page::redirect(302, &inside.url().replace("http://", "http://user:pass@")));
    stage.ping(&topic).await;
    let known = topic.fetches().len();
    topic.fetched(known + 1).await;
    stage.got_only(0, &topic, &callback).await;
    assert!(topic.fetches().iter().all(|fetch| fetch.header("authorization").is_none()));
    assert!(inside.fetches().is_empty(), "{:?}", inside.fetches());
}
