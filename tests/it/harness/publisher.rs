//! A site with topics: it serves whatever a test puts up, and remembers every fetch with its headers.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Full;
use tokio_rustls::TlsAcceptor;

use super::{
    server::{Answer, Asked, Peer, Server, bare},
    wait::{Board, Gate},
};

/// What is served under one path.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    gate: Option<Gate>,
}

impl Page {
    /// A 200 of this media type.
    pub(crate) fn of(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::untyped(body).with_header("content-type", content_type)
    }

    /// A 200 that is no feed.
    pub(crate) fn text(text: &str) -> Self {
        Self::of("text/plain", text.to_owned())
    }

    /// A 200 that does not say what it is.
    pub(crate) fn untyped(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: HeaderMap::new(), body: body.into(), gate: None }
    }

    /// A status with no content.
    pub(crate) fn failing(status: u16) -> Self {
        Self { status, ..Self::untyped(Bytes::new()) }
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::failing(status).with_header("location", location)
    }

    /// Adds a header, its value in UTF-8; the same name again adds another line.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Holds the answer back until the gate opens.
    pub(crate) fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Whether the request already has this page, by either validator, compared byte for byte as a simple site does.
    fn is_held_by(&self, asked: &Asked) -> bool {
        let echoed = |validator, condition| {
            let ours: Option<&HeaderValue> = self.headers.get(validator);
            ours.is_some() && ours == asked.headers.get(condition)
        };
        self.status == 200
            && (echoed(header::ETAG, header::IF_NONE_MATCH)
                || echoed(header::LAST_MODIFIED, header::IF_MODIFIED_SINCE))
    }
}

/// One request a topic got.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) method: String,
    pub(crate) headers: HeaderMap,
    pub(crate) answered: u16,
}

impl Fetch {
    /// A header as text, if it was there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Debug, Default)]
struct Site {
    pages: HashMap<String, Page>,
    fetches: HashMap<String, Vec<Fetch>>,
}

#[derive(Debug)]
struct Shelf(Board<Site>);

impl Peer for Shelf {
    async fn answer(&self, asked: Asked) -> Answer {
        let page = self.0.change(|site| {
            let page = site.pages.get(&asked.path).cloned().unwrap_or_else(|| Page::failing(404));
            let answered = if page.is_held_by(&asked) { 304 } else { page.status };
            let fetch = Fetch { method: asked.method.clone(), headers: asked.headers.clone(), answered };
            site.fetches.entry(asked.path.clone()).or_default().push(fetch);
            page
        });
        if let Some(gate) = &page.gate {
            gate.opened().await;
        }
        if page.is_held_by(&asked) {
            return Some(bare(304));
        }
        let mut response = Response::builder().status(page.status).body(Full::new(page.body)).unwrap();
        *response.headers_mut() = page.headers;
        Some(response)
    }
}

/// The site.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// What its topics' URLs begin with.
    origin: String,
    shelf: Arc<Shelf>,
    server: Server,
}

impl Publisher {
    pub(crate) fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// On another address of the loopback network.
    pub(crate) fn start_on(host: Ipv4Addr) -> Self {
        let shelf = Arc::new(Shelf(Board::new(Site::default())));
        let server = Server::reserve(host);
        server.start(&shelf);
        Self { origin: format!("http://{}", server.address()), shelf, server }
    }

    /// Speaks TLS, as `localhost`.
    pub(crate) fn start_tls(tls: TlsAcceptor) -> Self {
        let shelf = Arc::new(Shelf(Board::new(Site::default())));
        let server = Server::reserve_tls(Ipv4Addr::LOCALHOST, tls);
        server.start(&shelf);
        Self { origin: format!("https://localhost:{}", server.address().port()), shelf, server }
    }

    /// Waits until so many handshakes came to nothing.
    pub(crate) async fn refused(&self, count: usize) {
        self.server.refused(count).await;
    }

    /// The topic under a path that begins with a slash.
    pub(crate) fn topic(&self, path: &str) -> Topic {
        Topic { shelf: Arc::clone(&self.shelf), origin: self.origin.clone(), path: path.to_owned() }
    }
}

/// One topic of the site.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    shelf: Arc<Shelf>,
    origin: String,
    path: String,
}

impl Topic {
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Puts up new content.
    pub(crate) fn put(&self, page: Page) {
        self.shelf.0.change(|site| site.pages.insert(self.path.clone(), page));
    }

    pub(crate) fn fetches(&self) -> Vec<Fetch> {
        self.shelf.0.look(|site| site.fetches.get(&self.path).cloned().unwrap_or_default())
    }

    /// Waits until the topic was asked for `count` times in all.
    pub(crate) async fn fetched(&self, count: usize) -> Vec<Fetch> {
        let what = format!("fetch {count} of {}", self.path);
        self.shelf.0.until(&what, |site| site.fetches.get(&self.path).map_or(0, Vec::len) >= count).await;
        self.fetches()
    }
}
