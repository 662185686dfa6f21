//! `X-Hub-Signature` (D08-D10), and the second hash beside it (D11).

use toml::Table;

use crate::harness::{Callback, Feed, Flavour, Form, Page, Settings, Stage, Subscriber, Topic, signature};

/// Publishes a text once and returns the signature that a subscriber got with it.
async fn signature_for(stage: &Stage, name: &str, form: impl Fn(Form) -> Form) -> Option<String> {
    let topic = stage.publisher.topic(&format!("/{name}"));
    let callback = stage.subscriber.callback(&format!("/cb/{name}"));
    stage.accept(&form(Form::subscribe(&topic, &callback)), &topic, &callback).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    callback.delivered(1).await[0].header("x-hub-signature").map(str::to_owned)
}

/// Subscribers reject a signature that they did not ask for, so there is none made of something else (D08).
#[tokio::test]
async fn d08_only_who_gave_a_secret_gets_a_signature() {
    let stage = Stage::set().await;
    assert_eq!(signature_for(&stage, "none", |form| form).await, None);
    assert_eq!(signature_for(&stage, "empty", |form| form.secret("")).await, None);
    assert_eq!(signature_for(&stage, "token", |form| form.token("t")).await, None);
    let algorithm = |form: Form| form.with("hub.signature_algorithm", "sha256");
    assert_eq!(signature_for(&stage, "algorithm", algorithm).await, None);
    assert!(signature_for(&stage, "secret", |form| form.secret("s")).await.is_some());
}

/// One header with one value: method, equals sign, lower-case hex; over the body as it was sent, with the secret as it
/// was given, were it no text at all (D09, S04).
#[tokio::test]
async fn d09_the_signature_is_over_the_bytes_that_were_sent() {
    let stage = Stage::set().await;
    let (feed_topic, binary) = (stage.publisher.topic("/feed"), stage.publisher.topic("/binary"));
    let mut feed = Feed::new(Flavour::Atom, 3, &feed_topic.url(), &[stage.hub.url()]);
    // Shorter and longer than a block of the hash, and up to the longest allowed.
    let secrets = [b"s".to_vec(), b"\x00\xff\xfe %+&=\xc3\x28key\r\n".to_vec(), vec![b'k'; 199]];
    let mut readers: Vec<(Callback, Vec<u8>)> = Vec::new();
    for (index, secret) in secrets.into_iter().enumerate() {
        for (kind, topic) in [("feed", &feed_topic), ("binary", &binary)] {
            let callback = stage.subscriber.callback(&format!("/{kind}/{index}"));
            let form = Form::subscribe(topic, &callback).secret(&secret);
            if index == 0 {
                stage.accept(&form, topic, &callback).await;
            } else {
                stage.accept_sync(&form).await;
            }
            readers.push((callback, secret.clone()));
        }
    }
    for count in 1..=2_u8 {
        feed.add();
        feed_topic.put(Page::of(Flavour::Atom.content_type(), feed.document()));
        binary.put(Page::of("application/x-bytes", (count..=255).collect::<Vec<u8>>()));
        stage.ping(&feed_topic).await;
        stage.ping(&binary).await;
        for (reader, secret) in &readers {
            let delivery = reader.delivered(count.into()).await.pop().unwrap();
            let expected = signature("sha1", secret, &delivery.body);
            assert_eq!(delivery.header("x-hub-signature"), Some(expected.as_str()), "{}", reader.url());
            let hex = expected.strip_prefix("sha1=").unwrap();
            assert!(
                hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
            );
        }
    }
}

fn signed(method: &str) -> String {
    signature(method, b"key", b"news")
}

/// The default is the one method that every version allows and every deployed subscriber knows; the operator may have
/// another (D10).
#[tokio::test]
async fn d10_the_method_is_sha1_unless_the_operator_says_otherwise() {
    let stage = Stage::set().await;
    assert_eq!(signature_for(&stage, "default", |form| form.secret("key")).await.unwrap(), signed("sha1"));
    for method in ["sha1", "sha256", "sha384", "sha512"] {
        let stage = Stage::set_with(Settings::quick().with("delivery", "signature", method)).await;
        assert_eq!(signature_for(&stage, "new", |form| form.secret("key")).await.unwrap(), signed(method));
        let old = |form: Form| form.secret("key").with("hub.verify", "async");
        assert_eq!(signature_for(&stage, "old", old).await.unwrap(), signed(method));
    }
}

/// A subscriber may list what it accepts, best first; what nobody knows is passed over (D10).
#[tokio::test]
async fn d10_a_subscriber_may_list_the_methods_that_it_accepts() {
    let stage = Stage::set().await;
    let lists: [(&[&str], &str); 7] = [
        (&["sha256"], "sha256"),
        (&["sha384"], "sha384"),
        (&["SHA512"], "sha512"),
        (&["md5,sha3 sha512,sha1"], "sha512"),
        (&["md5", "sha384", "sha256"], "sha384"),
        (&["md5"], "sha1"),
        (&[""], "sha1"),
    ];
    for (index, (list, method)) in lists.into_iter().enumerate() {
        let form = |form: Form| {
            list.iter().fold(form.secret("key"), |form, value| form.with("hub.signature_algorithm", value))
        };
        assert_eq!(
            signature_for(&stage, &index.to_string(), form).await.unwrap(),
            signed(method),
            "{list:?}"
        );
    }
    // What a subscription lists is its own affair, and stronger than what the operator says.
    let stage = Stage::set_with(Settings::quick().with("delivery", "signature", "sha512")).await;
    let form = |form: Form| form.secret("key").with("hub.signature_algorithm", "sha1");
    assert_eq!(signature_for(&stage, "own", form).await.unwrap(), signed("sha1"));
}

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
    for switch in [false, true] {
        let stage = Stage::set_with(Settings::quick().with("delivery", "also_sha256", switch)).await;
        let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
        let unsigned = stage.subscriber.callback("/unsigned");
        stage.accept_sync(&Form::subscribe(&topic, &callback).secret("key")).await;
        stage.subscribe_03(&topic, &unsigned).await;
        publish(&stage, &topic, "news").await;
        let delivery = callback.delivered(1).await.remove(0);
        let first = signed("sha1");
        assert_eq!(delivery.header("x-hub-signature"), Some(first.as_str()), "and it alone stands there");
        let second = switch.then(|| signed("sha256"));
        assert_eq!(delivery.header("x-hub-signature-256"), second.as_deref());
        let unsigned = unsigned.delivered(1).await.remove(0);
        assert_eq!(
            (unsigned.header("x-hub-signature"), unsigned.header("x-hub-signature-256")),
            (None, None),
            "D08"
        );
    }
}
