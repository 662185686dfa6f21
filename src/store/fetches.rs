//! Pending fetches: one a topic, however often it is pinged.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};
use crate::{
    clock::Timestamp,
    protocol::{TopicId, TopicUrl},
};

/// A topic that has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingFetch {
    pub url: TopicUrl,
    /// The newest ping: a fetch that began after it answers it, an older one does not.
    pub pinged_at: Timestamp,
    pub due_at: Timestamp,
    /// Failed tries since the ping.
    pub attempts: u32,
    /// How often the topic was looked at again because nothing had changed (P12).
    pub looks: u32,
    /// Nobody pinged: the operator has the topic polled (P15).
    pub is_poll: bool,
}

impl Store {
    /// One that cannot be read is an error: somebody was told that it would be made.
    pub fn pending_fetch(&self, topic: TopicId) -> Result<Option<PendingFetch>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Fetches, topic))?;
        row.map(|row| codec::decode(Table::Fetches, &row)).transpose()
    }
}
