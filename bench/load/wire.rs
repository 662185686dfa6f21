//! One kept HTTP/1.1 connection to one address, asked one thing at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

/// The most of an answer that is read.
const ANSWER: usize = 4 << 20;
/// Connections that are opened one after the other before an exchange is given up.
const TRIES: u32 = 3;

pub(crate) type Sender = SendRequest<Full<Bytes>>;
type Stream = Either<TcpStream, TlsStream<TcpStream>>;
pub(crate) type Connection = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

/// Opens a connection, with TLS if there is a connector. Somebody has to poll it.
pub(crate) async fn connect(address: SocketAddr, tls: Option<&TlsConnector>) -> Result<(Sender, Connection)> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let stream = match tls {
        None => Either::Left(stream),
        Some(tls) => Either::Right(tls.connect(ServerName::from(address.ip()), stream).await?),
    };
    Ok(http1::handshake(TokioIo::new(stream)).await?)
}

#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    sender: Option<Sender>,
    /// Polls the connection; ends with this value.
    driver: JoinSet<()>,
}

impl Line {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, sender: None, driver: JoinSet::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes)> {
        self.exchange(|request| Ok(request.method("GET").uri(path).body(Full::default())?)).await
    }

    pub(crate) async fn post_form(&mut self, path: &str, form: &str) -> Result<(StatusCode, Bytes)> {
        self.exchange(|request| {
            let request = request.method("POST").uri(path);
            let body = Full::from(form.to_owned());
            Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)?)
        })
        .await
    }

    async fn exchange(
        &mut self,
        finish: impl Fn(http::request::Builder) -> Result<Request<Full<Bytes>>>,
    ) -> Result<(StatusCode, Bytes)> {
        let mut failure = None;
        for _ in 0..TRIES {
            let request = finish(Request::builder().header(HOST, self.address.to_string()))?;
            let sender = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let body = Limited::new(body, ANSWER).collect().await;
                    let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
                    return Ok((head.status, body.to_bytes()));
                }
                Err(mut refused) => {
                    let is_unsent = refused.take_message().is_some();
                    let error = refused.into_error();
                    if !is_unsent {
                        return Err(error).context("the exchange broke off");
                    }
                    // Not one octet was sent: the other side had closed the connection.
                    self.sender = None;
                    failure = Some(error);
                }
            }
        }
        let failure = failure.map_or_else(String::new, |error| format!(": {error}"));
        anyhow::bail!("{} closes every connection{failure}", self.address)
    }

    async fn sender(&mut self) -> Result<&mut Sender> {
        let is_open = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !is_open {
            let (sender, connection) = connect(self.address, None).await?;
            self.driver.abort_all();
            self.driver.spawn(async move { drop(connection.await) });
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("there is a connection")
    }
}
