//! The publisher's site: one topic, served as it stands.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

use crate::document::document;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) url: String,
    hub_url: String,
    body_bytes: usize,
    now: Arc<Mutex<Bytes>>,
    /// Serves; ends with this value.
    _server: JoinSet<()>,
}

impl Topic {
    pub(crate) async fn start(hub_url: &str, body_bytes: usize) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.context("cannot listen for the topic")?;
        let url = format!("http://{}/feed", listener.local_addr()?);
        let now = Arc::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&now)));
        Ok(Self { url, hub_url: hub_url.to_owned(), body_bytes, now, _server: server })
    }

    /// From now on the topic holds this publication.
    pub(crate) fn publish(&self, publication: u32) {
        let body = document(publication, self.body_bytes, &self.url, &self.hub_url);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = body;
    }
}

async fn serve(listener: TcpListener, now: Arc<Mutex<Bytes>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let now = Arc::clone(&now);
        let service = service_fn(move |_request: Request<Incoming>| {
            let body = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut response = Response::new(Full::new(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/atom+xml"));
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}
