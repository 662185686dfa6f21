//! The client for callbacks: verifications, deliveries, slaps. On hyper, because a callback's URL goes out byte for
//! byte (S25) and because this is the hot path.
//!
//! HTTP/1.1 only; `Content-Length`, never chunks, no `Expect`, no cookies, no `Accept-Encoding` (D12), though what is
//! wanted of an answer is [decoded] (V09); redirects are answers (D14).
//!
//! On repeating: a server may close a kept connection in the very moment we choose it. hyper hands a request back only
//! if not one byte of it was written; then, and only if the connection was a kept one, it is sent on the next one.
//! That is allowed, because such a request was never sent: it can repeat nothing at the subscriber. Each such step uses
//! up one kept connection, so it ends. A request of which a byte was written is never repeated here, for we cannot
//! know what the subscriber did with it; the ledger counts that try and decides.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{HOST, USER_AGENT},
    response::Parts,
};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use rustls::ClientConfig;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    blame::blame,
    body::read_capped,
    connection::Connection,
    decode::decoded,
    dial::Dialer,
    guard::Guard,
    kept::{Kept, Place, Spare},
    purposes::PerPurpose,
    resolver::{Resolve, SystemResolver},
    settings::{ClientError, ClientSettings},
    tls,
    transport::{Answer, Outgoing, Overflow, SendError, Sending, Transport},
};
use crate::alarm::{Alarm, TooLate};

/// Connections kept at once, over all hosts. Well below the open files that a system grants a process without asking.
const KEPT: usize = 512;

/// [`Transport`] for callbacks.
#[derive(Debug)]
pub struct CallbackClient {
    lines: PerPurpose<Lines>,
    guard: Arc<Guard>,
    user_agent: HeaderValue,
}

/// New connections, and those that wait for another request.
#[derive(Debug)]
struct Lines {
    dialer: Dialer,
    kept: Arc<Kept>,
}

/// How long an exchange may take, and what is wanted of its answer.
#[derive(Debug, Clone, Copy)]
struct Terms {
    deadline: Instant,
    max_body: usize,
    overflow: Overflow,
}

/// Why an exchange did not come to an answer.
enum Failed {
    /// Not one byte of the request was written.
    Unsent(Box<Request<Full<Bytes>>>),
    For(SendError),
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        Self::For(error)
    }
}

impl From<TooLate> for SendError {
    fn from(TooLate: TooLate) -> Self {
        Self::Timeout
    }
}

impl CallbackClient {
    pub fn new(settings: &ClientSettings, guard: Arc<Guard>) -> Result<Self, ClientError> {
        Self::with_resolver(settings, guard, SystemResolver::new(settings.lookups))
    }

    /// With another source of addresses; they are judged all the same.
    pub fn with_resolver(
        settings: &ClientSettings,
        guard: Arc<Guard>,
        resolve: impl Resolve + 'static,
    ) -> Result<Self, ClientError> {
        let resolve: Arc<dyn Resolve> = Arc::new(resolve);
        Self::build(settings, guard, &resolve, tls::client_config([], &settings.self_signed_hosts)?, KEPT)
    }

    fn build(
        settings: &ClientSettings,
        guard: Arc<Guard>,
        resolve: &Arc<dyn Resolve>,
        tls: ClientConfig,
        kept: usize,
    ) -> Result<Self, ClientError> {
        let user_agent = HeaderValue::from_str(&settings.user_agent).map_err(ClientError::UserAgent)?;
        let tls = Arc::new(tls);
        let places = Arc::new(Semaphore::new(kept));
        let lines = PerPurpose::try_build(|purpose| {
            let (guard, resolve, tls) = (Arc::clone(&guard), Arc::clone(resolve), Arc::clone(&tls));
            let dialer = Dialer::new(purpose, guard, resolve, tls, settings.connect_timeout);
            Ok::<_, ClientError>(Lines {
                dialer,
                kept: Kept::new(settings.idle_per_host, Arc::clone(&places)),
            })
        })?;
        Ok(Self { lines, guard, user_agent })
    }

    /// The deadline lies over the head and over the body that is wanted. The draining of one that is not has its own:
    /// a 2xx that was heard in time is no timeout (D13).
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        // Before a kept connection is looked for, because that is not dialled again.
        self.guard.judge_uri(&outgoing.uri, outgoing.purpose)?;
        let now = Instant::now();
        let terms = Terms {
            deadline: now.checked_add(outgoing.timeout).unwrap_or(now),
            max_body: outgoing.max_body,
            overflow: outgoing.overflow,
        };
        let place = Place::of(&outgoing.uri).ok_or(SendError::Connect)?;
        let lines = self.lines.of(outgoing.purpose);
        let within = outgoing.timeout;
        let (uri, mut request) = self.request(outgoing);
        while let Some(spare) = lines.kept.take(&place).await {
            match lines.exchange(place.clone(), spare, request, terms).await {
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::For(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        // Boxed, like the reading of a body: what most exchanges do without must not make every one of them large.
        let connection = timeout_at(terms.deadline, Box::pin(lines.open(uri))).await;
        let connection = connection.unwrap_or(Err(SendError::Timeout))?;
        let spare = Box::new(Spare { connection, alarm: Alarm::new(within) });
        lines.exchange(place, spare, request, terms).await.map_err(|failed| match failed {
            Failed::Unsent(_) => SendError::Protocol,
            Failed::For(error) => error,
        })
    }

    /// What is sent, in origin form; and to where.
    fn request(&self, outgoing: Outgoing) -> (Uri, Request<Full<Bytes>>) {
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = outgoing.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        *request.headers_mut() = outgoing.headers;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        (outgoing.uri, request)
    }
}

impl Lines {
    async fn open(&self, uri: Uri) -> Result<Connection, SendError> {
        let stream = self.dialer.open(uri.clone()).await?;
        Connection::open(stream, &uri, self.kept.place()).await
    }

    /// One request over one connection, which is kept for the next if that goes well.
    async fn exchange(
        &self,
        place: Place,
        mut spare: Box<Spare>,
        mut request: Request<Full<Bytes>>,
        terms: Terms,
    ) -> Result<Answer, Failed> {
        let Spare { connection, alarm } = &mut *spare;
        request.headers_mut().entry(HOST).or_insert_with(|| connection.host());
        let answer = alarm.wait(terms.deadline, connection.send(request)).await.map_err(SendError::from)?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(mut refused) => {
                let unsent = refused.take_message().map(Box::new).map(Failed::Unsent);
                let blamed = || blame(&refused.into_error()).unwrap_or(SendError::Protocol);
                return Err(unsent.unwrap_or_else(|| Failed::For(blamed())));
            }
        };
        let (head, body) = answer.into_parts();
        let body = if body.is_end_stream() {
            Bytes::new()
        } else {
            Box::pin(read(connection, alarm, &head, body, terms)).await?
        };
        self.kept.keep(place, spare).await;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// What is wanted of a body that comes over this connection.
async fn read(
    connection: &mut Connection,
    alarm: &mut Alarm,
    head: &Parts,
    body: Incoming,
    terms: Terms,
) -> Result<Bytes, SendError> {
    let read = connection.while_driven(read_capped(body, terms.max_body, terms.overflow));
    match terms.overflow {
        Overflow::Discard => read.await,
        Overflow::Truncate | Overflow::Fail => {
            let body = alarm.wait(terms.deadline, read).await??;
            Ok(decoded(&head.headers, body, terms.max_body).await)
        }
    }
}

impl Transport for CallbackClient {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        Box::pin(self.exchange(request))
    }
}

#[cfg(test)]
#[path = "callback_tests.rs"]
mod tests;
