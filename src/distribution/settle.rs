//! What a try means for the store: nothing, a backlog, an end.

use tokio::sync::RwLockReadGuard;
use tracing::{debug, info, warn};

use std::time::Duration;

use super::{Distribution, readers::claimed, schedule::next_try};
use crate::{
    clock::Timestamp,
    outbound::{Change, Gate, Outcome, Why},
    protocol::PairId,
    store::{Backlog, LastOutcome, NeedsFull, Record, StoreError, Subscription},
    telemetry::Delivered,
};

use super::parcel::Parcel;

/// How soon it is looked at again whether a row that only holds fan-outs off may go, and how late at most.
const SOONEST: Duration = Duration::from_millis(250);
const LATEST: Duration = Duration::from_secs(5);

/// What a try that did not succeed leaves behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setback {
    pub(super) last: LastOutcome,
    pub(super) due_at: Timestamp,
    /// Whether it counts as a failed try.
    pub(super) counts: bool,
}

/// How far a document that arrived brings a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// The last publication in it.
    pub(super) through: u64,
    /// Whether it is the whole document, and not only what was missed.
    pub(super) is_full: bool,
    /// For what the whole document is owed all the same.
    pub(super) owes_full: NeedsFull,
}

impl Distribution {
    /// One try: signs, sends, judges, tells the breaker.
    pub(super) async fn try_once(
        &self,
        pair: PairId,
        subscription: &Subscription,
        parcel: &Parcel,
    ) -> Outcome {
        let parts = &self.parts;
        let answer = parts.transport.send(parcel.request(subscription, &parts.delivery)).await;
        let now = parts.clock.now();
        let outcome = Outcome::of(answer.as_ref(), now, parts.delivery.retry_after_max);
        parts.metrics.deliveries.add(label(&outcome));
        // Who does not say for how many it stands, stands for itself (D19).
        let stands_for = answer
            .ok()
            .filter(|_| outcome == Outcome::Accepted)
            .map_or(subscription.stands_for, |answer| claimed(&answer.headers).unwrap_or(1));
        if stands_for != subscription.stands_for
            && let Err(error) = self.note_readers(pair, stands_for).await
        {
            debug!(%error, "a count of readers could not be written");
        }
        self.tell_breaker(subscription, &outcome);
        outcome
    }

    /// What becomes of a slow request for which there is no room among the slow ones: it ended, unanswered.
    pub(super) fn cut(&self, subscription: &Subscription) -> Outcome {
        let outcome = Outcome::TIMEOUT;
        self.parts.metrics.deliveries.add(label(&outcome));
        self.tell_breaker(subscription, &outcome);
        outcome
    }

    pub(super) fn tell_breaker(&self, subscription: &Subscription, outcome: &Outcome) {
        let host = subscription.callback.host_key();
        match self.parts.breakers.report(host.as_str(), self.parts.clock.now(), outcome.speaks_for_host()) {
            Some(Change::Opened) => warn!(host = host.as_str(), "breaker opened: its deliveries wait"),
            Some(Change::HalfOpened) => info!(host = host.as_str(), "breaker half open: one delivery probes"),
            Some(Change::Closed(put_off)) => {
                info!(host = host.as_str(), "breaker closed: the host is back");
                put_off.moments().for_each(|at| self.poke.early(at));
            }
            None => {}
        }
        if let Outcome::Later { retry_after: Some(wish), why: Why::Status(429 | 503) } = *outcome {
            // What is too much for one callback of a host is too much for all of them. But only for a while: they may be
            // strangers to each other, and no one of them may keep the others from their news.
            if let Some(pause) = self.parts.breakers.hold(host.as_str(), self.parts.clock.now(), wish) {
                info!(host = host.as_str(), ?pause, "host asks for a pause: its deliveries wait");
            }
        }
    }

    /// When the host's open breaker lets something through again, if it is open.
    pub(super) fn breaker_wait(&self, subscription: &Subscription) -> Option<Timestamp> {
        let host = subscription.callback.host_key();
        match self.parts.breakers.ask(host.as_str(), self.parts.clock.now()) {
            Gate::Go | Gate::Probe => None,
            Gate::Wait(until) => Some(until),
        }
    }

    /// Something is on disk as put off because the host's breaker was open. Where that closed meanwhile, nobody saw this
    /// row then, and nobody else will before it is due.
    pub(super) fn was_put_off(&self, subscription: &Subscription, due_at: Timestamp) {
        let host = subscription.callback.host_key();
        if self.parts.breakers.lets_all_through(host.as_str(), self.parts.clock.now()) {
            self.poke.early(due_at);
        }
    }

    /// Ends a subscription whose callback said 410 (D15), unless it was renewed while the request was under way. Says
    /// whether it is over.
    pub(super) async fn end(&self, pair: PairId, seen: &Subscription) -> Result<bool, StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(subscription) = self.parts.store.subscription(pair)? else { return Ok(true) };
        if subscription.accepted_at != seen.accepted_at {
            return Ok(false);
        }
        let backlog_due = store.backlog_due(pair)?;
        let lease_due = Some(subscription.lease_due());
        info!(topic = subscription.topic.as_str(), callback = %subscription.callback, "subscription ended: 410 Gone");
        store.commit(Record::SubscriptionEnded { pair, lease_due, backlog_due }.into()).await?;
        if let Some(departures) = self.departures.get() {
            departures.left(&subscription.callback);
        }
        Ok(true)
    }

    /// Opens a backlog for a publication that this fan-out could not deliver. Returns when it is on disk.
    pub(super) async fn fall_behind(
        &self,
        pair: PairId,
        from_seq: u64,
        needs_full: NeedsFull,
        setback: Setback,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        // Unsubscribed meanwhile: nothing waits for what is gone, nor for what is from before a return (D22).
        if self.parts.store.subscription(pair)?.is_none_or(|subscription| subscription.since_seq >= from_seq)
        {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let old = store.backlog(pair);
        // Its turn comes, puts it right, and reaches as far as this.
        if matches!(old, Err(StoreError::Damaged { .. })) {
            return Ok(());
        }
        let old = old?;
        let backlog = Backlog {
            from_seq: old.map_or(from_seq, |old| old.from_seq.min(from_seq)),
            passed: old.map_or(from_seq, |old| old.passed.max(from_seq)),
            attempts: u32::from(setback.counts),
            due_at: setback.due_at,
            since: old.map_or(now, |old| old.since),
            last: setback.last,
            needs_full: old.map_or(needs_full, |old| old.needs_full.max(needs_full)),
        };
        let was = old.map(|old| old.due_at);
        store.commit(Record::BacklogPut { pair, backlog, was }.into()).await?;
        self.poke.due(backlog.due_at);
        Ok(())
    }

    /// Puts a backlog off after a try of this publication that failed, or that could not be made.
    pub(super) async fn put_off(&self, pair: PairId, seq: u64, setback: Setback) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(old) = self.backlog_of(pair, seq)? else { return Ok(()) };
        let backlog = Backlog {
            attempts: old.attempts.saturating_add(u32::from(setback.counts)),
            due_at: setback.due_at,
            last: setback.last,
            ..old
        };
        let put = store.submit(Record::BacklogPut { pair, backlog, was: Some(old.due_at) }.into()).await?;
        put.on_disk().await?;
        self.poke.due(backlog.due_at);
        Ok(())
    }

    /// A backlog was delivered as far as this: removes it, or moves it on if more was published. What goes on owing the
    /// whole document does so until it is sent.
    pub(super) async fn caught_up(&self, pair: PairId, reach: Reach) -> Result<(), StoreError> {
        let store = &self.parts.store;
        // Held against the commit that moves the head: either it sees this backlog, or this sees its head.
        let head = store.topic_locks().read(pair.topic.as_bytes()).await;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(old) = self.backlog_of(pair, reach.through)? else { return Ok(()) };
        let still = if reach.is_full { NeedsFull::No } else { old.needs_full };
        let needs_full = reach.owes_full.max(still);
        self.move_on(pair, old, Backlog { attempts: 0, needs_full, ..old }, reach.through, head).await
    }

    /// A backlog, but for one that cannot be read: its turn comes, and puts it right.
    pub(super) fn backlog(&self, pair: PairId) -> Result<Option<Backlog>, StoreError> {
        self.parts.store.readable(self.parts.store.backlog(pair))
    }

    /// The backlog that a publication waits in. One that begins behind it is of a subscription that has left and come
    /// back since: what became of the old one's request is nothing to it (D22).
    fn backlog_of(&self, pair: PairId, seq: u64) -> Result<Option<Backlog>, StoreError> {
        Ok(self.backlog(pair)?.filter(|backlog| backlog.from_seq <= seq))
    }

    /// A row behind the head: removes it if no fan-out needs to see it any more. What was published meanwhile is owed.
    pub(super) async fn look_again(&self, pair: PairId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let head = store.topic_locks().read(pair.topic.as_bytes()).await;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(old) = self.backlog(pair)? else { return Ok(()) };
        self.move_on(pair, old, old, old.from_seq.saturating_sub(1), head).await
    }

    /// Takes a backlog to where everything through a publication has arrived. The caller holds both locks; that of the topic
    /// is needed until the commit has its place: one that moves the head comes behind it.
    async fn move_on(
        &self,
        pair: PairId,
        old: Backlog,
        new: Backlog,
        through: u64,
        head: RwLockReadGuard<'_, ()>,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let now = self.parts.clock.now();
        let from_seq = through.saturating_add(1);
        let left = if through < store.head(pair.topic)? {
            // What it waited for is over: from here on it is a backlog like any other.
            let since = if old.last == LastOutcome::Ahead { now } else { old.since };
            Some(Backlog { from_seq, due_at: now, since, ..new })
        } else if old.passed < through && store.next_fanout(pair.topic)?.is_some_and(|id| id.seq <= through) {
            // Without a row that fan-out would send it again, and what is older after what is newer. How long the others
            // take nobody knows: it is looked at again when it has waited for as long again.
            let since = if old.last == LastOutcome::Ahead { old.since } else { now };
            let pause = now.since(since).clamp(SOONEST, LATEST);
            let due_at = now.after(self.parts.random.jitter(pause, 0.2));
            Some(Backlog { from_seq, due_at, since, last: LastOutcome::Ahead, ..new })
        } else {
            None
        };
        let record = match left {
            Some(backlog) => Record::BacklogPut { pair, backlog, was: Some(old.due_at) },
            None => Record::BacklogSettled { pair, was: old.due_at },
        };
        let submitted = store.submit(record.into()).await?;
        drop(head);
        submitted.on_disk().await?;
        if let Some(backlog) = left {
            self.poke.due(backlog.due_at);
        }
        Ok(())
    }

    /// What an outcome other than success means for the next try.
    pub(super) fn setback(&self, attempts: u32, outcome: &Outcome) -> Setback {
        let now = self.parts.clock.now();
        let Outcome::Later { retry_after, why } = outcome else {
            return Setback { last: LastOutcome::Slow, due_at: now, counts: false };
        };
        let last = match *why {
            Why::Status(status) => LastOutcome::Status(status),
            _ => LastOutcome::Unreachable,
        };
        let due_at =
            next_try(&self.parts.delivery, &self.parts.random, attempts.saturating_add(1), *retry_after, now);
        debug!(%why, due_in = ?due_at.since(now), "delivery put off");
        Setback { last, due_at, counts: true }
    }
}

fn label(outcome: &Outcome) -> Delivered {
    match outcome {
        Outcome::Accepted => Delivered::Accepted,
        Outcome::Gone => Delivered::Gone,
        Outcome::Later { why, .. } => match why {
            Why::Timeout => Delivered::Timeout,
            Why::Refused => Delivered::Refused,
            Why::Status(300..=399) => Delivered::Redirect,
            Why::Status(400..=499) => Delivered::ClientError,
            Why::Status(_) => Delivered::ServerError,
            Why::Resolve | Why::Connect | Why::Tls | Why::TooLarge | Why::Protocol => Delivered::Unreachable,
        },
    }
}
