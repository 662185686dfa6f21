//! Many who want the same are one request, and share what comes of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Latch, MutexGuard, PoisonError},
};

use tokio::sync::Mutex;

use crate::protocol::NameId;

/// What somebody waits for, by name; as many as there are callers.
#[derive(Debug)]
pub(super) struct Joined<T>(Latch<HashMap<NameId, Arc<Mutex<Option<T>>>>>);

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self(Latch::default())
    }
}

impl<T> Joined<T> {
    fn latch(&self) -> MutexGuard<'_, HashMap<NameId, Arc<Mutex<Option<T>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_any(&self, name: NameId) -> bool {
        self.latch().contains_key(&name)
    }
}

impl<T: Clone> Joined<T> {
    /// The first to come runs it; the others wait. If the first gives up, as with a client that hangs up, the next does.
    pub(super) async fn once<F: Future<Output = T>>(&self, name: NameId, run: impl FnOnce() -> F) -> T {
        let seat = Seat::take(self, name);
        let mut outcome = seat.shared.lock().await;
        if let Some(known) = &*outcome {
            return known.clone();
        }
        let value = run().await;
        *outcome = Some(value.clone());
        // Who comes from now on asks anew.
        seat.leave();
        value
    }
}

/// A claim on something under way, which is forgotten with the last of them.
struct Seat<'a, T> {
    all: &'a Joined<T>,
    name: NameId,
    shared: Arc<Mutex<Option<T>>>,
}

impl<'a, T> Seat<'a, T> {
    fn take(all: &'a Joined<T>, name: NameId) -> Self {
        let shared = Arc::clone(all.latch().entry(name).or_default());
        Self { all, name, shared }
    }

    fn leave(&self) {
        let mut latch = self.all.latch();
        if latch.get(&self.name).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            latch.remove(&self.name);
        }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut latch = self.all.latch();
        let is_ours = latch.get(&self.name).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared));
        // Ours and the map's own.
        if is_ours && Arc::strong_count(&self.shared) <= 2 {
            latch.remove(&self.name);
        }
    }
}
