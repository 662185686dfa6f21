//! What stands before the relay on a site's own host: the few public paths of salmon.md 6.1 are passed on to it, with the
//! host that was asked for, as any web server would.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderName, StatusCode, header};

use super::{fetching::body, site::Site, web::plain};

/// More than the relay takes.
const MOST: usize = 2 << 20;
/// What is passed on of a request, and of an answer: no more is of interest to either.
const REQUEST: [HeaderName; 4] = [header::HOST, header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT];
const ANSWER: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, header::ALLOW, header::ACCESS_CONTROL_ALLOW_ORIGIN];

/// Asks the relay and answers as it did.
pub(super) async fn pass(State(site): State<Arc<Site>>, request: Request) -> Response {
    match passed(&site, request).await {
        Ok(response) => response,
        Err(why) => plain(StatusCode::BAD_GATEWAY, format!("{why:#}\n")),
    }
}

async fn passed(site: &Site, request: Request) -> Result<Response> {
    let (head, sent) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", site.hub_url.trim_end_matches('/'));
    let sent = to_bytes(sent, MOST).await.context("the request's body")?;
    let mut asked = site.http.request(head.method, url).body(sent);
    for name in REQUEST {
        if let Some(value) = head.headers.get(&name) {
            asked = asked.header(name, value);
        }
    }
    let answered = asked.send().await.map_err(reqwest::Error::without_url).context("the relay")?;
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
