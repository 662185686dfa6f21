//! The publisher's site: topics, each served as it stands, and how they tell the hub.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use url::form_urlencoded;

use crate::{clock, document, wire::Line};

/// Connections over which the hub is told.
const LINES: usize = 8;

/// What a topic holds.
#[derive(Debug, Default)]
struct Feed {
    entries: VecDeque<String>,
    body: Bytes,
    asked: u64,
    answered: u64,
}

/// All topics; they know how to change.
#[derive(Debug)]
struct Feeds {
    site: String,
    hub_url: String,
    body_bytes: usize,
    entries: usize,
    each: Vec<Mutex<Feed>>,
}

/// The site. It ends with this value.
#[derive(Debug)]
pub(crate) struct Topics {
    feeds: Arc<Feeds>,
    hub: SocketAddr,
    lines: Vec<Line>,
    _server: JoinSet<()>,
}

impl Topics {
    /// So many topics, each keeping so many entries; with one entry it has `body_bytes` octets.
    pub(crate) async fn start(
        hub: (&str, SocketAddr),
        topics: usize,
        entries: usize,
        body_bytes: usize,
    ) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.context("cannot listen for the topics")?;
        let (hub_url, hub) = hub;
        let feeds = Arc::new(Feeds {
            site: format!("http://{}", listener.local_addr()?),
            hub_url: hub_url.to_owned(),
            body_bytes,
            entries,
            each: (0..topics).map(|_| Mutex::default()).collect(),
        });
        for topic in 0..topics {
            feeds.clear(topic);
        }
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&feeds)));
        Ok(Self { feeds, hub, lines: Vec::new(), _server: server })
    }

    pub(crate) fn url(&self, topic: usize) -> String {
        self.feeds.url(topic)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        (0..self.feeds.each.len()).map(|topic| self.url(topic)).collect()
    }

    /// The hub is somewhere else now.
    pub(crate) fn hub_moved(&mut self, hub: SocketAddr) {
        self.hub = hub;
        self.lines.clear();
    }

    /// These topics get an entry each and the hub is told, all at once over some connections. Returns when that began.
    pub(crate) async fn publish(&mut self, publication: u32, topics: Range<usize>) -> Result<u64> {
        let number = topics.len().clamp(1, LINES);
        let mut lines = std::mem::take(&mut self.lines);
        lines.resize_with(number.max(lines.len()), || Line::to(self.hub));
        let mut tasks = JoinSet::new();
        let began = clock::now();
        for (place, mut line) in lines.into_iter().enumerate() {
            let feeds = Arc::clone(&self.feeds);
            let share = topics.clone().skip(place).step_by(number);
            // Lines beyond that number rest.
            let share = share.take(if place < number { usize::MAX } else { 0 });
            tasks.spawn(async move {
                for topic in share {
                    feeds.change(topic, publication);
                    ping(&mut line, &feeds.url(topic)).await?;
                }
                anyhow::Ok(line)
            });
        }
        while let Some(line) = tasks.join_next().await {
            self.lines.push(line??);
        }
        Ok(began)
    }

    /// When a topic was asked for last, and when it had answered.
    pub(crate) fn asked_and_answered(&self, topic: usize) -> (u64, u64) {
        self.feeds.lock(topic).map_or((0, 0), |feed| (feed.asked, feed.answered))
    }
}

async fn ping(line: &mut Line, topic_url: &str) -> Result<()> {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("hub.mode", "publish"), ("hub.url", topic_url)])
        .finish();
    let (status, text) = line.post_form("/", &form).await?;
    ensure!(status.is_success(), "the hub answered a ping with {status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

impl Feeds {
    fn url(&self, topic: usize) -> String {
        format!("{}/feed/{topic}", self.site)
    }

    fn lock(&self, topic: usize) -> Option<MutexGuard<'_, Feed>> {
        Some(self.each.get(topic)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn clear(&self, topic: usize) {
        let body = document::feed(0, [], &self.url(topic), &self.hub_url);
        if let Some(mut feed) = self.lock(topic) {
            feed.body = body;
        }
    }

    /// From now on the topic holds this publication, asked for at this moment, and as many older ones as it keeps.
    fn change(&self, topic: usize, publication: u32) {
        let url = self.url(topic);
        let entry = document::entry(publication, clock::now(), self.body_bytes, &url, &self.hub_url);
        let Some(mut feed) = self.lock(topic) else { return };
        feed.entries.push_front(entry);
        feed.entries.truncate(self.entries);
        let body = document::feed(publication, feed.entries.iter().map(String::as_str), &url, &self.hub_url);
        feed.body = body;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let asked = clock::now();
        let topic = request.uri().path().strip_prefix("/feed/").and_then(|number| number.parse().ok());
        let Some(mut feed) = topic.and_then(|topic: usize| self.lock(topic)) else {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Full::new(feed.body.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/atom+xml"));
        (feed.asked, feed.answered) = (asked, clock::now());
        response
    }
}

async fn serve(listener: TcpListener, feeds: Arc<Feeds>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // Without it an answer may wait 40 ms for the acknowledgement of the last.
        drop(stream.set_nodelay(true));
        let feeds = Arc::clone(&feeds);
        let service = service_fn(move |request: Request<Incoming>| {
            let response = feeds.answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}
