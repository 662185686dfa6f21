//! The way in: HTTP.
//!
//! Public: `POST /` is the hub (`/subscribe` and `/publish` are aliases, as on Google's hub), `GET /` a page for people,
//! `/livez`, `/readyz`; the relay's are `POST /salmon/{account}`, `/groups/{account}.atom`, and what says who its accounts
//! are: `/.well-known/webfinger`, `/.well-known/host-meta`, `/xrd`. Admin: `/metrics`, `/` for a look at the state; with a
//! bearer token `/api/status` for the same as JSON, and the site's side of the relay, `/accounts/…` and `/slaps/…`.
//!
//! # Invariants
//! - A handler parses, asks a service to commit, answers. It never fetches or delivers, and verifies only for an
//!   explicit `hub.verify=sync`.
//! - What a handler began is finished on a task of its own: axum drops a handler whose client hung up.
//! - Errors are `text/plain` with the parameter and the reason, and never the value (S29).
//! - Bodies, headers, connections and rates are bounded here, before anything is parsed; and in time, whatever a client
//!   sends slowly or does not read.
//! - No client holds all connections: when they are taken, whoever has the most gives one up.

mod admin;
mod answer;
mod client_ip;
mod credentials;
mod discovery;
mod hub;
mod limits;
mod listener;
mod page;
mod probes;
mod salmon;
mod seats;
mod site;
mod stall;

pub use admin::{AdminParts, Token, router as admin_router};
pub use credentials::Credentials;
pub use hub::{Access, HubParts, router as hub_router};
pub use limits::Limits;
pub use listener::{Listening, serve};
