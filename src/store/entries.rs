//! Known entries: the pairs of id and digest that a topic has shown (F15), with their last sight (F18).

use super::{
    Store, StoreError, codec,
    keys::{self, Reader, Table},
};
use crate::{
    clock::Timestamp,
    feed::{EntryDigest, EntryId},
    protocol::TopicId,
};

/// A known entry and when it was last seen.
type Sighting = (EntryId, EntryDigest, Timestamp);

impl Store {
    /// When the topic last showed this version of this entry.
    pub fn last_sight(
        &self,
        topic: TopicId,
        id: EntryId,
        digest: EntryDigest,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self.kv.get(&keys::entry(topic, id, digest))?;
        // That it was seen is in the key.
        Ok(match row.map(|row| codec::decode(Table::Entries, &row)).transpose() {
            Err(StoreError::Damaged { table }) => {
                self.pass_over(table);
                Some(Timestamp::EPOCH)
            }
            seen => seen?,
        })
    }

    /// Up to `limit` known entries of a topic in key order, after the given one.
    pub fn sightings(
        &self,
        topic: TopicId,
        after: Option<(EntryId, EntryDigest)>,
        limit: usize,
    ) -> Result<Vec<Sighting>, StoreError> {
        let after = after.map(|(id, digest)| keys::entry(topic, id, digest));
        self.readable_rows(&keys::by_topic(Table::Entries, topic), after.as_deref(), limit, |key, value| {
            let read = Reader::of(key).and_then(|mut reader| {
                reader.topic()?;
                reader.digest()
            });
            let (id, digest) = read.ok_or(StoreError::Damaged { table: Table::Entries.name() })?;
            Ok((id, digest, codec::decode(Table::Entries, value)?))
        })
    }
}
