//! The client for fetches: topics and discovery documents. On reqwest, with the decoding of gzip and brotli (F09) above it
//! instead of inside it, so that what comes over the wire can be counted as well.
//!
//! Everything reqwest would do of its own accord is switched off: redirects (F02 follows them hop by hop, each hop a
//! request of its own), proxies, referers, cookies, repeats. It sends `Accept: */*` and no `Accept-Language` (F07).
//!
//! reqwest parses URLs by the WHATWG standard and may see another host in one than we do, so the guard judges what
//! reqwest is going to use, not only what was given.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, Uri, header::CONTENT_ENCODING};
use http_body_util::{BodyExt, Limited};
use reqwest::{redirect, retry};
use rustls::ClientConfig;
use tokio::time::timeout;
use tower_http::decompression::Decompression;
use tower_service::Service;
use url::Url;

use super::{
    blame::blame,
    body::read_capped,
    decode::codings,
    guard::{Guard, Refusal},
    purposes::PerPurpose,
    resolver::{AtPort, JudgedResolver, Resolve, SystemResolver},
    settings::{ClientError, ClientSettings, IDLE_FOR},
    tls,
    transport::{Answer, Outgoing, Purpose, SendError, Sending, Transport},
};

/// How much more than its decoded size a body may be on the wire: what coding and one read may add.
const WIRE_SLACK: usize = 1 << 20;

/// [`Transport`] for fetches.
#[derive(Debug)]
pub struct FetchClient {
    clients: PerPurpose<Clients>,
    guard: Arc<Guard>,
}

/// reqwest does not tell the resolver for which port an address is wanted. Whether it is one of our own depends on that,
/// so each port on which we listen has a client that knows it is asking for it.
#[derive(Debug)]
struct Clients {
    usual: reqwest::Client,
    by_own_port: Vec<(u16, reqwest::Client)>,
}

impl Clients {
    fn to(&self, port: Option<u16>) -> &reqwest::Client {
        let own = self.by_own_port.iter().find(|(own, _)| Some(*own) == port);
        own.map_or(&self.usual, |(_, client)| client)
    }
}

impl FetchClient {
    pub fn new(settings: &ClientSettings, guard: Arc<Guard>) -> Result<Self, ClientError> {
        Self::with_resolver(settings, guard, SystemResolver::new(settings.lookups))
    }

    /// With another source of addresses; they are judged all the same.
    pub fn with_resolver(
        settings: &ClientSettings,
        guard: Arc<Guard>,
        resolve: impl Resolve + 'static,
    ) -> Result<Self, ClientError> {
        let resolve: Arc<dyn Resolve> = Arc::new(resolve);
        Self::build(settings, guard, &resolve, &tls::client_config([], &settings.self_signed_hosts)?)
    }

    fn build(
        settings: &ClientSettings,
        guard: Arc<Guard>,
        resolve: &Arc<dyn Resolve>,
        tls: &ClientConfig,
    ) -> Result<Self, ClientError> {
        let user_agent = HeaderValue::from_str(&settings.user_agent).map_err(ClientError::UserAgent)?;
        let build = |purpose, port| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place, and the guard goes in below"
            )]
            reqwest::Client::builder()
                .user_agent(user_agent.clone())
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .no_proxy()
                .referer(false)
                .dns_resolver(AtPort(
                    JudgedResolver::new(Arc::clone(resolve), Arc::clone(&guard), purpose),
                    port,
                ))
                .tls_backend_preconfigured(tls.clone())
                .connect_timeout(settings.connect_timeout)
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(settings.idle_per_host)
                .build()
                .map_err(ClientError::Client)
        };
        let clients = PerPurpose::try_build(|purpose| {
            let own_ports = guard.own_ports().map(|port| Ok((port, build(purpose, port)?)));
            let by_own_port = own_ports.collect::<Result<_, ClientError>>()?;
            Ok::<_, ClientError>(Clients { usual: build(purpose, 0)?, by_own_port })
        })?;
        Ok(Self { clients, guard })
    }

    /// The URL as reqwest will use it, judged.
    fn judged_url(&self, uri: &Uri, purpose: Purpose) -> Result<Url, Refusal> {
        self.guard.judge_uri(uri, purpose)?;
        let Ok(url) = Url::parse(&uri.to_string()) else { return Err(Refusal::Host) };
        let Ok(used) = url.as_str().parse() else { return Err(Refusal::Host) };
        self.guard.judge_uri(&used, purpose)?;
        Ok(url)
    }

    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        let url = self.judged_url(&outgoing.uri, outgoing.purpose)?;
        let client = self.clients.of(outgoing.purpose).to(url.port_or_known_default()).clone();
        let wire = Wire { client, most: outgoing.max_body.saturating_add(WIRE_SLACK) };
        let (max_body, overflow) = (outgoing.max_body, outgoing.overflow);
        let mut request = reqwest::Request::new(outgoing.method, url);
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.into());
        }
        let mut asked = Request::new(request);
        *asked.headers_mut() = outgoing.headers;
        let response = Decompression::new(wire).call(asked).await.map_err(|error| {
            let otherwise = if error.is_connect() { SendError::Connect } else { SendError::Protocol };
            blame(&error).unwrap_or(otherwise)
        })?;
        let (head, body) = response.into_parts();
        // What is still coded by now is not what the site means; passed on, it would be taken for that.
        if head.status == StatusCode::OK && head.headers.contains_key(CONTENT_ENCODING) {
            return Err(SendError::Protocol);
        }
        let body = read_capped(Box::pin(body.map_err(io::Error::other)), max_body, overflow).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// One request by reqwest, its answer as it comes over the wire and bounded there: a stream that decodes to little or
/// nothing must not run until the deadline. The request is its own body, so that its URL is the very one that was judged;
/// its headers are those of what is around it.
#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    most: usize,
}

impl Service<Request<reqwest::Request>> for Wire {
    type Response = Response<Limited<reqwest::Body>>;
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Request<reqwest::Request>) -> Self::Future {
        let (client, most) = (self.client.clone(), self.most);
        let (head, mut request) = asked.into_parts();
        *request.headers_mut() = head.headers;
        Box::pin(async move {
            let mut response = Response::<reqwest::Body>::from(client.execute(request).await?);
            // What decodes it knows one spelling of each coding, and looks at one line.
            let codings = HeaderValue::from_str(&codings(response.headers()));
            response.headers_mut().remove(CONTENT_ENCODING);
            if let Some(codings) = codings.ok().filter(|codings| !codings.is_empty()) {
                response.headers_mut().insert(CONTENT_ENCODING, codings);
            }
            Ok(response.map(|body| Limited::new(body, most)))
        })
    }
}

impl Transport for FetchClient {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        let within = request.timeout;
        Box::pin(
            async move { timeout(within, self.exchange(request)).await.unwrap_or(Err(SendError::Timeout)) },
        )
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
