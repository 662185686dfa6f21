//! The engine that a store has at the moment: it is exchanged for another with the same rows when it has grown
//! ([`super::rotation`]), under everybody who reads.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use super::{
    StoreError, StoreOptions,
    embedded::{Embedded, Octets},
    health::Health,
    measure::octets_on_disk,
};
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Engine {
    current: RwLock<Arc<Embedded>>,
    /// One for all of them: what failed has failed for the store.
    health: Arc<Health>,
    options: StoreOptions,
    /// Octets on disk from which on it may be exchanged.
    compact_above: AtomicU64,
}

impl Engine {
    pub(super) fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let current = Embedded::open(options)?;
        current.clear_others();
        Ok(Self {
            health: Arc::clone(current.health()),
            current: RwLock::new(Arc::new(current)),
            options: options.clone(),
            compact_above: AtomicU64::new(u64::MAX),
        })
    }

    /// The one there is now. Whoever holds it keeps its files from being removed, so nobody should for long.
    pub(super) fn current(&self) -> Arc<Embedded> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place, which has the same rows and files that count already. Returns the old one.
    pub(super) fn exchange(&self, new: Embedded) -> Arc<Embedded> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, Arc::new(new))
    }

    pub(super) fn options(&self) -> &StoreOptions {
        &self.options
    }

    pub(super) fn compact_above(&self) -> u64 {
        self.compact_above.load(Ordering::Relaxed)
    }

    pub(super) fn set_compact_above(&self, octets: u64) {
        self.compact_above.store(octets, Ordering::Relaxed);
    }

    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        self.current().get(key)
    }

    /// See [`Embedded::scan`].
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Octets, Octets)>, StoreError> {
        self.current().scan(prefix, after, limit)
    }

    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<(Octets, Octets)>, StoreError> {
        self.current().last(prefix)
    }

    pub(super) fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        self.current().count(prefix)
    }

    /// Of all files in the store's folder.
    pub(super) fn octets_on_disk(&self) -> Result<u64, StoreError> {
        octets_on_disk(&self.options.path)
    }

    pub(super) fn note_time(&self, now: Timestamp) -> std::io::Result<()> {
        self.current().acknowledged().note_time(now)
    }

    pub(super) fn time(&self) -> std::io::Result<Timestamp> {
        self.current().acknowledged().time()
    }
}
