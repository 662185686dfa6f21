//! Deliveries that wait because the secret they would be signed with may change at any moment (V16).
//!
//! Mastodon and GNU social go over to a new secret before the hub has asked them whether they meant it, and refuse what
//! is signed with the old one. So a subscription with such a request on its way gets nothing until the request is
//! settled, and waits no longer than the operator says. In memory only: after a restart nobody waits.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Distribution, settle::Setback};
use crate::{
    clock::Timestamp,
    protocol::PairId,
    store::{Backlog, LastOutcome, NeedsFull, Record, StoreError},
};

/// Until when each waits; bounded by the pending intents.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: Mutex<HashMap<PairId, Timestamp>>,
    /// Asked before each delivery, and almost always zero.
    count: AtomicUsize,
}

impl Holds {
    /// Until when deliveries wait, if they do.
    pub(super) fn until(&self, pair: PairId, now: Timestamp) -> Option<Timestamp> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&pair).copied().filter(|until| *until > now)
    }

    /// A newer request in the place of an older one gains no more time: a stranger could hold deliveries for ever.
    fn begin(&self, pair: PairId, until: Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(pair).or_insert(until);
        self.count.store(held.len(), Ordering::Release);
    }

    fn end(&self, pair: PairId) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let was_held = held.remove(&pair).is_some();
        self.count.store(held.len(), Ordering::Release);
        was_held
    }
}

impl Distribution {
    /// A request that would change the secret of a subscription is on its way.
    pub fn hold(&self, pair: PairId, until: Timestamp) {
        self.holds.begin(pair, until);
    }

    /// The request is settled, with or without success: what waited is sent. The caller holds the pair's lock.
    pub async fn release(&self, pair: PairId) -> Result<(), StoreError> {
        if self.holds.end(pair) { self.send_held(pair).await } else { Ok(()) }
    }

    /// Leaves a publication to the catch-up because deliveries of the pair wait.
    pub(super) async fn fall_behind_held(
        &self,
        pair: PairId,
        from_seq: u64,
        needs_full: NeedsFull,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let setback = Setback { last: LastOutcome::Held, due_at: until, counts: false };
        self.fall_behind(pair, from_seq, needs_full, setback).await?;
        // Released between the question and the commit: nobody would wake it.
        if self.holds.until(pair, self.parts.clock.now()).is_some() {
            return Ok(());
        }
        let _held = self.parts.store.pair_locks().write(pair.callback.as_bytes()).await;
        self.send_held(pair).await
    }

    async fn send_held(&self, pair: PairId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(old) = self.backlog(pair)?.filter(|old| old.last == LastOutcome::Held) else {
            return Ok(());
        };
        let due_at = self.parts.clock.now();
        let backlog = Backlog { due_at, ..old };
        store.commit(Record::BacklogPut { pair, backlog, was: Some(old.due_at) }.into()).await?;
        self.poke.due(due_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{CallbackId, TopicId};

    const PAIR: PairId =
        PairId { topic: TopicId::from_bytes([1; 16]), callback: CallbackId::from_bytes([2; 16]) };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn v16_a_hold_ends_with_its_request_or_with_its_time() {
        let holds = Holds::default();
        holds.begin(PAIR, at(10));
        assert_eq!(holds.until(PAIR, at(9)), Some(at(10)));
        assert_eq!(holds.until(PAIR, at(10)), None);
        assert!(holds.end(PAIR));
        assert_eq!(holds.until(PAIR, at(9)), None);
        assert!(!holds.end(PAIR));
    }

    #[test]
    fn v16_a_row_of_requests_holds_no_longer_than_one() {
        let holds = Holds::default();
        holds.begin(PAIR, at(10));
        holds.begin(PAIR, at(20));
        assert_eq!(holds.until(PAIR, at(9)), Some(at(10)));
    }
}
