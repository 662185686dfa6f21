//! Catch-up: a backlog that is due gets one document with everything since.

use std::{sync::Arc, time::Duration};

use tokio::{pin, time::timeout};
use tracing::debug;

use super::{Distribution, parcel::Parcel, settle::Setback};
use crate::{
    agenda::Work,
    outbound::{Outcome, Permit},
    protocol::PairId,
    store::{Backlog, Commit, Due, LastOutcome, NeedsFull, Record, StoreError, Subscription},
};

/// The work of the agenda of backlogs.
#[derive(Debug)]
pub struct CatchUp(pub Arc<Distribution>);

impl Work for CatchUp {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        self.0.catch_up(due).await
    }
}

/// Hints looked at when slow requests of the last run are taken up again: more than can have been under way.
const RESUMED: usize = 1 << 16;

impl Distribution {
    /// At the start: a request that was slow when the last run ended has nobody who waits for it any more.
    pub async fn resume_slow(&self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let now = self.parts.clock.now();
        let horizon = now.after(self.slow_for());
        let (hints, _) =
            store.read(move |store| store.due(crate::store::DueKind::Backlog, horizon, RESUMED)).await?;
        let mut commit = Commit::new();
        for pair in hints.iter().filter(|due| due.at > now).filter_map(Due::pair) {
            if let Some(old) = self.backlog(pair)?.filter(|old| old.last == LastOutcome::Slow) {
                let backlog = Backlog { due_at: now, ..old };
                commit.push(Record::BacklogPut { pair, backlog, was: Some(old.due_at) });
            }
        }
        store.commit(commit).await
    }

    /// How far in the future the backlog of a slow request is due: behind the request's own end, so that only a crash
    /// finds it.
    pub(super) fn slow_for(&self) -> Duration {
        self.parts.delivery.timeout.saturating_mul(2)
    }

    async fn catch_up(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(pair) = due.pair() else { return store.drop_due(due).await };
        let found = store.backlog(pair);
        if matches!(found, Err(StoreError::Damaged { .. })) {
            return self.owe_all(pair, due).await;
        }
        let backlog = found?.filter(|backlog| backlog.due_at == due.at);
        let is_early = due.at > self.parts.clock.now();
        let Some(backlog) = backlog else {
            // One that comes early may be put off to this very moment by now: the row stays until it is due.
            return if is_early { Ok(()) } else { store.drop_due(due).await };
        };
        // It was a breaker that closed: whoever waits for anything else, and is due at the same moment by chance, has a
        // reason to wait until then.
        if is_early && backlog.last != LastOutcome::BreakerOpen {
            return Ok(());
        }
        if backlog.from_seq > store.head(pair.topic)? {
            return self.look_again(pair).await;
        }
        let now = self.parts.clock.now();
        let changes = store.subscription_changes();
        let Some(mut subscription) = self.parts.store.subscription(pair)? else {
            return store.commit(Record::BacklogSettled { pair, was: backlog.due_at }.into()).await;
        };
        // Out of its lease, or still being told by a request that is under way: not now.
        if !subscription.is_active_at(now) {
            return self.wait(pair, &backlog, LastOutcome::Slow).await;
        }
        let Some(flying) = self.in_flight.enter(pair) else {
            return self.wait(pair, &backlog, LastOutcome::Slow).await;
        };
        let host = subscription.callback.host_key();
        let permit = timeout(self.parts.delivery.patience, self.parts.lanes.enter(host.as_str())).await;
        let Ok(mut permit) = permit else { return self.wait(pair, &backlog, LastOutcome::LaneFull).await };
        let composed = self.composer.compose(pair.topic, backlog.from_seq, backlog.needs_full).await?;
        let Some(composed) = composed else {
            return store.commit(Record::BacklogSettled { pair, was: backlog.due_at }.into()).await;
        };
        // It may have waited for a while: the secret that is active now signs (V16), and who has left gets nothing, were
        // it back meanwhile or its lease at its end (D22). Whoever changed the backlog has made it due again.
        if store.subscription_changes() != changes {
            let Some(current) = self.parts.store.subscription(pair)? else { return Ok(()) };
            subscription = current;
        }
        if self.backlog(pair)? != Some(backlog) {
            return Ok(());
        }
        let now = self.parts.clock.now();
        if !subscription.is_active_at(now) {
            return self.wait(pair, &backlog, LastOutcome::Slow).await;
        }
        if let Some(due_at) = self.holds.until(pair, now) {
            let setback = Setback { last: LastOutcome::Held, due_at, counts: false };
            return self.put_off(pair, backlog.from_seq, setback).await;
        }
        // Asked last: who is let through as the probe of an open breaker has to send.
        if let Some(due_at) = self.breaker_wait(&subscription) {
            let setback = Setback { last: LastOutcome::BreakerOpen, due_at, counts: false };
            self.put_off(pair, backlog.from_seq, setback).await?;
            self.was_put_off(&subscription, due_at);
            return Ok(());
        }
        debug!(octets = composed.parcel.len(), through = composed.reach.through, "catching up");
        let outcome = self.try_aside(pair, &subscription, &composed.parcel, &mut permit).await;
        // The next request need not wait for the disk: of a hundred thousand that came back at once, those of one host were
        // told sixty-four a flush.
        drop(permit);
        // Before the backlog goes: a fan-out that finds neither a backlog nor a request delivers, as it should.
        drop(flying);
        match &outcome {
            Outcome::Accepted => self.caught_up(pair, composed.reach).await,
            // Renewed meanwhile: what the old one refused is owed to the new one.
            Outcome::Gone if !self.end(pair, &subscription).await? => {
                self.wait(pair, &backlog, LastOutcome::Status(410)).await
            }
            Outcome::Gone => Ok(()),
            Outcome::Later { .. } => {
                self.put_off(pair, backlog.from_seq, self.setback(backlog.attempts, &outcome)).await
            }
        }
    }

    /// What a backlog was about that cannot be read nobody knows: the subscription is owed the whole document, and with it
    /// whatever it missed.
    async fn owe_all(&self, pair: PairId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _head = store.topic_locks().read(pair.topic.as_bytes()).await;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        if store.readable(store.backlog(pair))?.is_some() {
            return Ok(());
        }
        let head = store.head(pair.topic)?;
        let is_owed = store.subscription(pair)?.is_some_and(|subscription| subscription.since_seq < head);
        if !is_owed {
            return store.commit(Record::BacklogSettled { pair, was: due.at }.into()).await;
        }
        let now = self.parts.clock.now();
        let backlog = Backlog {
            from_seq: head,
            passed: 0,
            attempts: 0,
            due_at: now,
            since: now,
            last: LastOutcome::Unreachable,
            needs_full: NeedsFull::Lost,
        };
        store.commit(Record::BacklogPut { pair, backlog, was: Some(due.at) }.into()).await?;
        self.poke.due(now);
        Ok(())
    }

    /// One try that leaves its room to others where it turns out to be slow: a few dozen hosts that take their time over
    /// each request would else have all of it (promise 3).
    async fn try_aside(
        &self,
        pair: PairId,
        subscription: &Subscription,
        parcel: &Parcel,
        permit: &mut Permit,
    ) -> Outcome {
        {
            let request = self.try_once(pair, subscription, parcel);
            pin!(request);
            match timeout(self.parts.delivery.patience, request.as_mut()).await {
                Ok(outcome) => return outcome,
                Err(_slow) if permit.stand_aside() => return request.await,
                Err(_slow) => {}
            }
        }
        self.cut(subscription)
    }

    /// Puts a backlog off for a little: nothing was tried.
    async fn wait(&self, pair: PairId, backlog: &Backlog, last: LastOutcome) -> Result<(), StoreError> {
        let pause = self.parts.random.jitter(self.parts.delivery.patience.saturating_mul(2), 0.5);
        let due_at = self.parts.clock.now().after(pause);
        self.put_off(pair, backlog.from_seq, Setback { last, due_at, counts: false }).await
    }
}
