//! Publications: what was new at a topic, by sequence number. The description and the body are two rows, so that
//! retention can look at thousands of descriptions without reading a body.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, codec,
    keys::{self, Table},
};
use crate::{
    clock::Timestamp,
    feed::{BodyDigest, Entry, EntryDigest, EntryId, Format},
    octets,
    protocol::TopicId,
};

/// One new entry, as a range of the publication's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedEntry {
    pub id: EntryId,
    pub digest: EntryDigest,
    start: u64,
    end: u64,
}

impl From<&Entry> for PublishedEntry {
    fn from(entry: &Entry) -> Self {
        let octet = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
        Self {
            id: entry.id,
            digest: entry.digest,
            start: octet(entry.range.start),
            end: octet(entry.range.end),
        }
    }
}

impl PublishedEntry {
    /// Where the entry stands in the publication's body.
    pub fn range(&self) -> Range<usize> {
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX);
        at(self.start)..at(self.end)
    }

    pub fn to_entry(&self) -> Entry {
        Entry { id: self.id, digest: self.digest, range: self.range() }
    }
}

/// What a publication is, without its body: a feed with only the new entries left in it, or a whole body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    pub at: Timestamp,
    pub format: Format,
    /// The topic's own Content-Type, verbatim (D02).
    #[serde(with = "octets::optional_text")]
    pub content_type: Option<Vec<u8>>,
    /// The topic's canonical URL (D07).
    pub self_url: String,
    /// Our own address as the topic spells it (D06).
    pub hub_url: String,
    /// Entries of two publications may stand in one document only where this is equal.
    pub context: BodyDigest,
    pub entries: Vec<PublishedEntry>,
    /// Where an entry goes into a body that has none.
    pub insert_at: u64,
    /// Octets of the body.
    pub length: u64,
    /// Octets of the whole document that it came from.
    pub document_length: u64,
    /// The first publication of the fetch that this one came from: more than one where entries were many (F25).
    pub first_of_fetch: u64,
}

#[cfg(test)]
impl Publication {
    /// Of a body of that many octets, for the tests of rooms to which all else of it does not matter.
    pub(crate) fn of(format: Format, octets: u64, first_of_fetch: u64) -> Self {
        Self {
            at: Timestamp::EPOCH,
            format,
            content_type: None,
            self_url: "http://site.example/feed".to_owned(),
            hub_url: "http://hub.example/".to_owned(),
            context: BodyDigest::of(b""),
            entries: Vec::new(),
            insert_at: 0,
            length: octets,
            document_length: octets,
            first_of_fetch,
        }
    }
}

/// A publication with the topic and sequence number that it stands under.
type Placed = ((TopicId, u64), Publication);

impl Store {
    pub fn publication(&self, topic: TopicId, seq: u64) -> Result<Option<Publication>, StoreError> {
        let row = self.kv.get(&keys::by_seq(Table::Publications, topic, seq))?;
        row.map(|row| codec::decode(Table::Publications, &row)).transpose()
    }

    /// The body of a publication.
    pub fn content(&self, topic: TopicId, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.kv.get(&keys::by_seq(Table::Contents, topic, seq))?.map(|row| row.to_vec()))
    }

    /// Up to `limit` publications from `from_seq` on, of those that can be read.
    pub fn publications(
        &self,
        topic: TopicId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Publication)>, StoreError> {
        let before = from_seq.checked_sub(1).map(|seq| keys::by_seq(Table::Publications, topic, seq));
        let prefix = keys::by_topic(Table::Publications, topic);
        self.readable_rows(&prefix, before.as_deref(), limit, |key, value| {
            let (_, seq) = read_seq(key)?;
            Ok((seq, codec::decode(Table::Publications, value)?))
        })
    }

    /// The numbers of the first publications of a topic, of any that cannot be read as well.
    pub fn publication_numbers(&self, topic: TopicId, limit: usize) -> Result<Vec<u64>, StoreError> {
        let rows = self.kv.scan(&keys::by_topic(Table::Publications, topic), None, limit)?;
        rows.iter().map(|(key, _)| Ok(read_seq(key)?.1)).collect()
    }

    /// Up to `limit` publications of all topics in key order, after the given one: what retention walks.
    pub fn all_publications(
        &self,
        after: Option<(TopicId, u64)>,
        limit: usize,
    ) -> Result<Vec<Placed>, StoreError> {
        let after = after.map(|(topic, seq)| keys::by_seq(Table::Publications, topic, seq));
        self.readable_rows(&[Table::Publications.byte()], after.as_deref(), limit, |key, value| {
            Ok((read_seq(key)?, codec::decode(Table::Publications, value)?))
        })
    }
}

fn read_seq(key: &[u8]) -> Result<(TopicId, u64), StoreError> {
    let read = keys::Reader::of(key).and_then(|mut reader| Some((reader.topic()?, reader.number()?)));
    read.ok_or(StoreError::Damaged { table: Table::Publications.name() })
}
