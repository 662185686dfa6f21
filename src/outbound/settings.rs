//! What both clients are built from.

use std::time::Duration;

/// How long an unused connection is kept. Short, because a fan-out may touch tens of thousands of hosts and each idle
/// connection is a file descriptor; long enough for the next batch of the same fan-out and for the catch-up after it.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(10);

/// Settings that the clients share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// The `User-Agent` of requests that do not bring their own (F04 brings its own).
    pub user_agent: String,
    /// Over the look-up of the name, the connection and the TLS handshake together.
    pub connect_timeout: Duration,
    /// Unused connections kept per host; 0 keeps none.
    pub idle_per_host: usize,
    /// Hosts whose certificates are not verified (X13), in lower case.
    pub self_signed_hosts: Vec<String>,
    /// Names that are looked up at once.
    pub lookups: usize,
}

/// Why a client could not be built: the settings or the machine are at fault, never a peer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the user agent is not a valid header value")]
    UserAgent(#[source] http::header::InvalidHeaderValue),
    /// Most often: the system has no certificate store.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}
