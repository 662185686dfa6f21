//! A callback: answers the hub's questions about one subscription, and takes what is delivered.
//!
//! It serves one operator for as long as they watch, but stands in the open like any other callback: connections, heads,
//! bodies and waiting are bounded, and what was not asked for is answered 404.

use std::{collections::HashMap, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::form_urlencoded;

use super::{Mode, SecretText, Verdict, display::one_line, signature::verdict};

/// Hubs use one connection a callback; some more for whoever else drops in.
const CONNECTIONS: usize = 16;

/// For the head of a request, also between two requests on one connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// For a body.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest head; a challenge and a callback's own query fit many times.
const LARGEST_HEAD: usize = 64 << 10;

/// The largest delivery. Hubs fetch 10 MiB at most; others may allow more.
const LARGEST_BODY: usize = 64 << 20;

/// How long answers under way may take when the watching ends.
const GOODBYE: Duration = Duration::from_secs(5);

/// After a connection could not be accepted, most often because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const X_HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");

/// What the hub may ask and send.
#[derive(Debug, Clone)]
pub struct Expected {
    pub mode: Mode,
    /// As it was typed: the hub must say exactly the same (V03).
    pub topic: String,
    pub verify_token: Option<SecretText>,
    pub secret: Option<SecretText>,
}

/// Something the hub did. It gets its answer once `shown` was used; if that is dropped, the hub is told to come again.
#[derive(Debug)]
pub enum Event {
    /// It verified our intent, and was answered.
    Verified { lease_seconds: Option<u64>, shown: oneshot::Sender<()> },
    /// It will have nothing of this subscription (`WebSub` §5.2).
    Denied { reason: String, shown: oneshot::Sender<()> },
    /// It delivered.
    Delivery {
        content_type: Option<String>,
        links: Vec<String>,
        signature: Verdict,
        body: Bytes,
        shown: oneshot::Sender<()>,
    },
}

/// The listening end of a callback.
#[derive(Debug)]
pub struct Receiver {
    listener: TcpListener,
    address: SocketAddr,
}

impl Receiver {
    /// Port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// What was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets answers under way finish.
    pub async fn run(self, expected: Expected, events: mpsc::Sender<Event>, stop: CancellationToken) {
        let callback = Arc::new(Callback { expected, events });
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let (tasks, graceful) = (TaskTracker::new(), GracefulShutdown::new());
        let accepting = async {
            // The semaphore is never closed, so this ends only with the stop.
            while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
                let Ok((stream, _)) = self.listener.accept().await else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let callback = Arc::clone(&callback);
                let service = service_fn(move |request| {
                    let callback = Arc::clone(&callback);
                    async move { Ok::<_, Infallible>(callback.answer(request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(LARGEST_HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                tasks.spawn(async move {
                    // How a connection ends is the peer's affair.
                    connection.await.ok();
                    drop(permit);
                });
            }
        };
        stop.run_until_cancelled(accepting).await;
        tasks.close();
        timeout(GOODBYE, async { tokio::join!(graceful.shutdown(), tasks.wait()) }).await.ok();
    }
}

/// What all connections share.
struct Callback {
    expected: Expected,
    events: mpsc::Sender<Event>,
}

impl Callback {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match *request.method() {
            Method::GET => self.question(request.uri().query().unwrap_or_default()).await,
            Method::POST => self.delivery(request).await,
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Verification of intent, or a denial; anything else is none of ours.
    async fn question(&self, query: &str) -> Response<Full<Bytes>> {
        // Of arguments that occur twice the hub's own come last, after those of the callback's query (V01).
        let arguments: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let argument = |name: &str| arguments.get(name).map(AsRef::as_ref);
        if argument("hub.topic") != Some(self.expected.topic.as_str()) {
            return status(StatusCode::NOT_FOUND);
        }
        if argument("hub.mode") == Some("denied") {
            let reason = one_line(argument("hub.reason").unwrap_or("no reason given").as_bytes());
            return self.show(|shown| Event::Denied { reason, shown }, Bytes::new()).await;
        }
        let token_matches =
            self.expected.verify_token.as_ref().is_none_or(|token| {
                argument("hub.verify_token").map(SecretText::new).as_ref() == Some(token)
            });
        match argument("hub.challenge") {
            Some(challenge)
                if !challenge.is_empty()
                    && argument("hub.mode") == Some(self.expected.mode.as_str())
                    && token_matches =>
            {
                let lease_seconds = argument("hub.lease_seconds").and_then(|seconds| seconds.parse().ok());
                let echo = Bytes::copy_from_slice(challenge.as_bytes());
                self.show(|shown| Event::Verified { lease_seconds, shown }, echo).await
            }
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    async fn delivery(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match timeout(BODY_TIMEOUT, Limited::new(body, LARGEST_BODY).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return status(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return status(StatusCode::REQUEST_TIMEOUT),
        };
        let text = |name: &HeaderName| head.headers.get(name).map(|value| one_line(value.as_bytes()));
        let links = head.headers.get_all(header::LINK).iter().map(|link| one_line(link.as_bytes())).collect();
        let signature = head.headers.get(X_HUB_SIGNATURE).map(HeaderValue::as_bytes);
        let signature = verdict(self.expected.secret.as_ref(), signature, &body);
        let content_type = text(&header::CONTENT_TYPE);
        self.show(|shown| Event::Delivery { content_type, links, signature, body, shown }, Bytes::new()).await
    }

    /// Answers once the operator has seen it, so that nothing is acknowledged that nobody saw.
    async fn show(
        &self,
        event: impl FnOnce(oneshot::Sender<()>) -> Event,
        answer: Bytes,
    ) -> Response<Full<Bytes>> {
        let (shown, seen) = oneshot::channel();
        if self.events.send(event(shown)).await.is_ok() && seen.await.is_ok() {
            Response::new(Full::new(answer))
        } else {
            status(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
