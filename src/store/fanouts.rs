//! Fan-outs under way, each with its cursor.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};
use crate::{
    clock::Timestamp,
    protocol::{CallbackId, TopicId},
};

/// Which publication goes to which range of subscriptions. One range covers all of them today; the key leaves room
/// for several, each with a cursor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanOutId {
    pub topic: TopicId,
    pub seq: u64,
    /// The lowest callback of the range.
    pub start: CallbackId,
}

impl FanOutId {
    /// The fan-out over all subscriptions of the topic.
    pub fn whole(topic: TopicId, seq: u64) -> Self {
        Self { topic, seq, start: CallbackId::from_bytes([0; 16]) }
    }

    pub(super) fn key(&self) -> Vec<u8> {
        keys::fanout(self.topic, self.seq, self.start)
    }
}

/// How far a fan-out has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanOut {
    /// Everything up to here is settled (delivered, or in a backlog) except what is `open`.
    pub cursor: Option<CallbackId>,
    /// Slow ones that the cursor went past; bounded by the batch.
    pub open: Vec<CallbackId>,
    /// The last callback of the range, where it is not the topic's last.
    pub end: Option<CallbackId>,
    pub since: Timestamp,
}

impl FanOut {
    /// Over all subscriptions, from the first.
    pub fn whole(since: Timestamp) -> Self {
        Self { cursor: None, open: Vec::new(), end: None, since }
    }
}

impl Store {
    /// Of one that cannot be read it is lost how far it had come: some get it again, and nobody does without.
    pub fn fanout(&self, id: FanOutId) -> Result<Option<FanOut>, StoreError> {
        let Some(row) = self.kv.get(&id.key())? else { return Ok(None) };
        let read = self.readable(codec::decode(Table::FanOuts, &row).map(Some))?;
        Ok(Some(read.unwrap_or_else(|| FanOut::whole(Timestamp::EPOCH))))
    }

    /// Up to `limit` fan-outs in the order of topic and sequence, after the given one.
    pub fn fanouts(&self, after: Option<FanOutId>, limit: usize) -> Result<Vec<FanOutId>, StoreError> {
        let after = after.map(|id| id.key());
        let rows = self.kv.scan(&[Table::FanOuts.byte()], after.as_deref(), limit)?;
        rows.iter().map(|(key, _)| read_id(key)).collect()
    }

    /// The oldest fan-out of a topic that is not done.
    pub fn next_fanout(&self, topic: TopicId) -> Result<Option<FanOutId>, StoreError> {
        let rows = self.kv.scan(&keys::by_topic(Table::FanOuts, topic), None, 1)?;
        rows.first().map(|(key, _)| read_id(key)).transpose()
    }
}

fn read_id(key: &[u8]) -> Result<FanOutId, StoreError> {
    let read = keys::Reader::of(key).and_then(|mut reader| {
        Some(FanOutId { topic: reader.topic()?, seq: reader.number()?, start: reader.callback()? })
    });
    read.ok_or(StoreError::Damaged { table: Table::FanOuts.name() })
}
