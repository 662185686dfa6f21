//! What comes of a verification: all that changes, in one commit (V15-V17).

use std::time::Duration;

use tracing::info;

use super::{Subscribing, lease::AGAIN, under_way::Asking};
use crate::{
    clock::Timestamp,
    protocol::{Mode, PairId, Profile},
    store::{Commit, PendingIntent, Record, StoreError, Subscription},
};

impl Subscribing {
    /// The subscriber confirmed: everything changes in one commit (V16).
    pub(super) async fn apply(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        asking: &Asking<'_>,
        lease: Duration,
        asked_at: Timestamp,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        // The head must not move between reading it and the commit: a publication is for those active before it.
        let _head = store.topic_locks().read(pair.topic.as_bytes()).await;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let now = self.parts.clock.now();
        let old = store.subscription(pair)?;
        let mut commit = Commit::new();
        let mut next_lease = None;
        let is_done = self.clear(pair, intent, &mut commit)?;
        let is_late =
            asking.is_overtaken() || old.as_ref().is_some_and(|old| old.accepted_at > intent.accepted_at);
        // A refresh of what ended meanwhile renews nothing.
        let is_moot = intent.refresh && old.is_none();
        let was_there = old.is_some();
        let is_applied = !is_late && !is_moot;
        if is_applied {
            self.under_way.overtake(pair, intent.accepted_at);
            // An operator should be able to see who has a secret replaced (X12).
            let secret_changed = old.as_ref().is_some_and(|old| old.secret != intent.secret);
            let backlog_due = store.backlog_due(pair)?;
            let lease_due = old.as_ref().map(Subscription::lease_due);
            let ended = Record::SubscriptionEnded { pair, lease_due, backlog_due };
            match intent.mode {
                Mode::Unsubscribe => commit.push(ended),
                Mode::Subscribe => {
                    let running = old.filter(|old| old.is_active_at(now));
                    if running.is_none() {
                        commit.push(ended);
                    }
                    let head = store.head(pair.topic)?;
                    let was = running.as_ref().map(Subscription::lease_due);
                    let subscription = self.subscription(intent, lease, asked_at, running.as_ref(), head);
                    let lease_due = subscription.lease_due();
                    commit.push(Record::SubscriptionPut { pair, subscription, was });
                    self.note_host(&intent.callback, now, &mut commit)?;
                    next_lease = Some(lease_due);
                }
            }
            info!(
                mode = %intent.mode,
                topic = intent.topic.as_str(),
                callback = %intent.callback,
                lease_seconds = lease.as_secs(),
                refresh = intent.refresh,
                secret_changed,
                "intent verified"
            );
        }
        self.settle(pair, intent, commit, is_done, next_lease).await?;
        match intent.mode {
            Mode::Subscribe if is_applied && !was_there => self.shares.began(&intent.callback),
            Mode::Unsubscribe if is_applied && was_there => self.shares.ended(&intent.callback),
            Mode::Subscribe | Mode::Unsubscribe => {}
        }
        Ok(())
    }

    /// Makes the end of a verification durable, and then tells who has to know: the lease's agenda, which would sleep
    /// past a row that it looked for too early, the count of what is pending, and deliveries that waited for the secret.
    /// The caller holds the pair's lock.
    pub(super) async fn settle(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        commit: Commit,
        is_done: bool,
        next_lease: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let _changing = self.pending.changing().await;
        self.commit(commit).await?;
        if let Some(due) = next_lease {
            self.lease_poke.due(due);
        }
        if is_done {
            self.pending.remove(&intent.callback.host_key());
        }
        self.release(pair, intent).await
    }

    /// A commit behind which something is counted. Where it fails nobody knows whether it will be found in the store.
    pub(super) async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.parts.store.commit(commit).await.inspect_err(|_unknown| self.pending.doubt())
    }

    fn subscription(
        &self,
        intent: &PendingIntent,
        lease: Duration,
        asked_at: Timestamp,
        running: Option<&Subscription>,
        head: u64,
    ) -> Subscription {
        Subscription {
            topic: intent.topic.clone(),
            callback: intent.callback.clone(),
            profile: intent.profile,
            secret: intent.secret.clone(),
            verify_token: intent.verify_token.clone(),
            signature: intent.signature,
            asked_lease: intent.asked_lease,
            // Counted from the moment of the verification request (V05).
            granted_at: asked_at,
            expires_at: asked_at.after(lease),
            refresh_at: (intent.profile == Profile::P03)
                .then(|| asked_at.after(self.leases.refresh_after(lease))),
            accepted_at: intent.accepted_at,
            since_seq: running.map_or(head, |old| old.since_seq),
            stands_for: running.map_or(1, |old| old.stands_for),
        }
    }

    /// A topic that never pings may be one that the operator has polled (P15).
    pub(super) async fn poll_if_asked(&self, intent: &PendingIntent) -> Result<(), StoreError> {
        match intent.mode {
            Mode::Subscribe => self.parts.publishing.keep_polled(&intent.topic).await,
            Mode::Unsubscribe => Ok(()),
        }
    }

    /// Removes the pending intent if it is this one or older; a newer one stays (V17). Says whether it did.
    pub(super) fn clear(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        commit: &mut Commit,
    ) -> Result<bool, StoreError> {
        let current = self.parts.store.intent(pair)?;
        let Some(current) = current.filter(|current| current.accepted_at <= intent.accepted_at) else {
            return Ok(false);
        };
        self.answering.forget(pair);
        commit.push(Record::IntentDone { pair, was: current.due_at });
        Ok(true)
    }

    /// The verification ends without a yes. The old state stays (V15), except that a subscriber which says no to the
    /// refresh of its own subscription has left (V19).
    pub(super) async fn give_up(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        let _held = self.parts.store.pair_locks().write(pair.callback.as_bytes()).await;
        self.give_up_held(pair, intent, is_refused).await
    }

    /// The caller holds the pair's lock.
    pub(super) async fn give_up_held(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut commit = Commit::new();
        let is_done = self.clear(pair, intent, &mut commit)?;
        let mut next_lease = None;
        if let Some(old) = store.subscription(pair)? {
            let lease_due = old.lease_due();
            if intent.refresh && is_refused && old.accepted_at == intent.accepted_at {
                let backlog_due = store.backlog_due(pair)?;
                commit.push(Record::SubscriptionEnded { pair, lease_due: Some(lease_due), backlog_due });
                self.shares.ended(&intent.callback);
            } else if !intent.refresh && old.profile == Profile::P03 && old.refresh_at.is_none() {
                // This request took the place of the refresh that was under way: it is still owed, or any stranger
                // could have a 0.3 subscription run out.
                let again = self.parts.clock.now().after(AGAIN);
                let subscription = Subscription { refresh_at: Some(again), ..old };
                next_lease = Some(subscription.lease_due());
                commit.push(Record::SubscriptionPut { pair, subscription, was: Some(lease_due) });
            }
        }
        info!(
            mode = %intent.mode,
            topic = intent.topic.as_str(),
            callback = %intent.callback,
            refused = is_refused,
            refresh = intent.refresh,
            "intent not verified"
        );
        self.settle(pair, intent, commit, is_done, next_lease).await
    }
}
