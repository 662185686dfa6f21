//! Distribution, D01-D28: what a delivery looks like, and what becomes of one that fails.

use toml::Table;

use crate::harness::{Callback, Form, Page, Reply, Settings, Stage, Subscriber, Topic};

async fn publish(stage: &Stage, topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
}

/// How the newest of `count` deliveries was signed.
async fn method(callback: &Callback, count: usize) -> String {
    let delivery = callback.delivered(count).await.remove(count - 1);
    delivery.header("x-hub-signature").unwrap().split_once('=').unwrap().0.to_owned()
}

fn table(key: &str, value: &str) -> Table {
    Table::from_iter([(key.to_owned(), value.into())])
}

/// What the subscriber asked for, else what its host has, else what the topic has, else what the hub has.
#[tokio::test]
async fn d10_the_hash_is_chosen_by_request_by_host_by_topic_and_by_hub() {
    let elsewhere = Subscriber::start_on([127, 0, 0, 9].into());
    let settings = Settings::quick()
        .with("delivery", "signature", "sha384")
        .with("delivery", "signature_for_topics", table("http://127.0.0.1:*", "sha256"))
        .with("delivery", "signature_for_hosts", table("127.0.0.9", "sha512"));
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/t");
    let (plain, host) = (stage.subscriber.callback("/plain"), elsewhere.callback("/host"));
    let asked = elsewhere.callback("/asked");
    for callback in [&plain, &host] {
        stage.accept_sync(&Form::subscribe(&topic, callback).secret("s")).await;
    }
    stage
        .accept_sync(&Form::subscribe(&topic, &asked).secret("s").with("hub.signature_algorithm", "sha1"))
        .await;
    publish(&stage, &topic, "news").await;
    assert_eq!(method(&plain, 1).await, "sha256");
    assert_eq!(method(&host, 1).await, "sha512");
    assert_eq!(method(&asked, 1).await, "sha1");
}

#[tokio::test]
async fn d11_a_second_hash_has_a_header_of_its_own() {
    for (switch, expected) in [(false, None), (true, Some(64))] {
        let stage = Stage::set_with(Settings::quick().with("delivery", "also_sha256", switch)).await;
        let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
        let unsigned = stage.subscriber.callback("/unsigned");
        stage.accept_sync(&Form::subscribe(&topic, &callback).secret("s")).await;
        stage.subscribe_03(&topic, &unsigned).await;
        publish(&stage, &topic, "news").await;
        let delivery = callback.delivered(1).await.remove(0);
        assert!(
            delivery.header("x-hub-signature").unwrap().starts_with("sha1="),
            "and it alone stands there"
        );
        let stronger =
            delivery.header("x-hub-signature-256").map(|value| value.strip_prefix("sha256=").unwrap());
        assert_eq!(stronger.map(str::len), expected);
        let unsigned = unsigned.delivered(1).await.remove(0);
        assert_eq!(
            (unsigned.header("x-hub-signature"), unsigned.header("x-hub-signature-256")),
            (None, None),
            "D08"
        );
    }
}

/// What subscribers say they stand for is added to what publishers are told, up to a limit for each host.
#[tokio::test]
async fn d19_f04_subscribers_may_stand_for_many_readers() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "readers_per_host", 50)).await;
    let topic = stage.publisher.topic("/t");
    let (one, other) = (stage.subscriber.callback("/one"), stage.subscriber.callback("/other"));
    for callback in [&one, &other] {
        stage.subscribe_03(&topic, callback).await;
    }
    one.always_reply(Reply::OnBehalfOf(41));
    let told = async |n: usize| {
        let fetch = topic.fetched(n).await.remove(n - 1);
        let count = fetch.header("x-hub-subscribers").unwrap().to_owned();
        assert!(fetch.header("user-agent").unwrap().ends_with(&format!("; {count} subscribers)")), "F04");
        count
    };
    publish(&stage, &topic, "1").await;
    assert_eq!(told(1).await, "2");
    one.delivered(1).await;
    // The next fan-out adds up what the last one was told.
    publish(&stage, &topic, "2").await;
    other.delivered(2).await;
    publish(&stage, &topic, "3").await;
    assert_eq!(told(3).await, "42");
    other.always_reply(Reply::OnBehalfOf(1_000_000));
    for (n, text) in ["4", "5", "6"].iter().enumerate() {
        one.delivered(n + 3).await;
        other.delivered(n + 3).await;
        publish(&stage, &topic, text).await;
    }
    assert_eq!(told(6).await, "52", "no host counts for more than the limit");
}

#[tokio::test]
async fn d28_topic_and_callback_are_told_where_the_operator_says_so() {
    for switch in [false, true] {
        let stage = Stage::set_with(Settings::quick().with("delivery", "topic_headers", switch)).await;
        let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb?c=d"));
        stage.subscribe_03(&topic, &callback).await;
        publish(&stage, &topic, "news").await;
        let delivery = callback.delivered(1).await.remove(0);
        let told = ["topic", "callback"]
            .map(|what| delivery.header(&format!("x-pubsubhubbub-{what}")).map(str::to_owned));
        assert_eq!(told, [topic.url(), callback.url()].map(|url| switch.then_some(url)));
    }
}
