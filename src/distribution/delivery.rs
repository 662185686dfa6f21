//! One publication to one subscription, as its fan-out has it: within the patience, or as a backlog.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::debug;

use super::{
    Distribution,
    parcel::Parcel,
    settle::{Reach, Setback},
};
use crate::{
    clock::Timestamp,
    outbound::Outcome,
    protocol::{CallbackId, PairId},
    store::{LastOutcome, NeedsFull, StoreError, Subscription},
};

/// A request that got its permit late still gets this long before it counts as slow.
const MINIMUM_PATIENCE: Duration = Duration::from_millis(100);

/// One publication to one subscription.
pub(super) struct Delivery {
    pub(super) distribution: Arc<Distribution>,
    pub(super) pair: PairId,
    pub(super) subscription: Subscription,
    /// `None` where the catch-up has to make it.
    pub(super) parcel: Option<Arc<Parcel>>,
    pub(super) reach: Reach,
    pub(super) seq: u64,
    /// The store's count of changes when the subscription was read.
    pub(super) changes: u64,
    pub(super) report: mpsc::Sender<Result<CallbackId, StoreError>>,
    pub(super) is_reported: AtomicBool,
}

impl Delivery {
    pub(super) async fn run(mut self) {
        let gauge = self.distribution.parts.metrics.deliveries_in_flight.clone();
        gauge.inc();
        let late = self.settle().await;
        if let Some(error) = late {
            debug!(%error, "a late answer could not be written; the backlog stands");
        }
        gauge.dec();
    }

    /// Settles for the fan-out within the patience, then sees a slow request through. An error after the report is
    /// returned: the backlog that was written before it stands.
    async fn settle(&mut self) -> Option<StoreError> {
        let distribution = Arc::clone(&self.distribution);
        let parts = &distribution.parts;
        // Of a subscription that ended and came back while a slow request was under way: one at a time all the same.
        if self.distribution.in_flight.contains(&self.pair) {
            let due_at = parts.clock.now().after(parts.delivery.patience);
            self.report(self.set_back(LastOutcome::Slow, due_at).await).await;
            return None;
        }
        let Some(parcel) = self.parcel.clone() else {
            self.report(self.set_back(LastOutcome::Slow, parts.clock.now()).await).await;
            return None;
        };
        let patience = Instant::now().checked_add(parts.delivery.patience);
        let host = self.subscription.callback.host_key();
        let Ok(_permit) = timeout(parts.delivery.patience, parts.lanes.enter(host.as_str())).await else {
            let due_at = parts.clock.now().after(parts.random.jitter(parts.delivery.patience, 0.5));
            self.report(self.set_back(LastOutcome::LaneFull, due_at).await).await;
            return None;
        };
        // It may have waited for a while: the secret that is active now signs (V16), and who has left gets nothing, were
        // it back meanwhile or its lease at its end (D22).
        if parts.store.subscription_changes() != self.changes {
            match parts.store.subscription(self.pair) {
                Ok(Some(current)) if current.since_seq < self.seq => self.subscription = current,
                gone => {
                    self.report(gone.map(drop)).await;
                    return None;
                }
            }
        }
        let now = parts.clock.now();
        if !self.subscription.is_active_at(now) {
            self.report(Ok(())).await;
            return None;
        }
        if let Some(until) = distribution.holds.until(self.pair, now) {
            let held = distribution.fall_behind_held(self.pair, self.seq, self.needs_full(), until).await;
            self.report(held).await;
            return None;
        }
        // Asked last: who is let through as the probe of an open breaker has to send.
        if let Some(until) = self.distribution.breaker_wait(&self.subscription) {
            self.report(self.set_back(LastOutcome::BreakerOpen, until).await).await;
            return None;
        }
        let mut request = Box::pin(self.distribution.try_once(self.pair, &self.subscription, &parcel));
        let left = patience.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
        if let Ok(outcome) = timeout(left.max(MINIMUM_PATIENCE), &mut request).await {
            self.report(self.settle_in_time(&outcome).await).await;
            return None;
        }
        // Slow: the fan-out goes on.
        let flying = self.distribution.in_flight.enter(self.pair);
        let due_at = parts.clock.now().after(self.distribution.slow_for());
        self.report(self.set_back(LastOutcome::Slow, due_at).await).await;
        let outcome = request.await;
        // Before the backlog goes: nobody may find neither.
        drop(flying);
        let settled = match &outcome {
            Outcome::Accepted => self.distribution.caught_up(self.pair, self.reach).await,
            Outcome::Gone => self.end().await,
            Outcome::Later { .. } => {
                self.distribution.put_off(self.pair, self.seq, self.distribution.setback(0, &outcome)).await
            }
        };
        settled.err()
    }

    async fn settle_in_time(&self, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome {
            // The successful path writes nothing.
            Outcome::Accepted => Ok(()),
            Outcome::Gone => self.end().await,
            Outcome::Later { .. } => {
                let setback = self.distribution.setback(0, outcome);
                self.distribution.fall_behind(self.pair, self.seq, self.needs_full(), setback).await
            }
        }
    }

    /// 410: the subscription is over, or the renewed one in its place is owed what the old one refused.
    async fn end(&self) -> Result<(), StoreError> {
        if self.distribution.end(self.pair, &self.subscription).await? {
            return Ok(());
        }
        self.set_back(LastOutcome::Status(410), self.distribution.parts.clock.now()).await
    }

    async fn set_back(&self, last: LastOutcome, due_at: Timestamp) -> Result<(), StoreError> {
        let setback = Setback { last, due_at, counts: false };
        self.distribution.fall_behind(self.pair, self.seq, self.needs_full(), setback).await
    }

    /// What is owed if this does not arrive.
    fn needs_full(&self) -> NeedsFull {
        if self.reach.is_full { NeedsFull::First } else { NeedsFull::No }
    }

    async fn report(&self, settled: Result<(), StoreError>) {
        self.is_reported.store(true, Ordering::Relaxed);
        // The fan-out may have ended with an error; then its cursor stands before this one, and a restart repeats it.
        let _ended = self.report.send(settled.map(|()| self.pair.callback)).await;
    }
}

impl Drop for Delivery {
    /// A delivery that ends without a word would have its fan-out wait for ever.
    fn drop(&mut self) {
        if !self.is_reported.load(Ordering::Relaxed) {
            let lost = StoreError::Failed("a delivery ended without an outcome".to_owned());
            let _ended = self.report.try_send(Err(lost));
        }
    }
}
