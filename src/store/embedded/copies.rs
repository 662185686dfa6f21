//! An engine with the same rows as another, which is made beside it and takes its place ([`super::super::rotation`]).

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, PoisonError},
};

use super::{Embedded, Octets, tried};
use crate::store::{
    StoreError, StoreOptions,
    generation::{self, Begun, Generation},
};

impl Embedded {
    /// As [`Self::scan`], for whoever reads what nobody has asked for: damage that it finds has hurt nobody yet.
    pub(in crate::store) fn scan_quietly(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Octets, Octets)>, StoreError> {
        tried(|| self.rows_of(prefix, after, limit)).map_err(|(reason, _)| StoreError::Failed(reason))
    }

    /// Makes the next generation of this store, without rows and not to count yet.
    pub(in crate::store) fn begin_next(&self, options: &StoreOptions) -> Result<Self, StoreError> {
        let next = self.generation.next();
        let failed = |error: io::Error| StoreError::Failed(error.to_string());
        next.make(&self.path).map_err(failed)?;
        Self::open_copy(options, next)
    }

    /// With a health of its own: what goes wrong with a copy is nothing to the store.
    fn open_copy(options: &StoreOptions, generation: Generation) -> Result<Self, StoreError> {
        let (store, lost) = Self::open_generation(options, generation)?;
        lost.map_or(Ok(store), Err)
    }

    /// Whether its rows are those of another.
    pub(in crate::store) fn has_rows_of(&self, other: &Self) -> bool {
        let sum = |store: &Self| *store.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum(self) == sum(other)
    }

    /// From now on this one counts, which was flushed, and not the old one.
    pub(in crate::store) fn take_over(&mut self, old: &Self, took: u64) -> io::Result<Begun> {
        self.health = Arc::clone(&old.health);
        self.acknowledged.note_time(old.acknowledged.time()?)?;
        generation::sync(&self.folder)?;
        self.generation.begin(&self.path, took)
    }

    /// Closes it and opens it again: what it has just written it would keep in memory, three times what it needs to go on.
    pub(in crate::store) fn reopened(self, options: &StoreOptions) -> Result<Self, StoreError> {
        let generation = self.generation;
        // The engine brings its log to the disk once more, and panics if that fails.
        let closed = catch_unwind(AssertUnwindSafe(|| drop(self)));
        closed.map_err(|_panic| StoreError::Failed("its copy could not be closed".to_owned()))?;
        Self::open_copy(options, generation)
    }

    /// Brings to the disk what the system holds of the log, so that no flush has much to do.
    pub(in crate::store) fn settle_log(&self) -> io::Result<()> {
        self.log.sync_data()
    }

    /// Gives the disk back although the engine is never closed.
    pub(in crate::store) fn empty_log(&self) -> io::Result<()> {
        File::options().write(true).open(self.folder.join("db"))?.set_len(0)
    }

    /// Removes what is left of other generations. For whoever has the store open to work on.
    pub(in crate::store) fn clear_others(&self) {
        self.generation.clear_others(&self.path);
    }

    /// Where the engine's files are.
    pub(in crate::store) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Octets of the keys and values of all rows but those that follow from others.
    pub(in crate::store) fn octets(&self) -> u64 {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner).row_octets()
    }
}
