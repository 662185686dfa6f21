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
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{
    StoreError,
    embedded::{Change, Embedded},
    engine::Engine,
    generation::{self, Begun, Generation},
    keys,
    keys::Table,
    measure,
    reading::page_of,
    steps::STEP,
};

/// How often it is looked how much the store takes.
const LOOK: Duration = Duration::from_secs(5);
/// Until it is looked again on a disk without room.
const REST: Duration = Duration::from_hours(1);
/// Octets of rows after which the system brings what it holds of the copy to the disk.
const SETTLED: usize = 8 << 20;
const NOT_THE_SAME: &str = "the copy of its rows is not the same";
/// While something is waited for that nobody tells.
const PAUSE: Duration = Duration::from_millis(20);

/// What the writer does besides writing.
pub(super) struct Rotation {
    engine: Arc<Engine>,
    copying: Option<Copying>,
    /// Waits until the files of the last can be removed.
    retiring: Option<JoinHandle<()>>,
    /// `None` if not in this run any more.
    look_at: Option<Instant>,
    /// What the store took when it had just been compacted, in this run or before.
    took: u64,
}

/// A copy that is being made.
struct Copying {
    old: Arc<Embedded>,
    new: Embedded,
    at: Cursor,
    /// All rows are there, and their files are on their way to the disk.
    settling: Option<JoinHandle<io::Result<()>>>,
    unsettled: usize,
    begun: Instant,
}

/// Behind the last row that was copied: its table, and its key if there was one of that table.
struct Cursor {
    table: u8,
    after: Option<Vec<u8>>,
}

/// Why a copy comes to nothing.
enum Trouble {
    /// The new engine could not write.
    Broken(String),
    Other(String),
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
        let took = Generation::took(&engine.options().path);
        Self { engine, copying: None, retiring: None, look_at: Some(now()), took }
    }

    /// How long to wait for a batch before the next step; `None` if there is no step without one.
    pub(super) fn pause(&self) -> Option<Duration> {
        let settling = self.copying.as_ref()?.settling.as_ref();
        Some(if settling.is_some_and(|thread| !thread.is_finished()) { PAUSE } else { Duration::ZERO })
    }

    /// What has to be written to the copy when these are written to the store.
    pub(super) fn share_of(&self, changes: &[Change]) -> Vec<Change> {
        let Some(copying) = &self.copying else { return Vec::new() };
        changes.iter().filter(|change| copying.at.is_behind(&change.key)).cloned().collect()
    }

    /// Writes that, after the store was.
    pub(super) fn write(&mut self, share: Vec<Change>) {
        let Some(copying) = self.copying.take() else { return };
        let health = Arc::clone(self.engine.health());
        let _writing = health.writing();
        match copying.write(share) {
            Ok(()) => self.copying = Some(copying),
            Err(trouble) => self.give_up(copying.new, &trouble),
        }
    }

    /// The next step, after a batch or when there is none.
    pub(super) fn step(&mut self) {
        // A copy that hangs holds up all commits, and they have to be told.
        let health = Arc::clone(self.engine.health());
        let _writing = health.writing();
        if self.engine.health().has_failed() {
            self.stop();
        } else if let Some(mut copying) = self.copying.take() {
            match copying.step() {
                Ok(false) => self.copying = Some(copying),
                Ok(true) => self.finish(copying),
                Err(trouble) => self.give_up(copying.new, &trouble),
            }
        } else if self.look_at.is_some_and(|at| now() >= at) {
            self.look_at = later(LOOK);
            self.begin_if_worth_it();
        }
    }

    /// Nothing more is written: the copy goes.
    pub(super) fn stop(&mut self) {
        if let Some(Copying { new, .. }) = self.copying.take() {
            self.retire_copy(new);
        }
    }

    fn begin_if_worth_it(&mut self) {
        let above = self.engine.compact_above();
        let is_retiring = self.retiring.as_ref().is_some_and(|thread| !thread.is_finished());
        if above == u64::MAX || is_retiring {
            return;
        }
        let old = self.engine.current();
        let takes = match old.octets_on_disk() {
            Ok(takes) => takes,
            Err(error) => return self.rest(&error.to_string()),
        };
        // Where the engine needs that much for what it holds, another compaction would not help either.
        let has_grown = takes > above.max(self.took.saturating_mul(2));
        if !has_grown || !measure::is_worth_compacting(takes, old.octets()) {
            return;
        }
        let free = measure::octets_free(old.folder()).unwrap_or(u64::MAX);
        if !measure::has_room(free, old.octets()) {
            return self.rest("there is too little room on its disk");
        }
        match old.begin_next(self.engine.options()) {
            Ok(new) => {
                let at = Cursor { table: 0, after: None };
                self.copying = Some(Copying { old, new, at, settling: None, unsettled: 0, begun: now() });
            }
            Err(error) => self.rest(&error.to_string()),
        }
    }

    /// The copy is whole, and nearly all of it is on the disk.
    fn finish(&mut self, copying: Copying) {
        let paused = now();
        if let Err(error) = copying.new.flush() {
            return self.give_up(copying.new, &Trouble::Broken(error.to_string()));
        }
        let Copying { old, new, begun, .. } = copying;
        let folder = new.folder().to_owned();
        let mut new = match new.reopened(self.engine.options()) {
            Ok(new) => new,
            Err(error) => {
                self.end(&error.to_string());
                let _left = generation::remove(&folder);
                return;
            }
        };
        // By the sum that the engine has found again, with all that was written since the rows were copied.
        if !new.has_rows_of(&old) {
            return self.give_up(new, &Trouble::Other(NOT_THE_SAME.to_owned()));
        }
        let took = new.octets_on_disk().unwrap_or(0);
        match new.take_over(&old, took) {
            Ok(Begun::Surely) => {}
            Ok(Begun::Perhaps(error)) => {
                // From which of them a start would go on nobody knows: neither is written to any more.
                self.engine.health().fail(error.to_string());
                error!(%error, "the store cannot write; nothing is acknowledged before a restart");
                std::mem::forget(new);
                return;
            }
            Err(error) => return self.give_up(new, &Trouble::Other(error.to_string())),
        }
        let before = old.octets_on_disk().unwrap_or(0);
        self.took = took;
        drop(old);
        let old = self.engine.exchange(new);
        let files = old.folder().to_owned();
        let (took_ms, paused_ms) = (millis(begun), millis(paused));
        info!(before, after = self.took, took_ms, paused_ms, "the store was compacted");
        let is_first = files == self.engine.options().path;
        self.retiring = if is_first { retire_first(old, self.engine.current()) } else { retire(old, files) };
    }

    /// The store goes on as it is, in this run. The copy is removed.
    fn give_up(&mut self, new: Embedded, trouble: &Trouble) {
        match trouble {
            Trouble::Broken(reason) => {
                self.end(reason);
                // Never closed: the engine flushes in its destructor, and behind a write that failed it waits for ever. So
                // what it has of the disk has to be taken from it.
                let _taken = new.empty_log();
                let _left = generation::remove(new.folder());
                std::mem::forget(new);
            }
            Trouble::Other(reason) => {
                self.end(reason);
                self.retire_copy(new);
            }
        }
    }

    fn end(&mut self, reason: &str) {
        self.look_at = None;
        warn!(reason, "the store could not be compacted; it goes on as it is until the next start");
    }

    fn retire_copy(&mut self, new: Embedded) {
        let folder = new.folder().to_owned();
        self.retiring = retire(Arc::new(new), folder);
    }

    fn rest(&mut self, reason: &str) {
        self.look_at = later(REST);
        warn!(reason, "the store cannot be compacted now");
    }
}

impl Copying {
    fn write(&self, changes: Vec<Change>) -> Result<(), Trouble> {
        let mut rest = changes.into_iter().peekable();
        while rest.peek().is_some() {
            self.new.apply(rest.by_ref().take(STEP)).map_err(broken)?;
        }
        Ok(())
    }

    /// Does a little of what is left. Says whether all is done.
    fn step(&mut self) -> Result<bool, Trouble> {
        match self.settling.take_if(|thread| thread.is_finished()) {
            Some(thread) => {
                let settled =
                    thread.join().unwrap_or_else(|_panic| Err(io::Error::other("a thread ended badly")));
                settled.map(|()| true).map_err(|error| Trouble::Other(error.to_string()))
            }
            None if self.settling.is_some() => Ok(false),
            None => self.copy().map(|()| false),
        }
    }

    /// Copies some more rows; behind the last begins to bring all of them to the disk.
    fn copy(&mut self) -> Result<(), Trouble> {
        let limit = page_of(self.at.table);
        let rows = self.old.scan_quietly(&[self.at.table], self.at.after.as_deref(), limit).map_err(other)?;
        let is_last = rows.len() < limit;
        if let Some((key, _)) = rows.last() {
            self.at.after = Some(key.to_vec());
        }
        // The sum is made anew, and has to come out the same.
        let rows = rows.into_iter().filter(|(key, _)| **key != *keys::sum());
        let put = rows.map(|(key, value)| Change { key: key.to_vec(), value: Some(value.to_vec()) });
        let put: Vec<_> = put.collect();
        self.unsettled = put.iter().map(Change::octets).fold(self.unsettled, usize::saturating_add);
        self.write(put)?;
        if self.unsettled >= SETTLED {
            self.unsettled = 0;
            self.new.settle_log().map_err(other)?;
        }
        if is_last {
            match Table::ALL.iter().map(|table| table.byte()).filter(|byte| *byte > self.at.table).min() {
                Some(next) => self.at = Cursor { table: next, after: None },
                None => self.settle()?,
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        if !self.new.has_rows_of(&self.old) {
            return Err(Trouble::Other(NOT_THE_SAME.to_owned()));
        }
        self.at = Cursor { table: u8::MAX, after: None };
        self.new.flush().map_err(broken)?;
        let folder = self.new.folder().to_owned();
        let settling = thread::Builder::new().name("store-settling".to_owned());
        self.settling = Some(settling.spawn(move || generation::sync(&folder)).map_err(other)?);
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn broken(error: StoreError) -> Trouble {
    Trouble::Broken(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn other(error: impl ToString) -> Trouble {
    Trouble::Other(error.to_string())
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
    let failed = |error: &io::Error| {
        warn!(%error, "rows of before the store was compacted stay on the disk until the next start");
    };
    waiting.inspect_err(failed).ok()
}

#[expect(clippy::disallowed_methods, reason = "a disk knows no paused time")]
fn now() -> Instant {
    Instant::now()
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn later(after: Duration) -> Option<Instant> {
    now().checked_add(after)
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
