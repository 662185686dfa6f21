//! What the relay keeps: accounts with their keys, slaps on their way in and out, groups, and what was seen.
//!
//! # Keys
//! | Table | Key |
//! |---|---|
//! | accounts, account-keys, descriptors | name |
//! | seen, applied | account, hash |
//! | inbox | account, lane, sequence in it |
//! | lanes | account, lane |
//! | doubts | hash of account and envelope |
//! | outgoing | slap |
//! | targets | slap, index |
//! | out-queue | lane, sequence in it |
//! | out-lanes | lane |
//! | members | group, name |
//! | group-posts | group, sequence |
//!
//! A lane is what must stay in order: in, all that an author does with one object; out, all that an account sends to one
//! target. It has one due row however much waits in it, and what waits is sent one after the other.

mod accounts;
mod descriptors;
mod groups;
mod inbox;
mod lines;
mod outbox;
mod records;
mod relied;
mod seen;

pub use accounts::{Account, AccountKind, ForwardMode, KeyPair, Life, Membership};
pub use descriptors::KnownDescriptor;
pub use groups::{GroupPost, Member};
pub use inbox::{Doubt, InboxSlap, LaneId, LaneState};
pub use outbox::{OutgoingSlap, SlapTarget, TargetKey, TargetState, Try};
pub use records::RelayRecord;
pub use seen::{Seen, SeenKey};

pub(super) use lines::{RelayRow, without_secrets};
pub(super) use records::rows;

use serde::de::DeserializeOwned;

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};

impl Store {
    /// The row of a table under a key of these parts.
    fn row<T: DeserializeOwned>(&self, table: Table, parts: &[&[u8]]) -> Result<Option<T>, StoreError> {
        let row = self.kv.get(&keys::of(table, parts))?;
        row.map(|row| codec::decode(table, &row)).transpose()
    }

    /// The same; one that cannot be read is none.
    fn readable_row<T: DeserializeOwned>(
        &self,
        table: Table,
        parts: &[&[u8]],
    ) -> Result<Option<T>, StoreError> {
        self.readable(self.row(table, parts))
    }

    /// Up to `limit` rows that can be read, in key order, whose keys begin with `prefix`, each with what its key has behind
    /// the prefix; after the one whose key has `after` there.
    fn rows_of<T: DeserializeOwned, const N: usize>(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<[u8; N]>,
        limit: usize,
    ) -> Result<Vec<([u8; N], T)>, StoreError> {
        let after = after.map(|after| keys::of(table, &[prefix, &after]));
        let prefix = keys::of(table, &[prefix]);
        self.readable_rows(&prefix, after.as_deref(), limit, |key, value| {
            let rest = key.get(prefix.len()..).and_then(|rest| <[u8; N]>::try_from(rest).ok());
            Ok((rest.ok_or(StoreError::Damaged { table: table.name() })?, codec::decode(table, value)?))
        })
    }

    /// The number behind the last of those whose keys are `prefix` and a number; the first there is, if there is none.
    fn next_number(&self, table: Table, prefix: &[u8]) -> Result<u64, StoreError> {
        let prefix = keys::of(table, &[prefix]);
        let Some((key, _)) = self.kv.last(&prefix)? else { return Ok(1) };
        let number = key.get(prefix.len()..).and_then(|rest| <[u8; 8]>::try_from(rest).ok());
        let number = number.map(u64::from_be_bytes).ok_or(StoreError::Damaged { table: table.name() })?;
        Ok(number.saturating_add(1))
    }
}

#[cfg(test)]
pub(super) mod tests;
