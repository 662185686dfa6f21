//! What is a ping, and what is none: P01, P03, P04, P10, P14, P16.

use crate::harness::{Answer, Form, Page, Stage, Topic, Wire};

const FORM: &str = "application/x-www-form-urlencoded";

/// Stands in every bad value, so that an answer that repeats its input is found out (X09).
const MARK: &str = "zq7mark";

fn publish() -> Form {
    Form::default().with("hub.mode", "publish")
}

/// Plain text that names the fault and repeats nothing of the request (S29).
fn assert_refused(answer: &Answer, status: u16, words: &[&str], form: &str) {
    assert_eq!(answer.status, status, "{form}: {answer:?}");
    assert!(answer.header("content-type").starts_with("text/plain"), "{form}: {answer:?}");
    for word in words {
        assert!(answer.text.contains(word), "{form} lacks {word:?}: {answer:?}");
    }
    assert!(!answer.text.contains(MARK), "{form} is repeated: {answer:?}");
}

/// Every way in which publishers have ever named their topics.
#[tokio::test]
async fn p01_one_ping_may_name_many_topics_in_many_ways() {
    let stage = Stage::set().await;
    let mut topics = Vec::new();
    for index in 0..8 {
        let (topic, callback) = stage.subscribed(&format!("/t/{index},x")).await;
        topic.put(Page::text(&format!("news {index}")));
        topics.push((topic, callback));
    }
    let url = |index: usize| topics[index].0.url();
    let ping = publish()
        .with("hub.url", url(0))
        .with("hub.url", url(1))
        .with("hub.topic", url(2))
        .with("hub.topic[]", url(3))
        .with("hub.url[]", url(4))
        // A comma separates only where a URL follows; these have commas of their own.
        .with("hub.url", format!("{},{},{}", url(5), url(6), url(7)))
        // Polite to every version, a publisher says it once more: it is one topic all the same.
        .with("hub.topic", url(0))
        .with("hub.url", "");
    stage.hub.post(&ping).await.expect(204);
    for (index, (_, callback)) in topics.iter().enumerate() {
        assert_eq!(callback.delivered(1).await[0].body, format!("news {index}"));
    }
    for (topic, callback) in &topics {
        stage.got_only(1, topic, callback).await;
        assert_eq!(topic.fetches().len(), 2, "one for the ping, one for the fence");
    }

    // websub.rocks names its topic so and in no other way.
    let (topic, callback) = &topics[0];
    topic.put(Page::text("by hub.topic alone"));
    stage.hub.post(&publish().with("hub.topic", topic.url())).await.expect(204);
    assert_eq!(callback.delivered(3).await[2].body, "by hub.topic alone");
}

#[tokio::test]
async fn p03_what_cannot_be_taken_whole_is_refused_whole() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let good = format!("hub.url={}", topic.url());
    let spoilt = |rest: &str| format!("hub.mode=publish&{good}&{rest}");
    let table = [
        ("hub.mode=publish".to_owned(), "hub.url"),
        ("hub.mode=publish&hub.url".to_owned(), "hub.url"),
        ("hub.mode=publish&hub.url=&hub.topic=".to_owned(), "hub.url"),
        // The parameters of other services are none of ours.
        (format!("hub.mode=publish&url={MARK}"), "hub.url"),
        (good.clone(), "hub.mode"),
        (format!("hub.mode=&{good}"), "hub.mode"),
        (format!("hub.mode&{good}"), "hub.mode"),
        (format!("hub.mode={MARK}&{good}"), "hub.mode"),
        // One bad URL of two: the text says which, by its number.
        (spoilt("hub.url=zq7mark"), "hub.url, URL number 2"),
        (spoilt("hub.topic=/zq7mark"), "hub.topic, URL number 2"),
        (spoilt("hub.url[]=ftp://t.example/zq7mark"), "URL number 2"),
        (spoilt("hub.url=http://"), "URL number 2"),
        (spoilt("hub.url=http://t.example:99999/zq7mark"), "URL number 2"),
        (spoilt("hub.url=http://t.example/%23zq7mark"), "fragment"),
        (spoilt("hub.url=http://u:zq7mark@t.example/"), "URL number 2"),
        (spoilt("hub.url=http://t.example/zq7mark%FF"), "UTF-8"),
    ];
    for (form, word) in table {
        let answer = stage.hub.client().send("POST", stage.hub.url(), Some(FORM), form.clone()).await;
        assert_refused(&answer, 400, &[word], &form);
    }
    // Nothing was fetched for the good one in bad company.
    stage.got_only(0, &topic, &callback).await;
    assert_eq!(topic.fetches().len(), 1);
}

#[tokio::test]
async fn p04_a_ping_is_a_form_that_is_posted() {
    let stage = Stage::set().await;
    let (client, (topic, callback)) = (stage.hub.client(), stage.subscribed("/text").await);
    let query = Form::publish(&topic).encoded();
    let json = format!(r#"{{"hub.mode":"publish","hub.url":"{}"}}"#, topic.url());
    for path in ["/", "/publish"] {
        let whole = format!("{}?{query}", stage.hub.at(path));
        for method in ["GET", "HEAD"] {
            let answer = client.send(method, &whole, None, "").await.expect(405);
            assert_eq!(answer.header("allow"), "POST");
        }
        // The query string says all that a ping needs, and is not read.
        let answer = client.send("POST", &whole, Some("application/json"), json.clone()).await;
        assert_refused(&answer, 415, &["form"], "JSON");
        let answer = client.send("POST", &whole, Some(FORM), "").await;
        assert_refused(&answer, 400, &["hub.mode"], "an empty form");
    }
    stage.got_only(0, &topic, &callback).await;
    assert_eq!(topic.fetches().len(), 1);
}

/// The largest known client sends 100 at once.
#[tokio::test]
async fn p10_a_ping_may_name_256_topics_and_no_more() {
    let stage = Stage::set().await;
    let (first, first_callback) = stage.subscribed("/0").await;
    let (last, last_callback) = stage.subscribed("/255").await;
    for topic in [&first, &last] {
        topic.put(Page::text("news"));
    }
    let url = |index: usize| stage.publisher.topic(&format!("/{index}")).url();
    let repeated = (0..256).fold(publish(), |form, index| form.with("hub.url", url(index)));
    let listed = publish().with("hub.url", (0..256).map(url).collect::<Vec<_>>().join(","));
    // Named in both ways, a topic still counts once.
    let twice = (0..256).fold(repeated.clone(), |form, index| form.with("hub.topic", url(index)));
    for (known, form) in [&repeated, &listed, &twice].into_iter().enumerate() {
        for topic in [&first, &last] {
            topic.put(Page::text(&format!("news {known}")));
        }
        stage.hub.post(form).await.expect(204);
        for callback in [&first_callback, &last_callback] {
            assert_eq!(callback.delivered(known + 1).await[known].body, format!("news {known}"));
        }
    }
    let known = first.fetches().len();
    for form in [repeated, listed] {
        let answer = stage.hub.post(&form.with("hub.url", url(256))).await;
        assert_refused(&answer, 413, &["256"], "257 URLs");
    }
    stage.got_only(3, &first, &first_callback).await;
    assert_eq!(first.fetches().len(), known + 1, "of 257 none is fetched");
}

/// Posts a body as its own media type, with the parameters in the query: what Ballerina's publishers do.
async fn post_as_content(stage: &Stage, topic: &Topic) -> String {
    let query = Form::default().with("hub.mode", "publish").with("hub.topic", topic.url()).encoded();
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(format!(
        "POST /?{query} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/atom+xml\r\n\
         X-Ballerina-Publisher: publish\r\nConnection: close\r\nContent-Length: 7\r\n\r\nplanted"
    ))
    .await;
    wire.hear().await
}

/// Nobody can tell whether the topic's owner sent it, so what a ping carries is not what is distributed.
#[tokio::test]
async fn p14_content_that_comes_with_a_ping_is_never_distributed() {
    let stage = Stage::set().await;
    let (client, (topic, callback)) = (stage.hub.client(), stage.subscribed("/text").await);
    let signature = "5fcb5a5d2a6d2e9b4b1d5c3c8a9e0f7b6a5d4c3b";
    let superfeedr = Form::publish(&topic).with("hub.content", "planted").with("hub.signature", signature);
    let bare =
        Form::default().with("topic", topic.url()).with("content", "planted").with("signature", signature);
    let google = bare.clone().with("hub.mode", "publish").with("hub.url", topic.url());
    // Each is a light ping: the topic itself is asked what is new.
    for (known, ping) in [superfeedr, google].iter().enumerate() {
        let news = format!("news {known}");
        topic.put(Page::text(&news));
        stage.hub.post(ping).await.expect(204);
        assert_eq!(callback.delivered(known + 1).await[known].body, news);
    }
    // Without hub.mode it is nothing at all, and there is no other place for it.
    let answer = stage.hub.post(&bare).await;
    assert_refused(&answer, 400, &["hub.mode"], "the hook's own form");
    client.post(&stage.hub.at("/fat_publish"), &bare).await.expect(404);
    let heard = post_as_content(&stage, &topic).await;
    assert!(heard.starts_with("HTTP/1.1 415 "), "{heard}");
    let known = topic.fetches().len();
    stage.got_only(2, &topic, &callback).await;
    assert_eq!(topic.fetches().len(), known + 1, "what was refused was no ping either");
}

/// They are one vendor's, and read what is others' to read.
#[tokio::test]
async fn p16_other_modes_are_not_offered() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    for mode in ["list", "retrieve", "replay", "denied"] {
        let form = Form::intent(mode, &topic.url(), &callback.url());
        let query = format!("{}?{}", stage.hub.at("/"), form.encoded());
        let answer = stage.hub.client().get(&query).await;
        assert_refused(&answer, 405, &["POST"], mode);
        assert_eq!(answer.header("allow"), "POST", "{mode}");
        assert_refused(&stage.hub.post(&form).await, 400, &["hub.mode"], mode);
    }
    stage.got_only(0, &topic, &callback).await;
}
