//! Further names of a topic (P09): what it was found to be called besides its own URL, and who answers to a name.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};
use crate::protocol::TopicId;

/// Another name of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub id: TopicId,
    /// It lies on the topic's own host. Anybody's feed may claim a name elsewhere, so those come last.
    pub is_near: bool,
}

impl Store {
    /// What the topic was last found to be called besides its own URL.
    pub fn names(&self, topic: TopicId) -> Result<Vec<Name>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Names, topic))?;
        let names = self.readable(row.map(|row| codec::decode(Table::Names, &row)).transpose())?;
        Ok(names.unwrap_or_default())
    }

    /// Up to `limit` topics that answer to this name besides their own, those of its own host first. The `id` of each is
    /// the topic's.
    pub fn topics_named(&self, name: TopicId, limit: usize) -> Result<Vec<Name>, StoreError> {
        let rows = self.kv.scan(&keys::by_topic(Table::Aliases, name), None, limit)?;
        rows.iter()
            .map(|(key, _)| keys::read_alias(key).ok_or(StoreError::Damaged { table: Table::Aliases.name() }))
            .collect()
    }
}
