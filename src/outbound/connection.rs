//! One connection of the callback client, driven by whoever has a request on it.
//!
//! A general client gives every connection a task and every request a channel to it, so that each delivery wakes two
//! tasks, often on two cores. Here the task that waits for the answer is the one that reads it: a quarter of the CPU
//! time of a fan-out was in that hand-over.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, uri::Scheme};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use super::transport::SendError;

/// Bytes of an answer's head, and of a read buffer. The default of some 400 KiB per connection is too generous for
/// strangers of whom we only want a status.
const READ_BUFFER: usize = 64 * 1024;

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// An open HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Connection {
    requests: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<Stream, Full<Bytes>>,
    is_over: bool,
    /// What `Host` says.
    host: HeaderValue,
    /// Among those that may be kept; without it this one is closed after its first use.
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Speaks HTTP over a stream to the host of `uri`.
    pub(super) async fn open(
        stream: Stream,
        uri: &Uri,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, SendError> {
        let host = host_header(uri).ok_or(SendError::Connect)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(READ_BUFFER);
        let (requests, driver) = builder.handshake(stream).await.map_err(|_error| SendError::Connect)?;
        Ok(Self { requests, driver, is_over: false, host, place })
    }

    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// Whether the peer has left it open and it may be used again. Reads what came meanwhile, which is at most its end.
    pub(super) async fn is_reusable(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(self.place.is_some() && !self.is_over && self.requests.is_ready())
        })
        .await
    }

    /// Sends a request in origin form, and waits for the head of its answer.
    ///
    /// The error has the request in it if not one byte of it was written.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let answer = self.requests.try_send_request(request);
        let mut answer = pin!(answer);
        let (driver, is_over) = (&mut self.driver, &mut self.is_over);
        poll_fn(|cx| {
            // First, as it is what the answer comes from.
            drive(driver, is_over, cx);
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// Waits for something that comes over this connection: the body of an answer.
    pub(super) async fn while_driven<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.drive(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, &mut self.is_over, cx);
    }
}

/// What went wrong with the connection is told by the answer, too; here it is only over.
fn drive(driver: &mut http1::Connection<Stream, Full<Bytes>>, is_over: &mut bool, cx: &mut Context<'_>) {
    if !*is_over {
        *is_over = Pin::new(driver).poll(cx).is_ready();
    }
}

/// Host and port, where that is not the usual one.
fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?;
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    match authority.port_u16() {
        Some(port) if port != usual => HeaderValue::from_str(authority.as_str()).ok(),
        _ => HeaderValue::from_str(authority.host()).ok(),
    }
}
