//! Locks by key, for read-decide-commit sequences on one thing.
//!
//! A fixed number of locks, picked by key: two keys may share one, which costs a wait and never correctness. Nobody
//! holds two of the same set, or all at once by `write_all`, so sharing cannot deadlock.

use std::{array, collections::BTreeSet};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A set of locks picked by the first octet of a content-derived id, which is uniform.
#[derive(Debug)]
pub struct Locks([RwLock<()>; 256]);

impl Default for Locks {
    fn default() -> Self {
        Self(array::from_fn(|_| RwLock::new(())))
    }
}

impl Locks {
    fn of(&self, id: &[u8; 16]) -> &RwLock<()> {
        let [first, ..] = id;
        let Self(locks) = self;
        // The array has an element for every octet; the fallback is never taken.
        locks.get(usize::from(*first)).unwrap_or(&locks[0])
    }

    /// Shared: many may decide at once, as long as nobody changes what they read.
    pub async fn read(&self, id: &[u8; 16]) -> RwLockReadGuard<'_, ()> {
        self.of(id).read().await
    }

    /// Exclusive.
    pub async fn write(&self, id: &[u8; 16]) -> RwLockWriteGuard<'_, ()> {
        self.of(id).write().await
    }

    /// Exclusive, for several at once: in the order of the set, so that two who do this cannot wait for each other.
    pub async fn write_all(&self, ids: impl IntoIterator<Item = &[u8; 16]>) -> Vec<RwLockWriteGuard<'_, ()>> {
        let places: BTreeSet<u8> = ids.into_iter().map(|[first, ..]| *first).collect();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.of(&[place; 16]).write().await);
        }
        held
    }
}
