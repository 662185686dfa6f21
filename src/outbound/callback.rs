//! The client for callbacks: verifications, deliveries, slaps. On hyper, because a callback's URL goes out byte for
//! byte (S25) and because this is the hot path.
//!
//! HTTP/1.1 only; `Content-Length`, never chunks, no `Expect`, no cookies, no `Accept-Encoding` (D12), though what is
//! wanted of an answer is [decoded] (V09); redirects are answers (D14).
//!
//! On repeating: a server may close a kept connection in the very moment we choose it. hyper hands a request back only
//! if not one byte of it was written, and only on a connection that was used before; then it is sent on the next one.
//! That is allowed, because such a request was never sent: it can repeat nothing at the subscriber. Each such step uses
//! up one kept connection, so it ends. A request of which a byte was written is never repeated here, for we cannot
//! know what the subscriber did with it; the ledger counts that try and decides.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, header::USER_AGENT, response::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    blame::blame,
    body::read_capped,
    decode::decoded,
    dial::Dialer,
    guard::Guard,
    purposes::PerPurpose,
    resolver::{Resolve, SystemResolver},
    settings::{ClientError, ClientSettings, IDLE_FOR},
    tls,
    transport::{Answer, Outgoing, Overflow, SendError, Sending, Transport},
};

/// Bytes of an answer's head, and of a read buffer. The default of some 400 KiB per connection is too generous for
/// strangers of whom we only want a status.
const READ_BUFFER: usize = 64 * 1024;

/// Connections kept at once, over all hosts. Well below the open files that a system grants a process without asking.
const KEPT: usize = 512;

/// [`Transport`] for callbacks.
#[derive(Debug)]
pub struct CallbackClient {
    clients: PerPurpose<Client<Dialer, Full<Bytes>>>,
    guard: Arc<Guard>,
    user_agent: HeaderValue,
}

impl CallbackClient {
    pub fn new(settings: &ClientSettings, guard: Arc<Guard>) -> Result<Self, ClientError> {
        Self::with_resolver(settings, guard, SystemResolver::default())
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
        let clients = PerPurpose::try_build(|purpose| {
            let dialer = Dialer::new(
                purpose,
                Arc::clone(&guard),
                Arc::clone(resolve),
                Arc::clone(&tls),
                settings.connect_timeout,
                Arc::clone(&places),
            );
            let client = Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(settings.idle_per_host)
                .http1_max_buf_size(READ_BUFFER)
                // See the head of this file.
                .retry_canceled_requests(true)
                .build(dialer);
            Ok::<_, ClientError>(client)
        })?;
        Ok(Self { clients, guard, user_agent })
    }

    /// The deadline lies over the head and over the body that is wanted. The draining of one that is not has its own:
    /// a 2xx that was heard in time is no timeout (D13).
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        let (began, within) = (Instant::now(), outgoing.timeout);
        let (max, overflow) = (outgoing.max_body, outgoing.overflow);
        let (head, body) = timeout(within, self.head(outgoing)).await.unwrap_or(Err(SendError::Timeout))?;
        let body = read_capped(body, max, overflow);
        let body = match overflow {
            Overflow::Discard => body.await?,
            Overflow::Truncate | Overflow::Fail => {
                let left = within.saturating_sub(began.elapsed());
                let body = timeout(left, body).await.unwrap_or(Err(SendError::Timeout))?;
                decoded(&head.headers, body, max).await
            }
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn head(&self, outgoing: Outgoing) -> Result<(Parts, Incoming), SendError> {
        // Before the pool is asked, because a kept connection is not dialled again.
        self.guard.judge_uri(&outgoing.uri, outgoing.purpose)?;
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = outgoing.uri;
        *request.headers_mut() = outgoing.headers;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());

        let response = self.clients.of(outgoing.purpose).request(request).await.map_err(|error| {
            let otherwise = if error.is_connect() { SendError::Connect } else { SendError::Protocol };
            blame(&error).unwrap_or(otherwise)
        })?;
        Ok(response.into_parts())
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
