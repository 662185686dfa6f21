//! When a target of an entry is tried: one entry after the other for each account and target, so that an unfollow never
//! overtakes a follow; again and again while it may pass, and for a week (`salmon.md` 6.4).

use std::{sync::Arc, time::Duration};

use tracing::debug;

use super::{
    Relay,
    deliver::{Heard, Trying},
};
use crate::{
    agenda::Work,
    protocol::SlapId,
    store::{Commit, Due, LaneId, LaneState, RelayRecord, SlapTarget, StoreError, TargetState},
    telemetry::Sent,
};

/// Tries of a target that are remembered.
const MOST_TRIES: usize = 16;
/// How long a site may ask after an entry of which nothing is left to do.
const KEEP: Duration = Duration::from_hours(30 * 24);
/// Rows that are read at a time.
const PAGE: usize = 128;

/// The work of the agenda of lanes to targets.
#[derive(Debug)]
pub struct Slapping(pub Arc<Relay>);

impl Work for Slapping {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        self.0.go_to_target(due).await
    }
}

/// The first in a lane.
#[derive(Debug)]
struct First {
    lane: LaneId,
    seq: u64,
    slap: SlapId,
    index: u16,
}

impl Relay {
    async fn go_to_target(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(lane) = due.id() else { return store.drop_due(due).await };
        let found = store.out_lane(lane);
        if matches!(found, Err(StoreError::Damaged { .. })) {
            return self.begin_anew_outward(lane, due).await;
        }
        let Some(state) = found?.filter(|state| state.due_at == due.at) else {
            return store.drop_due(due).await;
        };
        let Some((seq, (slap, index))) = store.out_queue(lane, 1)?.pop() else {
            return self.go_on_outward(lane, None, Commit::new()).await;
        };
        let first = First { lane, seq, slap, index };
        let (Some(row), Some(target)) = (store.outgoing(slap)?, store.target(slap, index)?) else {
            return self.go_on_outward(lane, Some(seq), Commit::new()).await;
        };
        let mut trying = Trying::new(self, &row, &target);
        let heard = trying.run().await?;
        let (endpoint, tries) = (trying.endpoint, trying.tries);
        let mut target = SlapTarget { endpoint, ..target };
        target.tries.extend(tries);
        let surplus = target.tries.len().saturating_sub(MOST_TRIES);
        target.tries.drain(..surplus);
        self.note_heard(first, state, target, heard).await
    }

    async fn note_heard(
        &self,
        first: First,
        state: LaneState,
        mut target: SlapTarget,
        heard: Heard,
    ) -> Result<(), StoreError> {
        let First { lane, seq, slap, index } = first;
        let now = self.parts.clock.now();
        let (counted, verdict) = match heard {
            Heard::Crowded => {
                return self.wait_outward(lane, self.crowded_out(state), Commit::new()).await;
            }
            Heard::Delivered => (Sent::Delivered, Some(TargetState::Delivered)),
            Heard::Refused => (Sent::Refused, Some(TargetState::GaveUp)),
            Heard::Later { .. } if self.has_had_its_time(&state, now) => {
                (Sent::GaveUp, Some(TargetState::GaveUp))
            }
            Heard::Later { .. } => (Sent::Later, None),
        };
        self.parts.metrics.sends.add(counted);
        if let Some(verdict) = verdict {
            debug!(slap = %slap, index, ?verdict, "a slap is over for a target");
            target.state = verdict;
            let commit = RelayRecord::TargetPut { slap, index, target }.into();
            self.go_on_outward(lane, Some(seq), commit).await?;
        } else {
            let wish = if let Heard::Later { wish } = heard { wish } else { None };
            let last = target.tries.last().map(|made| made.outcome.clone());
            let state = self.failed_once_more(&state, wish, last, now);
            let commit = RelayRecord::TargetPut { slap, index, target }.into();
            self.wait_outward(lane, state, commit).await?;
        }
        self.slap_news.notify_waiters();
        Ok(())
    }

    /// Of a lane whose row cannot be read only its tries are lost: what waits in it is in rows of its own.
    async fn begin_anew_outward(&self, lane: LaneId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        if store.readable(store.out_lane(lane))?.is_some() {
            return Ok(());
        }
        let (state, was) = (LaneState::due(self.parts.clock.now()), Some(due.at));
        store.commit(RelayRecord::OutLanePut { lane, state, was }.into()).await
    }

    /// The first of a lane is over; the next comes.
    async fn go_on_outward(
        &self,
        lane: LaneId,
        done: Option<u64>,
        mut commit: Commit,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        let Some(LaneState { due_at: was, .. }) = store.out_lane(lane)? else { return Ok(()) };
        if let Some(seq) = done {
            commit.push(RelayRecord::OutQueueDone { lane, seq });
        }
        let waiting = store.out_queue(lane, 2)?;
        if waiting.iter().any(|(seq, _)| Some(*seq) != done) {
            let state = LaneState::due(self.parts.clock.now());
            commit.push(RelayRecord::OutLanePut { lane, state, was: Some(was) });
        } else {
            commit.push(RelayRecord::OutLaneDone { lane, was });
        }
        store.commit(commit).await
    }

    async fn wait_outward(
        &self,
        lane: LaneId,
        state: LaneState,
        mut commit: Commit,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        let was = store.out_lane(lane)?.map(|known| known.due_at);
        commit.push(RelayRecord::OutLanePut { lane, state, was });
        store.commit(commit).await
    }

    /// Forgets entries of which nothing has been left to do for long.
    pub(super) async fn forget_sent(&self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let oldest = self.parts.clock.now().before(KEEP);
        let mut after = None;
        loop {
            let read = store.read(move |store| {
                let page = store.all_outgoing(after, PAGE)?;
                let mut commit = Commit::new();
                for (slap, row) in page.iter().filter(|(_, row)| row.created_at < oldest) {
                    let is_over = store.targets(*slap)?.iter().all(|one| one.state != TargetState::Queued);
                    if is_over {
                        commit.push(RelayRecord::OutgoingForgotten { slap: *slap, targets: row.targets });
                    }
                }
                Ok((page.last().map(|(slap, _)| *slap).filter(|_| page.len() == PAGE), commit))
            });
            let (last, commit) = read.await?;
            store.commit(commit).await?;
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }
}
