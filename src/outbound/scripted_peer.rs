//! A peer on a real socket that does as it is told: answers, trickles, never ends, hangs up, or says nothing.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::interval,
};

use super::{resolver::tests::Always, *};

/// An answer that is good enough for anybody.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the peer does once it has read a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Writes this and waits for the next request on the connection.
    Say(Vec<u8>),
    /// Writes this and closes.
    SayAndClose(Vec<u8>),
    /// Writes the first, then the second for ever, with a pause between.
    Repeat(Vec<u8>, Vec<u8>, Duration),
    /// Keeps the connection open and says nothing.
    Silence,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Peer {
    /// Each request gets the next act; the last act is repeated.
    pub(super) async fn acting(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                connections.spawn(serve(stream, acts.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    pub(super) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        Self::acting(vec![Act::Say(answer.into())]).await
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).connections
    }

    /// Requests as they came, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

async fn serve(mut stream: TcpStream, acts: Vec<Act>, seen: Arc<Mutex<Seen>>) {
    let mut read = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut read).await {
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request);
            seen.requests.len() - 1
        };
        match acts.get(nth).or(acts.last()).unwrap() {
            Act::Say(answer) => stream.write_all(answer).await.unwrap(),
            Act::SayAndClose(answer) => return stream.write_all(answer).await.unwrap(),
            Act::Repeat(head, rest, pause) => {
                stream.write_all(head).await.unwrap();
                let mut tick = (!pause.is_zero()).then(|| interval(*pause));
                loop {
                    if let Some(tick) = &mut tick {
                        tick.tick().await;
                    }
                    if stream.write_all(rest).await.is_err() {
                        return;
                    }
                }
            }
            Act::Silence => std::future::pending().await,
        }
    }
}

async fn next_request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                })
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let end = head.len() + 4 + length;
                let rest = read.split_off(end);
                return String::from_utf8(std::mem::replace(read, rest)).ok();
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => read.extend_from_slice(&chunk[..n]),
        }
    }
}

pub(super) fn settings() -> ClientSettings {
    ClientSettings {
        user_agent: "hubbub/test".to_owned(),
        connect_timeout: Duration::from_secs(2),
        idle_per_host: 4,
        self_signed_hosts: Vec::new(),
        lookups: 8,
    }
}

/// Allows the loopback that the peers are on.
pub(super) fn open_guard() -> Arc<Guard> {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    Arc::new(Guard::new(GuardRules { allow, ..GuardRules::default() }))
}

pub(super) fn get(purpose: Purpose, uri: &str) -> Outgoing {
    Outgoing {
        purpose,
        method: Method::GET,
        uri: uri.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeout: Duration::from_secs(10),
        max_body: 64 * 1024,
        overflow: Overflow::Truncate,
    }
}

// A self-signed certificate for `peer.example`, good until 2126, and its key, made with openssl for these tests only.
/// Base64 of DER.
const CERTIFICATE: &str = "\
    MIIBrzCCAVagAwIBAgIUfPNXd2gNZQ47PIa8w4xDg89SEg4wCgYIKoZIzj0EAwIwFzEVMBMGA1UEAwwMcGVlci5leG\
    FtcGxlMCAXDTI2MTEyNDAxNDMxNFoYDzIxMjYxMDMxMDE0MzE0WjAXMRUwEwYDVQQDDAxwZWVyLmV4YW1wbGUwWTAT\
    BgcqhkjOPQIBBggqhkjOPQMBBwNCAARYq+rxADJHQCyyxh9s/sNtJUjeNkHkf953C4UU0ix+iJS3b/T+zKVv4hdglr\
    S58JKRKy7sI9k3Af5dgz5nsNT3o34wfDAdBgNVHQ4EFgQUqHfI/62C63PK3JgaxWwqV5+fjUUwHwYDVR0jBBgwFoAU\
    qHfI/62C63PK3JgaxWwqV5+fjUUwFwYDVR0RBBAwDoIMcGVlci5leGFtcGxlMAwGA1UdEwEB/wQCMAAwEwYDVR0lBA\
    wwCgYIKwYBBQUHAwEwCgYIKoZIzj0EAwIDRwAwRAIgNnKjwJGDi5HtzzLWu7oIb6uW/GkEUHKUTDQO0A4mNisCIFxY\
    nSqORXrPMK0OrK2sys6TgUSmI7wMef2uFeJQT4x1";

/// Base64 of DER.
const KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIqOKnU4A1y6rjEHkGhbA3tZ6j1rLYXMMcQzPcWVbQW\
    yhRANCAARYq+rxADJHQCyyxh9s/sNtJUjeNkHkf953C4UU0ix+iJS3b/T+zKVv4hdglrS58JKRKy7sI9k3Af5dgz5n\
    sNT3";

/// The certificate of [`tls_peer`].
pub(super) fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(armour("CERTIFICATE", CERTIFICATE).as_bytes()).unwrap()
}

fn armour(kind: &str, base64: &str) -> String {
    format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n")
}

/// A peer that speaks TLS as `peer.example`, takes one connection, and answers one request with 204. The thread ends
/// with the connection and returns what came through the handshake.
pub(super) fn tls_peer() -> (SocketAddr, std::thread::JoinHandle<String>) {
    let key = PrivateKeyDer::from_pem_slice(armour("PRIVATE KEY", KEY).as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, tcp);
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            read.extend_from_slice(&chunk[..n]);
            if read.ends_with(b"\r\n\r\n") {
                drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
                break;
            }
        }
        String::from_utf8(read).unwrap()
    });
    (address, thread)
}

/// By its address and by a name that leads there, although the whole range is allowed; others are on other ports.
pub(super) async fn our_own_listener_is_refused_by<C: Transport>(
    client: impl FnOnce(Arc<Guard>, Always) -> C,
) {
    let (own, other) = (Peer::saying(OK).await, Peer::saying(OK).await);
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let own_listeners = vec![own.address];
    let guard = Arc::new(Guard::new(GuardRules { allow, own_listeners, ..GuardRules::default() }));
    let lying = Always(vec!["127.0.0.1".parse().unwrap()]);
    let client = client(guard, lying);
    for host in ["127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]", "innocent.example"] {
        for purpose in [Purpose::Fetch, Purpose::Callback] {
            let request = get(purpose, &format!("http://{host}:{}/", own.address.port()));
            let refused = SendError::Refused(Refusal::Own);
            assert_eq!(client.send(request).await.unwrap_err(), refused, "{host}");
        }
        let request = get(Purpose::Fetch, &format!("http://{host}:{}/", other.address.port()));
        let status = client.send(request).await.map(|answer| answer.status);
        assert_eq!(status, Ok(StatusCode::OK), "{host}");
    }
    assert_eq!(own.connections(), 0);
}

/// The first answer is an allowed address, every later one is not.
#[derive(Debug, Default)]
pub(super) struct Rebinding(AtomicU8);

impl Resolve for Rebinding {
    fn resolve(&self, _name: &str) -> Resolving {
        let last = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Ok(vec![IpAddr::from([127, 0, 0, last])]) })
    }
}

/// One look-up a connection, judged and used alike: what a name leads to later is judged when it is asked for again.
pub(super) async fn a_changed_mind_is_judged_by<C: Transport>(
    purpose: Purpose,
    client: impl FnOnce(Arc<Guard>, Arc<Rebinding>) -> C,
) {
    let peer = Peer::saying(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    let allow = vec!["127.0.0.1/32".parse().unwrap()];
    let guard = Arc::new(Guard::new(GuardRules { allow, ..GuardRules::default() }));
    let resolver = Arc::new(Rebinding::default());
    let client = client(guard, Arc::clone(&resolver));
    let request = get(purpose, &format!("http://rebinding.example:{}/", peer.address.port()));
    assert_eq!(client.send(request.clone()).await.unwrap().status, StatusCode::OK);
    let refused = SendError::Refused(Refusal::Address(RangeName::Loopback));
    assert_eq!(client.send(request).await.unwrap_err(), refused);
    assert_eq!(resolver.0.load(Ordering::SeqCst), 2);
    assert_eq!(peer.connections(), 1);
}
