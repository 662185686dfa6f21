//! Is it alive, and can it keep its promises?

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};

use super::answer::{later, plain};
use crate::store::Store;

/// `/livez`: the process answers. `/readyz`: the store can be written, so a 202 means something.
pub(super) fn router(store: Store) -> Router {
    Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "ok")))
        .route("/readyz", get(ready))
        .with_state(store)
}

async fn ready(State(store): State<Store>) -> Response {
    if store.is_writable() {
        plain(StatusCode::OK, "ready")
    } else {
        let pause = std::time::Duration::from_secs(5);
        later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be written", pause)
    }
}
