//! Opening a connection for the callback client: judge, resolve, judge, connect, then TLS.
//!
//! Every new connection comes from here, by the scheme and authority of the URI and nothing else. It is where promise 5
//! is kept: the address that was judged is the address that is connected to.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tower_service::Service;

use super::{
    connection::Stream,
    guard::{Guard, target},
    host::Host,
    resolver::{JudgedResolver, Resolve},
    transport::{Purpose, SendError},
};

/// Opens plain and TLS connections within one time limit.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    tls: HttpsConnector<TcpDialer>,
    within: Duration,
}

impl Dialer {
    pub(super) fn new(
        purpose: Purpose,
        guard: Arc<Guard>,
        resolve: Arc<dyn Resolve>,
        tls: Arc<ClientConfig>,
        within: Duration,
    ) -> Self {
        let resolver = JudgedResolver::new(resolve, Arc::clone(&guard), purpose);
        Self { tls: HttpsConnector::from((TcpDialer { purpose, guard, resolver, within }, tls)), within }
    }

    /// A stream to where a URI leads.
    pub(super) async fn open(&self, uri: Uri) -> Result<Stream, SendError> {
        match timeout(self.within, self.tls.clone().call(uri)).await {
            Ok(Ok(stream)) => Ok(stream),
            // Ours comes back as it went in; whatever else went wrong, went wrong in the handshake.
            Ok(Err(error)) => Err(error.downcast_ref::<SendError>().copied().unwrap_or(SendError::Tls)),
            Err(_elapsed) => Err(SendError::Connect),
        }
    }
}

/// The part below TLS.
#[derive(Debug, Clone)]
struct TcpDialer {
    purpose: Purpose,
    guard: Arc<Guard>,
    resolver: JudgedResolver,
    within: Duration,
}

impl TcpDialer {
    async fn dial(self, uri: Uri) -> Result<TokioIo<TcpStream>, SendError> {
        let deadline = Instant::now() + self.within;
        self.guard.judge_uri(&uri, self.purpose)?;
        let (host, port) = target(&uri)?;
        let addresses = match host {
            Host::Address(ip) => vec![ip],
            Host::Name(name) => self.resolver.addresses(name, port).await?,
        };
        let stream = connect(&addresses, port, deadline).await?;
        Ok(TokioIo::new(stream))
    }
}

impl Service<Uri> for TcpDialer {
    type Response = TokioIo<TcpStream>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// Tries the addresses in turn; each may use an equal part of what time is left, so one that swallows packets leaves
/// room for the next.
async fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, SendError> {
    let left = (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev();
    for (ip, left) in addresses.iter().zip(left) {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / left;
        if let Ok(Ok(stream)) = timeout_at(now + share, TcpStream::connect(SocketAddr::new(*ip, port))).await
        {
            // A delivery is written in one go; waiting for more would only add a delay.
            return match stream.set_nodelay(true) {
                Ok(()) => Ok(stream),
                Err(_) => Err(SendError::Connect),
            };
        }
    }
    Err(SendError::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::{
        GuardRules, RangeName, Refusal,
        resolver::tests::Always,
        scripted_peer::{Peer, settings},
        tls,
    };

    /// X01: the last judge before the socket does not rely on the client having asked before.
    #[tokio::test]
    async fn the_dialer_refuses_by_itself() {
        let peer = Peer::saying("").await;
        let dialer = Dialer::new(
            Purpose::Callback,
            Arc::new(Guard::new(GuardRules::default())),
            Arc::new(Always(vec![peer.address.ip()])),
            Arc::new(tls::client_config([], &[]).unwrap()),
            settings().connect_timeout,
        );
        for host in ["127.0.0.1", "name.example", "localhost"] {
            for scheme in ["http", "https"] {
                let uri = format!("{scheme}://{host}:{}/", peer.address.port()).parse().unwrap();
                let refused = SendError::Refused(Refusal::Address(RangeName::Loopback));
                assert_eq!(dialer.open(uri).await.err(), Some(refused), "{scheme} {host}");
            }
        }
        assert_eq!(peer.connections(), 0);
    }
}
