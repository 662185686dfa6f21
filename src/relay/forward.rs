//! Verified slaps on their way to the site: lane by lane, the first before the second, until the site has said that it has
//! them or that it does not want them.

use std::{sync::Arc, time::Duration};

use tracing::{debug, warn};

use super::{Relay, callback::Told};
use crate::{
    agenda::Work,
    clock::Timestamp,
    protocol::NameId,
    store::{Commit, Due, InboxSlap, LaneId, LaneState, RelayRecord, StoreError},
    telemetry::Forwarded,
};

/// Between tries once the schedule is over.
const DAILY: Duration = Duration::from_hours(24);
/// What failed together does not come back together.
const JITTER: f64 = 0.1;

/// The work of the agenda of lanes to the sites.
#[derive(Debug)]
pub struct Forwarding(pub Arc<Relay>);

impl Work for Forwarding {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        self.0.forward(due).await
    }
}

/// The first in a lane.
#[derive(Debug, Clone, Copy)]
struct First {
    account: NameId,
    lane: LaneId,
    seq: u64,
    id: [u8; 16],
    received_at: Timestamp,
}

impl Relay {
    async fn forward(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some((account, lane)) = due.lane() else { return store.drop_due(due).await };
        let found = store.lane(account, lane);
        if matches!(found, Err(StoreError::Damaged { .. })) {
            return self.begin_anew(account, lane, due).await;
        }
        let Some(state) = found? else { return store.drop_due(due).await };
        if state.due_at != due.at {
            return store.drop_due(due).await;
        }
        let Some((seq, slap)) = store.inbox(account, lane, 1)?.pop() else {
            return self.go_on(account, lane, None).await;
        };
        let first = First { account, lane, seq, id: slap.id, received_at: slap.received_at };
        let site = store.account(account)?.filter(|site| site.removed_at.is_none());
        let Some(site) = site.filter(|site| site.callback.is_some()) else {
            self.parts.metrics.forwards.add(Forwarded::Dropped);
            return self.go_on(account, lane, Some(first)).await;
        };
        let told = self.tell(&site, &slap).await;
        self.parts.metrics.forwards.add(told.counted());
        match told {
            Told::Taken | Told::Refused | Told::Gone | Told::Impossible => {
                self.go_on(account, lane, Some(first)).await
            }
            Told::Crowded { host } => self.crowd(first, state, &host).await,
            Told::Later { wish, why } => {
                let now = self.parts.clock.now();
                if self.has_had_its_time(slap.received_at, now) {
                    warn!(account = %account, attempts = state.attempts, "a site was not told of a slap: given up");
                    self.parts.metrics.forwards.add(Forwarded::GaveUp);
                    return self.go_on(account, lane, Some(first)).await;
                }
                let state = self.failed_once_more(&state, wish, Some(why.label().into_owned()), now);
                debug!(account = %account, state.attempts, %why, "a site is told of a slap later");
                self.wait(first, state).await
            }
        }
    }

    /// There was no room for the first of a lane: it comes when there is.
    async fn crowd(&self, first: First, state: LaneState, host: &str) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let mut due_at = state.due_at;
        // What came early stays where it is.
        if due_at <= now {
            let host = Some(host).filter(|_| self.sites.free() > 0);
            due_at = self.crowds.join(host, now, &self.parts.random);
            self.wait(first, LaneState { due_at, ..state }).await?;
        }
        // Where the last request to it ended meanwhile, nobody saw this row then.
        if self.sites.try_enter(host).is_some() {
            self.forward_poke.early(due_at);
        }
        Ok(())
    }

    /// Whether what came at this moment has been tried for as long as anything is tried. Counted from when it came and not
    /// from when its turn came: a lane of ten would be waited for ten weeks. So whatever waited behind others for longer is
    /// tried once.
    pub(super) fn has_had_its_time(&self, came_at: Timestamp, now: Timestamp) -> bool {
        now.since(came_at) >= self.parts.salmon.give_up
    }

    /// A lane whose first failed once more, with what the peer wishes and how it went.
    pub(super) fn failed_once_more(
        &self,
        state: &LaneState,
        wish: Option<Duration>,
        last: Option<String>,
        now: Timestamp,
    ) -> LaneState {
        let attempts = state.attempts.saturating_add(1);
        let due_at = self.next_try(attempts, now).max(now.after(wish.unwrap_or_default()));
        LaneState { due_at, attempts, since: Some(state.since.unwrap_or(now)), last }
    }

    /// When the try after `attempts` failed ones is due.
    pub(super) fn next_try(&self, attempts: u32, now: Timestamp) -> Timestamp {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let step = self.parts.salmon.retry.get(index).copied().unwrap_or(DAILY);
        now.after(self.parts.random.jitter(step, JITTER))
    }

    /// Of a lane whose row cannot be read only its tries are lost: what waits in it is in rows of its own.
    async fn begin_anew(&self, account: NameId, lane: LaneId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        if store.readable(store.lane(account, lane))?.is_some() {
            return Ok(());
        }
        let (state, was) = (LaneState::due(self.parts.clock.now()), Some(due.at));
        store.commit(RelayRecord::LanePut { account, lane, state, was }.into()).await
    }

    /// The first of a lane is over, if there is one; the next comes.
    async fn go_on(&self, account: NameId, lane: LaneId, done: Option<First>) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        let Some(LaneState { due_at: was, .. }) = store.lane(account, lane)? else { return Ok(()) };
        let mut commit = Commit::new();
        if let Some(first) = done {
            if !self.is_first_inward(first)? {
                return Ok(());
            }
            commit.push(RelayRecord::InboxDone { account, lane, seq: first.seq });
        }
        let waiting = store.inbox(account, lane, 2)?;
        let now = self.parts.clock.now();
        if waiting.iter().any(|(seq, _)| done.is_none_or(|first| first.seq != *seq)) {
            let state = LaneState::due(now);
            commit.push(RelayRecord::LanePut { account, lane, state, was: Some(was) });
        } else {
            commit.push(RelayRecord::LaneDone { account, lane, was });
        }
        store.commit(commit).await?;
        if done.is_some() {
            self.parts.metrics.slaps_waiting.dec();
        }
        Ok(())
    }

    async fn wait(&self, first: First, state: LaneState) -> Result<(), StoreError> {
        let (store, First { account, lane, .. }) = (&self.parts.store, first);
        let _held = store.lane_locks().write(&lane).await;
        if !self.is_first_inward(first)? {
            return Ok(());
        }
        let was = store.lane(account, lane)?.map(|known| known.due_at);
        store.commit(RelayRecord::LanePut { account, lane, state, was }.into()).await
    }

    /// Whether this is what waits in its lane first; if it is not, its account was removed while the site was told.
    fn is_first_inward(&self, first: First) -> Result<bool, StoreError> {
        let waiting = self.parts.store.inbox(first.account, first.lane, 1)?;
        let is_it = |(seq, slap): &(u64, InboxSlap)| {
            *seq == first.seq && slap.id == first.id && slap.received_at == first.received_at
        };
        Ok(waiting.first().is_some_and(is_it))
    }
}
