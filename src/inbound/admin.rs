//! The operator's listener: metrics, a page with the counts, and the same counts as JSON for who has the token. It
//! shows no topic, no callback and no secret.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::Response,
    routing::{delete, get},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::{
    answer::{later, plain},
    page::{document, escape, html},
    probes, site,
};
use crate::{
    protocol::{CallbackUrl, PairId, TopicUrl},
    relay::Relay,
    store::{Counts, Store},
    subscribing::Subscribing,
    supervise::Tasks,
    telemetry::Metrics,
};

/// What the routes need.
#[derive(Debug)]
pub struct AdminParts {
    pub subscribing: Arc<Subscribing>,
    pub relay: Arc<Relay>,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub hub_url: String,
    pub tasks: Tasks,
    /// Of an entry that is to be signed.
    pub max_slap: usize,
    /// From the end of a request's head to the end of its body.
    pub body_timeout: Duration,
    /// Who knows it may use the API; without one nobody may.
    pub token: Option<Token>,
}

/// The bearer token of the API, as its digest: not to be found in a core dump.
#[derive(Debug, Clone, Eq)]
pub struct Token([u8; 32]);

/// Takes as long for a guess that is nearly right as for any other.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Token {
    /// A token as a file holds it; white space around it is no part of it. `None` if there is nothing else.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(Sha256::digest(text).into()))
    }
}

/// The admin routes.
pub fn router(parts: AdminParts) -> Router {
    // The probes here as well: the public listener may be full.
    let probes = probes::router(parts.store.clone());
    let parts = Arc::new(parts);
    Router::new()
        .route("/", get(dashboard))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route("/api/subscriptions", delete(end))
        .fallback(async || plain(StatusCode::NOT_FOUND, "there is nothing here; try / or /metrics"))
        .with_state(Arc::clone(&parts))
        .merge(site::router(parts))
        .merge(probes)
}

async fn metrics(State(parts): State<Arc<AdminParts>>) -> Response {
    let mut response = plain(StatusCode::OK, "");
    *response.body_mut() = parts.metrics.render().into();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl AdminParts {
    /// What whoever does not know the token is answered.
    pub(super) fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let Some(token) = &self.token else {
            return Some(plain(StatusCode::FORBIDDEN, "the API is off: set [admin] token_file"));
        };
        let bearer =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if bearer.and_then(Token::from_text).as_ref() == Some(token) {
            return None;
        }
        let mut response =
            plain(StatusCode::UNAUTHORIZED, "Authorization: the bearer token is wrong or missing");
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }
}

/// Ends the subscription of `topic` and `callback` and tells the callback, with `reason` if there is one (V21).
async fn end(
    State(parts): State<Arc<AdminParts>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Some(refusal) = parts.refusal(&headers) {
        return refusal;
    }
    let query = query.unwrap_or_default();
    let given = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(given, _)| given == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let topic = match TopicUrl::parse(&given("topic")) {
        Ok(topic) => topic,
        Err(fault) => return plain(StatusCode::BAD_REQUEST, format!("topic: {fault}")),
    };
    let callback = match CallbackUrl::parse(&given("callback")) {
        Ok(callback) => callback,
        Err(fault) => return plain(StatusCode::BAD_REQUEST, format!("callback: {fault}")),
    };
    let pair = PairId { topic: topic.id(), callback: callback.id() };
    let reason = Some(given("reason")).filter(|reason| !reason.is_empty());
    match parts.subscribing.end(pair, reason.as_deref().unwrap_or("ended by the operator of the hub")).await {
        Ok(true) => plain(StatusCode::OK, "the subscription has ended, and its callback is being told"),
        Ok(false) => plain(StatusCode::NOT_FOUND, "there is no such subscription, and no request for one"),
        Err(_) => unreadable(),
    }
}

async fn status(State(parts): State<Arc<AdminParts>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = parts.refusal(&headers) {
        return refusal;
    }
    let Ok(counts) = parts.store.read(Store::counts).await else { return unreadable() };
    let Counts { topics, subscriptions, backlogs, intents, fetches, fanouts, publications } = counts;
    let mut response = plain(
        StatusCode::OK,
        format!(
            "{{\"topics\":{topics},\"subscriptions\":{subscriptions},\"intents\":{intents},\"fetches\":{fetches},\
             \"fan_outs\":{fanouts},\"backlogs\":{backlogs},\"publications\":{publications}}}"
        ),
    );
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unreadable() -> Response {
    later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read", Duration::from_secs(5))
}

async fn dashboard(State(parts): State<Arc<AdminParts>>) -> Response {
    let Ok(counts) = parts.store.read(Store::counts).await else { return unreadable() };
    let Counts { topics, subscriptions, backlogs, intents, fetches, fanouts, publications } = counts;
    let rows = [
        ("topics fetched", topics),
        ("subscriptions", subscriptions),
        ("intents waiting for the subscriber's word", intents),
        ("fetches waiting", fetches),
        ("fan-outs under way", fanouts),
        ("subscriptions behind (backlogs)", backlogs),
        ("publications kept for them", publications),
    ];
    let rows: Vec<_> =
        rows.iter().map(|(what, count)| format!("<tr><td>{what}</td><td>{count}</td></tr>")).collect();
    html(document(
        "hubbub",
        &format!(
            "<h1>hubbub</h1><p>The hub at <code>{}</code> holds:</p><table>{rows}</table>\
             <p><a href=\"/metrics\">Metrics</a> for Prometheus.</p>",
            escape(&parts.hub_url),
            rows = rows.concat()
        ),
    ))
}
