//! What was here before: the memory that stops a replay, and survives a restart.

use serde::{Deserialize, Serialize};

use super::super::{Store, StoreError, keys::Table};
use crate::{clock::Timestamp, protocol::NameId};

/// An activity that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub at: Timestamp,
    /// Of a follow, a favorite and the like, whose replay would undo what came after it.
    pub for_good: bool,
}

/// Which activity, at which account.
pub type SeenKey = (NameId, [u8; 16]);

impl Store {
    /// Whether this activity, by its replay key, was taken at the account before.
    pub fn seen(&self, account: NameId, replay: [u8; 16]) -> Result<Option<Seen>, StoreError> {
        self.row(Table::Seen, &[account.as_bytes(), &replay])
    }

    /// Up to `limit` of all accounts in key order, after the given one.
    pub fn all_seen(&self, after: Option<SeenKey>, limit: usize) -> Result<Vec<(SeenKey, Seen)>, StoreError> {
        let after = after.map(|(account, replay)| {
            let mut key = [0; 32];
            let (head, tail) = key.split_at_mut(16);
            head.copy_from_slice(account.as_bytes());
            tail.copy_from_slice(&replay);
            key
        });
        let rows = self.rows_of::<Seen, 32>(Table::Seen, &[], after, limit)?;
        let split = |key: [u8; 32]| {
            let account = key.first_chunk::<16>().copied().unwrap_or_default();
            (NameId::from_bytes(account), key.last_chunk::<16>().copied().unwrap_or_default())
        };
        Ok(rows.into_iter().map(|(key, seen)| (split(key), seen)).collect())
    }

    /// The `updated` of the last that a signer did to an object at the account, by a hash of both.
    pub fn applied(&self, account: NameId, of: [u8; 16]) -> Result<Option<Timestamp>, StoreError> {
        self.readable_row(Table::Applied, &[account.as_bytes(), &of])
    }
}
