//! The one endpoint and what a socket can carry to it: S01-S03, S39.

use super::{CALLBACK, TOPIC, assert_refused, subscribe};
use crate::harness::{Form, Page, Stage, Wire, status_of};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn s01_one_url_takes_every_mode() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    for (index, path) in ["/", "/subscribe", "/publish"].into_iter().enumerate() {
        // The aliases are other names of the same endpoint, not endpoints for one mode each.
        let url = stage.hub.at(path);
        let callback = stage.subscriber.callback(&format!("/cb/{index}"));
        let client = stage.hub.client();
        client.post(&url, &Form::subscribe(&topic, &callback).sync()).await.expect(204);
        topic.put(Page::of("text/plain", path));
        client.post(&url, &Form::publish(&topic)).await.expect(204);
        callback.delivered_where(path, |one| one.body == path.as_bytes()).await;
        client.post(&url, &Form::unsubscribe(&topic, &callback).sync()).await.expect(204);
        let modes: Vec<_> = callback.verifications().iter().map(|one| one.mode().to_owned()).collect();
        assert_eq!(modes, ["subscribe", "unsubscribe"], "{path}");
    }
    let answer = stage.hub.client().post(&stage.hub.at("/elsewhere"), &subscribe()).await;
    assert_refused("another path", &answer, 404, &[]);
}

#[tokio::test]
async fn s02_only_forms_are_read_and_only_from_the_body() {
    let stage = Stage::set().await;
    let client = stage.hub.client();
    let topic = stage.publisher.topic("/text");
    let (in_query, in_body) = (stage.subscriber.callback("/query"), stage.subscriber.callback("/body"));
    // A whole and valid request stands in the query string all the time.
    let query = Form::unsubscribe(&topic, &in_query).with("hub.verify", "sync").encoded();
    let url = format!("{}?{query}", stage.hub.at("/"));

    let json = format!(r#"{{"hub.mode":"subscribe","hub.topic":"{TOPIC}","hub.callback":"{CALLBACK}"}}"#);
    let other_types = [
        "application/json",
        "text/plain",
        "application/atom+xml",
        "multipart/form-data; boundary=x",
        // No type is a form, but one that cannot be read is not none.
        "application/jsön",
        "\u{fc}",
    ];
    for media_type in other_types {
        let answer = client.send("POST", &url, Some(media_type), json.clone()).await;
        assert_refused(media_type, &answer, 415, &["content-type", "form"]);
    }
    let answer = client.send("POST", &url, Some(FORM), "").await;
    assert_refused("a query is not a body", &answer, 400, &["hub.mode"]);

    let body = Form::subscribe(&topic, &in_body).sync().encoded();
    let same_type = [
        Some(FORM),
        Some("Application/X-WWW-Form-URLencoded; charset=UTF-8"),
        Some("application/x-www-form-urlencoded;charset=ISO-8859-1"),
        Some("application/x-www-form-urlencoded; charset=\u{fc}"),
        None,
    ];
    for media_type in same_type {
        client.send("POST", &url, media_type, body.clone()).await.expect(204);
    }
    assert!(in_body.verifications().iter().all(|one| one.mode() == "subscribe"));
    assert!(in_query.verifications().is_empty(), "the query string was read");
}

#[tokio::test]
async fn s03_get_asks_for_nothing() {
    let stage = Stage::set().await;
    let client = stage.hub.client();
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    // Somebody is subscribed, or a ping would have nobody to fetch for (P07).
    stage.fence(&topic).await;
    let queries = [
        Form::subscribe(&topic, &callback).encoded(),
        Form::subscribe(&topic, &callback).sync().encoded(),
        Form::unsubscribe(&topic, &callback).encoded(),
        Form::publish(&topic).encoded(),
        "hub.mode=list".to_owned(),
        "hub.mode=".to_owned(),
        "x=y&hub.mode".to_owned(),
        "hub%2Emode=subscribe".to_owned(),
    ];
    for query in queries {
        let answer = client.get(&format!("{}?{query}", stage.hub.at("/"))).await;
        assert_refused(&query, &answer, 405, &["post"]);
        assert_eq!(answer.header("allow"), "POST", "{query}");
        let head = client.send("HEAD", &format!("{}?{query}", stage.hub.at("/")), None, "").await;
        assert_eq!((head.status, head.header("allow")), (405, "POST"), "{query}");
    }
    for query in ["", "?hub.modex=1", "?x=hub.mode", "?hub.topic=x"] {
        for method in ["GET", "HEAD"] {
            let page = client.send(method, &stage.hub.at(&format!("/{query}")), None, "").await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"), "{method} {query}: {page:?}");
        }
    }
    // What had been begun would be under way by the time somebody who came later is subscribed and served.
    let later = stage.subscriber.callback("/later");
    stage.subscribe_ws(&stage.publisher.topic("/later"), &later).await;
    assert!(callback.verifications().is_empty());
    assert!(topic.fetches().is_empty());
}

/// Posts this head and body and returns all that was heard of the answer.
async fn exchange(stage: &Stage, head: &str, body: &str) -> String {
    let mut wire = Wire::to(stage.hub.address()).await;
    // The hub may answer, and hang up, before it has been told everything.
    wire.try_say(format!("{head}Content-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    wire.hear_until("\r\n\r\n").await
}

async fn chunked(stage: &Stage, parts: impl Iterator<Item = &[u8]>) -> String {
    let mut wire = Wire::to(stage.hub.address()).await;
    let head = "POST / HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n";
    wire.say(format!("{head}Content-Type: {FORM}\r\n\r\n")).await;
    for part in parts {
        wire.try_say([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await;
    }
    wire.try_say("0\r\n\r\n").await;
    wire.hear_until("\r\n\r\n").await
}

/// curl and old PHP.
#[tokio::test]
async fn s39_old_ways_of_speaking_http_are_understood() {
    let stage = Stage::set().await;
    let body = subscribe().encoded();

    let heard = exchange(&stage, "POST / HTTP/1.0\r\n", &body).await;
    assert_eq!(status_of(&heard), Some(202), "HTTP/1.0, without a host: {heard}");

    let mut wire = Wire::to(stage.hub.address()).await;
    let (length, expect) = (body.len(), "Expect: 100-continue\r\n");
    wire.say(format!("POST / HTTP/1.1\r\nHost: hub\r\n{expect}Content-Length: {length}\r\n\r\n")).await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(100), "it must not wait for a body that waits for it: {heard}");
    wire.say(&body).await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(202), "{heard}");

    let heard = chunked(&stage, body.as_bytes().chunks(7)).await;
    assert_eq!(status_of(&heard), Some(202), "{heard}");
}

#[tokio::test]
async fn s39_a_body_has_at_most_1_mib() {
    const LIMIT: usize = 1 << 20;
    let stage = Stage::set().await;
    let opening = "POST / HTTP/1.1\r\nHost: hub\r\n";
    let base = subscribe().encoded() + "&x=";
    let full = format!("{base}{}", "x".repeat(LIMIT - base.len()));
    let heard = exchange(&stage, opening, &full).await;
    assert_eq!(status_of(&heard), Some(202), "1 MiB: {heard}");
    let heard = exchange(&stage, opening, &(full.clone() + "x")).await;
    assert_eq!(status_of(&heard), Some(413), "one more: {heard}");
    assert!(heard.contains("text/plain"), "{heard}");

    // A length that is only announced is enough to refuse.
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(format!("{opening}Content-Type: {FORM}\r\nContent-Length: 4611686018427387904\r\n\r\n")).await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(413), "announced: {heard}");

    // A body without a length is counted as it comes.
    let heard = chunked(&stage, full.as_bytes().chunks(1 << 16)).await;
    assert_eq!(status_of(&heard), Some(202), "1 MiB in pieces: {heard}");
    let heard = chunked(&stage, (full + "x").as_bytes().chunks(1 << 16)).await;
    assert_eq!(status_of(&heard), Some(413), "one more, in pieces: {heard}");
}
