//! A connection that knows whether it may be kept.
//!
//! A pool bounds what it keeps per host, not over all hosts: fifty thousand callbacks on as many names would leave fifty
//! thousand open files after one fan-out (promise 3). So a connection takes a place among the kept ones when it is
//! opened, and one that finds none is closed after its first use.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

#[derive(Debug)]
pub(super) struct Line {
    io: TokioIo<TcpStream>,
    place: Option<OwnedSemaphorePermit>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, places: &Arc<Semaphore>) -> Self {
        Self { io: TokioIo::new(stream), place: Arc::clone(places).try_acquire_owned().ok() }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        let connected = self.io.connected();
        if self.place.is_none() {
            connected.poison();
        }
        connected
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Head and body leave in one system call.
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
