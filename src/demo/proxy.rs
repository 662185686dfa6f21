//! What stands in front of the hub and its relay, as a web server does: one for all of it under the public address, and on
//! each site's own host the few public paths of salmon.md 6.1, with the host that was asked for.

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderName, StatusCode, header};
use reqwest::Client;

use super::{fetching::body, web::plain};

/// More than the hub takes.
const MOST: usize = 2 << 20;
/// What is passed on of a request, and of an answer: no more is of interest to either.
const REQUEST: [HeaderName; 4] = [header::HOST, header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT];
const ANSWER: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, header::ALLOW, header::ACCESS_CONTROL_ALLOW_ORIGIN];

/// The public address of a hub that listens at `hub`. The hub connects to itself for nobody, so that what has to come back
/// to it, a slap from one of its accounts to another, goes to an address that is not its own listener.
pub(super) fn in_front_of(hub: String) -> Result<Router> {
    let passing = (crate::client::http_client()?, hub);
    Ok(Router::new().fallback(all).with_state(passing))
}

async fn all(State((http, hub)): State<(Client, String)>, request: Request) -> Response {
    pass(&http, &hub, request).await
}

/// Asks there and answers as it was answered.
pub(super) async fn pass(http: &Client, to: &str, request: Request) -> Response {
    match passed(http, to, request).await {
        Ok(response) => response,
        Err(why) => plain(StatusCode::BAD_GATEWAY, format!("{why:#}\n")),
    }
}

async fn passed(http: &Client, to: &str, request: Request) -> Result<Response> {
    let (head, sent) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = to_bytes(sent, MOST).await.context("the request's body")?;
    let mut asked = http.request(head.method, format!("{}{path}", to.trim_end_matches('/'))).body(sent);
    for name in REQUEST {
        if let Some(value) = head.headers.get(&name) {
            asked = asked.header(name, value);
        }
    }
    let answered = asked.send().await.map_err(reqwest::Error::without_url).context("the hub")?;
    let (status, headers) = (answered.status(), answered.headers().clone());
    let mut response = Response::new(Body::from(body(answered).await?));
    *response.status_mut() = status;
    for name in ANSWER {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}
