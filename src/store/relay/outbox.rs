//! Slaps of the sites beside us on their way out, and how it went with each target.

use serde::{Deserialize, Serialize};

use super::{
    super::{Store, StoreError, codec, keys::Table},
    inbox::{LaneId, LaneState},
};
use crate::{
    clock::Timestamp,
    octets,
    protocol::{NameId, SlapId},
};

/// A signed entry and for how many targets it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingSlap {
    pub account: NameId,
    /// The account by its name.
    pub account_name: String,
    /// The id of the entry.
    pub entry_id: String,
    pub verb: String,
    /// The envelope that is sent, byte for byte, however often.
    #[serde(with = "octets::text")]
    pub envelope: Vec<u8>,
    pub created_at: Timestamp,
    pub targets: u16,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetState {
    Queued,
    Delivered,
    GaveUp,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Try {
    pub at: Timestamp,
    /// What was answered, where anything was.
    pub status: Option<u16>,
    /// In a word: nothing of what the peer said.
    pub outcome: String,
    /// Which form was sent.
    pub form: String,
}

/// A target of a slap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlapTarget {
    /// As the site named it.
    pub to: String,
    #[serde(with = "octets::hex")]
    pub lane: LaneId,
    /// Once it is known.
    pub endpoint: Option<String>,
    pub state: TargetState,
    /// The last tries, oldest first.
    pub tries: Vec<Try>,
    /// Another target of the same slap is the same account under another name, and what became of that one became of this.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "codec::added")]
    pub same_as: Option<u16>,
}

impl SlapTarget {
    /// Whether it is still to be sent something itself.
    pub fn is_queued(&self) -> bool {
        self.state == TargetState::Queued && self.same_as.is_none()
    }
}

/// Which target of which slap.
pub type TargetKey = (SlapId, u16);

impl Store {
    /// One that cannot be read is none: its lane goes on without it.
    pub fn outgoing(&self, slap: SlapId) -> Result<Option<OutgoingSlap>, StoreError> {
        self.readable_row(Table::Outgoing, &[slap.as_bytes()])
    }

    /// Up to `limit` slaps in key order, after the given one.
    pub fn all_outgoing(
        &self,
        after: Option<SlapId>,
        limit: usize,
    ) -> Result<Vec<(SlapId, OutgoingSlap)>, StoreError> {
        let rows = self.rows_of(Table::Outgoing, &[], after.map(|slap| *slap.as_bytes()), limit)?;
        Ok(rows.into_iter().map(|(slap, row)| (SlapId::from_bytes(slap), row)).collect())
    }

    /// One that cannot be read is none.
    pub fn target(&self, slap: SlapId, index: u16) -> Result<Option<SlapTarget>, StoreError> {
        self.readable_row(Table::Targets, &[slap.as_bytes(), &index.to_be_bytes()])
    }

    /// All targets of a slap, in order.
    pub fn targets(&self, slap: SlapId) -> Result<Vec<SlapTarget>, StoreError> {
        let most = usize::from(u16::MAX).saturating_add(1);
        let rows = self.rows_of::<SlapTarget, 2>(Table::Targets, slap.as_bytes(), None, most)?;
        Ok(rows.into_iter().map(|(_, target)| target).collect())
    }

    pub fn out_lane(&self, lane: LaneId) -> Result<Option<LaneState>, StoreError> {
        self.row(Table::OutLanes, &[&lane])
    }

    /// Up to `limit` of what waits in a lane, in order: which target of which slap.
    pub fn out_queue(&self, lane: LaneId, limit: usize) -> Result<Vec<(u64, TargetKey)>, StoreError> {
        let rows = self.rows_of::<TargetKey, 8>(Table::OutQueue, &lane, None, limit)?;
        Ok(rows.into_iter().map(|(seq, waits)| (u64::from_be_bytes(seq), waits)).collect())
    }

    /// The place behind the last in a lane. Who uses it holds the lane's lock until the commit.
    pub fn next_in_out_lane(&self, lane: LaneId) -> Result<u64, StoreError> {
        self.next_number(Table::OutQueue, &lane)
    }

    /// Slaps that wait on their way out, by target.
    pub fn count_out_queue(&self) -> Result<u64, StoreError> {
        self.kv.count(&[Table::OutQueue.byte()])
    }
}
