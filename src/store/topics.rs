//! Topics: what is known of each, and its newest whole body.

use serde::{Deserialize, Serialize};

use super::{
    Publication, Store, StoreError, codec,
    keys::{self, Table},
};
use crate::{
    clock::Timestamp,
    feed::{BodyDigest, Format},
    octets,
    protocol::TopicId,
};

/// What a conditional request sends back (F03), verbatim, and the URL they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validators {
    pub url: String,
    #[serde(with = "octets::optional_text")]
    pub etag: Option<Vec<u8>>,
    #[serde(with = "octets::optional_text")]
    pub last_modified: Option<Vec<u8>>,
}

/// A topic as its last successful fetch left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The spelling it was fetched under.
    pub url: String,
    /// The sequence number of its newest publication; 0 before the first.
    pub head: u64,
    pub format: Format,
    /// Everything outside the entries, or the whole body of what is no feed.
    pub envelope: BodyDigest,
    pub validators: Validators,
    pub fetched_at: Timestamp,
}

/// The newest whole body of a topic, for first deliveries (D03), for `needs_full`, and for the order of a catch-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicDocument {
    /// The last publication of the fetch that it came with, and its description, which outlives the publication.
    pub seq: u64,
    pub publication: Publication,
    #[serde(with = "octets::text")]
    pub body: Vec<u8>,
}

/// How many read a topic, as its last fan-out counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readers {
    pub subscriptions: u64,
    /// Those that subscribers stand for beyond themselves (D19).
    pub more: u64,
}

impl Store {
    /// One that cannot be read is an error: its numbers must not begin anew.
    pub fn topic(&self, id: TopicId) -> Result<Option<Topic>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Topics, id))?;
        row.map(|row| codec::decode(Table::Topics, &row)).transpose()
    }

    /// The newest sequence number of a topic; 0 where nothing was published.
    pub fn head(&self, id: TopicId) -> Result<u64, StoreError> {
        match self.topic(id) {
            Err(StoreError::Damaged { table }) => {
                self.pass_over(table);
                self.head_by_others(id)
            }
            topic => Ok(topic?.map_or(0, |topic| topic.head)),
        }
    }

    /// The same by the newest body, which goes with the last publication of a topic that anybody wants, and by what was not
    /// yet done with when that was put down.
    fn head_by_others(&self, id: TopicId) -> Result<u64, StoreError> {
        let document = self.document(id)?.map(|document| document.seq);
        let last = |table: Table| {
            let row = self.kv.last(&keys::by_topic(table, id))?;
            let number = |key: &[u8]| {
                let mut reader = keys::Reader::of(key)?;
                reader.topic()?;
                reader.number()
            };
            Ok::<_, StoreError>(row.and_then(|(key, _)| number(&key)))
        };
        let known = [document, last(Table::Publications)?, last(Table::FanOuts)?];
        Ok(known.into_iter().flatten().max().unwrap_or_default())
    }

    /// What the topic's last whole fan-out counted.
    pub fn readers(&self, id: TopicId) -> Result<Option<Readers>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Readers, id))?;
        self.readable(row.map(|row| codec::decode(Table::Readers, &row)).transpose())
    }

    pub fn document(&self, id: TopicId) -> Result<Option<TopicDocument>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Documents, id))?;
        row.map(|row| codec::decode(Table::Documents, &row)).transpose()
    }

    /// Since when nobody wants the topic, as far as that was noticed, and unless something was published since.
    pub fn abandoned_since(&self, id: TopicId) -> Result<Option<Timestamp>, StoreError> {
        let row = self.kv.get(&keys::by_topic(Table::Abandoned, id))?;
        self.readable(row.map(|row| codec::decode(Table::Abandoned, &row)).transpose())
    }

    /// Whether anything stands behind the topic: a subscription or one that is asked for, a fetch, a publication or a
    /// fan-out.
    pub fn is_wanted(&self, id: TopicId) -> Result<bool, StoreError> {
        let tables =
            [Table::Subscriptions, Table::Intents, Table::Fetches, Table::Publications, Table::FanOuts];
        for table in tables {
            if !self.kv.scan(&keys::by_topic(table, id), None, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The ids of up to `limit` topics, in key order, after the given one.
    pub fn topic_ids(&self, after: Option<TopicId>, limit: usize) -> Result<Vec<TopicId>, StoreError> {
        let after = after.map(|id| keys::by_topic(Table::Topics, id));
        let rows = self.kv.scan(&[Table::Topics.byte()], after.as_deref(), limit)?;
        rows.iter()
            .map(|(key, _)| {
                let topic = keys::Reader::of(key).and_then(|mut reader| reader.topic());
                topic.ok_or(StoreError::Damaged { table: Table::Topics.name() })
            })
            .collect()
    }
}
