//! A commit is a value: typed records, decided elsewhere, applied whole.
//!
//! Turning a record into row changes reads nothing and decides nothing, so applying one twice is the same as once and
//! applying it on another machine is the same as here. That is why a record that replaces a due time carries the old
//! one along.

use serde::{Deserialize, Serialize};

use super::{
    Backlog, Due, FanOut, FanOutId, Name, PendingFetch, PendingIntent, Publication, Readers, RelayRecord,
    StoreError, Subscription, Topic, TopicDocument, codec,
    due::DueKind,
    embedded::Change,
    keys::{self, Table},
    relay,
};
use crate::{
    clock::Timestamp,
    feed::{EntryDigest, EntryId},
    protocol::{PairId, TopicId},
};

/// One typed change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Record {
    TopicPut(TopicId, Topic),
    /// The topic answers to these names as well (P09), and no longer to those that it had.
    NamesPut {
        topic: TopicId,
        names: Vec<Name>,
        was: Vec<Name>,
    },
    /// The newest whole body of a topic.
    DocumentPut(TopicId, TopicDocument),
    /// Nobody wants the topic since this moment: its body goes, what is known of it stays for a while (F18).
    TopicAbandoned(TopicId, Timestamp),
    /// Somebody wants it again.
    TopicWanted(TopicId),
    /// The topic goes with all that is kept of it besides its entries.
    TopicForgotten {
        topic: TopicId,
        names: Vec<Name>,
    },
    /// The subscription and the moment its lease asks for attention; `was` is the moment it replaces.
    SubscriptionPut {
        pair: PairId,
        subscription: Subscription,
        was: Option<Timestamp>,
    },
    /// Ends a subscription and all that waits for it (D22).
    SubscriptionEnded {
        pair: PairId,
        lease_due: Option<Timestamp>,
        backlog_due: Option<Timestamp>,
    },
    PublicationAdded {
        topic: TopicId,
        seq: u64,
        publication: Publication,
        content: Vec<u8>,
    },
    PublicationDropped(TopicId, u64),
    EntrySeen(TopicId, EntryId, EntryDigest, Timestamp),
    /// The same of many at once: a record for each would be large, and a feed may have two hundred thousand.
    EntriesSeen(TopicId, Vec<(EntryId, EntryDigest)>, Timestamp),
    EntryForgotten(TopicId, EntryId, EntryDigest),
    FanOutPut(FanOutId, FanOut),
    FanOutDone(FanOutId),
    ReadersCounted(TopicId, Readers),
    BacklogPut {
        pair: PairId,
        backlog: Backlog,
        was: Option<Timestamp>,
    },
    BacklogSettled {
        pair: PairId,
        was: Timestamp,
    },
    FetchPut {
        topic: TopicId,
        fetch: PendingFetch,
        was: Option<Timestamp>,
    },
    FetchDone {
        topic: TopicId,
        was: Timestamp,
    },
    IntentPut {
        pair: PairId,
        intent: PendingIntent,
        was: Option<Timestamp>,
    },
    IntentDone {
        pair: PairId,
        was: Timestamp,
    },
    /// A callback host proved an intent at this moment (V13: only such hosts get the long tail of retries).
    HostVerified([u8; 16], Timestamp),
    /// Nobody has proved anything there for long.
    HostForgotten([u8; 16]),
    /// A due row whose primary record says otherwise.
    DueDropped(Due),
    Relay(RelayRecord),
}

/// Records that become durable together or not at all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Commit(Vec<Record>);

impl Commit {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, record: impl Into<Record>) {
        self.0.push(record.into());
    }

    /// The same with one more record.
    #[must_use]
    pub fn with(mut self, record: impl Into<Record>) -> Self {
        self.push(record);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a subscription is put or ended.
    pub(super) fn touches_subscriptions(&self) -> bool {
        let touches = |record: &Record| {
            matches!(record, Record::SubscriptionPut { .. } | Record::SubscriptionEnded { .. })
        };
        self.0.iter().any(touches)
    }

    /// Whether an account of a site is put.
    pub(super) fn touches_accounts(&self) -> bool {
        self.0.iter().any(|record| matches!(record, Record::Relay(RelayRecord::AccountPut(..))))
    }

    pub(super) fn into_changes(self) -> Result<Vec<Change>, StoreError> {
        let mut rows = Rows(Vec::with_capacity(self.0.len().saturating_mul(2)));
        for record in self.0 {
            rows.record(record)?;
        }
        Ok(rows.0)
    }
}

impl From<RelayRecord> for Record {
    fn from(record: RelayRecord) -> Self {
        Self::Relay(record)
    }
}

impl From<Record> for Commit {
    fn from(record: Record) -> Self {
        Self(vec![record])
    }
}

impl From<RelayRecord> for Commit {
    fn from(record: RelayRecord) -> Self {
        Record::from(record).into()
    }
}

impl FromIterator<Record> for Commit {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        Self(records.into_iter().collect())
    }
}

pub(super) struct Rows(Vec<Change>);

impl Rows {
    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        let value = Some(codec::encode(value)?);
        self.0.push(Change { key, value });
        Ok(())
    }

    fn put_octets(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.push(Change { key, value: Some(value) });
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.0.push(Change { key, value: None });
    }

    /// Moves a due row: the old one goes before the new one comes, as both may be the same key.
    pub(super) fn due(
        &mut self,
        kind: DueKind,
        primary: &[u8],
        was: Option<Timestamp>,
        now: Option<Timestamp>,
    ) {
        if let Some(was) = was {
            self.remove(keys::due(kind.byte(), was, primary));
        }
        if let Some(now) = now {
            self.put_octets(keys::due(kind.byte(), now, primary), Vec::new());
        }
    }

    fn record(&mut self, record: Record) -> Result<(), StoreError> {
        match record {
            Record::TopicPut(topic, value) => self.put(keys::by_topic(Table::Topics, topic), &value)?,
            Record::NamesPut { topic, names, was } => {
                for name in was {
                    self.remove(keys::alias(name, topic));
                }
                for name in &names {
                    self.put_octets(keys::alias(*name, topic), Vec::new());
                }
                self.put(keys::by_topic(Table::Names, topic), &names)?;
            }
            Record::DocumentPut(topic, document) => {
                self.put(keys::by_topic(Table::Documents, topic), &document)?;
                // It is published, so somebody wants it.
                self.remove(keys::by_topic(Table::Abandoned, topic));
            }
            Record::TopicAbandoned(topic, since) => {
                self.remove(keys::by_topic(Table::Documents, topic));
                self.put(keys::by_topic(Table::Abandoned, topic), &since)?;
            }
            Record::TopicWanted(topic) => self.remove(keys::by_topic(Table::Abandoned, topic)),
            Record::TopicForgotten { topic, names } => {
                for name in names {
                    self.remove(keys::alias(name, topic));
                }
                let tables =
                    [Table::Topics, Table::Names, Table::Documents, Table::Readers, Table::Abandoned];
                for table in tables {
                    self.remove(keys::by_topic(table, topic));
                }
            }
            Record::SubscriptionPut { pair, subscription, was } => {
                self.due(DueKind::Lease, &pair.octets(), was, Some(subscription.lease_due()));
                self.put(keys::by_pair(Table::Subscriptions, pair), &subscription)?;
            }
            Record::SubscriptionEnded { pair, lease_due, backlog_due } => {
                self.remove(keys::by_pair(Table::Subscriptions, pair));
                self.remove(keys::by_pair(Table::Backlogs, pair));
                self.due(DueKind::Lease, &pair.octets(), lease_due, None);
                self.due(DueKind::Backlog, &pair.octets(), backlog_due, None);
            }
            Record::PublicationAdded { topic, seq, publication, content } => {
                self.put(keys::by_seq(Table::Publications, topic, seq), &publication)?;
                self.put_octets(keys::by_seq(Table::Contents, topic, seq), content);
            }
            Record::PublicationDropped(topic, seq) => {
                self.remove(keys::by_seq(Table::Publications, topic, seq));
                self.remove(keys::by_seq(Table::Contents, topic, seq));
            }
            Record::EntrySeen(topic, id, digest, at) => self.put(keys::entry(topic, id, digest), &at)?,
            Record::EntriesSeen(topic, versions, at) => {
                for (id, digest) in versions {
                    self.put(keys::entry(topic, id, digest), &at)?;
                }
            }
            Record::EntryForgotten(topic, id, digest) => self.remove(keys::entry(topic, id, digest)),
            Record::FanOutPut(id, fanout) => self.put(id.key(), &fanout)?,
            Record::FanOutDone(id) => self.remove(id.key()),
            Record::ReadersCounted(topic, readers) => {
                self.put(keys::by_topic(Table::Readers, topic), &readers)?;
            }
            Record::BacklogPut { pair, backlog, was } => {
                self.due(DueKind::Backlog, &pair.octets(), was, Some(backlog.due_at));
                self.put(keys::by_pair(Table::Backlogs, pair), &backlog)?;
            }
            Record::BacklogSettled { pair, was } => {
                self.remove(keys::by_pair(Table::Backlogs, pair));
                self.due(DueKind::Backlog, &pair.octets(), Some(was), None);
            }
            Record::FetchPut { topic, fetch, was } => {
                self.due(DueKind::Fetch, topic.as_bytes(), was, Some(fetch.due_at));
                self.put(keys::by_topic(Table::Fetches, topic), &fetch)?;
            }
            Record::FetchDone { topic, was } => {
                self.remove(keys::by_topic(Table::Fetches, topic));
                self.due(DueKind::Fetch, topic.as_bytes(), Some(was), None);
            }
            Record::IntentPut { pair, intent, was } => {
                self.due(DueKind::Intent, &pair.octets(), was, Some(intent.due_at));
                self.put(keys::by_pair(Table::Intents, pair), &intent)?;
            }
            Record::IntentDone { pair, was } => {
                self.remove(keys::by_pair(Table::Intents, pair));
                self.due(DueKind::Intent, &pair.octets(), Some(was), None);
            }
            Record::HostVerified(host, at) => self.put(keys::host(host), &at)?,
            Record::HostForgotten(host) => self.remove(keys::host(host)),
            Record::DueDropped(due) => self.remove(due.key()),
            Record::Relay(record) => relay::rows(self, record)?,
        }
        Ok(())
    }
}
