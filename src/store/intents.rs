//! Pending intents: requests that were answered 202 and wait for the subscriber's word.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, Subscription, codec,
    keys::{self, Table},
    subscriptions::read_callback,
};
use crate::{
    clock::Timestamp,
    protocol::{Algorithm, CallbackUrl, Mode, PairId, Profile, Secret, TopicId, TopicUrl, VerifyToken},
};

/// A request with everything of its own (V16): nothing of the active subscription changes before the echo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingIntent {
    pub mode: Mode,
    pub topic: TopicUrl,
    pub callback: CallbackUrl,
    pub profile: Profile,
    #[serde(deserialize_with = "codec::stated")]
    pub secret: Option<Secret>,
    #[serde(deserialize_with = "codec::stated")]
    pub verify_token: Option<VerifyToken>,
    pub signature: Option<Algorithm>,
    pub asked_lease: Option<u64>,
    pub accepted_at: Timestamp,
    pub due_at: Timestamp,
    /// Failed tries so far.
    pub attempts: u32,
    /// The hub's own renewal of a 0.3 lease (V19), not a subscriber's request.
    pub refresh: bool,
    /// The policies that need a fetch have nothing against it (L10).
    pub is_examined: bool,
    /// It is refused, for this reason, and the callback has yet to be told (V21).
    pub denied: Option<String>,
}

impl PendingIntent {
    /// The same parameters and token as a subscription has, to be asked about again (V19).
    pub fn renewing(subscription: &Subscription, now: Timestamp) -> Self {
        Self {
            mode: Mode::Subscribe,
            topic: subscription.topic.clone(),
            callback: subscription.callback.clone(),
            profile: subscription.profile,
            secret: subscription.secret.clone(),
            verify_token: subscription.verify_token.clone(),
            signature: subscription.signature,
            asked_lease: subscription.asked_lease,
            accepted_at: subscription.accepted_at,
            due_at: now,
            attempts: 0,
            refresh: true,
            is_examined: true,
            denied: None,
        }
    }

    /// Whether deliveries are signed otherwise once this is confirmed (V16).
    pub fn changes_secret_of(&self, subscription: &Subscription) -> bool {
        self.mode == Mode::Subscribe && self.denied.is_none() && self.secret != subscription.secret
    }
}

impl Store {
    /// One that cannot be read is none: what was asked for is lost, and whoever asks again takes its place.
    pub fn intent(&self, pair: PairId) -> Result<Option<PendingIntent>, StoreError> {
        let row = self.kv.get(&keys::by_pair(Table::Intents, pair))?;
        self.readable(row.map(|row| codec::decode(Table::Intents, &row)).transpose())
    }

    /// Up to `limit` pending intents that can be read, in key order, after the given pair.
    pub fn intents(
        &self,
        after: Option<PairId>,
        limit: usize,
    ) -> Result<Vec<(PairId, PendingIntent)>, StoreError> {
        let after = after.map(|pair| keys::by_pair(Table::Intents, pair));
        let damaged = || StoreError::Damaged { table: Table::Intents.name() };
        self.readable_rows(&[Table::Intents.byte()], after.as_deref(), limit, |key, value| {
            let topic: Option<TopicId> = keys::Reader::of(key).and_then(|mut reader| reader.topic());
            let pair = PairId {
                topic: topic.ok_or_else(damaged)?,
                callback: read_callback(key).ok_or_else(damaged)?,
            };
            Ok((pair, codec::decode(Table::Intents, value)?))
        })
    }
}
