//! What a subscriber may do with its subscriptions: callbacks used to the letter (S25), several spellings (S22), several
//! topics (D24), leaving (S32, D22). What is asked of the callback is in `conformance::verification`.

use crate::harness::{Callback, Form, Page, Reply, Settings, Stage, Topic, Verdict, sha1_signature};

/// A stage with one topic of plain text.
async fn set(settings: Settings) -> (Stage, Topic) {
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    (stage, topic)
}

fn bodies(callback: &Callback) -> Vec<bytes::Bytes> {
    callback.attempts().into_iter().map(|one| one.body).collect()
}

/// The path of the callback goes out as it came in, too; the harness looks callbacks up by it (S25).
#[tokio::test]
async fn the_callback_is_used_to_the_letter() {
    let (stage, topic) = set(Settings::quick()).await;
    let callback = stage.subscriber.callback("/A%2fb%7Ec/%e9/;x=1,(2)!$'*?q=%7e+%20");
    stage.subscribe_03(&topic, &callback).await;
    stage.publish(&topic, "news").await;
    assert_eq!(callback.delivered(1).await[0].query, "q=%7e+%20");
}

/// Leaving is verified, and then nothing comes any more (D22).
#[tokio::test]
async fn after_leaving_nothing_is_delivered() {
    let (stage, topic) = set(Settings::quick()).await;
    let (quiet, failing) = (stage.subscriber.callback("/quiet"), stage.subscriber.callback("/failing"));
    stage.subscribe_ws(&topic, &quiet).await;
    stage.subscribe_03(&topic, &failing).await;
    // This one leaves with a delivery waiting to be tried again.
    failing.always_reply(Reply::Status(500));
    stage.publish(&topic, "before").await;
    quiet.delivered(1).await;
    failing.attempted(2).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &failing)).await;
    let attempts = failing.attempts().len();
    stage.accept(&Form::unsubscribe(&topic, &quiet), &topic, &quiet).await;
    for text in ["after", "long after"] {
        stage.publish(&topic, text).await;
    }
    assert_eq!(bodies(&quiet), ["before"]);
    // One request may have been on its way while the hub heard the confirmation.
    assert!(failing.attempts().len() <= attempts + 1, "{:?}", bodies(&failing));
    assert!(bodies(&failing).iter().all(|body| body == "before"));
}

/// Whether a pair exists cannot be found out by leaving it (S32).
#[tokio::test]
async fn leaving_what_was_never_joined_looks_the_same() {
    let (stage, topic) = set(Settings::quick()).await;
    let (known, unknown) = (stage.subscriber.callback("/known"), stage.subscriber.callback("/unknown"));
    stage.subscribe_03(&topic, &known).await;
    let mut answers = Vec::new();
    for callback in [&known, &unknown] {
        let before = callback.verifications().len();
        let form = Form::unsubscribe(&topic, callback).token("t");
        let answer = stage.hub.post(&form).await.expect(202);
        let seen = callback.verification(before + 1).await;
        assert_eq!((seen.mode(), seen.one("hub.verify_token")), ("unsubscribe", Some("t")));
        let sync = stage.hub.post(&form.sync()).await.expect(204);
        callback.judge([Verdict::Status(404)]);
        let refused = stage.hub.post(&Form::unsubscribe(&topic, callback).sync()).await.expect(409);
        answers.push([answer.text, sync.text, refused.text]);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Differently spelt is the same pair, and each verification repeats the spelling of its request (S22).
#[tokio::test]
async fn spellings_of_one_url_are_one_subscription() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/~name/a-b");
    let callback = stage.subscriber.callback("/~cb");
    let spelt = |url: &str| url.replace("http://", "HTTP://").replace('~', "%7e").replace("a-b", "%61%2Db");
    let forms = [
        Form::subscribe(&topic, &callback).secret("first"),
        Form::intent("subscribe", &spelt(&topic.url()), &callback.url()).secret("second"),
        Form::intent("subscribe", &topic.url(), &spelt(&callback.url())).secret("third"),
    ];
    for form in forms {
        stage.accept_sync(&form).await;
    }
    // To the server of the callbacks, and to the site, another spelling is another path.
    let spelt_callback = stage.subscriber.callback("/%7ecb");
    assert_eq!(callback.verifications()[0].one("hub.topic"), Some(topic.url().as_str()));
    assert_eq!(callback.verifications()[1].one("hub.topic"), Some(spelt(&topic.url()).as_str()));
    assert_eq!(spelt_callback.verification(1).await.one("hub.topic"), Some(topic.url().as_str()));
    let witness = stage.subscriber.callback("/witness");
    stage.subscribe_03(&topic, &witness).await;
    let spelt_topic = stage.publisher.topic("/%7ename/%61%2Db");
    for text in ["one", "two"] {
        topic.put(Page::of("text/plain", text));
        spelt_topic.put(Page::of("text/plain", text));
        stage.ping(&topic).await;
        witness.delivered_where(text, |one| one.body == text).await;
    }
    let deliveries = spelt_callback.delivered(2).await;
    assert!(callback.attempts().is_empty(), "the newest spelling replaced the older");
    assert_eq!(deliveries.len(), 2);
    let signature = sha1_signature(b"third", b"one");
    assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
}

/// Neither side of a subscription sees the other's: one callback may have several topics and secrets (D24).
#[tokio::test]
async fn one_callback_may_follow_several_topics() {
    let stage = Stage::set().await;
    let callback = stage.subscriber.callback("/cb");
    let topics = ["/a", "/b"].map(|path| stage.publisher.topic(path));
    for (topic, secret) in topics.iter().zip(["key a", "key b"]) {
        stage.accept_sync(&Form::subscribe(topic, &callback).secret(secret)).await;
        topic.put(Page::of("text/plain", secret));
    }
    for (index, (topic, secret)) in topics.iter().zip(["key a", "key b"]).enumerate() {
        stage.ping(topic).await;
        let delivery = callback.delivered(index + 1).await.remove(index);
        let signature = sha1_signature(secret.as_bytes(), &delivery.body);
        assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));
    }
}
