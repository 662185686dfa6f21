//! Subscriptions by topic and callback: the scan that a fan-out uses.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};
use crate::{
    clock::Timestamp,
    protocol::{Algorithm, CallbackId, CallbackUrl, PairId, Profile, Secret, TopicId, TopicUrl, VerifyToken},
};

/// One active pair of topic and callback (S21), with its strings as the subscriber spelled them (S22).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    pub topic: TopicUrl,
    pub callback: CallbackUrl,
    pub profile: Profile,
    #[serde(deserialize_with = "codec::stated")]
    pub secret: Option<Secret>,
    #[serde(deserialize_with = "codec::stated")]
    pub verify_token: Option<VerifyToken>,
    /// What the subscriber asked for with the request (D10); the hub's default otherwise.
    pub signature: Option<Algorithm>,
    /// The lease as asked for, so that a refresh (V19) asks for the same.
    pub asked_lease: Option<u64>,
    pub granted_at: Timestamp,
    pub expires_at: Timestamp,
    /// When a 0.3 subscription is verified again (V19).
    pub refresh_at: Option<Timestamp>,
    /// When the applied request was accepted: an intent older than this is late and dropped (V17).
    pub accepted_at: Timestamp,
    /// The topic's head when the pair became active: later publications are for it.
    pub since_seq: u64,
    /// For how many readers the subscriber says it stands (D19); 1 until it says so.
    pub stands_for: u32,
}

impl Subscription {
    /// When the lease next needs attention: its refresh or its end.
    pub fn lease_due(&self) -> Timestamp {
        self.refresh_at.map_or(self.expires_at, |refresh| refresh.min(self.expires_at))
    }

    pub fn is_active_at(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl Store {
    /// One that cannot be read is none: nobody knows any more whom it is of, and whoever subscribes again puts it right.
    pub fn subscription(&self, pair: PairId) -> Result<Option<Subscription>, StoreError> {
        let row = self.kv.get(&keys::by_pair(Table::Subscriptions, pair))?;
        self.readable(row.map(|row| codec::decode(Table::Subscriptions, &row)).transpose())
    }

    /// What the row of a subscription holds, if it can be read.
    fn listed(&self, value: &[u8]) -> Option<Subscription> {
        let read = codec::decode(Table::Subscriptions, value).ok();
        if read.is_none() {
            self.pass_over(Table::Subscriptions.name());
        }
        read
    }

    /// Whether anybody subscribes to the topic, expired leases that were not swept yet included.
    pub fn has_subscriptions(&self, topic: TopicId) -> Result<bool, StoreError> {
        Ok(!self.kv.scan(&keys::by_topic(Table::Subscriptions, topic), None, 1)?.is_empty())
    }

    /// How many pairs the topic has, counted up to `at_most`: for the publisher's log (F04).
    pub fn count_subscriptions(&self, topic: TopicId, at_most: usize) -> Result<usize, StoreError> {
        Ok(self.kv.scan(&keys::by_topic(Table::Subscriptions, topic), None, at_most)?.len())
    }

    /// One of those who subscribe to a topic.
    pub fn a_subscription(&self, topic: TopicId) -> Result<Option<Subscription>, StoreError> {
        let mut after = None;
        while let Some((callback, subscription)) = self.subscriptions(topic, after, 1)?.pop() {
            if subscription.is_some() {
                return Ok(subscription);
            }
            after = Some(callback);
        }
        Ok(None)
    }

    /// Up to `limit` subscriptions of a topic in key order, after the given callback; `None` for one that cannot be read,
    /// which is no reason to keep the others from what is for them.
    pub fn subscriptions(
        &self,
        topic: TopicId,
        after: Option<CallbackId>,
        limit: usize,
    ) -> Result<Vec<(CallbackId, Option<Subscription>)>, StoreError> {
        let after = after.map(|callback| keys::by_pair(Table::Subscriptions, PairId { topic, callback }));
        let rows = self.kv.scan(&keys::by_topic(Table::Subscriptions, topic), after.as_deref(), limit)?;
        rows.iter()
            .map(|(key, value)| {
                let callback =
                    read_callback(key).ok_or(StoreError::Damaged { table: Table::Subscriptions.name() })?;
                Ok((callback, self.listed(value)))
            })
            .collect()
    }

    /// Up to `limit` subscriptions of all topics in key order, after the given one; `None` for one that cannot be read.
    pub fn all_subscriptions(
        &self,
        after: Option<PairId>,
        limit: usize,
    ) -> Result<Vec<(PairId, Option<Subscription>)>, StoreError> {
        let after = after.map(|pair| keys::by_pair(Table::Subscriptions, pair));
        let rows = self.kv.scan(&[Table::Subscriptions.byte()], after.as_deref(), limit)?;
        rows.iter()
            .map(|(key, value)| {
                let pair =
                    read_pair(key).ok_or(StoreError::Damaged { table: Table::Subscriptions.name() })?;
                Ok((pair, self.listed(value)))
            })
            .collect()
    }

    /// Up to `limit` topics that somebody subscribes to, each as one of its subscribers spells it, after the given one.
    pub fn subscribed_topics(
        &self,
        mut after: Option<TopicId>,
        limit: usize,
    ) -> Result<Vec<(TopicId, TopicUrl)>, StoreError> {
        let mut found = Vec::new();
        while found.len() < limit {
            // Behind whatever callback the last topic could have.
            let behind = after
                .map(|topic| PairId { topic, callback: CallbackId::from_bytes([u8::MAX; 16]) })
                .map(|last| keys::by_pair(Table::Subscriptions, last));
            let rows = self.kv.scan(&[Table::Subscriptions.byte()], behind.as_deref(), 1)?;
            let Some((key, _)) = rows.first() else { break };
            let damaged = StoreError::Damaged { table: Table::Subscriptions.name() };
            let topic = read_pair(key).ok_or(damaged)?.topic;
            after = Some(topic);
            if let Some(subscription) = self.a_subscription(topic)? {
                found.push((topic, subscription.topic));
            }
        }
        Ok(found)
    }

    /// When the callback host last proved an intent.
    pub fn host_verified(&self, host: [u8; 16]) -> Result<Option<Timestamp>, StoreError> {
        let row = self.kv.get(&keys::host(host))?;
        self.readable(row.map(|row| codec::decode(Table::Hosts, &row)).transpose())
    }

    /// Up to `limit` callback hosts in key order, after the given one, each with when it last proved an intent.
    pub fn hosts(
        &self,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Vec<([u8; 16], Timestamp)>, StoreError> {
        let after = after.map(keys::host);
        self.readable_rows(&[Table::Hosts.byte()], after.as_deref(), limit, |key, value| {
            let host = keys::Reader::of(key).and_then(|mut reader| reader.hash());
            let host = host.ok_or(StoreError::Damaged { table: Table::Hosts.name() })?;
            Ok((host, codec::decode(Table::Hosts, value)?))
        })
    }
}

/// The key of a subscription.
fn read_pair(key: &[u8]) -> Option<PairId> {
    let mut reader = keys::Reader::of(key)?;
    Some(PairId { topic: reader.topic()?, callback: reader.callback()? })
}

/// The callback in a key of the shape topic, callback.
pub(super) fn read_callback(key: &[u8]) -> Option<CallbackId> {
    let mut reader = keys::Reader::of(key)?;
    reader.topic()?;
    reader.callback()
}
