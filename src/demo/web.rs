//! The public side of a site: feeds and pages, the callbacks of the hub and of the relay, and the paths that are the
//! relay's.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
    routing::{any, get, post},
};

use super::{pages, proxy, site::Site};

/// A delivery or an event is a few kilobytes.
const MOST: usize = 1 << 20;
const SIGNATURE: &str = "x-hub-signature";

pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/{name}", get(page_or_feed))
        .route("/user/{number}", get(page_by_number))
        .route("/group/{number}", get(page_by_number))
        .route("/notice/{number}", get(post_by_number))
        .route("/push/{id}", get(question).post(delivery))
        .route("/told/{nick}", post(event))
        .route("/salmon/{account}", any(relays))
        .route("/groups/{feed}", any(relays))
        .route("/xrd", any(relays))
        .route("/.well-known/webfinger", any(relays))
        .route("/.well-known/host-meta", any(relays))
        .route("/.well-known/host-meta.json", any(relays))
        .with_state(site)
}

async fn front(State(site): State<Arc<Site>>) -> Response {
    html(site.look(|state| pages::front(&site, state)))
}

async fn page_or_feed(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    let found = match name.strip_suffix(".atom") {
        Some(nick) => site.feed(nick).map(|feed| answer("application/atom+xml; charset=utf-8", feed)),
        None => site.look(|state| pages::of(&site, state, &name)).map(html),
    };
    found.unwrap_or_else(nobody)
}

/// The URI in feeds is an address as well.
async fn page_by_number(State(site): State<Arc<Site>>, Path(number): Path<String>) -> Response {
    let found = site.look(|state| {
        let account = state.accounts.iter().find(|account| account.number.to_string() == number)?;
        pages::of(&site, state, account.nick)
    });
    found.map_or_else(nobody, html)
}

async fn post_by_number(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    site.look(|state| pages::post(&site, state, uri.path())).map_or_else(nobody, html)
}

async fn relays(State(site): State<Arc<Site>>, request: Request) -> Response {
    proxy::pass(&site.http, &site.hub_url, request).await
}

async fn question(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match site.confirm(&id, &query.unwrap_or_default()) {
        Some(challenge) => plain(StatusCode::OK, challenge),
        None => plain(StatusCode::NOT_FOUND, String::new()),
    }
}

async fn delivery(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Response {
    signed(request, |signature, body| site.receive(&id, signature, body)).await
}

async fn event(State(site): State<Arc<Site>>, Path(nick): Path<String>, request: Request) -> Response {
    signed(request, |signature, body| site.hear(&nick, signature, body)).await
}

async fn signed(request: Request, take: impl FnOnce(Option<&[u8]>, &[u8]) -> StatusCode) -> Response {
    let (head, body) = request.into_parts();
    let status = match axum::body::to_bytes(body, MOST).await {
        Ok(body) => take(head.headers.get(SIGNATURE).map(HeaderValue::as_bytes), &body),
        Err(_too_long) => StatusCode::PAYLOAD_TOO_LARGE,
    };
    plain(status, String::new())
}

fn nobody() -> Response {
    plain(StatusCode::NOT_FOUND, "there is nobody and nothing of that name\n".to_owned())
}

fn html(page: String) -> Response {
    answer("text/html; charset=utf-8", page)
}

pub(super) fn plain(status: StatusCode, text: String) -> Response {
    let mut response = answer("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn answer(kind: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
