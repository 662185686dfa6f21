//! Every table and every key layout. Numbers are big-endian: the order of keys is the order of scans.

use super::Name;
use crate::{
    clock::Timestamp,
    feed::{EntryDigest, EntryId},
    protocol::{CallbackId, PairId, TopicId},
};

/// The tables, each one byte in front of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// Schema version, and a large commit that is not wholly applied.
    Meta,
    /// topic → [`super::Topic`]
    Topics,
    /// another name of a topic, whether it lies elsewhere, topic → nothing
    Aliases,
    /// topic → its [`super::Name`]s
    Names,
    /// topic → [`super::TopicDocument`], the newest whole body
    Documents,
    /// topic → since when nobody wants it
    Abandoned,
    /// topic, callback → [`super::Subscription`]
    Subscriptions,
    /// topic, entry id, digest → last sight
    Entries,
    /// topic, seq → [`super::Publication`]
    Publications,
    /// topic, seq → the publication's body
    Contents,
    /// topic, seq, first callback of the range → [`super::FanOut`]
    FanOuts,
    /// topic, callback → [`super::Backlog`]
    Backlogs,
    /// topic → [`super::PendingFetch`]
    Fetches,
    /// topic, callback → [`super::PendingIntent`]
    Intents,
    /// topic → [`super::Readers`]
    Readers,
    /// callback host → when it last proved an intent
    Hosts,
    /// name → [`super::Account`]
    Accounts,
    /// name → [`super::KeyPair`]
    AccountKeys,
    /// name → [`super::KnownDescriptor`]
    Descriptors,
    /// account, replay key → [`super::Seen`]
    Seen,
    /// account, hash of signer and object → when that was updated
    Applied,
    /// account, lane, seq → [`super::InboxSlap`]
    Inbox,
    /// account, lane → [`super::LaneState`]
    Lanes,
    /// hash → [`super::Doubt`]
    Doubts,
    /// slap → [`super::OutgoingSlap`]
    Outgoing,
    /// slap, index → [`super::SlapTarget`]
    Targets,
    /// lane, seq → slap, index
    OutQueue,
    /// lane → [`super::LaneState`]
    OutLanes,
    /// group, name → [`super::Member`]
    Members,
    /// group, seq → [`super::GroupPost`]
    GroupPosts,
    /// kind, due time, primary key → nothing; and behind all of them the sum over the rows
    Due,
}

impl Table {
    pub const ALL: [Self; 31] = [
        Self::Meta,
        Self::Topics,
        Self::Aliases,
        Self::Names,
        Self::Documents,
        Self::Abandoned,
        Self::Subscriptions,
        Self::Entries,
        Self::Publications,
        Self::Contents,
        Self::FanOuts,
        Self::Backlogs,
        Self::Fetches,
        Self::Intents,
        Self::Readers,
        Self::Hosts,
        Self::Accounts,
        Self::AccountKeys,
        Self::Descriptors,
        Self::Seen,
        Self::Applied,
        Self::Inbox,
        Self::Lanes,
        Self::Doubts,
        Self::Outgoing,
        Self::Targets,
        Self::OutQueue,
        Self::OutLanes,
        Self::Members,
        Self::GroupPosts,
        Self::Due,
    ];

    /// The byte in front of this table's keys. Never change one: it is on disk.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Meta => b'!',
            Self::Topics => b'T',
            Self::Aliases => b'A',
            Self::Names => b'M',
            Self::Documents => b'D',
            Self::Abandoned => b'L',
            Self::Subscriptions => b'S',
            Self::Entries => b'E',
            Self::Publications => b'P',
            Self::Contents => b'C',
            Self::FanOuts => b'F',
            Self::Backlogs => b'B',
            Self::Fetches => b'N',
            Self::Intents => b'I',
            Self::Readers => b'R',
            Self::Hosts => b'H',
            Self::Accounts => b'a',
            Self::AccountKeys => b'k',
            Self::Descriptors => b'd',
            Self::Seen => b'r',
            Self::Applied => b'o',
            Self::Inbox => b'i',
            Self::Lanes => b'l',
            Self::Doubts => b'w',
            Self::Outgoing => b'u',
            Self::Targets => b't',
            Self::OutQueue => b'q',
            Self::OutLanes => b'e',
            Self::Members => b'm',
            Self::GroupPosts => b'g',
            Self::Due => b'Q',
        }
    }

    /// The table's name, for errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Topics => "topics",
            Self::Aliases => "aliases",
            Self::Names => "names",
            Self::Documents => "documents",
            Self::Abandoned => "abandoned",
            Self::Subscriptions => "subscriptions",
            Self::Entries => "entries",
            Self::Publications => "publications",
            Self::Contents => "contents",
            Self::FanOuts => "fan-outs",
            Self::Backlogs => "backlogs",
            Self::Fetches => "fetches",
            Self::Intents => "intents",
            Self::Readers => "readers",
            Self::Hosts => "hosts",
            Self::Accounts => "accounts",
            Self::AccountKeys => "account-keys",
            Self::Descriptors => "descriptors",
            Self::Seen => "seen",
            Self::Applied => "applied",
            Self::Inbox => "inbox",
            Self::Lanes => "lanes",
            Self::Doubts => "doubts",
            Self::Outgoing => "outgoing",
            Self::Targets => "targets",
            Self::OutQueue => "out-queue",
            Self::OutLanes => "out-lanes",
            Self::Members => "members",
            Self::GroupPosts => "group-posts",
            Self::Due => "due",
        }
    }
}

/// Longest key: table, topic, entry id, digest.
const LONGEST: usize = 1 + 16 * 3;

/// A key under construction: a table byte and what follows it.
fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(LONGEST);
    key.push(table.byte());
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// A key of a table whose parts the caller knows.
pub(super) fn of(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    key(table, parts)
}

pub(super) fn schema() -> Vec<u8> {
    key(Table::Meta, &[b"schema"])
}

/// A large commit that is not wholly applied.
pub(super) fn unfinished() -> Vec<u8> {
    key(Table::Meta, &[b"unfinished"])
}

/// The sum over all rows: behind whatever may be due, where no row is large.
pub(super) fn sum() -> Vec<u8> {
    key(Table::Due, &[&[u8::MAX]])
}

pub(super) fn by_topic(table: Table, topic: TopicId) -> Vec<u8> {
    key(table, &[topic.as_bytes()])
}

pub(super) fn by_pair(table: Table, pair: PairId) -> Vec<u8> {
    key(table, &[pair.topic.as_bytes(), pair.callback.as_bytes()])
}

pub(super) fn by_seq(table: Table, topic: TopicId, seq: u64) -> Vec<u8> {
    key(table, &[topic.as_bytes(), &seq.to_be_bytes()])
}

pub(super) fn entry(topic: TopicId, id: EntryId, digest: EntryDigest) -> Vec<u8> {
    key(Table::Entries, &[topic.as_bytes(), id.as_bytes(), digest.as_bytes()])
}

pub(super) fn fanout(topic: TopicId, seq: u64, start: CallbackId) -> Vec<u8> {
    key(Table::FanOuts, &[topic.as_bytes(), &seq.to_be_bytes(), start.as_bytes()])
}

/// Names of the topic's own host come first in a scan, whoever claims the name elsewhere.
pub(super) fn alias(name: Name, topic: TopicId) -> Vec<u8> {
    key(Table::Aliases, &[name.id.as_bytes(), &[u8::from(!name.is_near)], topic.as_bytes()])
}

/// The topic in an alias's key.
pub(super) fn read_alias(key: &[u8]) -> Option<Name> {
    let mut reader = Reader::of(key)?;
    reader.topic()?;
    let is_near = reader.byte()? == 0;
    Some(Name { id: reader.topic()?, is_near })
}

pub(super) fn host(host: [u8; 16]) -> Vec<u8> {
    key(Table::Hosts, &[&host])
}

pub(super) fn due(kind: u8, at: Timestamp, primary: &[u8]) -> Vec<u8> {
    key(Table::Due, &[&[kind], &at.as_millis().to_be_bytes(), primary])
}

/// Takes keys apart again; `None` where a key is not of the shape asked for.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts behind the table byte.
    pub(super) fn of(key: &'a [u8]) -> Option<Self> {
        key.split_first().map(|(_table, rest)| Self(rest))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn topic(&mut self) -> Option<TopicId> {
        self.take().map(TopicId::from_bytes)
    }

    pub(super) fn callback(&mut self) -> Option<CallbackId> {
        self.take().map(CallbackId::from_bytes)
    }

    pub(super) fn digest(&mut self) -> Option<(EntryId, EntryDigest)> {
        Some((EntryId::from_bytes(self.take()?), EntryDigest::from_bytes(self.take()?)))
    }

    /// Of a host, a lane, a slap.
    pub(super) fn hash(&mut self) -> Option<[u8; 16]> {
        self.take()
    }

    /// The place of a target in its slap.
    pub(super) fn index(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_table_has_a_byte_of_its_own() {
        let bytes: HashSet<u8> = Table::ALL.iter().map(|table| table.byte()).collect();
        assert_eq!(bytes.len(), Table::ALL.len());
    }

    proptest! {
        #[test]
        fn publications_of_a_topic_are_in_the_order_of_their_sequence(topic: [u8; 16], one: u64, two: u64) {
            let topic = TopicId::from_bytes(topic);
            let (a, b) = (by_seq(Table::Publications, topic, one), by_seq(Table::Publications, topic, two));
            prop_assert_eq!(a.cmp(&b), one.cmp(&two));
        }

        #[test]
        fn due_rows_are_in_the_order_of_their_time(kind: u8, one: u64, two: u64, key_a: [u8; 16], key_b: [u8; 16]) {
            prop_assume!(one != two);
            let a = due(kind, Timestamp::from_millis(one), &key_a);
            let b = due(kind, Timestamp::from_millis(two), &key_b);
            prop_assert_eq!(a.cmp(&b), one.cmp(&two));
        }

        #[test]
        fn subscriptions_are_in_the_order_of_topic_then_callback(a: ([u8; 16], [u8; 16]), b: ([u8; 16], [u8; 16])) {
            let pair = |(topic, callback)| PairId {
                topic: TopicId::from_bytes(topic),
                callback: CallbackId::from_bytes(callback),
            };
            let (one, two) = (by_pair(Table::Subscriptions, pair(a)), by_pair(Table::Subscriptions, pair(b)));
            prop_assert_eq!(one.cmp(&two), a.cmp(&b));
        }

        #[test]
        fn a_key_read_back_is_what_was_written(topic: [u8; 16], callback: [u8; 16], seq: u64) {
            let key = fanout(TopicId::from_bytes(topic), seq, CallbackId::from_bytes(callback));
            let mut reader = Reader::of(&key).unwrap();
            prop_assert_eq!(reader.topic(), Some(TopicId::from_bytes(topic)));
            prop_assert_eq!(reader.number(), Some(seq));
            prop_assert_eq!(reader.callback(), Some(CallbackId::from_bytes(callback)));
            prop_assert!(reader.rest().is_empty());
            prop_assert_eq!(reader.byte(), None);
        }
    }
}
