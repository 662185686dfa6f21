//! Groups whose list and feed the relay keeps.

use serde::{Deserialize, Serialize};

use super::super::{Store, StoreError, keys::Table};
use crate::{clock::Timestamp, octets, protocol::NameId};

/// A member of a group, under the id of its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name that its host gives it.
    pub subject: String,
    /// As its entries name it.
    pub uri: String,
    pub since: Timestamp,
}

/// A post in the feed of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPost {
    /// The id of the entry.
    pub id: String,
    /// The subject of the member who signed it.
    pub signer: String,
    /// The entry, with its proof.
    #[serde(with = "octets::text")]
    pub entry: Vec<u8>,
    pub added_at: Timestamp,
}

impl Store {
    pub fn member(&self, group: NameId, member: NameId) -> Result<Option<Member>, StoreError> {
        self.readable_row(Table::Members, &[group.as_bytes(), member.as_bytes()])
    }

    /// Up to `limit` members of a group in key order, after the given one.
    pub fn members(
        &self,
        group: NameId,
        after: Option<NameId>,
        limit: usize,
    ) -> Result<Vec<(NameId, Member)>, StoreError> {
        let after = after.map(|name| *name.as_bytes());
        let rows = self.rows_of(Table::Members, group.as_bytes(), after, limit)?;
        Ok(rows.into_iter().map(|(name, member)| (NameId::from_bytes(name), member)).collect())
    }

    /// Up to `limit` posts of a group, the oldest first, each with its sequence.
    pub fn group_posts(&self, group: NameId, limit: usize) -> Result<Vec<(u64, GroupPost)>, StoreError> {
        let rows = self.rows_of::<GroupPost, 8>(Table::GroupPosts, group.as_bytes(), None, limit)?;
        Ok(rows.into_iter().map(|(seq, post)| (u64::from_be_bytes(seq), post)).collect())
    }

    /// The sequence of the next post.
    pub fn next_group_post(&self, group: NameId) -> Result<u64, StoreError> {
        self.next_number(Table::GroupPosts, group.as_bytes())
    }
}
