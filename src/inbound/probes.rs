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
    match store.trouble() {
        None => plain(StatusCode::OK, "ready"),
        Some(reason) => {
            let text = format!("the store cannot be written: {reason}");
            later(StatusCode::SERVICE_UNAVAILABLE, text, std::time::Duration::from_secs(5))
        }
    }
}
