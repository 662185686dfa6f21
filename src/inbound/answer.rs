//! Answers in plain text (S29): short, typed, with the reason and without the value.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
    },
    response::Response,
};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A text with a status.
pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    let mut text = text.into();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PLAIN);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Success without a word.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A transient refusal: 429 or 503, never a 400, which some subscribers take for good (S30).
pub(super) fn later(status: StatusCode, text: impl Into<String>, after: Duration) -> Response {
    let mut response = plain(status, text);
    let seconds = after.as_secs().max(1).to_string();
    if let Ok(seconds) = HeaderValue::from_str(&seconds) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

/// 308: the same request, elsewhere (S31).
pub(super) fn moved(to: &HeaderValue) -> Response {
    let mut response = plain(StatusCode::PERMANENT_REDIRECT, "the hub has moved");
    response.headers_mut().insert(LOCATION, to.clone());
    response
}

/// 405 with the methods that there are.
pub(super) fn method_not_allowed(allowed: &'static str, text: &str) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
