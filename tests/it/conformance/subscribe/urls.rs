//! Which URLs are taken, and that they are used as given: S04, S06, S07, S09, S10, S23-S26, S38.

use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::{CALLBACK, MARK, TOPIC, assert_refused, assert_statuses, publish, subscribe, unsubscribe};
use crate::harness::{Form, Gate, Page, Settings, Stage, sha1_signature, soon};

#[tokio::test]
async fn s04_urls_are_utf8_and_a_secret_is_bytes() {
    let stage = Stage::set().await;
    for name in ["hub.callback", "hub.topic"] {
        for bytes in [&b"http://127.0.0.1:9999/zq7mark\xe9"[..], b"http://127.0.0.1:9999/\xc3\x28zq7mark"] {
            let answer = stage.hub.post(&subscribe().but(name, bytes)).await;
            assert_refused(name, &answer, 400, &[name, "url", "utf-8"]);
        }
    }
    // A key that has been through a lossy decoder signs something else.
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    let secret = b"\xff\x00 \xc3\x28+%41\r\n";
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret(secret)).await;
    publish(&stage, &topic, "news").await;
    let delivery = callback.delivered(1).await.remove(0);
    let signature = sha1_signature(secret, b"news");
    assert_eq!(delivery.header("x-hub-signature"), Some(signature.as_str()));
}

#[tokio::test]
async fn s06_s07_callback_and_topic_must_be_urls() {
    let bad_urls = [
        "zq7mark",
        "/zq7mark",
        "//zq7mark.example/",
        "zq7mark.example/feed",
        "ftp://zq7mark.example/",
        "file:///zq7mark",
        "mailto:zq7mark@example.org",
        "javascript:zq7mark",
        "http:",
        "http:/zq7mark.example/",
        "http://",
        "http:///zq7mark",
        "http://:80/zq7mark",
        "http://zq7mark.example:99999/",
        "http://zq7mark.example:http/",
        "http://[zq7mark/",
        "http://zq7mark.example\\@example.org/",
        "http://127.0.0.1:9999/zq 7mark",
        " http://127.0.0.1:9999/zq7mark",
        "http://127.0.0.1:9999/\r\nzq7mark: x",
    ];
    let stage = Stage::set().await;
    for mode in [subscribe(), unsubscribe()] {
        for name in ["hub.callback", "hub.topic"] {
            let answer = stage.hub.post(&mode.clone().without(name)).await;
            assert_refused("none", &answer, 400, &[name, "url"]);
            for url in bad_urls {
                let answer = stage.hub.post(&mode.clone().but(name, url)).await;
                assert_refused(&format!("{name} {url:?}"), &answer, 400, &[name, "url"]);
            }
            let long = format!("http://127.0.0.1:9999/{MARK}{}", "x".repeat(8 << 10));
            let answer = stage.hub.post(&mode.clone().but(name, long)).await;
            assert_refused("over 8 KiB", &answer, 400, &[name, "url"]);
            for url in ["http://127.0.0.1:9999", "HTTPS://127.0.0.1:9999/a?b=c&d", "http://127.0.0.1:9999?"] {
                stage.hub.post(&mode.clone().but(name, url)).await.expect(202);
            }
        }
    }
}

#[tokio::test]
async fn s09_fragments_are_refused() {
    let stage = Stage::set().await;
    for mode in [subscribe(), unsubscribe()] {
        for name in ["hub.callback", "hub.topic"] {
            for end in ["#zq7mark", "/#zq7mark", "/?a=b#zq7mark", "/#"] {
                let answer =
                    stage.hub.post(&mode.clone().but(name, format!("http://127.0.0.1:9999{end}"))).await;
                assert_refused(end, &answer, 400, &[name, "url", "fragment"]);
            }
            // Encoded, it is part of the path.
            stage.hub.post(&mode.clone().but(name, "http://127.0.0.1:9999/%23top")).await.expect(202);
        }
    }
}

#[tokio::test]
async fn s10_low_ports_are_refused() {
    let at = |name: &str, origin: &str| subscribe().but(name, format!("{origin}/{MARK}"));
    let refused =
        ["http://127.0.0.1:22", "http://127.0.0.1:25", "https://127.0.0.1:1023", "http://127.0.0.1:0"];
    let allowed = [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "http://127.0.0.1:443",
        "https://127.0.0.1:80",
        "http://127.0.0.1:1024",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:65535",
    ];
    let stage = Stage::set().await;
    for name in ["hub.callback", "hub.topic"] {
        for origin in refused {
            assert_refused(origin, &stage.hub.post(&at(name, origin)).await, 403, &[name, "url", "port"]);
        }
        assert_statuses(&stage, allowed.map(|origin| (format!("{name} {origin}"), at(name, origin), 202)))
            .await;
    }
}

#[tokio::test]
async fn s10_the_operator_chooses_the_ports() {
    let ports = vec!["25", "9000-65535"];
    let stage = Stage::set_with(Settings::quick().with("network", "ports", ports)).await;
    for name in ["hub.callback", "hub.topic"] {
        for (origin, status) in [
            ("http://127.0.0.1:25", 202),
            ("http://127.0.0.1:9999", 202),
            ("http://127.0.0.1", 403),
            ("http://127.0.0.1:8999", 403),
        ] {
            let answer = stage.hub.post(&subscribe().but("hub.topic", CALLBACK).but(name, origin)).await;
            assert_eq!(answer.status, status, "{name} {origin}: {answer:?}");
        }
    }
}

/// Letters beyond ASCII go out as UTF-8, a host as IDNA has it; the subscriber is told what it wrote.
#[tokio::test]
async fn s23_urls_may_have_letters_beyond_ascii() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/%C3%BCber/%C3%B6");
    let callback = stage.subscriber.callback("/caf%C3%A9?%C3%B1=1");
    // The digits of the host are letters beyond ASCII as well, which stand for the usual ones.
    let raw = |url: &str| {
        let url = url.replace("127.", "１２７.").replace("%C3%BC", "ü").replace("%C3%B6", "ö");
        url.replace("%C3%A9", "é").replace("%C3%B1", "ñ")
    };
    let (raw_topic, raw_callback) = (raw(&topic.url()), raw(&callback.url()));
    assert!(!raw_topic.is_ascii() && !raw_callback.is_ascii());
    stage.accept_sync(&Form::intent("subscribe", &raw_topic, &raw_callback).secret("first")).await;
    let asked = callback.verification(1).await;
    assert_eq!(asked.one("hub.topic"), Some(raw_topic.as_str()), "as it was given");
    assert!(asked.query.starts_with("%C3%B1=1&"), "{}", asked.query);

    // The other spelling is the same pair.
    stage.accept_sync(&Form::subscribe(&topic, &callback).secret("second")).await;
    stage.accept_sync(&Form::intent("subscribe", &raw_topic, &raw_callback).secret("third")).await;
    publish(&stage, &topic, "news").await;
    publish(&stage, &topic, "more news").await;
    let deliveries = callback.delivered(2).await;
    assert_eq!(deliveries.len(), 2, "one pair, so each text once: {deliveries:?}");
    assert_eq!(deliveries[0].query, "%C3%B1=1");
    let signature = sha1_signature(b"third", b"news");
    assert_eq!(deliveries[0].header("x-hub-signature"), Some(signature.as_str()));
}

#[tokio::test]
async fn s24_the_callbacks_query_stays_in_its_url() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let theirs = "key=1&hub.topic=theirs&key=2&&=&flag";
    let callback = stage.subscriber.callback(&format!("/cb?{theirs}"));
    stage.subscribe_03(&topic, &callback).await;
    let asked = callback.verification(1).await;
    assert!(asked.query.starts_with(&format!("{theirs}&hub.")), "{}", asked.query);
    assert_eq!(asked.all("hub.topic"), ["theirs", &topic.url()]);
    publish(&stage, &topic, "news").await;
    let delivery = callback.delivered(1).await.remove(0);
    assert_eq!((delivery.query.as_str(), &delivery.body[..]), (theirs, &b"news"[..]));
    assert_eq!(delivery.header("content-type"), Some("text/plain"));
}

/// The path of the callback goes out as it came in; the harness looks callbacks up by it.
#[tokio::test]
async fn s25_the_callback_is_used_to_the_letter() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/A%2fb%7Ec/./%e9/../;x=1,(2)!$'*//?q=%7e+%20&/../?");
    stage.subscribe_03(&topic, &callback).await;
    publish(&stage, &topic, "news").await;
    assert_eq!(callback.delivered(1).await[0].query, "q=%7e+%20&/../?");
}

/// What is to be asked over TLS is asked over TLS, and over nothing else.
#[tokio::test]
async fn s25_an_https_callback_is_asked_over_tls() {
    let stage = Stage::set().await;
    for (scheme, first_words) in [("https", &b"\x16\x03"[..]), ("http", b"GE")] {
        // One for each, as the hub will ask again when it was not answered.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let callback = format!("{scheme}://{address}/cb");
        let topic = stage.publisher.topic("/text").url();
        stage.hub.post(&Form::intent("subscribe", &topic, &callback)).await.expect(202);
        let (mut stream, _) = soon("the hub to connect", listener.accept()).await.unwrap();
        let mut heard = [0; 2];
        soon("the hub to speak", stream.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, first_words, "{scheme}");
    }
}

/// Whether a topic exists, and what it calls itself, is not looked at when somebody asks for it.
#[tokio::test]
async fn s26_no_topic_is_fetched_for_a_request() {
    const ATOM: &str = r##"<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x:1</id><title>t</title>
        <updated>2026-01-01T00:00:00Z</updated><link rel="self" href="#{@content_url}"/>
        <link rel="hub" href="http://another.hub.invalid/"/></feed>"##;
    let stage = Stage::set().await;
    let callback = stage.subscriber.callback("/cb");
    stage.accept_sync(&Form::intent("subscribe", TOPIC, &callback.url())).await;
    let missing = stage.publisher.topic("/missing");
    stage.subscribe_03(&missing, &callback).await;
    // A fetch would never come back from here.
    let (topic, gate) = (stage.publisher.topic("/feed"), Gate::closed());
    topic.put(Page::of("application/atom+xml", ATOM).behind(&gate));
    stage.subscribe_03(&topic, &callback).await;
    stage.subscribe_ws(&topic, &stage.subscriber.callback("/websub")).await;
    assert!(topic.fetches().is_empty() && missing.fetches().is_empty());
    gate.open();
    stage.ping(&topic).await;
    callback.delivered(1).await;
    assert_eq!(topic.fetches().len(), 1, "the one that the ping asked for");
}

#[tokio::test]
async fn s38_a_password_in_the_callback_is_used_and_kept_quiet() {
    // `us er:p@ss`, and what is made of it.
    const USERINFO: &str = "us%20er:p%40ss";
    const BASIC: &str = "Basic dXMgZXI6cEBzcw==";
    let settings = Settings::quick().with("log", "filter", "info,hubbub=trace");
    let mut stage = Stage::set_with(settings).await;
    for userinfo in ["zq7mark:x", "zq7mark", ":zq7mark", ""] {
        let topic = format!("http://{userinfo}@topic.invalid/");
        let answer = stage.hub.post(&subscribe().but("hub.topic", topic)).await;
        assert_refused(userinfo, &answer, 400, &["hub.topic", "url", "password"]);
    }
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    let with_password = callback.url().replace("http://", &format!("http://{USERINFO}@"));
    stage.accept_sync(&Form::intent("subscribe", &topic.url(), &with_password)).await;
    publish(&stage, &topic, "news").await;
    let (asked, delivery) = (callback.verification(1).await, callback.delivered(1).await.remove(0));
    for headers in [&asked.headers, &delivery.headers] {
        assert_eq!(headers.get("authorization").unwrap(), BASIC);
        assert!(!headers.get("host").unwrap().to_str().unwrap().contains('@'));
    }
    // Without one, none is sent: this is another callback.
    let plain = stage.subscriber.callback("/plain");
    stage.subscribe_03(&topic, &plain).await;
    assert_eq!(plain.verification(1).await.headers.get("authorization"), None);

    let (stdout, stderr) = stage.hub.end().await;
    for word in ["us%20er", "p%40ss", "p@ss", "dXMgZXI6cEBzcw"] {
        assert!(!stdout.contains(word) && !stderr.contains(word), "{word} was logged");
    }
    assert!(stderr.contains("intent verified"), "nothing was logged at all");
}
