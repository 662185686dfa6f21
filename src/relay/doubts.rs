//! Slaps that were answered 202: kept until the host of their author can be asked, and no slap of the same lane before
//! them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};

use super::{
    PAUSE, Relay,
    answer::Answer,
    reading::Read,
    receive::{Arrived, Verdict},
};
use crate::{
    agenda::Work,
    clock::Timestamp,
    protocol::NameId,
    store::{Doubt, Due, LaneId, RelayRecord, Store, StoreError},
};

/// Rows that are read at a time.
const PAGE: usize = 256;
/// Until whoever is not the first in its lane is looked at again.
const BEHIND: Duration = Duration::from_mins(1);

type Id = [u8; 16];

/// What is kept, in memory: which comes first in each lane, and how many there are.
#[derive(Debug)]
pub(super) struct Doubts {
    most: usize,
    lanes: Mutex<HashMap<(NameId, LaneId), VecDeque<Id>>>,
}

impl Doubts {
    /// Reads what is kept; of each lane in the order in which it came.
    pub(super) async fn load(store: &Store, most: usize) -> Result<Self, StoreError> {
        let mut kept = store.read(all).await?;
        kept.sort_by_key(|(_, doubt)| doubt.received_at);
        let mut lanes: HashMap<_, VecDeque<Id>> = HashMap::new();
        for (id, doubt) in kept {
            lanes.entry((doubt.account, doubt.lane)).or_default().push_back(id);
        }
        Ok(Self { most, lanes: Mutex::new(lanes) })
    }

    /// Whether anything waits in this lane.
    pub(super) fn waits(&self, account: NameId, lane: LaneId) -> bool {
        self.lock().contains_key(&(account, lane))
    }

    fn is_first(&self, account: NameId, lane: LaneId, id: Id) -> bool {
        self.lock().get(&(account, lane)).is_some_and(|lane| lane.front() == Some(&id))
    }

    /// Takes a place, if there is one.
    fn enter(&self, account: NameId, lane: LaneId, id: Id) -> bool {
        let mut lanes = self.lock();
        if lanes.values().map(VecDeque::len).sum::<usize>() >= self.most {
            return false;
        }
        lanes.entry((account, lane)).or_default().push_back(id);
        true
    }

    /// Gives the place back; whose turn it is then.
    fn leave(&self, account: NameId, lane: LaneId, id: Id) -> Option<Id> {
        let mut lanes = self.lock();
        let place = lanes.get_mut(&(account, lane))?;
        place.retain(|other| *other != id);
        let next = place.front().copied();
        if next.is_none() {
            lanes.remove(&(account, lane));
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(NameId, LaneId), VecDeque<Id>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all(store: &Store) -> Result<Vec<(Id, Doubt)>, StoreError> {
    let (mut kept, mut after) = (Vec::new(), None);
    loop {
        let page = store.doubts(after, PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(id, _)| *id);
        // Without the envelopes: they stay where they are.
        kept.extend(page.into_iter().map(|(id, doubt)| (id, Doubt { envelope: Vec::new(), ..doubt })));
        if is_last {
            return Ok(kept);
        }
    }
}

/// The work of the agenda of what is kept.
#[derive(Debug)]
pub struct LookingAgain(pub Arc<Relay>);

impl Work for LookingAgain {
    async fn run(self: Arc<Self>, due: Due) {
        if let Err(error) = Box::pin(self.0.look_again(due)).await {
            warn!(%error, "a slap that was kept met a store that fails; it stays due");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Relay {
    /// Keeps a slap whose author cannot be looked up yet.
    pub(super) async fn keep(&self, arrived: Arrived, read: &Read) -> Result<Answer, StoreError> {
        let (store, account) = (&self.parts.store, arrived.id);
        let lane = read.claimed_lane(&arrived.account);
        let id = id(account, &arrived.body);
        let _held = store.lane_locks().write(&id).await;
        if store.doubt(id)?.is_some() && store.is_writable() {
            return Ok(Answer::Kept);
        }
        if !self.doubts.enter(account, lane, id) {
            return Ok(Answer::Later("too much waits to be verified; try again"));
        }
        let now = self.parts.clock.now();
        let doubt = Doubt {
            account,
            lane,
            envelope: arrived.body.to_vec(),
            media_type: arrived.media_type,
            from: arrived.from,
            received_at: arrived.received_at,
            due_at: self.next_try(1, now),
            attempts: 1,
        };
        let due_at = doubt.due_at;
        if let Err(error) = store.commit(RelayRecord::DoubtPut { id, doubt, was: None }.into()).await {
            self.doubts.leave(account, lane, id);
            return Err(error);
        }
        self.doubt_poke.due(due_at);
        Ok(Answer::Kept)
    }

    async fn look_again(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(id) = due.id() else { return store.drop_due(due).await };
        let Some(doubt) = store.doubt(id)? else { return store.drop_due(due).await };
        if doubt.due_at != due.at {
            return store.drop_due(due).await;
        }
        let account = store.account(doubt.account)?.filter(|account| account.removed_at.is_none());
        let Some(account) = account else { return self.drop_doubt(id, &doubt).await };
        let now = self.parts.clock.now();
        if !self.doubts.is_first(doubt.account, doubt.lane, id) {
            return self.put_off(id, Doubt { due_at: now.after(BEHIND), ..doubt }, due.at).await;
        }
        let arrived = Arrived {
            id: doubt.account,
            account: Arc::new(account),
            body: Bytes::from(doubt.envelope.clone()),
            media_type: doubt.media_type.clone(),
            from: doubt.from.clone(),
            received_at: doubt.received_at,
            is_again: true,
        };
        match Box::pin(self.judge(arrived)).await? {
            Verdict::Doubtful(..) if now.since(doubt.received_at) < self.parts.salmon.give_up => {
                let attempts = doubt.attempts.saturating_add(1);
                let due_at = self.next_try(attempts, now);
                self.put_off(id, Doubt { due_at, attempts, ..doubt }, due.at).await
            }
            Verdict::Answered(Answer::Later(_) | Answer::TooMany { .. }) => {
                self.put_off(id, Doubt { due_at: now.after(BEHIND), ..doubt }, due.at).await
            }
            verdict => {
                if !matches!(verdict, Verdict::Answered(Answer::Taken)) {
                    debug!(attempts = doubt.attempts, "a slap that was kept came to nothing");
                }
                self.drop_doubt(id, &doubt).await
            }
        }
    }

    async fn put_off(&self, id: Id, doubt: Doubt, was: Timestamp) -> Result<(), StoreError> {
        self.parts.store.commit(RelayRecord::DoubtPut { id, doubt, was: Some(was) }.into()).await
    }

    /// It is over; the next of its lane need not wait any longer.
    async fn drop_doubt(&self, id: Id, doubt: &Doubt) -> Result<(), StoreError> {
        let store = &self.parts.store;
        store.commit(RelayRecord::DoubtDone { id, was: doubt.due_at }.into()).await?;
        let Some(next) = self.doubts.leave(doubt.account, doubt.lane, id) else { return Ok(()) };
        let Some(waiting) = store.doubt(next)? else { return Ok(()) };
        let (was, now) = (waiting.due_at, self.parts.clock.now());
        self.put_off(next, Doubt { due_at: now, ..waiting }, was).await?;
        self.doubt_poke.due(now);
        Ok(())
    }
}

fn id(account: NameId, body: &[u8]) -> Id {
    let digest: [u8; 32] =
        Sha256::new().chain_update(account.as_bytes()).chain_update(body).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
