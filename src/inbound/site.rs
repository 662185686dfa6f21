//! The site's side of the relay, on the operator's listener and with its token (`salmon.md` 6.2): accounts, keys, members,
//! and entries to be signed and sent.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};
use serde::Serialize;
use tracing::{debug, error};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    AdminParts,
    answer::{empty, later, plain},
    hub::{PAUSE, read},
};
use crate::{
    protocol::{NameId, SlapId},
    relay::{Relay, SiteFault, SlapView},
    salmon::{PrivateKeyFault, magic_envelope::MEDIA_TYPE},
};

/// What an account is written in.
const LARGEST_ACCOUNT: usize = 256 << 10;
/// A PEM of 8192 bits has 6.4 KiB.
const LARGEST_KEY: usize = 16 << 10;

/// How long a site may wait for verdicts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

type Parts = State<Arc<AdminParts>>;

/// The routes; none is to be had without the token.
pub(super) fn router(parts: Arc<AdminParts>) -> Router {
    Router::new()
        .route("/accounts", get(accounts))
        .route("/accounts/{account}", put(put_account).get(account).delete(remove_account))
        .route("/accounts/{account}/key", put(import_key).post(make_key))
        .route("/accounts/{account}/slaps", post(send))
        .route("/accounts/{account}/sign", post(sign))
        .route("/slaps/{id}", get(slap))
        .route("/accounts/{account}/members", get(members))
        .route("/accounts/{account}/members/{*member}", put(put_member).delete(remove_member))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&parts), admit))
        .with_state(parts)
}

async fn admit(State(parts): Parts, request: Request, next: Next) -> Response {
    match parts.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

async fn put_account(State(parts): Parts, Path(account): Path<String>, request: Request) -> Response {
    let body = match body(&parts, request, LARGEST_ACCOUNT).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    finish(&parts, async move |relay| {
        let (view, is_new) = relay.put_account(&account, &body).await?;
        Ok(json(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &view))
    })
    .await
}

async fn accounts(State(parts): Parts, RawQuery(query): RawQuery) -> Response {
    let Ok(after) = after(query.as_deref()) else { return not_next() };
    answered(
        parts.relay.accounts(after).await.map(|view| json(StatusCode::OK, &view)).map_err(SiteFault::from),
    )
}

async fn account(State(parts): Parts, Path(account): Path<String>) -> Response {
    answered(parts.relay.account(&account).await.map(|view| json(StatusCode::OK, &view)))
}

async fn remove_account(State(parts): Parts, Path(account): Path<String>) -> Response {
    finish(&parts, async move |relay| {
        relay.remove_account(&account).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

async fn import_key(State(parts): Parts, Path(account): Path<String>, request: Request) -> Response {
    let body = match body(&parts, request, LARGEST_KEY).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let Ok(text) = std::str::from_utf8(&body).map(|text| Zeroizing::new(text.to_owned())) else {
        return plain(StatusCode::BAD_REQUEST, "key: is no text");
    };
    finish(&parts, async move |relay| Ok(json(StatusCode::OK, &relay.import_key(&account, text).await?)))
        .await
}

async fn make_key(State(parts): Parts, Path(account): Path<String>, RawQuery(query): RawQuery) -> Response {
    if parameter(query.as_deref(), "confirm").as_deref() != Some("breaks-peers") {
        let text = "confirm: peers that know the old key will believe this account nothing any more, some of them for \
                    good; say confirm=breaks-peers if that is wanted";
        return plain(StatusCode::BAD_REQUEST, text);
    }
    finish(&parts, async move |relay| Ok(json(StatusCode::OK, &relay.make_key(&account).await?))).await
}

async fn members(State(parts): Parts, Path(account): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Ok(after) = after(query.as_deref()) else { return not_next() };
    answered(parts.relay.members(&account, after).await.map(|view| json(StatusCode::OK, &view)))
}

async fn put_member(State(parts): Parts, Path((account, member)): Path<(String, String)>) -> Response {
    finish(&parts, async move |relay| {
        relay.put_member(&account, &member).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

async fn remove_member(State(parts): Parts, Path((account, member)): Path<(String, String)>) -> Response {
    finish(&parts, async move |relay| {
        relay.remove_member(&account, &member).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

/// Takes an entry for all `to`; with `wait`, answers when something is known of each.
async fn send(
    State(parts): Parts,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let query = query.unwrap_or_default();
    let pairs = || form_urlencoded::parse(query.as_bytes());
    if pairs().any(|(name, _)| name != "to" && name != "wait") {
        return plain(StatusCode::BAD_REQUEST, "query: has something else than to and wait");
    }
    let wait = match parameter(Some(&query), "wait").map(|wait| wait.parse::<u64>()) {
        None => None,
        Some(Ok(seconds)) => Some(Duration::from_secs(seconds).min(LONGEST_WAIT)),
        Some(Err(_)) => return plain(StatusCode::BAD_REQUEST, "wait: is no number of seconds"),
    };
    // As it is in a URI, a plus is one.
    let query = query.replace('+', "%2B");
    let to = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "to");
    let to: Vec<_> = to.map(|(_, to)| to.into_owned()).collect();
    let entry = match text(&parts, request).await {
        Ok(entry) => entry,
        Err(refusal) => return refusal,
    };
    let stopping = parts.tasks.stopping().clone();
    finish(&parts, async move |relay| {
        let taken = relay.send(&account, entry, &to).await?;
        let Some(wait) = wait else { return Ok(standing(&taken)) };
        // What is under way is not waited for any longer than the hub is there.
        let verdicts = stopping.run_until_cancelled(relay.verdicts(taken.id(), wait)).await;
        Ok(standing(&verdicts.transpose()?.flatten().unwrap_or(taken)))
    })
    .await
}

async fn sign(State(parts): Parts, Path(account): Path<String>, request: Request) -> Response {
    let entry = match text(&parts, request).await {
        Ok(entry) => entry,
        Err(refusal) => return refusal,
    };
    answered(parts.relay.sign(&account, entry).await.map(|envelope| {
        let mut response = Response::new(Body::from(envelope));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }))
}

async fn slap(State(parts): Parts, Path(digits): Path<String>) -> Response {
    let Some(id) = id(&digits).map(SlapId::from_bytes) else {
        return plain(StatusCode::NOT_FOUND, "there is no such slap");
    };
    match parts.relay.slap(id).await {
        Ok(Some(view)) => json(StatusCode::OK, &view),
        Ok(None) => plain(StatusCode::NOT_FOUND, "there is no such slap, or it was long ago"),
        Err(error) => unavailable(&error),
    }
}

/// 202 while something is left to do.
fn standing(view: &SlapView) -> Response {
    json(if view.is_over() { StatusCode::OK } else { StatusCode::ACCEPTED }, view)
}

/// On a task of its own: what was begun is finished, even for a client that hung up.
async fn finish<F>(parts: &AdminParts, work: impl FnOnce(Arc<Relay>) -> F) -> Response
where
    F: Future<Output = Result<Response, SiteFault>> + Send + 'static,
{
    let text = match parts.tasks.spawn(work(Arc::clone(&parts.relay))).await {
        Ok(Some(result)) => return answered(result),
        Ok(None) => "the hub is stopping",
        // Without its message, which may be made of anything.
        Err(_panic) => {
            error!("a request of a site could not be handled");
            "the hub failed"
        }
    };
    later(StatusCode::SERVICE_UNAVAILABLE, text, PAUSE)
}

fn answered(result: Result<Response, SiteFault>) -> Response {
    let fault = match result {
        Ok(response) => return response,
        Err(fault) => fault,
    };
    let status = match &fault {
        SiteFault::Unknown => StatusCode::NOT_FOUND,
        SiteFault::Gone => StatusCode::GONE,
        SiteFault::Key(PrivateKeyFault::Library) => StatusCode::INTERNAL_SERVER_ERROR,
        SiteFault::Field(_) | SiteFault::Entry(_) | SiteFault::Key(_) => StatusCode::BAD_REQUEST,
        SiteFault::Conflict(_) => StatusCode::CONFLICT,
        SiteFault::Store(error) => return unavailable(error),
    };
    plain(status, fault.to_string())
}

fn unavailable(error: &impl Display) -> Response {
    // The reason is the operator's: it may name a path.
    debug!(%error, "a request of a site could not be stored");
    later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be used at this moment; try again", PAUSE)
}

async fn body(parts: &AdminParts, request: Request, limit: usize) -> Result<Bytes, Response> {
    let (head, body) = request.into_parts();
    read(&head.headers, body, limit, parts.body_timeout).await
}

/// The entry in a request.
async fn text(parts: &AdminParts, request: Request) -> Result<String, Response> {
    let body = body(parts, request, parts.max_slap).await?;
    let text = String::from_utf8(body.into());
    text.map_err(|_not_utf8| plain(StatusCode::BAD_REQUEST, "entry: is no text in UTF-8"))
}

fn json(status: StatusCode, view: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_string(view) else {
        return later(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer could not be written",
            Duration::from_secs(1),
        );
    };
    let mut response = Response::new(Body::from(text + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// After which one the next page of a list begins.
fn after(query: Option<&str>) -> Result<Option<NameId>, NotNext> {
    let after = parameter(query, "after");
    after.map(|after| id(&after).map(NameId::from_bytes).ok_or(NotNext)).transpose()
}

/// What is given for `after` is nothing that was `next`.
struct NotNext;

fn not_next() -> Response {
    plain(StatusCode::BAD_REQUEST, "after: is not what `next` was")
}

/// The first of that name.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
}

/// Sixteen octets as they are written.
fn id(digits: &str) -> Option<[u8; 16]> {
    let is_id = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(u128::to_be_bytes)
}
