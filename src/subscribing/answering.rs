//! Answers on their way to subscribers, who are not asked before they had a moment to note what we said (S35).
//!
//! When a request is due is written with the request, before anybody knows how long the disk will take. So the moment
//! counts from the end of the commit, and is kept here until it has passed: in memory only, for after a restart nobody
//! waits for an answer any more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::sleep;

use super::Subscribing;
use crate::{clock::Timestamp, protocol::PairId};

/// Before when nobody is asked; bounded by the pending intents.
#[derive(Debug, Default)]
pub(super) struct Answering(Mutex<HashMap<PairId, Timestamp>>);

impl Answering {
    pub(super) fn until(&self, pair: PairId, at: Timestamp) {
        self.lock().insert(pair, at);
    }

    pub(super) fn forget(&self, pair: PairId) -> Option<Timestamp> {
        self.lock().remove(&pair)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PairId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribing {
    /// Waits as much longer than the request itself asks for as its commit took.
    pub(super) async fn let_answer_arrive(&self, pair: PairId) {
        if let Some(at) = self.answering.forget(pair) {
            // A clock that was set back meanwhile must not make it long.
            sleep(at.since(self.parts.clock.now()).min(self.parts.verification.delay)).await;
        }
    }
}
