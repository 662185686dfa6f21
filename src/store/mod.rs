//! The only room that knows a database.
//!
//! # The seam
//! A service decides a [`Commit`]: a list of typed [`Record`]s. [`Store::commit`] applies it whole and returns when it
//! is flushed: whoever was answered after that keeps what they were promised through `kill -9`. Applying a commit is
//! deterministic and idempotent (no clock, no dice, no read that decides), so that later the same bytes can go through
//! a replicated log first.
//!
//! # Invariants
//! - One tree, one byte of table in front of every key: an atomic batch then spans every table (`keys`).
//! - Keys are big-endian, so that "what is due" and "this topic's subscriptions" are range scans.
//! - Values carry a version byte (`codec`); a value that cannot be read is an error that names its table, not a panic.
//! - One thread writes (`writer`); all commits that gathered while it flushed share the next flush.
//! - After a write or a flush that failed nothing is acknowledged any more (`health`); a store that was shortened behind
//!   our back is noticed (`acknowledged`), and one whose rows were altered when all of them are read (`sum`).
//! - A commit is all or nothing however large it is (`steps`).
//! - A row that cannot be read keeps nobody from the others, and is not passed over in silence (`unreadable`).
//! - Rows under [`keys::Table::Due`] are hints; the due time inside the primary record is the truth.
//! - A store that is made of another lies beside its place until it is whole (`siblings`). One that compacts itself goes on
//!   in another folder inside its own (`rotation`, `generation`), under everybody who reads (`engine`).
//! - Nothing is written for a successful delivery, and nothing outside this room knows where bytes lie.
//!
//! # Decisions
//! - 2026-11: sled 0.34.7 as given. It is named in `embedded` alone, behind get, scan, apply and flush.
//! - 2026-11: one tree instead of one a table. sled's transactions over several trees are optimistic and slow; a batch
//!   on one tree is atomic and cheap.

mod acknowledged;
mod backlogs;
mod codec;
mod commit;
mod compact;
mod due;
mod embedded;
mod engine;
mod entries;
mod error;
mod export;
mod fanouts;
mod fetches;
mod folder;
mod generation;
mod health;
mod held;
mod import;
mod intents;
pub mod keys;
mod lines;
mod locks;
mod measure;
mod names;
mod publications;
mod reading;
mod relay;
mod rescue;
mod rotation;
mod siblings;
mod steps;
mod subscriptions;
mod sum;
mod topics;
mod unreadable;
mod verify;
mod writer;

pub use backlogs::{Backlog, LastOutcome, NeedsFull};
pub use commit::{Commit, Record};
pub use compact::{CompactError, Compacted, compact};
pub use due::{Due, DueKind};
pub use error::StoreError;
pub use export::{ExportError, Exported, export};
pub use fanouts::{FanOut, FanOutId};
pub use fetches::PendingFetch;
pub use import::{ImportError, Imported, import};
pub use intents::PendingIntent;
pub use lines::Tally;
pub use locks::Locks;
pub use measure::{Held, Stats, stats};
pub use names::Name;
pub use publications::{Publication, PublishedEntry};
pub use reading::Lost;
pub use relay::{
    Account, AccountKind, Doubt, ForwardMode, GroupPost, InboxSlap, KeyPair, KnownDescriptor, LaneId,
    LaneState, Life, Member, Membership, OutgoingSlap, RelayRecord, Seen, SeenKey, SlapTarget, TargetKey,
    TargetState, Try,
};
pub use subscriptions::Subscription;
pub use topics::{Readers, Topic, TopicDocument, Validators};
pub use verify::{Verified, verify};

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use engine::Engine;
use keys::Table;
use unreadable::Unreadable;
pub use writer::Submitted;
use writer::{Counters, Writer};

use crate::clock::Timestamp;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    pub path: PathBuf,
    /// Octets of page cache.
    pub cache_bytes: u64,
    /// How long a commit may wait for company before its flush.
    pub gather: Duration,
}

/// How many rows each table holds, for people and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub topics: u64,
    pub subscriptions: u64,
    pub backlogs: u64,
    pub intents: u64,
    pub fetches: u64,
    pub fanouts: u64,
    pub publications: u64,
}

/// An open store. Cheap to clone; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Store {
    kv: Arc<Engine>,
    writer: Arc<Writer>,
    changes: Counters,
    unreadable: Unreadable,
    /// Held over read-decide-commit on one pair: verification, expiry, 410.
    pair_locks: Arc<Locks>,
    /// Held over read-decide-commit on one lane of slaps, or one account.
    lane_locks: Arc<Locks>,
    /// Held for writing while a topic's head moves, for reading while a backlog of the topic settles against the head.
    topic_locks: Arc<Locks>,
}

impl Store {
    /// Opens or creates the store; refuses one that another process holds, that is damaged, or that is newer.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let kv = Arc::new(Engine::open(options)?);
        let changes = Counters::default();
        let writer = Writer::start(Arc::clone(&kv), options.gather, changes.clone())?;
        Ok(Self {
            kv,
            writer: Arc::new(writer),
            changes,
            unreadable: Unreadable::default(),
            pair_locks: Arc::default(),
            lane_locks: Arc::default(),
            topic_locks: Arc::default(),
        })
    }

    /// Applies a commit whole; returns when it is on disk.
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.writer.write(commit, None).await
    }

    /// The same, and calls `applied` on the way, when the commit can be read and is not on disk yet: what takes long and
    /// leaves nothing behind may begin then. A crash can still take it back, together with all that is committed later.
    pub async fn commit_announced(
        &self,
        commit: Commit,
        applied: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer.write(commit, Some(Box::new(applied))).await
    }

    /// Hands in a commit that nobody outside waits for, and returns when it has its place before all that are handed in
    /// later: whoever decides by what is known of those need not be kept out until it is on disk. It waits a few
    /// milliseconds for company.
    pub async fn submit(&self, commit: Commit) -> Result<Submitted, StoreError> {
        self.writer.submit(commit, None, true).await
    }

    /// Returns when every commit that was handed in before is on disk, or has failed: one that was given up as stalled may
    /// be written yet.
    pub async fn settled(&self) -> Result<(), StoreError> {
        self.writer.write(Commit::new(), None).await
    }

    /// Has the store compact itself from so many octets on disk on, when it holds much less than it takes; without, it never
    /// does.
    pub fn compact_above(&self, octets: Option<u64>) {
        self.kv.set_compact_above(octets.unwrap_or(u64::MAX));
    }

    /// A number that moves whenever a subscription was put or ended: who holds rows for a while compares it, and reads
    /// them again only if it moved.
    pub fn subscription_changes(&self) -> u64 {
        self.changes.subscriptions.load(Ordering::SeqCst)
    }

    /// The same of accounts of the sites beside us.
    pub fn account_changes(&self) -> u64 {
        self.changes.accounts.load(Ordering::SeqCst)
    }

    /// Locks by pair (topic and callback).
    pub fn pair_locks(&self) -> &Locks {
        &self.pair_locks
    }

    /// Locks by lane of slaps, and by account.
    pub fn lane_locks(&self) -> &Locks {
        &self.lane_locks
    }

    /// Locks by topic.
    pub fn topic_locks(&self) -> &Locks {
        &self.topic_locks
    }

    /// Whether a commit may succeed.
    pub fn is_writable(&self) -> bool {
        self.trouble().is_none()
    }

    /// Waits while a write hangs: what is done meanwhile could not be noted, and would be done again and again. An error
    /// where no write will succeed any more.
    pub async fn writable(&self) -> Result<(), StoreError> {
        let health = self.kv.health();
        while !health.has_failed() {
            if !health.is_stalled() {
                return Ok(());
            }
            tokio::time::sleep(health::LOOK).await;
        }
        Err(StoreError::ReadOnly)
    }

    /// Why no commit can succeed, in words for the operator: `/readyz` asks. It names no path.
    pub fn trouble(&self) -> Option<String> {
        self.kv.health().trouble()
    }

    /// Remembers how late it is, for a start after which the clock says otherwise. A disk that does not take even that is
    /// one that takes nothing.
    pub fn note_time(&self, now: Timestamp) -> Result<(), StoreError> {
        self.kv.note_time(now).map_err(|error| {
            if self.kv.health().fail(error.to_string()) {
                tracing::error!(%error, "the store cannot write; nothing is acknowledged before a restart");
            }
            StoreError::Failed(error.to_string())
        })
    }

    /// How late it was when that was last noted; the beginning of time if it never was.
    pub fn noted_time(&self) -> Timestamp {
        self.kv.time().unwrap_or(Timestamp::EPOCH)
    }

    /// Runs a read on a thread that may block: scans must not hold up the runtime.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.clone();
        tokio::task::spawn_blocking(move || read(&store)).await.map_err(|_lost| StoreError::Closed)?
    }

    /// Counts rows by walking their keys.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let count = |table: Table| self.kv.count(&[table.byte()]);
        Ok(Counts {
            topics: count(Table::Topics)?,
            subscriptions: count(Table::Subscriptions)?,
            backlogs: count(Table::Backlogs)?,
            intents: count(Table::Intents)?,
            fetches: count(Table::Fetches)?,
            fanouts: count(Table::FanOuts)?,
            publications: count(Table::Publications)?,
        })
    }

    /// Makes all rows of a table whose keys begin with this ones that cannot be read.
    #[cfg(test)]
    pub(crate) fn spoil(&self, table: Table, key: &[u8]) {
        let prefix = keys::of(table, &[key]);
        let rows = self.kv.scan(&prefix, None, usize::MAX).unwrap();
        assert!(!rows.is_empty(), "there is none");
        let spoilt =
            rows.iter().map(|(key, _)| embedded::Change { key: key.to_vec(), value: Some(vec![0xff]) });
        self.kv.current().commit(spoilt).unwrap();
    }

    /// The row of a topic.
    #[cfg(test)]
    pub(crate) fn spoil_topic(&self, topic: crate::protocol::TopicId) {
        self.spoil(Table::Topics, topic.as_bytes());
    }

    /// The row of a subscription.
    #[cfg(test)]
    pub(crate) fn spoil_subscription(&self, pair: crate::protocol::PairId) {
        self.spoil(Table::Subscriptions, &pair.octets());
    }

    /// Stops the writer after everything submitted so far is on disk.
    pub async fn close(&self) {
        self.writer.stop().await;
    }
}

#[cfg(test)]
mod hanging;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;
