//! The seam: one request out, one answer or one reason back.
//!
//! Loops are tested against a scripted [`Transport`]; the real ones are [`FetchClient`](super::FetchClient) and
//! [`CallbackClient`](super::CallbackClient).

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::guard::Refusal;

/// What a request is for. It decides which of the operator's allow-lists applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Reading: topics, discovery documents.
    Fetch,
    /// Calling back: verifications, denials, deliveries, slaps.
    Callback,
}

/// What an answer longer than [`Outgoing::max_body`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// Enough was read: the answer is what came before the cap. For verifications, whose bodies are short.
    Truncate,
    /// The answer is useless: [`SendError::TooLarge`]. For fetches (F11).
    Fail,
    /// The body is nobody's business and comes back empty. It is drained, briefly and to the cap, only so that the
    /// connection can be used again; a body that trickles or breaks costs the connection, not the answer. For
    /// deliveries: any 2xx is success whatever follows (D13), and a repeat for the sake of a body would be a fault.
    Discard,
}

/// A request on its way out.
#[derive(Clone)]
pub struct Outgoing {
    pub purpose: Purpose,
    pub method: Method,
    /// Absolute, `http` or `https`. Its path and query are sent byte for byte by the callback client (S25).
    pub uri: Uri,
    /// Sent as they are. `Host`, `Content-Length` and, where missing, `User-Agent` are added.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Over everything: name, connection, TLS, request, answer, body.
    pub timeout: Duration,
    /// Bytes of the answer's body, after decoding; the callback client reads no more of them before it, either.
    pub max_body: usize,
    pub overflow: Overflow,
}

/// The path of a callback is a capability and the headers hold signatures (X06), so neither is shown.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("purpose", &self.purpose)
            .field("method", &self.method)
            .field("host", &self.uri.host())
            .field("body_len", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The answer, of any status: redirects and errors are answers too.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no answer. Small, and free of anything a peer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SendError {
    /// The guard forbids it; nothing was connected to.
    #[error("refused by the address rules: {0}")]
    Refused(#[from] Refusal),
    #[error("the name could not be resolved")]
    Resolve,
    /// Nobody answered there, or not within the time allowed for connecting.
    #[error("no connection could be made")]
    Connect,
    /// The peer's certificate or its TLS is no good. There is no falling back to plain text (X13).
    #[error("no TLS session could be established")]
    Tls,
    #[error("it took too long")]
    Timeout,
    #[error("the answer is too large")]
    TooLarge,
    /// The connection broke, or what came was not HTTP.
    #[error("the exchange broke off or was not HTTP")]
    Protocol,
}

impl SendError {
    /// One of a closed set of words, for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Protocol => "protocol",
        }
    }
}

/// A request under way. Dropping it abandons the request.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Answer, SendError>> + Send + 'a>>;

/// Sends one request, once, and reads its answer within the request's own limits.
pub trait Transport: Send + Sync + fmt::Debug {
    fn send(&self, request: Outgoing) -> Sending<'_>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_request_and_an_answer_shows_no_path_header_or_body() {
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature", "sha1=feedface".parse().unwrap());
        let request = Outgoing {
            purpose: Purpose::Callback,
            method: Method::POST,
            uri: "http://sub.example/capability-url?token=hush".parse().unwrap(),
            headers: headers.clone(),
            body: Bytes::from_static(b"private words"),
            timeout: Duration::from_secs(1),
            max_body: 1,
            overflow: Overflow::Discard,
        };
        let answer = Answer { status: StatusCode::OK, headers, body: Bytes::from_static(b"private words") };
        let shown = format!("{request:?} {answer:?}");
        assert!(shown.contains("sub.example"), "{shown}");
        for secret in ["capability", "hush", "feedface", "private"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
