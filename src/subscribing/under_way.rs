//! The questions that callbacks were asked and have not answered yet, whichever kind of request they are about.
//!
//! No row tells of an unsubscription that was applied, or of a subscription that the operator ended, while an older
//! question was under way; so the answer to that has to find it here, or it would bring the subscription back (V17,
//! V21). In memory only: after a restart nothing is under way.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{clock::Timestamp, protocol::PairId, store::PendingIntent};

#[derive(Debug)]
struct Question {
    pair: PairId,
    intent: PendingIntent,
    is_overtaken: AtomicBool,
}

/// All of them; bounded by the verifications under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<Vec<Arc<Question>>>);

impl UnderWay {
    /// The caller holds the pair's lock, so that nothing is applied between its look at the store and this.
    pub(super) fn begin(&self, pair: PairId, intent: &PendingIntent) -> Asking<'_> {
        let is_overtaken = AtomicBool::new(false);
        let question = Arc::new(Question { pair, intent: intent.clone(), is_overtaken });
        self.lock().push(Arc::clone(&question));
        Asking { all: self, question }
    }

    /// What was accepted before this moment is too late, whatever the callbacks will say.
    pub(super) fn overtake(&self, pair: PairId, before: Timestamp) {
        for one in self.lock().iter().filter(|one| one.pair == pair && one.intent.accepted_at < before) {
            one.is_overtaken.store(true, Ordering::SeqCst);
        }
    }

    /// When the newest of a pair was accepted.
    pub(super) fn newest(&self, pair: PairId) -> Option<Timestamp> {
        self.lock().iter().filter(|one| one.pair == pair).map(|one| one.intent.accepted_at).max()
    }

    /// Whether one of a pair is like this and may still be applied.
    pub(super) fn any(&self, pair: PairId, is_such: impl Fn(&PendingIntent) -> bool) -> bool {
        let may_be = |one: &Question| !one.is_overtaken.load(Ordering::SeqCst) && is_such(&one.intent);
        self.lock().iter().any(|one| one.pair == pair && may_be(one))
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Question>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question, under way for as long as this lives.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    all: &'a UnderWay,
    question: Arc<Question>,
}

impl Asking<'_> {
    /// Whether something newer was applied meanwhile. The caller holds the pair's lock.
    pub(super) fn is_overtaken(&self) -> bool {
        self.question.is_overtaken.load(Ordering::SeqCst)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.all.lock().retain(|one| !Arc::ptr_eq(one, &self.question));
    }
}
