//! The lines of the hub's own tables.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        Backlog, FanOut, FanOutId, Name, PendingFetch, PendingIntent, Publication, Readers, Record,
        StoreError, Subscription, Topic, TopicDocument, codec,
        keys::{Reader, Table},
    },
    is_false,
};
use crate::{
    clock::Timestamp,
    feed::{EntryDigest, EntryId},
    octets,
    protocol::{PairId, TopicId},
};

/// One record of the hub with its key, under the name of its table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::store) enum HubRow {
    Topics {
        topic: TopicId,
        row: Topic,
    },
    Names {
        topic: TopicId,
        row: Vec<Name>,
    },
    Documents {
        topic: TopicId,
        row: TopicDocument,
    },
    Abandoned {
        topic: TopicId,
        since: Timestamp,
    },
    Subscriptions {
        pair: PairId,
        row: Subscription,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Entries {
        topic: TopicId,
        id: EntryId,
        digest: EntryDigest,
        seen: Timestamp,
    },
    Publications {
        topic: TopicId,
        seq: u64,
        row: Publication,
        #[serde(with = "octets::text")]
        body: Vec<u8>,
    },
    FanOuts {
        id: FanOutId,
        row: FanOut,
    },
    Backlogs {
        pair: PairId,
        row: Backlog,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Fetches {
        topic: TopicId,
        row: PendingFetch,
    },
    Intents {
        pair: PairId,
        row: PendingIntent,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Readers {
        topic: TopicId,
        row: Readers,
    },
    Hosts {
        #[serde(with = "octets::hex")]
        host: [u8; 16],
        verified: Timestamp,
    },
}

impl HubRow {
    /// Reads a row as it lies in the store. `body` is that of a publication.
    pub(super) fn read(
        table: Table,
        key: &[u8],
        value: &[u8],
        body: Option<Vec<u8>>,
    ) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged { table: table.name() };
        let mut parts = Reader::of(key).ok_or_else(damaged)?;
        let row = match table {
            Table::Hosts => {
                let host = parts.hash().ok_or_else(damaged)?;
                Self::Hosts { host, verified: codec::decode(table, value)? }
            }
            _ => Self::of_topic(table, &mut parts, value, body)?.ok_or_else(damaged)?,
        };
        if parts.rest().is_empty() { Ok(row) } else { Err(damaged()) }
    }

    /// A row whose key begins with a topic; `None` where the key has another shape, or the table is not exported.
    fn of_topic(
        table: Table,
        parts: &mut Reader<'_>,
        value: &[u8],
        body: Option<Vec<u8>>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(topic) = parts.topic() else { return Ok(None) };
        let row = match table {
            Table::Topics => Self::Topics { topic, row: codec::decode(table, value)? },
            Table::Names => Self::Names { topic, row: codec::decode(table, value)? },
            Table::Documents => Self::Documents { topic, row: codec::decode(table, value)? },
            Table::Abandoned => Self::Abandoned { topic, since: codec::decode(table, value)? },
            Table::Fetches => Self::Fetches { topic, row: codec::decode(table, value)? },
            Table::Readers => Self::Readers { topic, row: codec::decode(table, value)? },
            Table::Entries => {
                let Some((id, digest)) = parts.digest() else { return Ok(None) };
                Self::Entries { topic, id, digest, seen: codec::decode(table, value)? }
            }
            Table::Publications => {
                let (Some(seq), Some(body)) = (parts.number(), body) else { return Ok(None) };
                Self::Publications { topic, seq, row: codec::decode(table, value)?, body }
            }
            Table::FanOuts => {
                let (Some(seq), Some(start)) = (parts.number(), parts.callback()) else { return Ok(None) };
                Self::FanOuts { id: FanOutId { topic, seq, start }, row: codec::decode(table, value)? }
            }
            Table::Subscriptions | Table::Backlogs | Table::Intents => {
                let Some(callback) = parts.callback() else { return Ok(None) };
                let (pair, withheld) = (PairId { topic, callback }, false);
                match table {
                    Table::Backlogs => Self::Backlogs { pair, row: codec::decode(table, value)?, withheld },
                    Table::Intents => Self::Intents { pair, row: codec::decode(table, value)?, withheld },
                    _ => Self::Subscriptions { pair, row: codec::decode(table, value)?, withheld },
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(row))
    }

    pub(super) fn table(&self) -> Table {
        match self {
            Self::Topics { .. } => Table::Topics,
            Self::Names { .. } => Table::Names,
            Self::Documents { .. } => Table::Documents,
            Self::Abandoned { .. } => Table::Abandoned,
            Self::Subscriptions { .. } => Table::Subscriptions,
            Self::Entries { .. } => Table::Entries,
            Self::Publications { .. } => Table::Publications,
            Self::FanOuts { .. } => Table::FanOuts,
            Self::Backlogs { .. } => Table::Backlogs,
            Self::Fetches { .. } => Table::Fetches,
            Self::Intents { .. } => Table::Intents,
            Self::Readers { .. } => Table::Readers,
            Self::Hosts { .. } => Table::Hosts,
        }
    }

    /// Whether what it needs was kept out of the file.
    pub(super) fn is_withheld(&self) -> bool {
        match self {
            Self::Subscriptions { withheld, .. }
            | Self::Backlogs { withheld, .. }
            | Self::Intents { withheld, .. } => *withheld,
            _ => false,
        }
    }

    /// The same without secrets, and marked where it had any: delivered to without its signature, or asked without its
    /// token, a subscriber would have to take the hub for a stranger.
    #[must_use]
    pub(in crate::store) fn without_secrets(mut self) -> Self {
        let (secret, token, withheld) = match &mut self {
            Self::Subscriptions { row, withheld, .. } => (&mut row.secret, &mut row.verify_token, withheld),
            Self::Intents { row, withheld, .. } => (&mut row.secret, &mut row.verify_token, withheld),
            _ => return self,
        };
        // Both are taken, whether or not the first was there.
        *withheld = secret.take().is_some() | token.take().is_some();
        self
    }

    /// About how many octets it takes in memory beyond a hundred or two.
    pub(super) fn body_length(&self) -> usize {
        match self {
            Self::Documents { row, .. } => row.body.len(),
            Self::Publications { body, .. } => body.len(),
            _ => 0,
        }
    }

    /// What puts it into a store, with the rows that follow from it.
    pub(super) fn into_record(self) -> Record {
        match self {
            Self::Topics { topic, row } => Record::TopicPut(topic, row),
            Self::Names { topic, row } => Record::NamesPut { topic, names: row, was: Vec::new() },
            Self::Documents { topic, row } => Record::DocumentPut(topic, row),
            Self::Abandoned { topic, since } => Record::TopicAbandoned(topic, since),
            Self::Subscriptions { pair, row, .. } => {
                Record::SubscriptionPut { pair, subscription: row, was: None }
            }
            Self::Entries { topic, id, digest, seen } => Record::EntrySeen(topic, id, digest, seen),
            Self::Publications { topic, seq, row, body } => {
                Record::PublicationAdded { topic, seq, publication: row, content: body }
            }
            Self::FanOuts { id, row } => Record::FanOutPut(id, row),
            Self::Backlogs { pair, row, .. } => Record::BacklogPut { pair, backlog: row, was: None },
            Self::Fetches { topic, row } => Record::FetchPut { topic, fetch: row, was: None },
            Self::Intents { pair, row, .. } => Record::IntentPut { pair, intent: row, was: None },
            Self::Readers { topic, row } => Record::ReadersCounted(topic, row),
            Self::Hosts { host, verified } => Record::HostVerified(host, verified),
        }
    }
}
