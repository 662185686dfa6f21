//! Locks by key, for read-decide-commit sequences on one thing.
//!
//! A fixed number of locks, picked by key: two keys may share one, which costs a wait and never correctness. Nobody
//! holds two of the same set, or all at once by `write_all`, so sharing cannot deadlock.
//!
//! What is done in the order of its keys, as fan-outs and catch-ups are, holds many locks at once, each until its commit is on
//! disk. So neighbours must not share one: they begin alike, and are picked by how they end.

use std::collections::BTreeSet;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks in a set: twice as many as catch-ups by default, so that few of these wait for each other.
const LOCKS: usize = 4096;

/// A set of locks picked by the last octets of a content-derived id, which are uniform.
#[derive(Debug)]
pub struct Locks {
    all: Box<[RwLock<()>]>,
    /// Never needed: every number below the length has a lock.
    other: RwLock<()>,
}

impl Default for Locks {
    fn default() -> Self {
        Self { all: (0..LOCKS).map(|_| RwLock::new(())).collect(), other: RwLock::new(()) }
    }
}

impl Locks {
    fn place(id: &[u8; 16]) -> usize {
        let [.., high, low] = *id;
        usize::from(u16::from_be_bytes([high, low])) % LOCKS
    }

    fn of(&self, id: &[u8; 16]) -> &RwLock<()> {
        self.at(Self::place(id))
    }

    fn at(&self, place: usize) -> &RwLock<()> {
        self.all.get(place).unwrap_or(&self.other)
    }

    /// Shared: many may decide at once, as long as nobody changes what they read.
    pub async fn read(&self, id: &[u8; 16]) -> RwLockReadGuard<'_, ()> {
        self.of(id).read().await
    }

    /// Exclusive.
    pub async fn write(&self, id: &[u8; 16]) -> RwLockWriteGuard<'_, ()> {
        self.of(id).write().await
    }

    /// Waits until whoever holds one of them at this moment has given it back.
    pub async fn pass(&self) {
        for lock in &self.all {
            drop(lock.write().await);
        }
    }

    /// Exclusive, for several at once: in the order of the set, so that two who do this cannot wait for each other.
    pub async fn write_all(&self, ids: impl IntoIterator<Item = &[u8; 16]>) -> Vec<RwLockWriteGuard<'_, ()>> {
        let places: BTreeSet<usize> = ids.into_iter().map(Self::place).collect();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.at(place).write().await);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_in_key_order_share_few_locks_and_equal_keys_one() {
        let locks = Locks::default();
        let mut ids: Vec<[u8; 16]> = (0..100_000_u32)
            .map(|number| {
                let digest =
                    crate::protocol::TopicUrl::parse(&format!("http://site.example/{number}")).unwrap().id();
                *digest.as_bytes()
            })
            .collect();
        ids.sort_unstable();
        let picked: HashSet<_> = ids.iter().take(1024).map(|id| std::ptr::from_ref(locks.of(id))).collect();
        assert!(picked.len() > 850, "{}", picked.len());
        assert!(ids.iter().all(|id| std::ptr::eq(locks.of(id), locks.of(&id.clone()))));
    }
}
