//! The accept loop: a bound on connections, a timeout on request heads, and a drain at the stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower_service::Service;
use tracing::{debug, warn};

use crate::supervise::Tasks;

/// Octets of a request's head, and of what is read at once: a head is a few hundred, and there may be thousands of
/// connections.
const HEAD: usize = 64 << 10;
/// Pause after an accept that failed: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// How a listener treats its connections.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    pub max_connections: usize,
    /// From the connection, or from the end of the last request, to the end of the next request's head.
    pub header_timeout: Duration,
    /// How long open requests may take to end after the stop.
    pub drain: Duration,
}

/// Serves until the stop, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, rules: Listening, tasks: Tasks) {
    let permits = Arc::new(Semaphore::new(rules.max_connections));
    let graceful = GracefulShutdown::new();
    let stop = tasks.stopping().clone();
    loop {
        // Who comes when all are taken waits in the kernel's queue: shedding that costs us nothing.
        let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await else {
            break;
        };
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection closed before it began");
            continue;
        }
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request, peer));
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(rules.header_timeout)
            .half_close(false)
            .max_buf_size(HEAD);
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        drop(tasks.spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended badly");
            }
            drop(permit);
        }));
    }
    drop(listener);
    if timeout(rules.drain, graceful.shutdown()).await.is_err() {
        debug!("some requests did not end in time");
    }
}

async fn answer(
    mut router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    request.extensions_mut().insert(Peer(peer));
    router.call(request).await
}
