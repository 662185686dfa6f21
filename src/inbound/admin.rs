//! The operator's listener: metrics, and a page with the counts. It shows no topic, no callback and no secret.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
    routing::get,
};

use super::{
    answer::{later, plain},
    page::{document, escape, html},
};
use crate::{
    store::{Counts, Store},
    telemetry::Metrics,
};

/// What the routes need.
#[derive(Debug)]
pub struct AdminParts {
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub hub_url: String,
}

/// The admin routes.
pub fn router(parts: AdminParts) -> Router {
    Router::new()
        .route("/", get(dashboard))
        .route("/metrics", get(metrics))
        .fallback(async || plain(StatusCode::NOT_FOUND, "there is nothing here; try / or /metrics"))
        .with_state(Arc::new(parts))
}

async fn metrics(State(parts): State<Arc<AdminParts>>) -> Response {
    let mut response = plain(StatusCode::OK, "");
    *response.body_mut() = parts.metrics.render().into();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn dashboard(State(parts): State<Arc<AdminParts>>) -> Response {
    let Ok(counts) = parts.store.read(Store::counts).await else {
        let pause = std::time::Duration::from_secs(5);
        return later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read", pause);
    };
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
