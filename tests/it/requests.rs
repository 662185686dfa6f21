//! What the hub says to a request before it does anything: one table of refusals, and everything a socket can carry
//! (conformance sections 1, 3 and 8).

use http::StatusCode;

use crate::harness::{Answer, Form, Page, Settings, Stage, Wire, soon};

/// Stands in every bad value, so that an answer that repeats its input is found out (X09).
const MARK: &str = "zq7mark";

/// A name that resolves nowhere: requests that are accepted are verified in vain, which harms nobody.
const TOPIC: &str = "http://topic.invalid/feed";
const CALLBACK: &str = "http://127.0.0.1:9999/callback";

fn subscribe() -> Form {
    Form::intent("subscribe", TOPIC, CALLBACK)
}

fn unsubscribe() -> Form {
    Form::intent("unsubscribe", TOPIC, CALLBACK)
}

fn publish() -> Form {
    Form::default().with("hub.mode", "publish")
}

/// A refusal is plain text with a length, names the fault, and repeats nothing (S29, X09).
fn assert_refused(name: &str, answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert!(answer.header("content-type").starts_with("text/plain"), "{name}: {answer:?}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(answer.header("content-length"), answer.text.len().to_string(), "{name}");
    let text = answer.text.to_lowercase();
    for word in words {
        assert!(text.contains(word), "{name} lacks {word:?}: {answer:?}");
    }
    assert!(!answer.text.contains(MARK), "{name} repeats its input: {answer:?}");
}

#[tokio::test]
async fn malformed_requests_are_refused_by_name() {
    let bad_urls = [
        "",
        "zq7mark",
        "/zq7mark",
        "//zq7mark.example/",
        "ftp://zq7mark.example/",
        "mailto:zq7mark@example.org",
        "http:",
        "http://",
        "http://zq7mark.example:99999/",
        "http://[zq7mark/",
        "javascript:zq7mark",
    ];
    let mut table: Vec<(String, Form, u16, Vec<&str>)> = Vec::new();
    let mut row = |name: &str, form, status, words: &[&'static str]| {
        table.push((name.to_owned(), form, status, words.to_vec()));
    };
    row("S05 no mode", subscribe().without("hub.mode"), 400, &["mode"]);
    row("S05 an empty mode", subscribe().but("hub.mode", ""), 400, &["mode"]);
    row("S05 an unknown mode", subscribe().but("hub.mode", MARK), 400, &["mode"]);
    row("S05 an empty form", Form::default(), 400, &["mode"]);
    for (id, parameter) in [("S06", "hub.callback"), ("S07", "hub.topic")] {
        for mode in [subscribe(), unsubscribe()] {
            row(&format!("{id} no {parameter}"), mode.clone().without(parameter), 400, &[parameter]);
            for url in bad_urls {
                // An empty one is one that is not there (S08).
                let words: &[_] = if url.is_empty() { &[parameter] } else { &[parameter, "url"] };
                row(&format!("{id} {parameter} {url:?}"), mode.clone().but(parameter, url), 400, words);
            }
            let fragment = mode.clone().but(parameter, "http://127.0.0.1:9999/#zq7mark");
            row(&format!("S09 {parameter} with a fragment"), fragment, 400, &[parameter]);
            let mut latin_1 = b"http://127.0.0.1:9999/zq7mark".to_vec();
            latin_1.push(0xe9);
            row(
                &format!("S04 {parameter} in Latin-1"),
                mode.clone().but(parameter, latin_1),
                400,
                &[parameter],
            );
            let twice = mode.with(parameter, "http://127.0.0.1:9999/zq7mark");
            row(&format!("S34 two of {parameter}"), twice, 400, &[parameter]);
        }
    }
    row("S34 two modes", subscribe().with("hub.mode", "unsubscribe"), 400, &["mode"]);
    row("S34 two secrets", subscribe().secret("a").secret(MARK), 400, &["hub.secret"]);
    row(
        "S38 userinfo in the topic",
        subscribe().but("hub.topic", "http://u:zq7mark@t.example/"),
        400,
        &["hub.topic"],
    );
    row("S12 only unknown ways to verify", subscribe().with("hub.verify", MARK), 400, &["verify"]);
    row("S14 a token beyond 2 KiB", subscribe().token(&MARK.repeat(300)), 400, &["hub.verify_token"]);
    for lease in ["-1", "1.5", "zq7mark", "0x10", "1e3", " 60"] {
        row(&format!("S15 lease {lease:?}"), subscribe().lease(lease), 400, &["hub.lease_seconds"]);
    }
    row("S17 a secret of 200 bytes", subscribe().secret(vec![b'k'; 200]), 400, &["hub.secret"]);
    row("S17 bytes count, not characters", subscribe().secret("é".repeat(100)), 400, &["hub.secret"]);
    row(
        "S10 a low port in the callback",
        subscribe().but("hub.callback", "http://127.0.0.1:22/zq7mark"),
        403,
        &[],
    );
    row("S10 a low port in the topic", subscribe().but("hub.topic", "http://127.0.0.1:25/zq7mark"), 403, &[]);
    for host in
        ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "0x0a000001"]
    {
        let url = format!("http://{host}/zq7mark");
        row(&format!("X01 {host}"), subscribe().but("hub.callback", &url), 403, &[]);
    }
    row("P03 a ping without a URL", publish(), 400, &["hub.url"]);
    row("P03 a ping with an empty URL", publish().with("hub.url", ""), 400, &["hub.url"]);
    row("P03 one bad URL of two", publish().with("hub.url", TOPIC).with("hub.url", MARK), 400, &["url"]);
    row("S09 a fragment in a ping", publish().with("hub.url", "http://t.example/#zq7mark"), 400, &["url"]);
    row("P03 a bad hub.topic", publish().with("hub.topic", MARK), 400, &["url"]);
    for mode in ["list", "retrieve", "replay", "denied"] {
        row(&format!("P16 mode {mode}"), Form::intent(mode, TOPIC, CALLBACK), 400, &["mode"]);
    }

    let stage = Stage::set().await;
    for (name, form, status, words) in table {
        assert_refused(&name, &stage.hub.post(&form).await, status, &words);
    }
    still_serves(&stage).await;
}

/// A whole round: subscribed, pinged, delivered.
async fn still_serves(stage: &Stage) {
    let topic = stage.publisher.topic("/alive");
    let callback = stage.subscriber.callback("/alive");
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::of("text/plain", "alive"));
    stage.ping(&topic).await;
    callback.delivered(1).await;
}

#[tokio::test]
async fn generous_readings_are_accepted() {
    let stage = Stage::set().await;
    let many =
        (0..256).fold(publish(), |form, index| form.with("hub.url", format!("http://t.example/{index}")));
    let table = [
        ("S05 any case", subscribe().but("hub.mode", "SubScribe"), 202),
        ("S08 empty options", subscribe().lease("").secret("").with("hub.verify", ""), 202),
        ("S12 one known way", subscribe().with("hub.verify", "carrier-pigeon,async"), 202),
        ("S12 the bracket form", subscribe().with("hub.verify[]", "async"), 202),
        ("S12 async first", subscribe().with("hub.verify", "async").with("hub.verify", "sync"), 202),
        ("S14 a token of 2 KiB", subscribe().token(&"t".repeat(2048)).with("hub.verify", "async"), 202),
        ("S15 no lease by zero", subscribe().lease("0"), 202),
        ("S15 leading zeros", subscribe().lease("0600"), 202),
        ("S15 more than fits", subscribe().lease("99999999999999999999999999"), 202),
        ("S16 any lease on leaving", unsubscribe().lease("never"), 202),
        ("S17 199 bytes", subscribe().secret(vec![0xff; 199]), 202),
        ("S19 the unknown", subscribe().with("hub.zq7mark", "x").with("x", "y"), 202),
        ("S34 the same twice", subscribe().with("hub.topic", TOPIC), 202),
        ("S32 an unknown pair", unsubscribe(), 202),
        ("P07 nobody's topic", publish().with("hub.url", TOPIC), 204),
        ("P01 hub.topic", publish().with("hub.topic", TOPIC), 204),
        ("P01 brackets", publish().with("hub.url[]", TOPIC).with("hub.topic[]", TOPIC), 204),
        ("P10 256 URLs", many.clone(), 204),
    ];
    for (name, form, status) in table {
        let answer = stage.hub.post(&form).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    let answer = stage.hub.post(&many.with("hub.url", "http://t.example/one-too-many")).await;
    assert_refused("P10 257 URLs", &answer, 413, &[]);

    let client = stage.hub.client();
    client.post(&stage.hub.at("/subscribe"), &subscribe()).await.expect(202);
    client.post(&stage.hub.at("/publish"), &publish().with("hub.url", TOPIC)).await.expect(204);
}

#[tokio::test]
async fn only_forms_are_read_and_only_from_the_body() {
    let stage = Stage::set().await;
    let (client, url) = (stage.hub.client(), stage.hub.url());
    let query = subscribe().with("hub.verify", "async").encoded();
    let in_query = format!("{}?{query}", stage.hub.at("/"));
    let form = "application/x-www-form-urlencoded";

    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let answer = client.send("POST", &in_query, Some(media_type), "{}").await;
        assert_refused("S02", &answer, 415, &["form"]);
    }
    let answer = client.send("POST", &in_query, Some(form), "").await;
    assert_refused("S02 a query is not a body", &answer, 400, &["mode"]);
    for media_type in [Some("Application/X-WWW-Form-URLencoded; charset=UTF-8"), None] {
        client.send("POST", url, media_type, query.clone()).await.expect(202);
    }

    for query in [query, publish().with("hub.url", TOPIC).encoded(), "hub.mode=list".to_owned()] {
        let answer = client.get(&format!("{}?{query}", stage.hub.at("/"))).await;
        assert_refused("S03", &answer, 405, &[]);
        assert_eq!(answer.header("allow"), "POST", "S03");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = client.send(method, url, None, "").await.expect(405);
        assert!(answer.header("allow").contains("POST"), "{answer:?}");
    }
    client.send("HEAD", url, None, "").await.expect(200);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_however_they_are_sent() {
    let stage = Stage::set().await;
    let head = "POST / HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let large = subscribe().with("x", vec![b'x'; 1 << 20]).encoded();
    // The hub may answer, and hang up, before it has been told everything.
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.try_say(format!("{head}Content-Length: {}\r\n\r\n{large}", large.len())).await;
    assert_eq!(status_of(&wire.hear_until("\r\n\r\n").await), Some(StatusCode::PAYLOAD_TOO_LARGE));

    // A length that is only announced is enough to refuse.
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(format!("{head}Content-Length: 4611686018427387904\r\n\r\n")).await;
    assert_eq!(status_of(&wire.hear_until("\r\n\r\n").await), Some(StatusCode::PAYLOAD_TOO_LARGE));

    // A body without a length is counted as it comes.
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(chunked_head("HTTP/1.1")).await;
    for _ in 0..17 {
        wire.try_say(chunk(&vec![b'x'; 1 << 16])).await;
    }
    assert_eq!(status_of(&wire.hear_until("\r\n\r\n").await), Some(StatusCode::PAYLOAD_TOO_LARGE));
    still_serves(&stage).await;
}

fn chunked_head(version: &str) -> String {
    format!(
        "POST / {version}\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn status_of(heard: &str) -> Option<StatusCode> {
    heard.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// curl and old PHP (S39).
#[tokio::test]
async fn old_ways_of_speaking_http_are_understood() {
    let stage = Stage::set().await;
    let body = subscribe().encoded();
    let (length, form) = (body.len(), "Content-Type: application/x-www-form-urlencoded\r\n");

    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(format!("POST / HTTP/1.0\r\n{form}Content-Length: {length}\r\n\r\n{body}")).await;
    let heard = wire.hear().await;
    assert_eq!(status_of(&heard), Some(StatusCode::ACCEPTED), "HTTP/1.0, without a host: {heard}");

    let mut wire = Wire::to(stage.hub.address()).await;
    let expect = "Expect: 100-continue\r\n";
    wire.say(format!("POST / HTTP/1.1\r\nHost: hub\r\n{form}{expect}Content-Length: {length}\r\n\r\n")).await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(StatusCode::CONTINUE), "{heard}");
    wire.say(&body).await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(StatusCode::ACCEPTED), "{heard}");

    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say(chunked_head("HTTP/1.1")).await;
    for part in body.as_bytes().chunks(7) {
        wire.say(chunk(part)).await;
    }
    wire.say("0\r\n\r\n").await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(StatusCode::ACCEPTED), "{heard}");
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let stage = Stage::set().await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let endless_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let nonsense: [&[u8]; 8] = [
        &all_bytes,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhub.mo",
        b"POST / HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        endless_header.as_bytes(),
    ];
    for (index, bytes) in nonsense.into_iter().enumerate() {
        let mut wire = Wire::to(stage.hub.address()).await;
        wire.try_say(bytes).await;
        wire.say_no_more().await;
        let heard = wire.hear().await;
        let accepted = status_of(&heard).is_some_and(|status| status.is_success());
        assert!(!accepted, "nonsense {index} was accepted: {heard}");
    }
    // Half a head and half a body stay open while everybody else is served.
    let mut open = Vec::new();
    for half in ["POST / HT", "POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 99\r\n\r\nhub.mode=sub"] {
        for _ in 0..20 {
            let mut wire = Wire::to(stage.hub.address()).await;
            wire.say(half).await;
            open.push(wire);
        }
    }
    soon("the hub to serve others", still_serves(&stage)).await;
    drop(open);
    stage.hub.client().get(&stage.hub.at("/livez")).await.expect(200);
}

/// Too fast is not wrong: a subscriber that takes 4xx for good must be told to come back (S30).
#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let settings =
        Settings::quick().with("limits", "subscribe_per_second", 1).with("limits", "publish_per_second", 1);
    let stage = Stage::set_with(settings).await;
    for form in [subscribe(), publish().with("hub.url", TOPIC)] {
        let mut answers = Vec::new();
        // The burst is ten times the rate.
        for _ in 0..25 {
            answers.push(stage.hub.post(&form).await);
        }
        assert!(answers[..5].iter().all(|answer| answer.status < 300), "{answers:?}");
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert!(
            refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1),
            "{refused:?}"
        );
        assert!(answers.iter().all(|answer| answer.status < 300 || answer.status == 429), "{answers:?}");
    }
}
