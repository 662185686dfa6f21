//! What is due, as a range scan: kind, time, primary key.

use serde::{Deserialize, Serialize};

use super::{
    Record, Store, StoreError,
    keys::{self, Reader, Table},
};
use crate::{
    clock::Timestamp,
    protocol::{NameId, PairId, TopicId},
};

/// Rows a page: most looks find little that is due, and need not read far into what is not.
const PAGE: usize = 16;

/// Which kind of work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DueKind {
    Fetch,
    Intent,
    Backlog,
    Lease,
    /// A lane of verified slaps to the site.
    Forward,
    /// A slap whose author could not be looked up.
    Doubt,
    /// A lane of slaps to a target.
    Slap,
}

impl DueKind {
    /// The octet on disk. Never change one.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Fetch => b'f',
            Self::Intent => b'i',
            Self::Backlog => b'b',
            Self::Lease => b'l',
            Self::Forward => b's',
            Self::Doubt => b'd',
            Self::Slap => b'o',
        }
    }
}

/// A hint that something is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Due {
    pub kind: DueKind,
    pub at: Timestamp,
    /// The primary record's key: a topic, or a topic and a callback.
    primary: Vec<u8>,
}

impl Due {
    pub(super) fn key(&self) -> Vec<u8> {
        keys::due(self.kind.byte(), self.at, &self.primary)
    }

    /// The primary record's key, for telling two hints apart.
    pub fn primary(&self) -> &[u8] {
        &self.primary
    }

    /// The topic whose fetch is due.
    pub fn topic(&self) -> Option<TopicId> {
        let topic: [u8; 16] = self.primary.get(..16)?.try_into().ok()?;
        Some(TopicId::from_bytes(topic))
    }

    /// The pair whose intent, backlog or lease is due.
    pub fn pair(&self) -> Option<PairId> {
        PairId::from_octets(&self.primary)
    }

    /// The account and the lane that goes on.
    pub fn lane(&self) -> Option<(NameId, [u8; 16])> {
        let (account, lane) = self.primary.split_first_chunk::<16>()?;
        Some((NameId::from_bytes(*account), lane.try_into().ok()?))
    }

    /// The slap that is verified again, or the lane to a target.
    pub fn id(&self) -> Option<[u8; 16]> {
        self.primary.as_slice().try_into().ok()
    }
}

impl Store {
    /// Drops a hint that no primary record stands behind.
    pub async fn drop_due(&self, due: Due) -> Result<(), StoreError> {
        self.commit(Record::DueDropped(due).into()).await
    }

    /// Up to `limit` hints of what is due at `now`, earliest first, and when the first of the others will be.
    pub fn due(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Due>, Option<Timestamp>), StoreError> {
        let prefix = [Table::Due.byte(), kind.byte()];
        let mut due = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        while due.len() < limit {
            let page = limit.saturating_sub(due.len()).min(PAGE);
            let rows = self.kv.scan(&prefix, after.as_deref(), page)?;
            for (key, _) in &rows {
                let hint = read(kind, key)?;
                if hint.at > now {
                    return Ok((due, Some(hint.at)));
                }
                due.push(hint);
            }
            match rows.last() {
                Some((key, _)) if rows.len() == page => after = Some(key.to_vec()),
                _ => break,
            }
        }
        Ok((due, None))
    }

    /// Up to `limit` hints of what is due at this very moment, behind one of them if it is given.
    pub fn due_at(
        &self,
        kind: DueKind,
        at: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let after = after.map(Due::key);
        let rows = self.kv.scan(&keys::due(kind.byte(), at, &[]), after.as_deref(), limit)?;
        rows.iter().map(|(key, _)| read(kind, key)).collect()
    }
}

fn read(kind: DueKind, key: &[u8]) -> Result<Due, StoreError> {
    let parts = Reader::of(key).and_then(|mut reader| {
        reader.byte()?;
        let at = Timestamp::from_millis(reader.number()?);
        Some(Due { kind, at, primary: reader.rest().to_vec() })
    });
    parts.ok_or(StoreError::Damaged { table: Table::Due.name() })
}
