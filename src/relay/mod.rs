//! The relay: Salmon for the sites beside us (`salmon.md`). The site knows users and posts; the relay knows keys, forms,
//! discovery and queues.
//!
//! # Invariants
//! - A 200 means that the slap, and what it changes, is on disk; a 202 that it is kept until its author can be asked for.
//! - Whoever is acted on has been verified under every name that the entry gives its author.
//! - What one author does with one object reaches the site in the order in which it was taken, one request at a time.

pub mod lookup;

pub use lookup::{Confirmed, Found, Lookup, LookupError, Unconfirmed};

use std::sync::Arc;

use crate::{
    clock::Clock, outbound::Transport, publishing::Publishing, random::Random, store::Store,
    telemetry::Metrics,
};

/// What the room is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    /// For looking up accounts.
    pub fetches: Arc<dyn Transport>,
    /// To the sites beside us, and to the endpoints of others.
    pub callbacks: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
    pub metrics: Arc<Metrics>,
    /// Who fetches the feed of a group when there is something new in it.
    pub publishing: Arc<Publishing>,
    /// Our own address.
    pub hub_url: String,
}

/// The service behind everything of Salmon.
#[derive(Debug)]
pub struct Relay {
    parts: Parts,
}

impl Relay {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts })
    }

    /// Our own address.
    pub fn hub_url(&self) -> &str {
        &self.parts.hub_url
    }
}
