//! sled, and nothing else of the program names it: get, scan, apply, flush.
//!
//! Its weak sides are handled here: the cache has our bound instead of 1 GiB, the timer that flushes every 500 ms is off
//! because commits flush themselves, a damaged store that makes it panic becomes an error, what it calls flushed is brought
//! to the disk, and a log that it takes for shorter than it was ([`super::acknowledged`]), or passes over a part of
//! ([`super::sum`]), is noticed. `copies` has what a copy of it is made and put in its place with, `sums` what is read of the sum.

mod copies;
mod sums;

use std::{
    collections::HashMap,
    fs::File,
    io, mem,
    ops::{Bound, Deref},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    StoreError, StoreOptions,
    acknowledged::Acknowledged,
    codec, folder,
    generation::Generation,
    health::Health,
    held::when_free,
    keys,
    measure::{self, Held},
    siblings,
    sum::{Sum, counts},
};
use crate::octets;

/// The schema this program writes.
pub(super) const SCHEMA: u32 = 2;
/// The key of the number of the last batch, in a tree of its own: it is written over with each. Behind the number stands
/// [`SUMMED`].
const LAST: &[u8] = b"last";
/// In a store that has a sum; there were some without.
const SUMMED: u8 = 1;

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(with = "octets::text")]
    pub(super) key: Vec<u8>,
    /// `None` removes the row.
    #[serde(with = "octets::optional_text")]
    pub(super) value: Option<Vec<u8>>,
}

impl Change {
    /// Of its key and its value.
    pub(super) fn octets(&self) -> usize {
        self.key.len().saturating_add(self.value.as_ref().map_or(0, Vec::len))
    }
}

/// Octets of a key or value as the engine lends them.
#[derive(Debug, Clone)]
pub(super) struct Octets(sled::IVec);

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Pauses before a store that somebody else has open is given up: about a second.
const HELD_PAUSES: u32 = 50;
/// Times that a store may be compacted while somebody tries to open it.
const MOST_MOVES: usize = 3;

/// An open database.
#[derive(Debug)]
pub(super) struct Embedded {
    db: sled::Db,
    rows: sled::Tree,
    /// Holds [`LAST`] alone.
    marks: sled::Tree,
    /// The engine's log once more, to bring it to the disk.
    log: File,
    acknowledged: Acknowledged,
    /// The number of the last batch.
    last: AtomicU64,
    /// Of all rows, behind the last batch.
    sum: Mutex<Sum>,
    health: Arc<Health>,
    /// The store's.
    path: PathBuf,
    generation: Generation,
    /// Where the engine's files are.
    folder: PathBuf,
}

impl Embedded {
    /// Opens or makes a store to work on.
    pub(super) fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let (store, lost) = Self::open_whatever_is_left(options)?;
        lost.map_or(Ok(store), Err)
    }

    /// The same, of which rows may be gone: the error that a hub would be refused with comes beside it.
    pub(super) fn open_whatever_is_left(
        options: &StoreOptions,
    ) -> Result<(Self, Option<StoreError>), StoreError> {
        folder::prepare(&options.path)?;
        let unreadable = |error: io::Error| StoreError::Unreadable {
            path: options.path.clone(),
            reason: error.to_string(),
        };
        // Who has just been let in by a hub that was compacting may have been let in where it was before.
        for _ in 0..MOST_MOVES {
            let generation = Generation::current(&options.path).map_err(unreadable)?;
            let opened = if generation.is_missing(&options.path) {
                // The engine would make an empty one.
                Err(unreadable(io::Error::other(
                    "the folder in it that has its rows is missing, or not whole",
                )))
            } else {
                Self::open_generation(options, generation)
            };
            if Generation::current(&options.path).map_err(unreadable)? == generation {
                return opened;
            }
        }
        Err(StoreError::Locked { path: options.path.clone() })
    }

    /// Opens or makes the engine of a generation.
    fn open_generation(
        options: &StoreOptions,
        generation: Generation,
    ) -> Result<(Self, Option<StoreError>), StoreError> {
        let folder = generation.folder(&options.path);
        let config = sled::Config::new()
            .path(&folder)
            .cache_capacity(options.cache_bytes)
            // Its flusher moves rows out of half-empty segments of the log, too, but so slowly that under a hundred pings a
            // second the log grew by 32 MiB a minute instead of 39, with a third more written; and when it panics on damage,
            // closing the store waits for it for ever.
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let unreadable = |reason: String| StoreError::Unreadable { path: options.path.clone(), reason };
        let open = || {
            let db = config.open()?;
            let (rows, marks) = (db.open_tree("rows")?, db.open_tree("marks")?);
            let last = marks.get(LAST)?;
            Ok::<_, sled::Error>((db, rows, marks, last))
        };
        let (db, rows, marks, last) = when_free(HELD_PAUSES, || {
            // sled asserts on some damaged files; a start that fails must say so in words.
            let opened =
                catch_unwind(AssertUnwindSafe(open)).map_err(|_panic| unreadable(DAMAGED.to_owned()))?;
            opened.map_err(|error| match &error {
                error if is_held(error) => StoreError::Locked { path: options.path.clone() },
                error => unreadable(said(error)),
            })
        })?;
        let last = last.as_ref().and_then(|mark| mark.split_first_chunk());
        let (last, is_summed) = last.map_or((0, false), |(number, rest)| {
            (u64::from_be_bytes(*number), rest.first() == Some(&SUMMED))
        });
        let log = File::open(folder.join("db")).map_err(|error| unreadable(error.to_string()))?;
        let acknowledged = Acknowledged::open(&folder).map_err(|error| unreadable(error.to_string()))?;
        let promised = acknowledged.number().map_err(|error| unreadable(error.to_string()))?;
        let shortened = (last < promised).then(|| StoreError::Shortened {
            path: options.path.clone(),
            lost: promised.saturating_sub(last),
            promised,
        });
        let last = AtomicU64::new(last);
        let store = Self {
            db,
            rows,
            marks,
            log,
            acknowledged,
            last,
            sum: Mutex::default(),
            health: Arc::default(),
            path: options.path.clone(),
            generation,
            folder,
        };
        match store.begin(options, is_summed, shortened.is_some()) {
            Ok(()) => Ok((store, shortened)),
            Err(error @ StoreError::Failed(_)) => {
                // Never closed after a write that failed: its destructor would wait for that.
                mem::forget(store);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes it ready to be worked on.
    fn begin(&self, options: &StoreOptions, is_summed: bool, is_shortened: bool) -> Result<(), StoreError> {
        if !is_shortened {
            *self.sum.lock().unwrap_or_else(PoisonError::into_inner) = self.sum_at_start(is_summed)?;
        }
        // Where all is gone there is no schema either, and none is written into what is left.
        if !is_shortened || self.get(&keys::schema())?.is_some() {
            self.check_schema(&options.path)?;
        }
        if !is_shortened {
            self.finish()?;
        }
        Ok(())
    }

    /// Opens a store that is there, to read it; makes none.
    pub(super) fn open_existing(options: &StoreOptions) -> Result<Self, StoreError> {
        let (store, lost) = Self::open_damaged(options)?;
        lost.map_or(Ok(store), Err)
    }

    /// Opens what is left of a store, to save it.
    pub(super) fn open_damaged(options: &StoreOptions) -> Result<(Self, Option<StoreError>), StoreError> {
        Self::must_exist(options)?;
        Self::open_whatever_is_left(options)
    }

    fn must_exist(options: &StoreOptions) -> Result<(), StoreError> {
        if siblings::is_store(&options.path) {
            return Ok(());
        }
        folder::refuse_if_aside(&options.path)?;
        Err(StoreError::Missing { path: options.path.clone() })
    }

    /// Whether it holds anything of ours.
    pub(super) fn has_schema(&self) -> bool {
        self.get(&keys::schema()).is_ok_and(|row| row.is_some())
    }

    /// What stands beside the engine's files.
    pub(super) fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }

    /// Whether it can still be relied on.
    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    fn check_schema(&self, path: &Path) -> Result<(), StoreError> {
        let Some(row) = self.get(&keys::schema())? else {
            return self.commit([Change { key: keys::schema(), value: Some(codec::encode(&SCHEMA)?) }]);
        };
        let found: u32 = codec::decode(keys::Table::Meta, &row)?;
        if found > SCHEMA {
            return Err(StoreError::TooNew { path: path.to_owned(), found, known: SCHEMA });
        }
        if found < SCHEMA {
            return Err(StoreError::TooOld { path: path.to_owned(), found, known: SCHEMA });
        }
        Ok(())
    }

    /// A read. What the engine finds damaged, by an error or by an assertion, is damaged for whoever comes next as well,
    /// and nothing more is written into it.
    fn read<T>(&self, read: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
        let (reason, is_damage) = match tried(read) {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if is_damage && self.health.fail(reason.clone()) {
            tracing::error!(reason, "the store cannot be read; nothing is acknowledged from now on");
        }
        Err(StoreError::Failed(reason))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        self.read(|| Ok(self.rows.get(key)?.map(Octets)))
    }

    /// Up to `limit` rows of `prefix` in key order, after the key `after` where one is given.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Octets, Octets)>, StoreError> {
        self.read(|| self.rows_of(prefix, after, limit))
    }

    fn rows_of(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Octets, Octets)>, sled::Error> {
        let start = match after {
            Some(key) => Bound::Excluded(key.to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        let end = match successor(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        let rows = self.rows.range((start, end)).take(limit);
        rows.map(|row| row.map(|(key, value)| (Octets(key), Octets(value)))).collect()
    }

    /// The last row of `prefix` in key order.
    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<(Octets, Octets)>, StoreError> {
        self.read(|| {
            let row = self.rows.scan_prefix(prefix).next_back().transpose()?;
            Ok(row.map(|(key, value)| (Octets(key), Octets(value))))
        })
    }

    /// Shows all rows of `prefix`.
    fn each(&self, prefix: &[u8], mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.read(|| {
            for row in self.rows.scan_prefix(prefix) {
                let (key, value) = row?;
                visit(&key, &value);
            }
            Ok(())
        })
    }

    pub(super) fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        Ok(self.weigh(prefix)?.rows)
    }

    /// Rows of `prefix`, and the octets of their keys and values.
    pub(super) fn weigh(&self, prefix: &[u8]) -> Result<Held, StoreError> {
        let mut held = Held::default();
        self.each(prefix, |key, value| {
            let octets = u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX);
            held.rows = held.rows.saturating_add(1);
            held.octets = held.octets.saturating_add(octets);
        })?;
        Ok(held)
    }

    /// Of the engine's files.
    pub(super) fn octets_on_disk(&self) -> Result<u64, StoreError> {
        measure::octets_on_disk(&self.folder)
    }

    /// Applies all changes or none of them, in order, and returns when they are on disk. One caller at a time.
    pub(super) fn commit(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        self.apply(changes)?;
        self.flush()
    }

    /// Applies all changes or none of them, in order. They should not be [many](super::steps).
    pub(super) fn apply(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        // Of each row the last is what counts.
        let changes: HashMap<_, _> = changes.into_iter().map(|Change { key, value }| (key, value)).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let _writing = self.health.writing();
        let mut noted = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = *noted;
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            if counts(&key) {
                if let Some(old) = guarded(|| self.rows.get(&key))? {
                    sum.take_off(&key, &old);
                }
                if let Some(new) = &value {
                    sum.add(&key, new);
                }
            }
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(keys::sum(), sum.octets());
        guarded(|| self.rows.apply_batch(batch))?;
        *noted = sum;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn while_no_write_ends(&self, work: impl FnOnce()) {
        let _sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        work();
    }

    /// Returns when everything that was applied is on disk.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let number = self.last.load(Ordering::Relaxed).saturating_add(1);
        let mark = [&number.to_be_bytes()[..], &[SUMMED]].concat();
        let _writing = self.health.writing();
        // Behind the batch in the log: where this is, the batch is.
        guarded(|| {
            self.marks.insert(LAST, mark)?;
            self.db.flush()
        })?;
        // The engine leaves it to the kernel when the length of its file and the disk's own cache are written: what it
        // calls flushed outlives the program and not a loss of power.
        self.log
            .sync_data()
            .and_then(|()| self.acknowledged.note(number))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        self.last.store(number, Ordering::Relaxed);
        Ok(())
    }
}

/// A read, or what went wrong, and whether that is damage: what the engine says so of, or asserts on.
fn tried<T>(read: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, (String, bool)> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        // Out of files, or a disk that does not answer at this moment.
        Ok(Err(error @ sled::Error::Io(_))) => Err((said(&error), false)),
        Ok(Err(error)) => Err((format!("{DAMAGED}: {error}"), true)),
        Err(_panic) => Err((DAMAGED.to_owned(), true)),
    }
}

/// Whether somebody else has the store open.
fn is_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(io) if io.to_string().contains("could not acquire lock"))
}

/// The engine asserts on some of what it finds damaged.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_panic| StoreError::Failed(DAMAGED.to_owned()))?.map_err(failed)
}

/// The first key behind everything that starts with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// What is said of files that make no sense.
const DAMAGED: &str = "its files are damaged";

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: sled::Error) -> StoreError {
    StoreError::Failed(said(&error))
}

/// What an error says. The engine keeps errors of the system as their debug text, in which the words for people are one
/// field.
fn said(error: &sled::Error) -> String {
    let sled::Error::Io(io) = error else { return error.to_string() };
    let text = io.to_string();
    let message = text.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    message.map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
impl Embedded {
    /// Writes a row past the sum, as damage may leave one.
    pub(super) fn alter(&self, key: &[u8], value: &[u8]) {
        self.rows.insert(key, value).unwrap();
    }
}

#[cfg(test)]
mod tests;
