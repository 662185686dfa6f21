//! What posts to the hub: well-formed forms through an HTTP client, and anything at all through a socket.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::form_urlencoded;

use super::{publisher::Topic, subscriber::Callback, wait::soon};

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form, in order. Values are bytes, since a secret may be (S04).
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, Vec<u8>)>);

impl Form {
    /// A subscription as a `WebSub` subscriber asks for it (profile PWS).
    pub(crate) fn subscribe(topic: &Topic, callback: &Callback) -> Self {
        Self::intent("subscribe", &topic.url(), &callback.url())
    }

    pub(crate) fn unsubscribe(topic: &Topic, callback: &Callback) -> Self {
        Self::intent("unsubscribe", &topic.url(), &callback.url())
    }

    pub(crate) fn intent(mode: &str, topic: &str, callback: &str) -> Self {
        Self::default().with("hub.mode", mode).with("hub.topic", topic).with("hub.callback", callback)
    }

    /// A ping as a 0.3 publisher sends it.
    pub(crate) fn publish(topic: &Topic) -> Self {
        Self::default().with("hub.mode", "publish").with("hub.url", topic.url())
    }

    /// Adds a field.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Leaves a field out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(given, _)| given != name);
        self
    }

    /// Says something else in a field.
    pub(crate) fn but(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// Asks to be verified before the answer, which makes it profile P03.
    pub(crate) fn sync(self) -> Self {
        self.with("hub.verify", "sync")
    }

    pub(crate) fn secret(self, secret: impl AsRef<[u8]>) -> Self {
        self.with("hub.secret", secret)
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.with("hub.verify_token", token)
    }

    pub(crate) fn lease(self, seconds: &str) -> Self {
        self.with("hub.lease_seconds", seconds)
    }

    pub(crate) fn encoded(&self) -> String {
        let encode = |bytes| form_urlencoded::byte_serialize(bytes).collect::<Cow<'_, str>>();
        let fields = self.0.iter().map(|(name, value)| format!("{name}={}", encode(value)));
        fields.collect::<Vec<_>>().join("&")
    }
}

/// The hub's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails with the whole answer unless it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// An HTTP client that follows nothing and retries nothing.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::speaking_from(Ipv4Addr::LOCALHOST)
    }

    /// From an address of the loopback network, each of which is another client to the hub.
    #[expect(clippy::disallowed_methods, reason = "the rule guards the hub's own way out; this is a test's")]
    pub(crate) fn speaking_from(host: Ipv4Addr) -> Self {
        let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        // A hub may close an idle connection at any moment, so none is used twice.
        let builder =
            builder.retry(reqwest::retry::never()).pool_max_idle_per_host(0).local_address(IpAddr::V4(host));
        Self { http: builder.build().unwrap() }
    }

    /// Posts a form; `None` if no whole answer came, as when the hub is killed.
    pub(crate) async fn try_post(&self, url: &str, form: &Form) -> Option<Answer> {
        let request = self.http.post(url).header("content-type", FORM).body(form.encoded());
        let response = soon("an answer from the hub", request.send()).await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, text: response.text().await.ok()? })
    }

    /// Posts a form.
    pub(crate) async fn post(&self, url: &str, form: &Form) -> Answer {
        self.send("POST", url, Some(FORM), form.encoded()).await
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send("GET", url, None, String::new()).await
    }

    /// Gets with a bearer token.
    pub(crate) async fn get_as(&self, url: &str, token: &str) -> Answer {
        let response =
            soon("an answer from the hub", self.http.get(url).bearer_auth(token).send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// Any request without a body, with these headers.
    pub(crate) async fn send_with(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.with_headers(method, url, headers, String::new()).await
    }

    /// Posts a form with these headers besides its own.
    pub(crate) async fn post_with(&self, url: &str, form: &Form, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", FORM)], headers].concat();
        self.with_headers("POST", url, &headers, form.encoded()).await
    }

    /// Any request with these headers and this body.
    pub(crate) async fn with_headers(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = soon("an answer from the hub", request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// Any request.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        content_type: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), url).body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = soon("an answer from the hub", request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

/// The status of an answer that was heard on a wire.
pub(crate) fn status_of(heard: &str) -> Option<u16> {
    heard.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// A connection on which anything can be said.
#[derive(Debug)]
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// Somebody's who connected.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self(stream)
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(soon("a connection", TcpStream::connect(address)).await.unwrap())
    }

    /// Says this; the hub must take it.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        soon("the hub to take bytes", self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Says as much of this as the hub takes before it closes the connection.
    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) {
        drop(soon("the hub to take bytes or to close", self.0.write_all(bytes.as_ref())).await);
    }

    /// Says no more, but still listens.
    pub(crate) async fn say_no_more(&mut self) {
        // A connection that the hub has closed already has nothing more to say either.
        drop(self.0.shutdown().await);
    }

    /// Reads until `end` has been heard, or the connection is closed; a reset counts as closed.
    pub(crate) async fn hear_until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if !end.is_empty() && memchr::memmem::find(&heard, end.as_bytes()).is_some() {
                break;
            }
            match soon("the hub to speak or to close", self.0.read(&mut chunk)).await {
                Ok(0) | Err(_) => break,
                Ok(count) => heard.extend_from_slice(&chunk[..count]),
            }
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Reads until the hub closes the connection.
    pub(crate) async fn hear(&mut self) -> String {
        self.hear_until("").await
    }
}
