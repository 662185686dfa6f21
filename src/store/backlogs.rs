//! Backlogs: at most one a subscription, however much was published while it was down.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
    subscriptions::read_callback,
};
use crate::{
    clock::Timestamp,
    protocol::{CallbackId, PairId, TopicId},
};

/// Why the last try did not settle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastOutcome {
    /// A request is under way that outlasted the patience of its fan-out.
    Slow,
    /// No permit of the host's lane was free within the patience.
    LaneFull,
    /// The host's breaker is open.
    BreakerOpen,
    /// The subscriber answered with this status.
    Status(u16),
    /// No answer: the label of the failure.
    Unreachable,
    /// A request that would change the subscription's secret is being verified (V16).
    Held,
    /// It has everything; the row keeps the fan-outs that still come to it from sending some of that again.
    Ahead,
}

/// From which publication on a subscription still has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backlog {
    /// Behind the head, where nothing is owed.
    pub from_seq: u64,
    /// The last publication whose fan-out is known to be done with the subscription.
    pub passed: u64,
    /// Failed tries so far.
    pub attempts: u32,
    pub due_at: Timestamp,
    /// When it began.
    pub since: Timestamp,
    pub last: LastOutcome,
    pub needs_full: NeedsFull,
}

/// Whether the whole document goes next, and what for: the stronger reason is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NeedsFull {
    No,
    /// It never got one (D03). What is new does as well where the document is large (D26).
    First,
    /// Some of what it missed is no longer kept (D18). Nothing else makes up for that.
    Lost,
}

impl Store {
    /// One that cannot be read is an error: something is owed.
    pub fn backlog(&self, pair: PairId) -> Result<Option<Backlog>, StoreError> {
        let row = self.kv.get(&keys::by_pair(Table::Backlogs, pair))?;
        row.map(|row| codec::decode(Table::Backlogs, &row)).transpose()
    }

    pub fn has_backlog(&self, pair: PairId) -> Result<bool, StoreError> {
        Ok(self.kv.get(&keys::by_pair(Table::Backlogs, pair))?.is_some())
    }

    /// When a backlog is due that goes with its subscription. Of one that cannot be read nobody knows, and the agenda will
    /// find nothing there.
    pub fn backlog_due(&self, pair: PairId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.readable(self.backlog(pair))?.map(|backlog| backlog.due_at))
    }

    /// The callbacks with a backlog among those of a topic after `after` and up to `last`.
    pub fn backlogged(
        &self,
        topic: TopicId,
        after: Option<CallbackId>,
        last: CallbackId,
        limit: usize,
    ) -> Result<HashSet<CallbackId>, StoreError> {
        let after = after.map(|callback| keys::by_pair(Table::Backlogs, PairId { topic, callback }));
        let rows = self.kv.scan(&keys::by_topic(Table::Backlogs, topic), after.as_deref(), limit)?;
        let damaged = || StoreError::Damaged { table: Table::Backlogs.name() };
        let mut found = HashSet::with_capacity(rows.len());
        for (key, _) in &rows {
            let callback = read_callback(key).ok_or_else(damaged)?;
            if callback > last {
                break;
            }
            found.insert(callback);
        }
        Ok(found)
    }

    /// The lowest publication that any backlog of the topic still needs, with what is looked at bounded by `limit`:
    /// `None` where there is no backlog, 0 where there are too many to look at.
    pub fn oldest_needed(&self, topic: TopicId, limit: usize) -> Result<Option<u64>, StoreError> {
        let rows = self.kv.scan(&keys::by_topic(Table::Backlogs, topic), None, limit)?;
        if rows.len() == limit {
            return Ok(Some(0));
        }
        let mut oldest = None;
        for (_, value) in &rows {
            // One that cannot be read will be owed the whole document, and so needs none.
            let read = codec::decode::<Backlog>(Table::Backlogs, value).map(Some);
            let from_seq = self.readable(read)?.map_or(u64::MAX, |backlog| backlog.from_seq);
            oldest = Some(oldest.map_or(from_seq, |seq: u64| seq.min(from_seq)));
        }
        Ok(oldest)
    }
}
