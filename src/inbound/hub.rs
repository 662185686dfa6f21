//! The hub's one address: subscribe, unsubscribe, publish (S01-S05, P01-P04, section 8 of the conformance page).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Extension, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::Response,
    routing::any,
};
use ipnet::IpNet;
use tokio::time::timeout;
use tracing::{debug, error};
use url::form_urlencoded;

use super::{
    Limits,
    answer::{empty, later, method_not_allowed, moved, plain},
    client_ip::{client_ip, is_https},
    credentials::Credentials,
    discovery,
    limits::TooMany,
    listener::Peer,
    page, probes, salmon,
};
use crate::{
    protocol::{self, IntentRequest, Mode, Request as HubRequest},
    publishing::Publishing,
    relay::Relay,
    store::{Store, StoreError},
    subscribing::{Accepted, Subscribing, Unaccepted},
    supervise::Tasks,
    telemetry::{Answered, Metrics},
};

/// What a client is told to wait where nothing better is known.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// What a form is called.
const FORM: &str = "application/x-www-form-urlencoded";

/// What the routes need.
#[derive(Debug)]
pub struct HubParts {
    pub subscribing: Arc<Subscribing>,
    pub publishing: Arc<Publishing>,
    pub relay: Arc<Relay>,
    pub store: Store,
    pub limits: Arc<Limits>,
    pub metrics: Arc<Metrics>,
    pub tasks: Tasks,
    pub hub_url: String,
    pub trusted_proxies: Vec<IpNet>,
    pub max_body: usize,
    /// Of a slap.
    pub max_slap: usize,
    /// From the end of a request's head to the end of its body.
    pub body_timeout: Duration,
    /// Where the hub moved (S31).
    pub moved_to: Option<HeaderValue>,
    pub access: Access,
}

/// Who may ask for what.
#[derive(Debug, Default)]
pub struct Access {
    /// Without any, everybody may subscribe (S37).
    pub credentials: Option<Credentials>,
    /// Secrets that came over plain http are refused (S18).
    pub secrets_over_https_only: bool,
    /// `hub.verify_token` without `hub.verify` is refused (S11).
    pub token_requires_verify: bool,
}

/// The public routes.
pub fn router(parts: HubParts) -> Router {
    let probes = probes::router(parts.store.clone());
    let parts = Arc::new(parts);
    Router::new()
        .route("/", any(hub))
        .route("/subscribe", any(hub))
        .route("/publish", any(hub))
        .fallback(async || plain(StatusCode::NOT_FOUND, "there is nothing here; the hub is at /"))
        .with_state(Arc::clone(&parts))
        .merge(salmon::router(Arc::clone(&parts)))
        .merge(discovery::router(parts))
        .merge(probes)
}

async fn hub(
    State(parts): State<Arc<HubParts>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    match *request.method() {
        Method::POST => match &parts.moved_to {
            Some(moved_to) => moved(moved_to),
            None => post(parts, peer, request).await,
        },
        Method::GET | Method::HEAD => {
            let query = request.uri().query().unwrap_or_default();
            if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "hub.mode") {
                return method_not_allowed("POST", "hub.mode: requests to a hub are sent with POST");
            }
            page::front(&parts.hub_url)
        }
        _ => method_not_allowed("GET, HEAD, POST", "requests to a hub are sent with POST"),
    }
}

async fn post(parts: Arc<HubParts>, peer: SocketAddr, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !is_form(&head.headers) {
        parts.metrics.requests.add(Answered::BadRequest);
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Content-Type: only {FORM} is understood"));
    }
    let body = match read(&head.headers, body, parts.max_body, parts.body_timeout).await {
        Ok(body) => body,
        Err(refusal) => {
            parts.metrics.requests.add(Answered::BadRequest);
            return refusal;
        }
    };
    let request = match protocol::request::parse(&body) {
        Ok(request) => request,
        Err(rejection) => {
            parts.metrics.requests.add(Answered::BadRequest);
            return plain(rejection.status, rejection.message);
        }
    };
    if let HubRequest::Intent(intent) = &request
        && let Some((answered, refusal)) = parts.objection(intent, peer, &head.headers)
    {
        parts.metrics.requests.add(answered);
        return refusal;
    }
    let client = client_ip(peer, &head.headers, &parts.trusted_proxies);
    let allowed = match &request {
        HubRequest::Intent(intent) => {
            parts.limits.intent(client, intent, || parts.subscribing.is_subscribed(intent.pair()))
        }
        HubRequest::Publish(_) => parts.limits.publish(client),
    };
    if let Err(TooMany { what, wait }) = allowed {
        parts.metrics.requests.add(Answered::TooMany);
        return later(StatusCode::TOO_MANY_REQUESTS, what, wait);
    }
    // On a task of its own: what was begun is finished, even for a client that hung up.
    let (tasks, metrics) = (parts.tasks.clone(), Arc::clone(&parts.metrics));
    let text = match tasks.spawn(handle(parts, request)).await {
        Ok(Some(response)) => return response,
        Ok(None) => "the hub is stopping",
        // Without its message, which may be made of anything.
        Err(_panic) => {
            error!("a request could not be handled");
            "the hub failed"
        }
    };
    metrics.requests.add(Answered::Unavailable);
    later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE)
}

async fn handle(parts: Arc<HubParts>, request: HubRequest) -> Response {
    let (answered, response) = match request {
        HubRequest::Intent(intent) => match parts.subscribing.accept(intent).await {
            Ok(Accepted::Verified) => (Answered::Verified, empty(StatusCode::NO_CONTENT)),
            Ok(Accepted::Pending) => (Answered::Pending, empty(StatusCode::ACCEPTED)),
            Err(unaccepted) => refuse(&unaccepted),
        },
        HubRequest::Publish(topics) => match parts.publishing.ping(topics).await {
            Ok(()) => (Answered::Pinged, empty(StatusCode::NO_CONTENT)),
            Err(error) => unavailable(&error),
        },
    };
    parts.metrics.requests.add(answered);
    response
}

fn refuse(unaccepted: &Unaccepted) -> (Answered, Response) {
    let text = unaccepted.to_string();
    match unaccepted {
        Unaccepted::Forbidden(_) => (Answered::Forbidden, plain(StatusCode::FORBIDDEN, text)),
        Unaccepted::Unverified | Unaccepted::Denied(_) => {
            (Answered::Unverified, plain(StatusCode::CONFLICT, text))
        }
        Unaccepted::Busy => (Answered::Unavailable, later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE)),
        Unaccepted::TooManyForHost | Unaccepted::HostHasItsShare => {
            (Answered::TooMany, later(StatusCode::TOO_MANY_REQUESTS, text, PAUSE.saturating_mul(6)))
        }
        Unaccepted::Store(error) => unavailable(error),
    }
}

fn unavailable(error: &StoreError) -> (Answered, Response) {
    // The reason is the operator's: it may name a path.
    debug!(%error, "a request could not be stored");
    let text = "the hub cannot store the request at this moment; try again";
    (Answered::Unavailable, later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE))
}

impl HubParts {
    /// What is against it that whoever sent this asks for it, in this way.
    fn objection(
        &self,
        intent: &IntentRequest,
        peer: SocketAddr,
        headers: &HeaderMap,
    ) -> Option<(Answered, Response)> {
        let access = &self.access;
        if access.token_requires_verify && intent.verify_token.is_some() && !intent.verify_given {
            let text = "hub.verify: missing, and hub.verify_token is of a version that has it";
            return Some((Answered::BadRequest, plain(StatusCode::BAD_REQUEST, text)));
        }
        // Nothing below keeps anybody from leaving (S33).
        if intent.mode == Mode::Unsubscribe {
            return None;
        }
        if access.credentials.as_ref().is_some_and(|credentials| !credentials.admit(headers)) {
            let mut response =
                plain(StatusCode::UNAUTHORIZED, "Authorization: the credentials are wrong or missing");
            let challenge = HeaderValue::from_static("Basic realm=\"hub\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Some((Answered::Forbidden, response));
        }
        if intent.secret.is_some() && !is_https(peer, headers, &self.trusted_proxies) {
            self.metrics.secrets_in_clear.inc();
            if access.secrets_over_https_only {
                let text = "hub.secret: this hub takes secrets over https only";
                return Some((Answered::Forbidden, plain(StatusCode::FORBIDDEN, text)));
            }
        }
        None
    }
}

/// Parameters of the media type say nothing we need; a missing type is a form from an old client (S02).
fn is_form(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.is_empty() || essence.eq_ignore_ascii_case(FORM.as_bytes())
}

pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    within: Duration,
) -> Result<axum::body::Bytes, Response> {
    let too_large =
        || plain(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {limit} octets"));
    // What is announced too long is refused before it is sent: the client may be waiting for a word.
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let refusal = match timeout(within, to_bytes(body, limit)).await {
        Ok(Ok(body)) => return Ok(body),
        Ok(Err(error)) => {
            let is_over = std::error::Error::source(&error)
                .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
            if is_over {
                too_large()
            } else {
                // Nothing is wrong with what was asked: some subscribers take any 4xx for good (S30).
                later(StatusCode::SERVICE_UNAVAILABLE, "the body could not be read", PAUSE)
            }
        }
        Err(_elapsed) => later(StatusCode::SERVICE_UNAVAILABLE, "the body took too long", PAUSE),
    };
    Err(refusal)
}
