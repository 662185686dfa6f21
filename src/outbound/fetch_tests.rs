//! The fetch client against peers on real sockets: real time, short limits.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use tokio::time::Instant;

use super::*;
use crate::outbound::{
    GuardRules, Overflow, RangeName,
    resolver::tests::Always,
    scripted_peer::{
        Act, Peer, a_changed_mind_is_judged_by, certificate, get, open_guard, our_own_listener_is_refused_by,
        settings, tls_peer,
    },
};

/// How a gzip stream begins.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03];

/// 64 KiB of the letter a, deflated; may be repeated.
const DEFLATED_64K: [u8; 84] = [
    0xec, 0xc1, 0x81, 0x00, 0x00, 0x00, 0x00, 0x80, 0x20, 0xd6, 0xfd, 0x25, 0x16, 0xa9, 0x0a, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6a, 0x00, 0x00, 0x00, 0xff, 0xff,
];

/// A block of nothing; may be repeated.
const DEFLATED_NOTHING: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// `<feed/>`
const GZIPPED_FEED: [u8; 27] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xb3, 0x49, 0x4b, 0x4d, 0x4d, 0xd1, 0xb7,
    0x03, 0x00, 0x29, 0x45, 0x8b, 0xed, 0x07, 0x00, 0x00, 0x00,
];

/// `hello`
const BROTLI_HELLO: [u8; 9] = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

fn client() -> FetchClient {
    FetchClient::new(&settings(), open_guard()).unwrap()
}

fn fetch(uri: &str) -> Outgoing {
    Outgoing { overflow: Overflow::Fail, ..get(Purpose::Fetch, uri) }
}

fn fetch_from(peer: &Peer) -> Outgoing {
    fetch(&format!("http://{}/feed", peer.address))
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// F01, F03, F07.
#[tokio::test]
async fn a_fetch_says_what_is_needed_and_nothing_about_languages_or_cookies() {
    let peer = Peer::saying("HTTP/1.1 304 Not Modified\r\nSet-Cookie: a=b\r\n\r\n").await;
    let client = client();
    let mut request = fetch_from(&peer);
    request.headers.insert(header::IF_NONE_MATCH, "W/\"x\"".parse().unwrap());
    for _ in 0..2 {
        assert_eq!(client.send(request.clone()).await.unwrap().status, StatusCode::NOT_MODIFIED);
    }
    let mut lines: Vec<_> = peer.requests()[1].trim_end().lines().map(str::to_owned).collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "GET /feed HTTP/1.1".to_owned(),
            "accept-encoding: gzip,br".to_owned(),
            "accept: */*".to_owned(),
            format!("host: {}", peer.address),
            "if-none-match: W/\"x\"".to_owned(),
            "user-agent: hubbub/test".to_owned(),
        ]
    );
    assert_eq!(peer.connections(), 1, "the connection was used again");
}

/// F04: the caller's user agent carries the totals.
#[tokio::test]
async fn the_user_agent_of_the_request_wins() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut request = fetch_from(&peer);
    request.headers.insert(header::USER_AGENT, "hubbub (26 subscribers)".parse().unwrap());
    client().send(request).await.unwrap();
    let request = peer.requests().remove(0);
    assert!(request.contains("user-agent: hubbub (26 subscribers)\r\n"), "{request}");
    assert!(!request.contains("hubbub/test"), "{request}");
}

#[tokio::test]
async fn a_body_is_sent_with_its_length() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let request = Outgoing { method: Method::POST, body: "words".into(), ..fetch_from(&peer) };
    client().send(request).await.unwrap();
    let request = peer.requests().remove(0);
    assert!(request.starts_with("POST /feed ") && request.ends_with("\r\n\r\nwords"), "{request}");
    assert!(request.contains("content-length: 5\r\n"), "{request}");
}

/// F09.
#[tokio::test]
async fn gzip_and_brotli_are_decoded() {
    let peer =
        Peer::acting(vec![Act::Say(encoded("gzip", &GZIPPED_FEED)), Act::Say(encoded("br", &BROTLI_HELLO))])
            .await;
    let client = client();
    assert_eq!(client.send(fetch_from(&peer)).await.unwrap().body, "<feed/>");
    assert_eq!(client.send(fetch_from(&peer)).await.unwrap().body, "hello");
}

/// F09: by every name and in every spelling; what cannot be undone is no content, and what names a charset is no coding.
#[tokio::test]
async fn a_body_is_decoded_or_it_is_no_answer() {
    let twice =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n";
    let moved = b"HTTP/1.1 302 Found\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n\r\n..";
    let unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n";
    let feed = Ok((StatusCode::OK, "<feed/>".into()));
    let cases = [
        (encoded("x-gzip", &GZIPPED_FEED), feed.clone()),
        (encoded("GZip", &GZIPPED_FEED), feed.clone()),
        (encoded(" identity, gzip", &GZIPPED_FEED), feed.clone()),
        (encoded("identity", b"<feed/>"), feed.clone()),
        (encoded("UTF-8", b"<feed/>"), feed.clone()),
        (encoded("", b"<feed/>"), feed),
        (encoded("deflate", &DEFLATED_NOTHING), Err(SendError::Protocol)),
        (encoded("zstd", b"<feed/>"), Err(SendError::Protocol)),
        (encoded("gzip, br", &GZIPPED_FEED), Err(SendError::Protocol)),
        (twice.to_vec(), Err(SendError::Protocol)),
        // Only of content it matters how it is coded.
        (moved.to_vec(), Ok((StatusCode::FOUND, "..".into()))),
        (unchanged.to_vec(), Ok((StatusCode::NOT_MODIFIED, Bytes::new()))),
    ];
    let (says, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let peer = Peer::acting(says.into_iter().map(Act::Say).collect()).await;
    let client = client();
    for (index, expected) in expected.into_iter().enumerate() {
        let answer = client.send(fetch_from(&peer)).await;
        assert_eq!(answer.map(|answer| (answer.status, answer.body)), expected, "{index}");
    }
}

/// F09, F11: 64 MiB in some 100 KiB.
#[tokio::test]
async fn a_gzip_bomb_meets_the_cap_on_the_decoded_size() {
    let bomb = encoded("gzip", &[&GZIP_HEAD[..], &DEFLATED_64K.repeat(1024)].concat());
    let peer = Peer::saying(bomb).await;
    let client = client();
    let request = Outgoing { max_body: 1024 * 1024, ..fetch_from(&peer) };
    assert_eq!(client.send(request.clone()).await.unwrap_err(), SendError::TooLarge);
    let cut = client.send(Outgoing { overflow: Overflow::Truncate, ..request }).await.unwrap();
    assert_eq!(cut.body.len(), 1024 * 1024);
    assert!(cut.body.iter().all(|byte| *byte == b'a'));
}

/// F09: nothing comes out, for ever; what went in counts as well.
#[tokio::test]
async fn an_endless_stream_that_decodes_to_nothing_is_too_large() {
    let head = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", &GZIP_HEAD[..]].concat();
    let peer = Peer::acting(vec![Act::Repeat(head, DEFLATED_NOTHING.repeat(100), Duration::ZERO)]).await;
    let request = Outgoing { max_body: 1024, ..fetch_from(&peer) };
    assert_eq!(client().send(request).await.unwrap_err(), SendError::TooLarge);
}

/// F02: the hop is the caller's to make, and to have judged.
#[tokio::test]
async fn a_redirect_is_an_answer() {
    let target = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let peer = Peer::saying(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        target.address
    ))
    .await;
    let answer = client().send(fetch_from(&peer)).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.headers[header::LOCATION], format!("http://{}/", target.address));
    assert_eq!(target.connections(), 0);
}

/// F11.
#[tokio::test]
async fn an_answer_longer_than_the_cap_fails_announced_or_not() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let peer =
        Peer::acting(vec![Act::Say(announced), Act::Repeat(endless, vec![b'x'; 4096], Duration::ZERO)]).await;
    let client = client();
    assert_eq!(client.send(fetch_from(&peer)).await.unwrap_err(), SendError::TooLarge);
    assert_eq!(client.send(fetch_from(&peer)).await.unwrap_err(), SendError::TooLarge);
}

/// X10.
#[tokio::test]
async fn a_trickling_body_meets_the_total_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let peer = Peer::acting(vec![Act::Repeat(head, b"x".to_vec(), Duration::from_millis(20))]).await;
    let started = Instant::now();
    let request = Outgoing { timeout: Duration::from_millis(300), ..fetch_from(&peer) };
    assert_eq!(client().send(request).await.unwrap_err(), SendError::Timeout);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec();
    let peer = Peer::acting(vec![Act::SayAndClose(short)]).await;
    assert_eq!(client().send(fetch_from(&peer)).await.unwrap_err(), SendError::Protocol);
}

/// X01: whoever spells it, and however.
#[tokio::test]
async fn a_forbidden_address_is_never_connected_to() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\n\r\n").await;
    let guard = Arc::new(Guard::new(GuardRules::default()));
    let lying = Always(vec!["127.0.0.1".parse().unwrap()]);
    let client = FetchClient::with_resolver(&settings(), guard, lying).unwrap();
    let port = peer.address.port();
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "localhost", "[::ffff:127.0.0.1]", "innocent.example"]
    {
        for purpose in [Purpose::Fetch, Purpose::Callback] {
            let request = Outgoing { purpose, ..fetch(&format!("http://{host}:{port}/")) };
            let refused = SendError::Refused(Refusal::Address(RangeName::Loopback));
            assert_eq!(client.send(request).await.unwrap_err(), refused, "{host}");
        }
    }
    assert_eq!(peer.connections(), 0);
}

/// X02: by its address and by a name that leads there, although the whole range is allowed; others are on other ports.
#[tokio::test]
async fn our_own_listener_is_never_connected_to() {
    our_own_listener_is_refused_by(|guard, lying| {
        FetchClient::with_resolver(&settings(), guard, lying).unwrap()
    })
    .await;
}

#[tokio::test]
async fn an_allowed_name_is_connected_to_at_the_port_of_the_url() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let resolve = Always(vec!["10.255.255.1".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
    let client = FetchClient::with_resolver(&settings(), open_guard(), resolve).unwrap();
    let request = fetch(&format!("http://name.example:{}/", peer.address.port()));
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::OK);
}

/// X01.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_anew_for_each_connection() {
    a_changed_mind_is_judged_by(Purpose::Fetch, |guard, rebinding| {
        let settings = ClientSettings { idle_per_host: 0, ..settings() };
        FetchClient::with_resolver(&settings, guard, rebinding).unwrap()
    })
    .await;
}

/// What is allowed for one purpose must not serve the other by way of a kept connection.
#[tokio::test]
async fn a_connection_made_for_one_purpose_is_not_used_for_the_other() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client();
    for purpose in [Purpose::Fetch, Purpose::Callback] {
        client.send(Outgoing { purpose, ..fetch_from(&peer) }).await.unwrap();
    }
    assert_eq!((peer.connections(), peer.requests().len()), (2, 2));
}

/// S10.
#[tokio::test]
async fn a_refusal_says_which_rule_it_was() {
    let client = client();
    for (uri, rule) in [
        ("ftp://name.example/", Refusal::Scheme),
        ("/relative", Refusal::Scheme),
        ("http://127.0.0.1:25/", Refusal::Port),
        ("http://user@127.0.0.1:8080/", Refusal::Host),
        ("http://10.0.0.1/", Refusal::Address(RangeName::Private)),
    ] {
        assert_eq!(client.send(fetch(uri)).await.unwrap_err(), SendError::Refused(rule), "{uri}");
    }
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let port = Peer::saying("").await.address.port();
    let error = client().send(fetch(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(error, SendError::Connect);
    let nobody = FetchClient::with_resolver(&settings(), open_guard(), Always(vec![])).unwrap();
    assert_eq!(nobody.send(fetch("http://name.example/")).await.unwrap_err(), SendError::Resolve);
}

/// X13.
#[tokio::test]
async fn certificates_are_verified() {
    let resolve: Arc<dyn Resolve> = Arc::new(Always(vec!["127.0.0.1".parse().unwrap()]));
    let build = |trusted: Vec<_>, host: &str| {
        let tls = tls::client_config(trusted, &[]).unwrap();
        let client = FetchClient::build(&settings(), open_guard(), &resolve, &tls).unwrap();
        let (address, thread) = tls_peer();
        (client, fetch(&format!("https://{host}:{}/x", address.port())), thread)
    };
    let (client, request, thread) = build(vec![certificate()], "peer.example");
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::NO_CONTENT);
    assert!(thread.join().unwrap().starts_with("GET /x HTTP/1.1\r\n"));

    for (trusted, host) in [(vec![], "peer.example"), (vec![certificate()], "other.example")] {
        let (client, request, thread) = build(trusted, host);
        assert_eq!(client.send(request).await.unwrap_err(), SendError::Tls, "{host}");
        assert_eq!(thread.join().unwrap(), "", "nothing was said to a stranger");
    }
}
