//! What the hosts of others say of their accounts, kept so that a restart need not ask them all again.

use serde::{Deserialize, Serialize};

use super::super::{Store, StoreError, keys::Table};
use crate::{clock::Timestamp, protocol::NameId, salmon::Descriptor};

/// A descriptor as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDescriptor {
    pub descriptor: Descriptor,
    pub fetched_at: Timestamp,
    /// When it was last fetched out of turn, because a signature did not fit its key.
    pub refreshed_at: Option<Timestamp>,
}

impl Store {
    /// What is known of this name.
    pub fn descriptor(&self, name: NameId) -> Result<Option<KnownDescriptor>, StoreError> {
        self.row(Table::Descriptors, &[name.as_bytes()])
    }

    /// Up to `limit` of them in key order, after the given one.
    pub fn descriptors(
        &self,
        after: Option<NameId>,
        limit: usize,
    ) -> Result<Vec<(NameId, KnownDescriptor)>, StoreError> {
        let rows = self.rows_of(Table::Descriptors, &[], after.map(|name| *name.as_bytes()), limit)?;
        Ok(rows.into_iter().map(|(name, known)| (NameId::from_bytes(name), known)).collect())
    }
}
