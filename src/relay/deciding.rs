//! Lanes about which a site is being asked at this moment: whatever else comes for them has to come again.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{protocol::NameId, store::LaneId};

#[derive(Debug, Default)]
pub(super) struct Deciding(Mutex<HashSet<(NameId, LaneId)>>);

/// A lane that nobody else enters while this lives.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    all: &'a Deciding,
    lane: (NameId, LaneId),
}

impl Deciding {
    /// `None` if the site is being asked already.
    pub(super) fn enter(&self, account: NameId, lane: LaneId) -> Option<Decision<'_>> {
        let lane = (account, lane);
        self.lock().insert(lane).then_some(Decision { all: self, lane })
    }

    pub(super) fn contains(&self, account: NameId, lane: LaneId) -> bool {
        self.lock().contains(&(account, lane))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(NameId, LaneId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Decision<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.lane);
    }
}
