//! The callback client against peers on real sockets: real time, short limits.

use std::time::Duration;

use http::{Method, StatusCode, header};
use tokio::time::{Instant, advance, pause, resume};

use super::*;
use crate::outbound::{
    GuardRules, Overflow, Purpose, RangeName, Refusal,
    resolver::tests::Always,
    scripted_peer::{
        Act, OK, Peer, a_changed_mind_is_judged_by, certificate, get, open_guard,
        our_own_listener_is_refused_by, settings, tls_peer,
    },
};

fn client() -> CallbackClient {
    CallbackClient::new(&settings(), open_guard()).unwrap()
}

fn call(peer: &Peer, target: &str) -> Outgoing {
    get(Purpose::Callback, &format!("http://{}{target}", peer.address))
}

fn deliver(peer: &Peer) -> Outgoing {
    Outgoing {
        method: Method::POST,
        body: Bytes::from_static(b"<feed/>"),
        overflow: Overflow::Discard,
        ..call(peer, "/cb")
    }
}

/// D12, S25.
#[tokio::test]
async fn a_delivery_is_these_bytes_and_no_others() {
    let peer = Peer::saying(OK).await;
    let target = "/a/../b/./%2F%7e+;x=1//?q=a+b&c=%20%zz&d=../e?f";
    let mut request = Outgoing { ..deliver(&peer) };
    request.uri = format!("http://{}{target}", peer.address).parse().unwrap();
    request.headers.insert(header::CONTENT_TYPE, "application/atom+xml".parse().unwrap());
    client().send(request).await.unwrap();
    let sent = peer.requests().remove(0);
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            format!("POST {target} HTTP/1.1"),
            "content-length: 7".to_owned(),
            "content-type: application/atom+xml".to_owned(),
            format!("host: {}", peer.address),
            "user-agent: hubbub/test".to_owned(),
        ]
    );
    assert_eq!(body, "<feed/>");
}

/// S25.
#[tokio::test]
async fn a_verification_has_no_body_and_its_query_stays_as_it_is() {
    let peer = Peer::saying(OK).await;
    let client = client();
    for target in ["?x=1", "", "/?", "/cb?a=b&a=b&hub.mode=subscribe&hub.topic=http%3A%2F%2Fx%2F"] {
        let answer = client.send(call(&peer, target)).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"ok"[..]));
    }
    let lines: Vec<_> =
        peer.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /?x=1 HTTP/1.1",
            "GET / HTTP/1.1",
            "GET /? HTTP/1.1",
            "GET /cb?a=b&a=b&hub.mode=subscribe&hub.topic=http%3A%2F%2Fx%2F HTTP/1.1",
        ]
    );
    assert!(peer.requests().iter().all(|request| !request.contains("content-length")));
}

/// D12: cookies are not kept, and the caller's user agent wins.
#[tokio::test]
async fn nothing_is_remembered_from_one_call_to_the_next_but_the_connection() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok").await;
    let client = client();
    let mut request = deliver(&peer);
    request.headers.insert(USER_AGENT, "another".parse().unwrap());
    for _ in 0..3 {
        client.send(request.clone()).await.unwrap();
    }
    assert_eq!((peer.connections(), peer.requests().len()), (1, 3));
    for request in peer.requests() {
        assert!(!request.contains("cookie") && request.contains("user-agent: another\r\n"), "{request}");
    }
}

/// D14.
#[tokio::test]
async fn a_redirect_is_an_answer() {
    let target = Peer::saying(OK).await;
    let peer = Peer::saying(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        target.address
    ))
    .await;
    let answer = client().send(deliver(&peer)).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(target.connections(), 0);
}

/// X10: a silent peer, a trickling head and a trickling body.
#[tokio::test]
async fn one_deadline_covers_everything() {
    let pause = Duration::from_millis(20);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    for act in [
        Act::Silence,
        Act::Repeat(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"x".to_vec(), pause),
        Act::Repeat(head, b"x".to_vec(), pause),
    ] {
        let peer = Peer::acting(vec![act.clone()]).await;
        let started = Instant::now();
        let request = Outgoing { timeout: Duration::from_millis(300), ..call(&peer, "/") };
        assert_eq!(client().send(request).await.unwrap_err(), SendError::Timeout, "{act:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_or_fails_as_asked() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let peer = Peer::acting(vec![Act::Repeat(head, vec![b'x'; 4096], Duration::ZERO)]).await;
    let request = Outgoing { max_body: 10_000, ..call(&peer, "/") };
    assert_eq!(client().send(request.clone()).await.unwrap().body.len(), 10_000);
    let whole = Outgoing { overflow: Overflow::Fail, ..request };
    assert_eq!(client().send(whole).await.unwrap_err(), SendError::TooLarge);
}

/// D13: once the status is heard, the body cannot take the success back.
#[tokio::test]
async fn a_delivery_is_accepted_whatever_its_answer_drags_along() {
    let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    for act in [
        Act::Repeat(head.clone(), vec![b'x'; 4096], Duration::ZERO),
        Act::Repeat(head.clone(), b"x".to_vec(), Duration::from_millis(20)),
        Act::SayAndClose(head),
    ] {
        let peer = Peer::acting(vec![act.clone()]).await;
        let answer = client().send(deliver(&peer)).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0), "{act:?}");
    }
}

/// A stranger's endless head may not grow in our memory until the deadline.
#[tokio::test]
async fn an_endless_head_is_broken_off() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let line = format!("x: {}\r\n", "y".repeat(1000)).into_bytes();
    let peer = Peer::acting(vec![Act::Repeat(head, line, Duration::ZERO)]).await;
    assert_eq!(client().send(deliver(&peer)).await.unwrap_err(), SendError::Protocol);
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_so() {
    let peer = Peer::acting(vec![Act::SayAndClose(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())]).await;
    assert_eq!(client().send(deliver(&peer)).await.unwrap_err(), SendError::Protocol);
}

/// X01: whoever spells it, and however.
#[tokio::test]
async fn a_forbidden_address_is_never_connected_to() {
    let peer = Peer::saying(OK).await;
    let guard = Arc::new(Guard::new(GuardRules::default()));
    let lying = Always(vec!["127.0.0.1".parse().unwrap()]);
    let client = CallbackClient::with_resolver(&settings(), guard, lying).unwrap();
    let port = peer.address.port();
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "localhost", "[::ffff:127.0.0.1]", "innocent.example"]
    {
        for purpose in [Purpose::Fetch, Purpose::Callback] {
            let request = get(purpose, &format!("http://{host}:{port}/"));
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
        CallbackClient::with_resolver(&settings(), guard, lying).unwrap()
    })
    .await;
}

/// X01.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_anew_for_each_connection() {
    a_changed_mind_is_judged_by(Purpose::Callback, |guard, rebinding| {
        let settings = ClientSettings { idle_per_host: 0, ..settings() };
        CallbackClient::with_resolver(&settings, guard, rebinding).unwrap()
    })
    .await;
}

/// What is allowed for one purpose must not serve the other by way of a kept connection.
#[tokio::test]
async fn a_connection_made_for_one_purpose_is_not_used_for_the_other() {
    let peer = Peer::saying(OK).await;
    let client = client();
    for purpose in [Purpose::Fetch, Purpose::Callback] {
        client.send(Outgoing { purpose, ..deliver(&peer) }).await.unwrap();
    }
    assert_eq!((peer.connections(), peer.requests().len()), (2, 2));
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let peer = Peer::saying(OK).await;
    let resolve = Always(vec!["127.0.0.77".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
    let client = CallbackClient::with_resolver(&settings(), open_guard(), resolve).unwrap();
    let request = get(Purpose::Callback, &format!("http://two.example:{}/", peer.address.port()));
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::OK);
}

/// Promise 3: idle connections are bounded over all hosts.
#[tokio::test]
async fn a_connection_that_finds_no_place_among_the_kept_is_closed_after_use() {
    let (first, second) = (Peer::saying(OK).await, Peer::saying(OK).await);
    let resolve: Arc<dyn Resolve> = Arc::new(SystemResolver::new(8));
    let tls = tls::client_config([], &[]).unwrap();
    let client = CallbackClient::build(&settings(), open_guard(), &resolve, tls, 1).unwrap();
    for _ in 0..3 {
        for peer in [&first, &second] {
            assert_eq!(client.send(deliver(peer)).await.unwrap().status, StatusCode::OK);
        }
    }
    assert_eq!((first.connections(), second.connections()), (1, 3));
}

/// Hosts that are met once leave their places to those that are met often.
#[tokio::test]
async fn a_place_among_the_kept_goes_to_who_needs_it() {
    let (once, often) = (Peer::saying(OK).await, Peer::saying(OK).await);
    let resolve: Arc<dyn Resolve> = Arc::new(SystemResolver::new(8));
    let tls = tls::client_config([], &[]).unwrap();
    let client = CallbackClient::build(&settings(), open_guard(), &resolve, tls, 1).unwrap();
    assert_eq!(client.send(deliver(&once)).await.unwrap().status, StatusCode::OK);
    pause();
    advance(Duration::from_secs(1)).await;
    resume();
    for _ in 0..3 {
        assert_eq!(client.send(deliver(&often)).await.unwrap().status, StatusCode::OK);
    }
    assert_eq!(often.connections(), 1);
}

/// A peer that took the request may have acted on it: repeating it is the ledger's decision.
#[tokio::test]
async fn a_request_that_was_sent_is_never_repeated_here() {
    let peer = Peer::acting(vec![Act::Say(OK.into()), Act::SayAndClose(vec![])]).await;
    let client = client();
    client.send(deliver(&peer)).await.unwrap();
    assert_eq!(client.send(deliver(&peer)).await.unwrap_err(), SendError::Protocol);
    assert_eq!((peer.connections(), peer.requests().len()), (1, 2));
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
        assert_eq!(
            client.send(get(Purpose::Callback, uri)).await.unwrap_err(),
            SendError::Refused(rule),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let gone = Peer::saying("").await.address;
    let request = get(Purpose::Callback, &format!("http://{gone}/"));
    assert_eq!(client().send(request).await.unwrap_err(), SendError::Connect);
    let nobody = CallbackClient::with_resolver(&settings(), open_guard(), Always(vec![])).unwrap();
    let request = get(Purpose::Callback, "http://name.example/");
    assert_eq!(nobody.send(request).await.unwrap_err(), SendError::Resolve);
}

/// A peer that takes the connection and never shakes hands counts as not connected, within the shorter limit.
#[tokio::test]
async fn the_handshake_is_part_of_connecting() {
    let peer = Peer::acting(vec![Act::Silence]).await;
    let settings = ClientSettings { connect_timeout: Duration::from_millis(200), ..settings() };
    let client = CallbackClient::new(&settings, open_guard()).unwrap();
    let request = get(Purpose::Callback, &format!("https://{}/", peer.address));
    assert_eq!(client.send(request).await.unwrap_err(), SendError::Connect);
}

/// X13.
#[tokio::test]
async fn certificates_are_verified() {
    let resolve: Arc<dyn Resolve> = Arc::new(Always(vec!["127.0.0.1".parse().unwrap()]));
    let build = |trusted: Vec<_>, host: &str| {
        let tls = tls::client_config(trusted, &["own.example".to_owned()]).unwrap();
        let client = CallbackClient::build(&settings(), open_guard(), &resolve, tls, 1).unwrap();
        let (address, thread) = tls_peer();
        (client, get(Purpose::Callback, &format!("https://{host}:{}/x", address.port())), thread)
    };
    let (client, request, thread) = build(vec![certificate()], "peer.example");
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::NO_CONTENT);
    assert!(thread.join().unwrap().starts_with("GET /x HTTP/1.1\r\n"));

    let (client, request, thread) = build(vec![], "own.example");
    assert_eq!(
        client.send(request).await.unwrap().status,
        StatusCode::NO_CONTENT,
        "the operator trusts that host"
    );
    assert!(thread.join().unwrap().starts_with("GET /x HTTP/1.1\r\n"));

    for (trusted, host) in [(vec![], "peer.example"), (vec![certificate()], "other.example")] {
        let (client, request, thread) = build(trusted, host);
        assert_eq!(client.send(request).await.unwrap_err(), SendError::Tls, "{host}");
        assert_eq!(thread.join().unwrap(), "", "nothing was said to a stranger");
    }
}
