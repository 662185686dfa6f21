//! The accept loop: a bound on connections, timeouts on what clients send and read, and a drain at the stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower_service::Service;
use tracing::{debug, warn};

use super::{
    seats::{Admission, Asking, Seats},
    stall::NeverStalled,
};
use crate::supervise::Tasks;

/// Octets of a request's head, and of what is read at once: a head is a few hundred, and there may be thousands of
/// connections.
const HEAD: usize = 64 << 10;
/// Pause after an accept that failed: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What is said to whoever finds no place.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\nconnection: close\r\n\
                    content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n\
                    content-length: 43\r\n\r\ntoo many connections at this moment; retry\n";
/// How many are told so at once, and how long that may take. Others are told nothing.
const TURNED_AWAY: usize = 64;
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Listening {
    pub max_connections: usize,
    /// Whose connections are not one client's.
    pub trusted_proxies: Vec<IpNet>,
    /// From the connection, or from the end of the last request, to the end of the next request's head.
    pub header_timeout: Duration,
    /// How long a client may read nothing of what is waiting for it.
    pub stall_timeout: Duration,
    /// How long open requests may take to end after the stop.
    pub drain: Duration,
}

/// Serves until the stop, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, rules: Listening, tasks: Tasks) {
    let seats = Seats::new(rules.max_connections, rules.trusted_proxies);
    // Each holds a file as well.
    let doormen = Arc::new(Semaphore::new(TURNED_AWAY.min(rules.max_connections)));
    let graceful = GracefulShutdown::new();
    let stop = tasks.stopping().clone();
    loop {
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
        let (admission, is_news) = seats.admit(peer);
        if is_news {
            warn!(
                connections = rules.max_connections,
                "all connections are taken; clients with many lose some"
            );
        }
        let Admission::Seated(seat) = admission else {
            if let Ok(doorman) = Arc::clone(&doormen).try_acquire_owned() {
                drop(tasks.spawn(async move {
                    // Who does not listen has heard enough.
                    let _told = timeout(TURN_AWAY_WITHIN, turn_away(stream)).await;
                    drop(doorman);
                }));
            }
            continue;
        };
        let (router, asking) = (router.clone(), seat.state());
        let service = service_fn(move |request: Request<Incoming>| {
            answer(router.clone(), request, peer, asking.clone())
        });
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(rules.header_timeout)
            .half_close(false)
            .max_buf_size(HEAD);
        let stream = NeverStalled::new(stream, rules.stall_timeout);
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        drop(tasks.spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        debug!(%error, "a connection ended badly");
                    }
                }
                () = seat.taken_away() => debug!("a connection gave up its place"),
            }
        }));
    }
    drop(listener);
    if timeout(rules.drain, graceful.shutdown()).await.is_err() {
        debug!("some requests did not end in time");
    }
}

/// Says that there is no place, and reads what was sent meanwhile: closing over it would take back what was said.
async fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL.as_bytes()).await?;
    stream.shutdown().await?;
    let mut chunk = [0; 1024];
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

async fn answer(
    mut router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    asking: Asking,
) -> Result<axum::response::Response, std::convert::Infallible> {
    asking.begins();
    request.extensions_mut().insert(Peer(peer));
    let answered = router.call(request).await;
    asking.ends();
    answered
}
