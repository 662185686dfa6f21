//! Content distribution: a log and positions, not a queue of deliveries (WebSub §7, 0.4 §7, 0.3 §7.3).
//!
//! ```text
//!                 ┌────────── fan-out of a topic ──────────┐
//!  publication ──►│ window of subscriptions, in key order  │──► host lane ──► POST, signed ──► 2xx: nothing to write
//!                 └──────────────────┬─────────────────────┘                      │
//!                                    │ failed, refused, or slower than the patience
//!                                    ▼                                            │ a late 2xx
//!                  backlog, at most one a subscription ◄──────────────────────────┘ settles it
//!                                    │ due
//!                                    ▼
//!                 catch-up: one document with everything since ──► the same POST
//! ```
//!
//! # Invariants
//! - A subscription with a backlog is passed over by fan-outs: its catch-up reads up to the head. So each subscription
//!   gets its publications in order, with one request in flight (D20).
//! - A backlog settles against the head under the topic's lock: no publication slips between "nothing more to send" and
//!   the removal of the row.
//! - A catch-up reaches past publications whose fan-outs are still to come. Its row stays, owing nothing, until those are
//!   done: they pass over it, before a crash and after one.
//! - A successful delivery writes nothing. What is repeated after a crash is bounded by `[delivery] batch`.
//! - Whoever is slow loses the fan-out's attention after the patience, not its request.

mod catchup;
mod compose;
mod courier;
mod delivery;
mod fanout;
mod forgetting;
mod holds;
mod in_flight;
mod material;
mod pages;
mod parcel;
mod readers;
mod retention;
mod schedule;
mod settle;
mod window;

pub use catchup::CatchUp;
pub use forgetting::sight_age;
pub use parcel::Parcel;
pub use retention::sweep;

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    agenda::Poke,
    clock::Clock,
    config::{DeliveryConfig, PublicationsConfig},
    outbound::{Breakers, Lanes, Transport},
    protocol::CallbackUrl,
    random::Random,
    store::Store,
    supervise::Tasks,
    telemetry::Metrics,
};
use compose::Composer;
use holds::Holds;
use in_flight::InFlight;
use readers::Changed;

/// What the room is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub transport: Arc<dyn Transport>,
    pub lanes: Lanes,
    pub breakers: Arc<Breakers>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
    pub tasks: Tasks,
    pub metrics: Arc<Metrics>,
    pub delivery: DeliveryConfig,
    pub publications: PublicationsConfig,
    pub feed: Arc<crate::feed::Volatile>,
    /// The most readers that one host is believed to stand for (D19).
    pub readers_per_host: u64,
    /// How long entry digests are remembered after their last sight (F18).
    pub remember_for: Duration,
}

/// Who counts subscriptions, and so has to hear of those that end here.
pub trait Departures: Send + Sync + Debug {
    /// A callback has left.
    fn left(&self, callback: &CallbackUrl);
}

/// The service that sends what is new to everybody who asked for it.
#[derive(Debug)]
pub struct Distribution {
    parts: Parts,
    in_flight: InFlight,
    holds: Holds,
    /// Counts of readers that changed a moment ago.
    changed: Changed,
    composer: Composer,
    departures: OnceLock<Arc<dyn Departures>>,
    /// A fan-out was added.
    added: Notify,
    /// A backlog may be due.
    poke: Poke,
}

impl Distribution {
    pub fn new(parts: Parts) -> Arc<Self> {
        let composer = Composer::new(&parts);
        Arc::new(Self {
            parts,
            in_flight: InFlight::default(),
            holds: Holds::default(),
            changed: Changed::default(),
            composer,
            departures: OnceLock::new(),
            added: Notify::new(),
            poke: Poke::new(),
        })
    }

    /// Who hears of departures. Only the first that is named does.
    pub fn tell_of_departures(&self, whom: Arc<dyn Departures>) {
        let _first = self.departures.set(whom);
    }

    /// A commit added a fan-out: start it.
    pub fn wake(&self) {
        self.added.notify_one();
    }

    /// What wakes the agenda of backlogs.
    pub fn poke(&self) -> Poke {
        self.poke.clone()
    }
}

#[cfg(test)]
mod tests;
