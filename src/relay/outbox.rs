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
    clock::Timestamp,
    protocol::SlapId,
    store::{Commit, Due, LaneId, LaneState, RelayRecord, SlapTarget, StoreError, TargetState},
    telemetry::Sent,
};

/// Tries of a target that are remembered.
const MOST_TRIES: usize = 16;
/// How long a site may ask after an entry of which nothing is left to do.
const KEEP: Duration = Duration::from_hours(30 * 24);
/// Until a lane is looked at again for whose host there was no room for a while: writing that down costs as much as sending
/// a slap or two.
const CROWDED: Duration = Duration::from_secs(10);
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
#[derive(Debug, Clone, Copy)]
struct First {
    lane: LaneId,
    seq: u64,
    slap: SlapId,
    index: u16,
}

/// A try that was made, or was not.
#[derive(Debug)]
struct Tried {
    created_at: Timestamp,
    target: SlapTarget,
    /// Something was sent.
    is_news: bool,
    heard: Heard,
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
            return self.end_lane(lane).await;
        };
        let first = First { lane, seq, slap, index };
        let (Some(row), Some(target)) = (store.outgoing(slap)?, store.target(slap, index)?) else {
            return self.go_on_outward(first, Commit::new()).await;
        };
        let mut trying = Trying::new(self, &row, (slap, index), &target);
        let heard = trying.run().await?;
        let (endpoint, tries) = (trying.endpoint.take(), std::mem::take(&mut trying.tries));
        let mut target = SlapTarget { endpoint, ..target.clone() };
        let is_news = !tries.is_empty();
        target.tries.extend(tries);
        let surplus = target.tries.len().saturating_sub(MOST_TRIES);
        target.tries.drain(..surplus);
        self.note_heard(first, state, Tried { created_at: row.created_at, target, is_news, heard }).await?;
        drop(trying);
        Ok(())
    }

    async fn note_heard(&self, first: First, state: LaneState, tried: Tried) -> Result<(), StoreError> {
        let First { slap, index, .. } = first;
        let Tried { created_at, mut target, is_news, heard } = tried;
        let now = self.parts.clock.now();
        let is_late = self.has_had_its_time(created_at, now);
        let is_long_over = now.since(created_at) >= self.parts.salmon.give_up.saturating_mul(2);
        let (counted, verdict) = match heard {
            Heard::Crowded => {
                let due_at = now.after(self.parts.random.jitter(CROWDED, 0.5));
                let commit = kept(first, target, is_news);
                self.wait_outward(first, LaneState { due_at, ..state }, commit).await?;
                self.slap_news.notify_waiters();
                return Ok(());
            }
            // What waited behind others for all of its time is tried once: the next that may be sent there is it.
            // There is an end to that as well: to a host that is never up more comes than its probes take.
            Heard::Down { host, until } if !is_late || (target.tries.is_empty() && !is_long_over) => {
                let commit = kept(first, target, is_news);
                self.wait_outward(first, LaneState { due_at: until, ..state }, commit).await?;
                // Where the host came back meanwhile, nobody saw this row then.
                if self.peers.is_open_to_all(host.as_str(), self.parts.clock.now()) {
                    self.slap_poke.early(until);
                }
                self.slap_news.notify_waiters();
                return Ok(());
            }
            Heard::Same(other) => {
                debug!(slap = %slap, index, other, "a target of a slap is another one under another name");
                target.same_as = Some(other);
                (None, Some(target.state))
            }
            Heard::Delivered => (Some(Sent::Delivered), Some(TargetState::Delivered)),
            Heard::Refused => (Some(Sent::Refused), Some(TargetState::GaveUp)),
            Heard::Later { .. } | Heard::Down { .. } if is_late => {
                (Some(Sent::GaveUp), Some(TargetState::GaveUp))
            }
            Heard::Later { .. } | Heard::Down { .. } => (Some(Sent::Later), None),
        };
        if let Some(counted) = counted {
            self.parts.metrics.sends.add(counted);
        }
        if let Some(verdict) = verdict {
            debug!(slap = %slap, index, ?verdict, "a slap is over for a target");
            target.state = verdict;
            let commit = RelayRecord::TargetPut { slap, index, target }.into();
            self.go_on_outward(first, commit).await?;
        } else {
            let wish = if let Heard::Later { wish } = heard { wish } else { None };
            let last = target.tries.last().map(|made| made.outcome.clone());
            let state = self.failed_once_more(&state, wish, last, now);
            let commit = RelayRecord::TargetPut { slap, index, target }.into();
            self.wait_outward(first, state, commit).await?;
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
    async fn go_on_outward(&self, first: First, mut commit: Commit) -> Result<(), StoreError> {
        let (store, lane) = (&self.parts.store, first.lane);
        let _held = store.lane_locks().write(&lane).await;
        let Some(was) = self.is_still_first(first)? else { return Ok(()) };
        commit.push(RelayRecord::OutQueueDone { lane, seq: first.seq });
        if store.out_queue(lane, 2)?.len() > 1 {
            let state = LaneState::due(self.parts.clock.now());
            commit.push(RelayRecord::OutLanePut { lane, state, was: Some(was) });
        } else {
            commit.push(RelayRecord::OutLaneDone { lane, was });
        }
        store.commit(commit).await
    }

    async fn wait_outward(
        &self,
        first: First,
        state: LaneState,
        mut commit: Commit,
    ) -> Result<(), StoreError> {
        let (store, lane) = (&self.parts.store, first.lane);
        let _held = store.lane_locks().write(&lane).await;
        let Some(was) = self.is_still_first(first)? else { return Ok(()) };
        commit.push(RelayRecord::OutLanePut { lane, state, was: Some(was) });
        store.commit(commit).await
    }

    /// When the lane of this is due, if it is what waits there first; if it is not, its account was removed while it was
    /// under way, and nothing of it may come back.
    fn is_still_first(&self, first: First) -> Result<Option<Timestamp>, StoreError> {
        let First { lane, seq, slap, index } = first;
        let is_first = self.parts.store.out_queue(lane, 1)?.first() == Some(&(seq, (slap, index)));
        Ok(self.parts.store.out_lane(lane)?.filter(|_| is_first).map(|state| state.due_at))
    }

    /// A lane in which nothing waits.
    async fn end_lane(&self, lane: LaneId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        let is_empty = store.out_queue(lane, 1)?.is_empty();
        let Some(state) = store.out_lane(lane)?.filter(|_| is_empty) else { return Ok(()) };
        store.commit(RelayRecord::OutLaneDone { lane, was: state.due_at }.into()).await
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
                    if !store.targets(*slap)?.iter().any(SlapTarget::is_queued) {
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

/// The tries that were made before there was no getting further.
fn kept(first: First, target: SlapTarget, is_news: bool) -> Commit {
    let put = RelayRecord::TargetPut { slap: first.slap, index: first.index, target };
    if is_news { put.into() } else { Commit::new() }
}
