//! Leases: the end of them, and the refresh that a 0.3 subscription is owed (V18, V19).

use std::{sync::Arc, time::Duration};

use tracing::info;

use super::Subscribing;
use crate::{
    agenda::Work,
    store::{Commit, Due, PendingIntent, Record, StoreError, Subscription},
};

/// What a lease is stretched by when it ended before its refresh could be asked for.
const GRACE: Duration = Duration::from_hours(24);
/// When a refresh that found another request under way is due again.
pub(super) const AGAIN: Duration = Duration::from_hours(1);

/// The work of the agenda of leases.
#[derive(Debug)]
pub struct Leases(pub Arc<Subscribing>);

impl Work for Leases {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        self.0.attend(due).await
    }
}

impl Subscribing {
    async fn attend(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(pair) = due.pair() else {
            return store.drop_due(due).await;
        };
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let subscription = store.subscription(pair)?.filter(|found| found.lease_due() == due.at);
        let Some(subscription) = subscription else {
            return store.drop_due(due).await;
        };
        let now = self.parts.clock.now();
        let lease_due = subscription.lease_due();
        // The hub was down when the refresh was due: the subscriber is owed the question before its lease ends. One that
        // was put off past the end is not: a stranger's failing requests must not stretch a lease.
        let is_unasked = subscription.refresh_at.is_some_and(|refresh| refresh < subscription.expires_at);
        if !subscription.is_active_at(now) && !is_unasked {
            let backlog_due = store.backlog_due(pair)?;
            info!(topic = subscription.topic.as_str(), callback = %subscription.callback, "lease ended");
            self.parts.metrics.leases_ended.inc();
            let ended = Record::SubscriptionEnded { pair, lease_due: Some(lease_due), backlog_due };
            self.commit(ended.into()).await?;
            self.shares.ended(&subscription.callback);
            return Ok(());
        }
        let expires_at =
            if subscription.is_active_at(now) { subscription.expires_at } else { now.after(GRACE) };
        let mut commit = Commit::new();
        let is_free = store.intent(pair)?.is_none();
        let host = subscription.callback.host_key();
        let next = if is_free {
            // Asked once a lease: the verification has its own retries, and its success sets the next refresh.
            // The same parameters and token again, with a new challenge (V19).
            let intent = PendingIntent::renewing(&subscription, now);
            commit.push(Record::IntentPut { pair, intent, was: None });
            Subscription { refresh_at: None, expires_at, ..subscription }
        } else {
            // Somebody's request is being verified. If that fails, the refresh is still owed.
            let refresh_at = Some(now.after(AGAIN));
            Subscription { expires_at, refresh_at, ..subscription }
        };
        let next_due = next.lease_due();
        commit.push(Record::SubscriptionPut { pair, subscription: next, was: Some(lease_due) });
        let _changing = self.pending.changing().await;
        self.commit(commit).await?;
        if is_free {
            self.pending.add(&host);
        }
        self.poke.due(now);
        self.lease_poke.due(next_due);
        Ok(())
    }
}
