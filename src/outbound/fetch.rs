//! The client for fetches: topics and discovery documents. On reqwest, which decodes gzip and brotli (F09).
//!
//! Everything reqwest would do of its own accord is switched off: redirects (F02 follows them hop by hop, each hop a
//! request of its own), proxies, referers, cookies, repeats. It sends `Accept: */*` and no `Accept-Language` (F07).
//!
//! reqwest parses URLs by the WHATWG standard and may see another host in one than we do, so the guard judges what
//! reqwest is going to use, not only what was given.

use std::sync::Arc;

use http::{HeaderValue, Uri};
use reqwest::{redirect, retry};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::{
    blame::blame,
    body::read_capped,
    guard::{Guard, Refusal},
    purposes::PerPurpose,
    resolver::{JudgedResolver, Resolve, SystemResolver},
    settings::{ClientError, ClientSettings, IDLE_FOR},
    tls,
    transport::{Answer, Outgoing, Purpose, SendError, Sending, Transport},
};

/// [`Transport`] for fetches.
#[derive(Debug)]
pub struct FetchClient {
    clients: PerPurpose<reqwest::Client>,
    guard: Arc<Guard>,
}

impl FetchClient {
    pub fn new(settings: &ClientSettings, guard: Arc<Guard>) -> Result<Self, ClientError> {
        Self::with_resolver(settings, guard, SystemResolver::default())
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
        let clients = PerPurpose::try_build(|purpose| {
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
                .dns_resolver(JudgedResolver::new(Arc::clone(resolve), Arc::clone(&guard), purpose))
                .tls_backend_preconfigured(tls.clone())
                .connect_timeout(settings.connect_timeout)
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(settings.idle_per_host)
                .build()
                .map_err(ClientError::Client)
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
        let mut request = reqwest::Request::new(outgoing.method, url);
        *request.headers_mut() = outgoing.headers;
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.into());
        }
        let response = self.clients.of(outgoing.purpose).execute(request).await.map_err(|error| {
            let otherwise = if error.is_connect() { SendError::Connect } else { SendError::Protocol };
            blame(&error).unwrap_or(otherwise)
        })?;
        let (head, body) = http::Response::<reqwest::Body>::from(response).into_parts();
        let body = read_capped(body, outgoing.max_body, outgoing.overflow).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
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
