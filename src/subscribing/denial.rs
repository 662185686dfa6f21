//! The hub's own no, when it comes after the 202: decided by a policy that needs a fetch, or by the operator (V21).
//!
//! A denial is an intent whose answer is known: it waits in the same table, survives the same crashes, and gives way to
//! a newer request of the subscriber, which is allowed. The subscription is gone before the callback is told.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, header::AUTHORIZATION};
use tracing::{debug, info};

use super::Subscribing;
use crate::{
    outbound::{Outgoing, Overflow, Purpose},
    protocol::{Mode, PairId, denial},
    publishing::Advertised,
    store::{Commit, PendingIntent, Record, StoreError, Subscription},
};

/// Before the second and last try to tell a callback that could not be reached.
const PAUSE: Duration = Duration::from_secs(2);
/// Octets of an answer that nobody reads.
const ANSWER: usize = 8 << 10;

/// What the policies that need a fetch say of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Examined {
    Allowed,
    Denied(&'static str),
    /// Not decided: try again.
    Unknown,
    /// Not asked, because the topic's host is busy with others.
    Busy,
}

/// Why a topic is denied that no try could reach (L10).
const UNREACHABLE: &str = "the topic could not be fetched";

impl Subscribing {
    /// Asks the policies that need a fetch (V23, L10). Waits so long for room in the lane of the topic's host.
    pub(super) async fn examine(
        &self,
        intent: &PendingIntent,
        patience: Duration,
    ) -> Result<Examined, StoreError> {
        let is_asked =
            self.parts.topics_must_name_this_hub && intent.mode == Mode::Subscribe && !intent.refresh;
        if !is_asked || intent.is_examined || intent.denied.is_some() {
            return Ok(Examined::Allowed);
        }
        Ok(match self.parts.publishing.advertised(&intent.topic, patience).await? {
            Advertised::Here => Examined::Allowed,
            Advertised::Elsewhere => Examined::Denied("the topic does not name this hub"),
            Advertised::Forbidden => Examined::Denied("this hub does not fetch that topic"),
            Advertised::Unknown if self.is_over(intent)? => Examined::Denied(UNREACHABLE),
            Advertised::Unknown => Examined::Unknown,
            Advertised::Busy => Examined::Busy,
        })
    }

    /// Whether an intent whose topic cannot be fetched has had its last try. The subscriber was told 202, so it hears how
    /// that ended; unless a subscription runs, which a site that is down for a moment does not end (V15).
    fn is_over(&self, intent: &PendingIntent) -> Result<bool, StoreError> {
        let pair = PairId { topic: intent.topic.id(), callback: intent.callback.id() };
        Ok(self.next_step(intent)?.is_none() && self.parts.store.subscription(pair)?.is_none())
    }

    /// Turns a pending intent into a denial. Only the operator ends what runs: anybody can make a request in the name of
    /// its subscriber, and a publisher may change its mind about its hub (V15).
    pub(super) async fn deny(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        reason: &str,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        if store.subscription(pair)?.is_some() {
            return self.give_up_held(pair, intent, false).await;
        }
        let Some(current) = store.intent(pair)?.filter(|other| other.accepted_at == intent.accepted_at)
        else {
            return Ok(());
        };
        let was = Some(current.due_at);
        self.put_denial(pair, current, was, reason).await
    }

    /// Ends whatever there is of a pair, and tells its callback why. Says whether there was anything. What is being
    /// verified at this moment was asked for before, and is too late, whatever its callback says.
    pub async fn end(&self, pair: PairId, reason: &str) -> Result<bool, StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let pending = store.intent(pair)?;
        let was = pending.as_ref().map(|intent| intent.due_at);
        let Some(subscription) = store.subscription(pair)? else {
            let Some(intent) = pending.filter(|intent| intent.denied.is_none()) else { return Ok(false) };
            let accepted_at = self.stamp(pair)?;
            self.under_way.overtake(pair, accepted_at);
            self.put_denial(pair, PendingIntent { accepted_at, ..intent }, was, reason).await?;
            return Ok(true);
        };
        let accepted_at = self.stamp(pair)?;
        self.under_way.overtake(pair, accepted_at);
        let intent = PendingIntent::renewing(&subscription, self.parts.clock.now());
        let _changing = self.pending.changing().await;
        self.put_denial(pair, PendingIntent { accepted_at, ..intent }, was, reason).await?;
        if pending.is_none() {
            self.pending.add(&subscription.callback.host_key());
        }
        Ok(true)
    }

    /// The caller holds the pair's lock.
    async fn put_denial(
        &self,
        pair: PairId,
        intent: PendingIntent,
        was: Option<crate::clock::Timestamp>,
        reason: &str,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let now = self.parts.clock.now();
        let mut commit = Commit::new();
        if let Some(lease_due) = store.subscription(pair)?.as_ref().map(Subscription::lease_due) {
            let backlog_due = store.backlog_due(pair)?;
            commit.push(Record::SubscriptionEnded { pair, lease_due: Some(lease_due), backlog_due });
            self.shares.ended(&intent.callback);
        }
        info!(topic = intent.topic.as_str(), callback = %intent.callback, reason, "subscription denied");
        let intent = PendingIntent { due_at: now, attempts: 0, denied: Some(reason.to_owned()), ..intent };
        commit.push(Record::IntentPut { pair, intent, was });
        self.commit(commit).await?;
        self.poke.due(now);
        self.parts.distribution.release(pair).await
    }

    /// Tells the callback. Any answer will do; only silence is asked once more.
    pub(super) async fn announce(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        reason: &str,
    ) -> Result<(), StoreError> {
        let query = denial::query(&intent.topic, Some(reason));
        let headers = intent.callback.authorization().map(|authorization| (AUTHORIZATION, authorization));
        let request = Outgoing {
            purpose: Purpose::Callback,
            method: Method::GET,
            uri: intent.callback.uri_with_query(&query),
            headers: HeaderMap::from_iter(headers),
            body: Bytes::new(),
            timeout: self.parts.verification.timeout,
            max_body: ANSWER,
            overflow: Overflow::Discard,
        };
        let told = self.parts.transport.send(request).await;
        debug!(callback = %intent.callback, reached = told.is_ok(), "denial announced");
        if told.is_err() && intent.attempts == 0 {
            return self.put_off(pair, intent, PAUSE, 1).await;
        }
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let mut commit = Commit::new();
        let is_done = self.clear(pair, intent, &mut commit)?;
        self.settle(pair, intent, commit, is_done, None).await
    }
}
