//! A store that has grown goes on in a new engine with the same rows, while everybody goes on with it.
//!
//! The engine writes every change behind the last and frees what was written over so slowly that its log grows without an
//! end: at a hundred pings a second by some 24 MiB a minute, over five MiB of rows. So when it takes several times
//! what it holds, the writer copies the rows into a new engine, some between two batches. What a batch changes among the
//! rows that are copied already it writes to both; the others are copied as they are then. When all are, and the sums over
//! both agree, the new one's files are brought to the disk, then it is written down that they count
//! ([`super::generation`]), then it takes the other's place ([`super::engine`]), whose files are removed when the last who
//! reads in it is done.
//!
//! # Invariants
//! - Only the writer's thread is here, so no batch comes between what is read of the old and what is written to the new.
//! - The new one counts from between two batches on: whatever was acknowledged is in it, and was flushed.
//! - What goes wrong with the new one is the end of the new one, and nothing that the store would notice.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    StoreError,
    embedded::{Change, Embedded},
    engine::Engine,
    generation, keys,
    keys::Table,
    measure,
    reading::has_bodies,
    steps::STEP,
};

/// How often it is looked how much the store takes.
const LOOK: Duration = Duration::from_secs(5);
/// Until it is tried again after something went wrong.
const REST: Duration = Duration::from_hours(1);
/// Rows that are copied between two batches; few of those that may be large.
const ROWS: usize = 256;
const BODIES: usize = 4;
/// While it is waited for the last who reads in the old one.
const PAUSE: Duration = Duration::from_millis(20);

/// What the writer does besides writing.
pub(super) struct Rotation {
    engine: Arc<Engine>,
    copying: Option<Copying>,
    /// Waits until the files of the last can be removed.
    retiring: Option<JoinHandle<()>>,
    look_at: Instant,
}

/// A copy that is being made.
struct Copying {
    old: Arc<Embedded>,
    new: Embedded,
    at: Cursor,
    begun: Instant,
}

/// Behind the last row that was copied: its table, and its key if there was one of that table.
struct Cursor {
    table: u8,
    after: Option<Vec<u8>>,
}

impl Cursor {
    /// Whether this row, if there is one, is copied.
    fn is_behind(&self, key: &[u8]) -> bool {
        match key.first() {
            Some(table) if *table == self.table => self.after.as_deref().is_some_and(|after| key <= after),
            Some(table) => *table < self.table,
            None => true,
        }
    }
}

impl Rotation {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, copying: None, retiring: None, look_at: now() }
    }

    /// Whether there is something to do between two batches.
    pub(super) fn is_busy(&self) -> bool {
        self.copying.is_some()
    }

    /// What has to be written to the copy when these are written to the store.
    pub(super) fn share_of(&self, changes: &[Change]) -> Vec<Change> {
        let Some(copying) = &self.copying else { return Vec::new() };
        changes.iter().filter(|change| copying.at.is_behind(&change.key)).cloned().collect()
    }

    /// Writes that, after the store was.
    pub(super) fn write(&mut self, share: Vec<Change>) {
        let Some(copying) = self.copying.take() else { return };
        self.copying = match copying.write(share) {
            Ok(()) => Some(copying),
            Err(error) => self.give_up(copying, &error.to_string()),
        };
    }

    /// The next step, after a batch or when there is none.
    pub(super) fn step(&mut self) {
        if self.engine.health().has_failed() {
            self.stop();
        } else if let Some(mut copying) = self.copying.take() {
            self.copying = match copying.step() {
                Ok(false) => Some(copying),
                Ok(true) => self.finish(copying),
                Err(error) => self.give_up(copying, &error.to_string()),
            };
        } else if now() >= self.look_at {
            self.look_at = later(LOOK);
            self.begin_if_worth_it();
        }
    }

    /// Nothing more is written: the copy goes.
    pub(super) fn stop(&mut self) {
        if let Some(Copying { new, .. }) = self.copying.take() {
            let folder = new.folder().to_owned();
            self.retiring = retire(Arc::new(new), folder);
        }
    }

    fn begin_if_worth_it(&mut self) {
        let above = self.engine.compact_above();
        let is_retiring = self.retiring.as_ref().is_some_and(|thread| !thread.is_finished());
        if above == u64::MAX || is_retiring {
            return;
        }
        let old = self.engine.current();
        let Ok(takes) = old.octets_on_disk() else { return };
        if takes <= above || !measure::is_worth_compacting(takes, old.octets()) {
            return;
        }
        let free = measure::octets_free(old.folder()).unwrap_or(u64::MAX);
        if !measure::has_room(free, old.octets()) {
            return self.rest("there is too little room on its disk");
        }
        match old.begin_next(self.engine.options()) {
            Ok(new) => {
                let at = Cursor { table: 0, after: None };
                self.copying = Some(Copying { old, new, at, begun: now() });
            }
            Err(error) => self.rest(&error.to_string()),
        }
    }

    /// The copy is whole.
    fn finish(&mut self, copying: Copying) -> Option<Copying> {
        let Copying { old, new, begun, .. } = copying;
        if let Err(error) = new.take_over(&old) {
            let copying = Copying { old, new, at: Cursor { table: u8::MAX, after: None }, begun };
            return self.give_up(copying, &error.to_string());
        }
        let (before, after) = (old.octets_on_disk().unwrap_or(0), new.octets_on_disk().unwrap_or(0));
        drop(old);
        let old = self.engine.exchange(new);
        let files = old.folder().to_owned();
        let store = self.engine.options().path.clone();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(before, after, took_ms, "the store was compacted");
        self.retiring =
            if files == store { retire_first(old, self.engine.current()) } else { retire(old, files) };
        None
    }

    fn give_up(&mut self, copying: Copying, reason: &str) -> Option<Copying> {
        self.rest(reason);
        let folder = copying.new.folder().to_owned();
        // Never closed: the engine flushes in its destructor, and behind a write that failed it waits for ever.
        std::mem::forget(copying.new);
        let _left = generation::remove(&folder);
        None
    }

    fn rest(&mut self, reason: &str) {
        self.look_at = later(REST);
        warn!(reason, "the store could not be compacted, and goes on as it is");
    }
}

impl Copying {
    fn write(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut rest = changes.into_iter().peekable();
        while rest.peek().is_some() {
            self.new.apply(rest.by_ref().take(STEP))?;
        }
        Ok(())
    }

    /// Copies some more rows. Says whether all are copied.
    fn step(&mut self) -> Result<bool, StoreError> {
        let limit = if has_bodies(self.at.table) { BODIES } else { ROWS };
        let rows = self.old.scan(&[self.at.table], self.at.after.as_deref(), limit)?;
        let is_last = rows.len() < limit;
        if let Some((key, _)) = rows.last() {
            self.at.after = Some(key.to_vec());
        }
        // The sum is made anew, and has to come out the same.
        let rows = rows.into_iter().filter(|(key, _)| **key != *keys::sum());
        let put = rows.map(|(key, value)| Change { key: key.to_vec(), value: Some(value.to_vec()) });
        self.write(put.collect())?;
        if !is_last {
            return Ok(false);
        }
        let Some(next) = self.next_table() else { return Ok(true) };
        self.at = Cursor { table: next, after: None };
        Ok(false)
    }

    fn next_table(&self) -> Option<u8> {
        Table::ALL.iter().map(|table| table.byte()).filter(|byte| *byte > self.at.table).min()
    }
}

/// Removes the files of an engine when the last who reads in it is done. On a thread of its own: closing an engine may take
/// longer than anybody who waits for a commit should.
fn retire(old: Arc<Embedded>, files: PathBuf) -> Option<JoinHandle<()>> {
    when_alone(old, move || {
        if let Err(error) = generation::remove(&files) {
            warn!(%error, "rows of before the store was compacted are still on the disk");
        }
    })
}

/// The same for one whose files lie among others.
fn retire_first(old: Arc<Embedded>, current: Arc<Embedded>) -> Option<JoinHandle<()>> {
    when_alone(old, move || current.clear_others())
}

#[expect(
    clippy::disallowed_methods,
    reason = "nobody tells when the last read is done; the thread has nothing else to do"
)]
fn when_alone(old: Arc<Embedded>, then: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let waiting = thread::Builder::new().name("store-retired".to_owned()).spawn(move || {
        let mut old = old;
        loop {
            match Arc::try_unwrap(old) {
                Ok(alone) => break drop(alone),
                Err(shared) => old = shared,
            }
            thread::sleep(PAUSE);
        }
        then();
    });
    let failed = |error: &std::io::Error| {
        warn!(%error, "rows of before the store was compacted stay on the disk until the next start");
    };
    waiting.inspect_err(failed).ok()
}

#[expect(clippy::disallowed_methods, reason = "a disk knows no paused time")]
fn now() -> Instant {
    Instant::now()
}

fn later(after: Duration) -> Instant {
    let now = now();
    now.checked_add(after).unwrap_or(now)
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
