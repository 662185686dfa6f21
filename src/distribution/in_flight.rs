//! Which subscriptions have a request under way, or a catch-up, that their fan-out no longer waits for.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::protocol::PairId;

/// The set. A slow request holds a permit among the slow ones, and a catch-up a slot of its agenda: both bound it.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Members>);

#[derive(Debug, Default)]
struct Members {
    pairs: Mutex<HashSet<PairId>>,
    /// Asked before each delivery, and almost always zero.
    count: AtomicUsize,
}

impl Members {
    fn change<T>(&self, change: impl FnOnce(&mut HashSet<PairId>) -> T) -> T {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut pairs);
        self.count.store(pairs.len(), Ordering::Release);
        changed
    }
}

/// Membership that ends with the value.
#[derive(Debug)]
pub(super) struct Flying {
    set: InFlight,
    pair: PairId,
}

impl InFlight {
    /// Enters the set; `None` if the pair is in it.
    pub(super) fn enter(&self, pair: PairId) -> Option<Flying> {
        let entered = self.0.change(|pairs| pairs.insert(pair));
        entered.then(|| Flying { set: self.clone(), pair })
    }

    pub(super) fn contains(&self, pair: &PairId) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
            && self.0.pairs.lock().unwrap_or_else(PoisonError::into_inner).contains(pair)
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.set.0.change(|pairs| pairs.remove(&self.pair));
    }
}
