//! One publication to one subscription, as its fan-out has it.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::{
    courier::Errand,
    parcel::Parcel,
    settle::{Reach, Setback},
};
use crate::{
    clock::Timestamp,
    outbound::Outcome,
    protocol::{CallbackId, PairId},
    store::{LastOutcome, NeedsFull, StoreError, Subscription},
    telemetry::Metrics,
};

/// One publication to one subscription.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) callback: CallbackId,
    pub(super) subscription: Subscription,
    /// `None` where the catch-up has to make it.
    pub(super) parcel: Option<Arc<Parcel>>,
    pub(super) reach: Reach,
    /// The store's count of changes when the subscription was read.
    pub(super) changes: u64,
    /// Until when its fan-out waits for it.
    pub(super) patience: Instant,
    pub(super) _counted: Counted,
}

/// Counts in a gauge as long as it lives: a delivery from the moment it waits for its lane to the end of its request, or
/// a fan-out that is under way.
#[derive(Debug)]
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn by(metrics: &Metrics) -> Self {
        Self::on(&metrics.deliveries_in_flight)
    }

    pub(super) fn running(metrics: &Metrics) -> Self {
        Self::on(&metrics.fan_outs_running)
    }

    fn on(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Delivery {
    pub(super) fn pair(&self, errand: &Errand) -> PairId {
        PairId { topic: errand.topic, callback: self.callback }
    }

    /// What is to be sent, now that there is a permit; nothing where the delivery is settled without that.
    pub(super) async fn ready(&mut self, errand: &Errand) -> Result<Option<Arc<Parcel>>, StoreError> {
        let distribution = &errand.distribution;
        let parts = &distribution.parts;
        let pair = self.pair(errand);
        // Of a subscription that ended and came back while a slow request was under way: one at a time all the same.
        if distribution.in_flight.contains(&pair) {
            let due_at = parts.clock.now().after(parts.delivery.patience);
            return self.set_back(errand, LastOutcome::Slow, due_at).await.map(|()| None);
        }
        let Some(parcel) = self.parcel.clone() else {
            return self.set_back(errand, LastOutcome::Slow, parts.clock.now()).await.map(|()| None);
        };
        // It may have waited for a while: the secret that is active now signs (V16), and who has left gets nothing, were
        // it back meanwhile or its lease at its end (D22).
        if parts.store.subscription_changes() != self.changes {
            match parts.store.subscription(pair)? {
                Some(current) if current.since_seq < errand.seq => self.subscription = current,
                _gone => return Ok(None),
            }
        }
        let now = parts.clock.now();
        if !self.subscription.is_active_at(now) {
            return Ok(None);
        }
        if let Some(until) = distribution.holds.until(pair, now) {
            let held = distribution.fall_behind_held(pair, errand.seq, self.needs_full(), until);
            return held.await.map(|()| None);
        }
        // Asked last: who is let through as the probe of an open breaker has to send.
        if let Some(until) = distribution.breaker_wait(&self.subscription) {
            self.set_back(errand, LastOutcome::BreakerOpen, until).await?;
            distribution.was_put_off(&self.subscription, until);
            return Ok(None);
        }
        Ok(Some(parcel))
    }

    pub(super) async fn settle_in_time(&self, errand: &Errand, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome {
            // The successful path writes nothing.
            Outcome::Accepted => Ok(()),
            Outcome::Gone => self.end(errand).await,
            Outcome::Later { .. } => {
                let setback = errand.distribution.setback(0, outcome);
                let pair = self.pair(errand);
                errand.distribution.fall_behind(pair, errand.seq, self.needs_full(), setback).await
            }
        }
    }

    /// The same for an answer that came when the fan-out had left a backlog behind and gone on.
    pub(super) async fn settle_late(&self, errand: &Errand, outcome: &Outcome) -> Result<(), StoreError> {
        let (distribution, pair) = (&errand.distribution, self.pair(errand));
        match outcome {
            Outcome::Accepted => distribution.caught_up(pair, self.reach).await,
            Outcome::Gone => self.end(errand).await,
            Outcome::Later { .. } => {
                distribution.put_off(pair, errand.seq, distribution.setback(0, outcome)).await
            }
        }
    }

    /// 410: the subscription is over, or the renewed one in its place is owed what the old one refused.
    async fn end(&self, errand: &Errand) -> Result<(), StoreError> {
        if errand.distribution.end(self.pair(errand), &self.subscription).await? {
            return Ok(());
        }
        let now = errand.distribution.parts.clock.now();
        self.set_back(errand, LastOutcome::Status(410), now).await
    }

    /// Leaves it to the catch-up; nothing was tried.
    pub(super) async fn set_back(
        &self,
        errand: &Errand,
        last: LastOutcome,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let setback = Setback { last, due_at, counts: false };
        let pair = self.pair(errand);
        errand.distribution.fall_behind(pair, errand.seq, self.needs_full(), setback).await
    }

    /// What is owed if this does not arrive.
    fn needs_full(&self) -> NeedsFull {
        if self.reach.is_full { NeedsFull::First } else { NeedsFull::No }
    }
}
