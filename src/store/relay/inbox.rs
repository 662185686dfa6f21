//! Slaps that came in: verified ones on their way to the site, and those whose author could not be looked up yet.

use serde::{Deserialize, Serialize};

use super::super::{Store, StoreError, keys::Table};
use crate::{clock::Timestamp, octets, protocol::NameId};

/// Which lane: a hash of what has to stay in order.
pub type LaneId = [u8; 16];

/// A verified slap that the site has not been told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxSlap {
    /// The envelope as it came.
    #[serde(with = "octets::text")]
    pub envelope: Vec<u8>,
    /// Its type as it was given.
    pub media_type: String,
    /// The subject of the descriptor whose key verified it.
    pub signer: String,
    /// Over which form of the text.
    pub form: String,
    /// The replay key, by which the site may know it again.
    #[serde(with = "octets::hex")]
    pub id: [u8; 16],
    pub received_at: Timestamp,
}

/// When a lane goes on, and how it went so far with the first that waits in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneState {
    pub due_at: Timestamp,
    /// Failed tries of the first so far.
    pub attempts: u32,
    /// When the first of them began; none before the first failure.
    pub since: Option<Timestamp>,
    /// How the last one went, in a word.
    pub last: Option<String>,
}

impl LaneState {
    /// A lane whose first is due at this moment.
    pub fn due(at: Timestamp) -> Self {
        Self { due_at: at, attempts: 0, since: None, last: None }
    }
}

/// A slap that was answered 202: the author's host did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    pub account: NameId,
    /// The lane that it would be in if it were from whom it says.
    #[serde(with = "octets::hex")]
    pub lane: LaneId,
    #[serde(with = "octets::text")]
    pub envelope: Vec<u8>,
    pub media_type: String,
    /// Where it came from, for the limits of look-ups.
    pub from: String,
    pub received_at: Timestamp,
    pub due_at: Timestamp,
    pub attempts: u32,
}

impl Store {
    pub fn lane(&self, account: NameId, lane: LaneId) -> Result<Option<LaneState>, StoreError> {
        self.row(Table::Lanes, &[account.as_bytes(), &lane])
    }

    /// Up to `limit` lanes of an account in which something waits.
    pub fn lanes(&self, account: NameId, limit: usize) -> Result<Vec<(LaneId, LaneState)>, StoreError> {
        self.rows_of(Table::Lanes, account.as_bytes(), None, limit)
    }

    /// Up to `limit` of what waits in a lane, in order.
    pub fn inbox(
        &self,
        account: NameId,
        lane: LaneId,
        limit: usize,
    ) -> Result<Vec<(u64, InboxSlap)>, StoreError> {
        let prefix = [*account.as_bytes(), lane].concat();
        let rows = self.rows_of::<InboxSlap, 8>(Table::Inbox, &prefix, None, limit)?;
        Ok(rows.into_iter().map(|(seq, slap)| (u64::from_be_bytes(seq), slap)).collect())
    }

    /// The place behind the last in a lane. Who uses it holds the lane's lock until the commit.
    pub fn next_in_lane(&self, account: NameId, lane: LaneId) -> Result<u64, StoreError> {
        self.next_number(Table::Inbox, &[*account.as_bytes(), lane].concat())
    }

    pub fn doubt(&self, id: [u8; 16]) -> Result<Option<Doubt>, StoreError> {
        self.row(Table::Doubts, &[&id])
    }

    /// Up to `limit` of them in key order, after the given one.
    pub fn doubts(
        &self,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Vec<([u8; 16], Doubt)>, StoreError> {
        self.rows_of(Table::Doubts, &[], after, limit)
    }

    /// Slaps that wait for their author's host.
    pub fn count_doubts(&self) -> Result<u64, StoreError> {
        self.kv.count(&[Table::Doubts.byte()])
    }

    /// Verified slaps that wait for their site.
    pub fn count_inbox(&self) -> Result<u64, StoreError> {
        self.kv.count(&[Table::Inbox.byte()])
    }
}
