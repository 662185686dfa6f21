//! The socket under every fake peer: HTTP/1.1 on loopback, a port that can be closed and opened again, connections
//! that can be hung up.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls};

use super::wait::Board;

/// A request, read to its end.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it stood in the request line; empty when there was none.
    pub(crate) query: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// What a fake peer says, or `None` to hang up without a word.
pub(crate) type Answer = Option<Response<Full<Bytes>>>;

/// Whoever answers requests. Each request is answered on a task of its own.
pub(crate) trait Peer: Send + Sync + 'static {
    fn answer(&self, asked: Asked) -> impl Future<Output = Answer> + Send;
}

/// One listening address.
pub(crate) struct Server {
    address: SocketAddr,
    /// Bound but never listening: while the server is down, connections are refused and nobody else gets the port.
    _reservation: TcpSocket,
    accepting: Mutex<JoinSet<()>>,
    tls: Option<TlsAcceptor>,
    /// Handshakes that came to nothing.
    refused: Arc<Board<usize>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// Takes a free port on `host`; nobody listens yet.
    pub(crate) fn reserve(host: Ipv4Addr) -> Self {
        Self::with_tls(host, None)
    }

    /// The same for a server that speaks TLS.
    pub(crate) fn reserve_tls(host: Ipv4Addr, tls: TlsAcceptor) -> Self {
        Self::with_tls(host, Some(tls))
    }

    /// Speaks TLS in another way from its next start on.
    pub(crate) fn speak(&mut self, tls: TlsAcceptor) {
        self.tls = Some(tls);
    }

    /// Waits until so many handshakes came to nothing.
    pub(crate) async fn refused(&self, count: usize) {
        self.refused.until(&format!("{count} handshakes to fail"), |refused| *refused >= count).await;
    }

    fn with_tls(host: Ipv4Addr, tls: Option<TlsAcceptor>) -> Self {
        let reservation = bound(SocketAddr::new(IpAddr::V4(host), 0));
        Self {
            address: reservation.local_addr().unwrap(),
            _reservation: reservation,
            accepting: Mutex::new(JoinSet::new()),
            tls,
            refused: Arc::new(Board::new(0)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to listen.
    pub(crate) fn start<P: Peer>(&self, peer: &Arc<P>) {
        let listener = bound(self.address).listen(4096).unwrap();
        let refused = Arc::clone(&self.refused);
        let accepting = accept(listener, Arc::clone(peer), self.tls.clone(), refused);
        self.accepting.lock().unwrap().spawn(accepting);
    }

    /// Closes the port and every connection. Returns when new connections are refused.
    pub(crate) async fn stop(&self) {
        let mut accepting = std::mem::take(&mut *self.accepting.lock().unwrap());
        accepting.shutdown().await;
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// A certificate that nobody vouches for.
pub(crate) fn self_signed(name: &str) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.into()], key.into());
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn accept<P: Peer>(
    listener: TcpListener,
    peer: Arc<P>,
    tls: Option<TlsAcceptor>,
    refused: Arc<Board<usize>>,
) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(greet(stream, Arc::clone(&peer), tls.clone(), Arc::clone(&refused)));
            }
            Some(ended) = connections.join_next() => ended.unwrap(),
        }
    }
}

async fn greet<P: Peer>(
    stream: TcpStream,
    peer: Arc<P>,
    tls: Option<TlsAcceptor>,
    refused: Arc<Board<usize>>,
) {
    stream.set_nodelay(true).unwrap();
    match tls {
        None => serve(stream, peer).await,
        // A client that does not like the certificate goes without a word.
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => serve(stream, peer).await,
            Err(_) => refused.change(|refused| *refused += 1),
        },
    }
}

async fn serve<P: Peer>(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Arc<P>) {
    let service = service_fn(move |request| {
        let peer = Arc::clone(&peer);
        async move {
            let Some(asked) = read(request).await else { return Err(HungUp) };
            peer.answer(asked).await.ok_or(HungUp)
        }
    });
    // An error is a peer that went away or one of ours that hung up: both are part of the play.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn read(request: Request<Incoming>) -> Option<Asked> {
    let (parts, body) = request.into_parts();
    Some(Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.collect().await.ok()?.to_bytes(),
    })
}

/// Given to hyper in place of an answer, it closes the connection.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

/// An answer with a status and nothing else.
pub(crate) fn bare(status: u16) -> Response<Full<Bytes>> {
    with_body(status, Bytes::new())
}

/// An answer with a status and a body.
pub(crate) fn with_body(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}
