//! Salmon's public side: slaps for the accounts of the sites beside us, and the feeds of their groups (`salmon.md` 3.2,
//! 6.1).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Extension, Path, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::Response,
    routing::any,
};
use tracing::{debug, error};

use super::{
    HubParts,
    answer::{empty, later, method_not_allowed, plain},
    client_ip::{client_ip, rate_key},
    hub::{PAUSE, read},
    limits::TooMany,
    listener::Peer,
};
use crate::{
    relay::{self, Answer, Slap},
    telemetry::Slapped,
};

/// What a slap may be called; what it is shows in it.
const TYPES: [&str; 5] = [
    "application/magic-envelope+xml",
    "application/magic-envelope+json",
    "application/xml",
    "text/xml",
    "application/json",
];

/// The public routes.
pub(super) fn router(parts: Arc<HubParts>) -> Router {
    Router::new()
        .route("/salmon/{account}", any(salmon))
        .route("/groups/{feed}", any(group))
        .with_state(parts)
}

async fn salmon(
    State(parts): State<Arc<HubParts>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(account): Path<String>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        return method_not_allowed("POST", "slaps are sent with POST");
    }
    match accepted(&parts, peer, request).await {
        Ok(slap) => take(parts, account, slap).await,
        Err((slapped, refusal)) => {
            parts.metrics.slaps.add(slapped);
            refusal
        }
    }
}

/// The slap in a request, if it may be looked at.
async fn accepted(parts: &HubParts, peer: SocketAddr, request: Request) -> Result<Slap, (Slapped, Response)> {
    let (head, body) = request.into_parts();
    let from = client_ip(peer, &head.headers, &parts.trusted_proxies);
    if let Err(TooMany { what, wait }) = parts.limits.slap(from) {
        return Err((Slapped::TooMany, later(StatusCode::TOO_MANY_REQUESTS, what, wait)));
    }
    let from = rate_key(from);
    let Some(room) = parts.relay.room_for(from) else {
        let busy = later(StatusCode::SERVICE_UNAVAILABLE, "too many slaps are being looked at", PAUSE);
        return Err((Slapped::Unavailable, busy));
    };
    let Some(media_type) = media_type(&head.headers) else {
        let text = format!("Content-Type: a slap is {}", TYPES[0]);
        return Err((Slapped::Malformed, plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
    };
    let body = read(&head.headers, body, parts.max_slap, parts.body_timeout).await;
    let body = body.map_err(|refusal| (Slapped::Malformed, refusal))?;
    Ok(Slap { body, media_type, from, room })
}

/// The type as it was given, whatever its parameters, if it is one of those.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = given.split(';').next().unwrap_or_default().trim_ascii();
    TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known)).then(|| given.to_owned())
}

async fn take(parts: Arc<HubParts>, account: String, slap: Slap) -> Response {
    // On a task of its own: what was begun is finished, even for a client that hung up.
    let (tasks, relay) = (parts.tasks.clone(), Arc::clone(&parts.relay));
    let text = match tasks.spawn(async move { relay.receive(&account, slap).await }).await {
        Ok(Some(answer)) => return respond(answer),
        Ok(None) => "the hub is stopping",
        // Without its message, which may be made of anything.
        Err(_panic) => {
            error!("a slap could not be handled");
            "the hub failed"
        }
    };
    parts.metrics.slaps.add(Slapped::Unavailable);
    later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE)
}

fn respond(answer: Answer) -> Response {
    match answer {
        // StatusNet takes nothing else for success.
        Answer::Taken => empty(StatusCode::OK),
        Answer::Kept => plain(StatusCode::ACCEPTED, "kept until the author can be looked up"),
        Answer::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "the envelope is too large"),
        Answer::Malformed(text) => plain(StatusCode::BAD_REQUEST, text),
        Answer::Unproven(text) => plain(StatusCode::UNAUTHORIZED, text),
        Answer::Forbidden(text) => plain(StatusCode::FORBIDDEN, text),
        Answer::Unknown => plain(StatusCode::NOT_FOUND, "there is no such account"),
        Answer::Gone => plain(StatusCode::GONE, "the account is gone"),
        Answer::TooMany { wait } => {
            later(StatusCode::TOO_MANY_REQUESTS, "too many slaps of this author", wait)
        }
        Answer::Later(text) => later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE),
    }
}

async fn group(State(parts): State<Arc<HubParts>>, Path(feed): Path<String>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD", "the feed of a group is read with GET");
    }
    let nobodys = || plain(StatusCode::NOT_FOUND, "there is no such group");
    let Some(name) = feed.strip_suffix(".atom") else { return nobodys() };
    let feed = match parts.relay.group_feed(name).await {
        Ok(Some(feed)) => feed,
        Ok(None) => return nobodys(),
        Err(error) => {
            debug!(%error, "the feed of a group cannot be read");
            return later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read", PAUSE);
        }
    };
    let etag = HeaderValue::from_str(&feed.etag).ok();
    let is_known = etag.is_some() && request.headers().get(IF_NONE_MATCH) == etag.as_ref();
    let mut response = if is_known {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = Response::new(Body::from(feed.body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(relay::FEED_TYPE));
        response
    };
    if let Some(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
