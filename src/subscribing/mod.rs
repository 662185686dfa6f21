//! Subscribing: asks, proves, leases (WebSub §5, 0.4 §5, 0.3 §6).
//!
//! # Invariants
//! - A 202 means that the intent is on disk, with everything it would change (V16). Nothing of an active subscription
//!   changes before the subscriber has echoed the challenge, and then everything changes in one commit.
//! - One intent of a pair is verified at a time; a newer request replaces what is left of the older one's retries, and
//!   what was proved later than something newer was applied, or than the operator ended the pair, is dropped (V17, V21).
//! - A failed or abandoned verification leaves the old state as it was (V15).
//! - What is denied after its 202 is gone before its callback is told so, and the telling survives a crash (V21).
//! - Whether a pair exists makes no difference to any answer (S32).

mod answering;
mod denial;
mod hosts;
mod intake;
mod lease;
mod pending;
mod policy;
mod settle;
mod shares;
#[cfg(test)]
mod tests;
mod under_way;
mod verify;

pub use intake::{Accepted, Unaccepted};
pub use lease::Leases;
pub use verify::Verifying;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    agenda::Poke,
    clock::Clock,
    config::{LeaseConfig, VerificationConfig},
    distribution::Distribution,
    outbound::{Guard, Lanes, Transport},
    protocol::LeaseRules,
    publishing::Publishing,
    random::Random,
    store::{Store, StoreError},
    telemetry::Metrics,
};
use answering::Answering;
use pending::PendingCounts;
use shares::Shares;
use under_way::UnderWay;

/// What the room is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub transport: Arc<dyn Transport>,
    pub lanes: Lanes,
    pub guard: Arc<Guard>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
    pub metrics: Arc<Metrics>,
    pub lease: LeaseConfig,
    pub verification: VerificationConfig,
    /// Pending intents of one callback host (X03).
    pub per_callback_host: usize,
    /// Subscriptions of one callback host (X03).
    pub subscriptions_per_callback_host: usize,
    /// Whether a topic has to name this hub (L10).
    pub topics_must_name_this_hub: bool,
    /// Who fetches topics, and who sends what is due after a hold.
    pub publishing: Arc<Publishing>,
    pub distribution: Arc<Distribution>,
    /// Our own address: no subscription may name it (X02).
    pub hub_url: String,
}

/// The service behind `hub.mode=subscribe` and `unsubscribe`.
#[derive(Debug)]
pub struct Subscribing {
    parts: Parts,
    leases: LeaseRules,
    pending: PendingCounts,
    shares: Arc<Shares>,
    /// Synchronous verifications under way (S13).
    sync: Semaphore,
    under_way: UnderWay,
    answering: Answering,
    poke: Poke,
    lease_poke: Poke,
}

impl Subscribing {
    /// Counts what is pending; reads the store.
    pub async fn new(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let pending = PendingCounts::load(&parts.store).await?;
        let shares: Arc<Shares> = Arc::default();
        parts.distribution.tell_of_departures(Arc::<Shares>::clone(&shares));
        let LeaseConfig { min, default, max, refresh_at } = parts.lease;
        Ok(Arc::new(Self {
            leases: LeaseRules { min, default, max, refresh_at },
            pending,
            shares,
            // Not all of them: who waits for an answer must not hold up those who do not.
            sync: Semaphore::new(parts.verification.concurrency.div_ceil(2)),
            under_way: UnderWay::default(),
            answering: Answering::default(),
            poke: Poke::new(),
            lease_poke: Poke::new(),
            parts,
        }))
    }

    /// What wakes the agenda of intents.
    pub fn poke(&self) -> Poke {
        self.poke.clone()
    }

    /// What wakes the agenda of leases.
    pub fn lease_poke(&self) -> Poke {
        self.lease_poke.clone()
    }
}
