//! Slaps that were answered 202: kept until the host of their author can be asked, and no slap of the same lane before
//! them.
//!
//! Anybody can have something kept by naming a host that does not answer, so each client has a share of the places and of
//! the disk, and what it fills keeps nobody else out.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tracing::debug;

use super::{
    Relay,
    answer::Answer,
    receive::{Arrived, Doubtful, Verdict},
};
use crate::{
    agenda::Work,
    clock::Timestamp,
    protocol::NameId,
    store::{Account, Doubt, Due, LaneId, RelayRecord, Store, StoreError},
};

/// Rows that are read at a time: each has a whole envelope in it.
const PAGE: usize = 16;
/// Until whoever is not the first in its lane is looked at again, which is when the first of them leaves: this is for what a
/// crash came between. Each look writes the envelope once more.
const BEHIND: Duration = Duration::from_hours(1);
/// Octets of envelopes that are kept.
const MOST_OCTETS: usize = 256 << 20;
/// Part of all that is kept that may be of one client.
const SHARE: usize = 16;

type Id = [u8; 16];

/// What is kept, in memory: which comes first in each lane, and how much there is, in all and of whom.
#[derive(Debug)]
pub(super) struct Doubts {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lanes: HashMap<(NameId, LaneId), VecDeque<Place>>,
    all: Tally,
    clients: HashMap<String, Tally>,
}

/// One that is kept.
#[derive(Debug, Clone)]
struct Place {
    id: Id,
    from: String,
    octets: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    slaps: usize,
    octets: usize,
}

impl Tally {
    /// With one more of this size.
    fn and(self, octets: usize) -> Self {
        Self { slaps: self.slaps.saturating_add(1), octets: self.octets.saturating_add(octets) }
    }

    fn without(self, octets: usize) -> Self {
        Self { slaps: self.slaps.saturating_sub(1), octets: self.octets.saturating_sub(octets) }
    }
}

impl Place {
    fn new(id: Id, from: &str, octets: usize) -> Self {
        Self { id, from: from.to_owned(), octets }
    }
}

impl Kept {
    fn put(&mut self, account: NameId, lane: LaneId, place: Place) {
        self.all = self.all.and(place.octets);
        let of_client = self.clients.entry(place.from.clone()).or_default();
        *of_client = of_client.and(place.octets);
        self.lanes.entry((account, lane)).or_default().push_back(place);
    }

    fn take(&mut self, account: NameId, lane: LaneId, id: Id) {
        let Some(places) = self.lanes.get_mut(&(account, lane)) else { return };
        let at = places.iter().position(|place| place.id == id);
        let Some(Place { from, octets, .. }) = at.and_then(|at| places.remove(at)) else { return };
        if places.is_empty() {
            self.lanes.remove(&(account, lane));
        }
        self.all = self.all.without(octets);
        if let Some(of_client) = self.clients.get_mut(&from) {
            *of_client = of_client.without(octets);
            if of_client.slaps == 0 {
                self.clients.remove(&from);
            }
        }
    }

    fn first(&self, account: NameId, lane: LaneId) -> Option<Id> {
        self.lanes.get(&(account, lane))?.front().map(|place| place.id)
    }
}

impl Doubts {
    /// Reads what is kept; of each lane in the order in which it came.
    pub(super) async fn load(store: &Store, most: usize) -> Result<Self, StoreError> {
        let mut rows = store.read(all).await?;
        rows.sort_by_key(|row| row.received_at);
        let mut kept = Kept::default();
        for row in rows {
            kept.put(row.account, row.lane, row.place);
        }
        Ok(Self { most, kept: Mutex::new(kept) })
    }

    /// Whether anything waits in this lane.
    pub(super) fn waits(&self, account: NameId, lane: LaneId) -> bool {
        self.first(account, lane).is_some()
    }

    fn first(&self, account: NameId, lane: LaneId) -> Option<Id> {
        self.lock().first(account, lane)
    }

    /// Takes a place, if there is one for this client.
    fn enter(&self, account: NameId, lane: LaneId, place: Place) -> bool {
        let mut kept = self.lock();
        let of_client = kept.clients.get(&place.from).copied().unwrap_or_default();
        let has_room = |tally: Tally, share: usize| {
            let Tally { slaps, octets } = tally.and(place.octets);
            slaps <= self.most.div_ceil(share) && octets <= MOST_OCTETS.div_ceil(share)
        };
        let may_enter = has_room(kept.all, 1) && has_room(of_client, SHARE);
        if may_enter {
            kept.put(account, lane, place);
        }
        may_enter
    }

    /// Gives a place to one that is kept and has none, whatever room there is.
    fn seat(&self, account: NameId, lane: LaneId, place: Place) {
        let mut kept = self.lock();
        let lanes = kept.lanes.get(&(account, lane));
        let has_place = lanes.is_some_and(|places| places.iter().any(|known| known.id == place.id));
        if !has_place {
            kept.put(account, lane, place);
        }
    }

    /// Gives the place back; whose turn it is then.
    fn leave(&self, account: NameId, lane: LaneId, id: Id) -> Option<Id> {
        let mut kept = self.lock();
        kept.take(account, lane, id);
        kept.first(account, lane)
    }

    /// Gives the place of one back of which nobody knows any more which lane it is in.
    fn strike(&self, id: Id) {
        let mut kept = self.lock();
        let holds = |places: &VecDeque<Place>| places.iter().any(|place| place.id == id);
        let found = kept.lanes.iter().find_map(|(lane, places)| holds(places).then_some(*lane));
        if let Some((account, lane)) = found {
            kept.take(account, lane, id);
        }
    }

    /// Gives back the places of all that was for an account.
    pub(super) fn forget(&self, account: NameId) {
        let mut kept = self.lock();
        let own = kept.lanes.iter().filter(|((of, _), _)| *of == account);
        let own: Vec<_> =
            own.flat_map(|((_, lane), places)| places.iter().map(|place| (*lane, place.id))).collect();
        for (lane, id) in own {
            kept.take(account, lane, id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row without its envelope, which stays where it is.
struct Row {
    account: NameId,
    lane: LaneId,
    received_at: Timestamp,
    place: Place,
}

fn all(store: &Store) -> Result<Vec<Row>, StoreError> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = store.doubts(after, PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(id, _)| *id);
        rows.extend(page.into_iter().map(|(id, doubt)| {
            let Doubt { account, lane, received_at, from, envelope, .. } = doubt;
            Row { account, lane, received_at, place: Place::new(id, &from, envelope.len()) }
        }));
        if is_last {
            return Ok(rows);
        }
    }
}

/// The work of the agenda of what is kept.
#[derive(Debug)]
pub struct LookingAgain(pub Arc<Relay>);

impl Work for LookingAgain {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        Box::pin(self.0.look_again(due)).await
    }
}

impl Relay {
    /// Keeps a slap that cannot be told from whom it is yet.
    pub(super) async fn keep(&self, doubtful: Doubtful) -> Result<Answer, StoreError> {
        let Doubtful { arrived, lane, is_known, .. } = doubtful;
        let (account, id) = (arrived.id, id(arrived.id, &arrived.body));
        let answer = self.keep_as(id, arrived, lane).await?;
        if answer == Answer::Kept && is_known {
            self.bring_on(account, lane).await?;
        }
        Ok(answer)
    }

    /// The author's host is back before the turn of the first in the lane: it has its turn now.
    pub(super) async fn bring_on(&self, account: NameId, lane: LaneId) -> Result<(), StoreError> {
        match self.doubts.first(account, lane) {
            Some(first) => self.hurry(first).await,
            None => Ok(()),
        }
    }

    async fn keep_as(&self, id: Id, arrived: Arrived, lane: LaneId) -> Result<Answer, StoreError> {
        let (store, account) = (&self.parts.store, arrived.id);
        let _held = store.lane_locks().write(&id).await;
        if !self.is_still_there(account, &arrived.account)? {
            return Ok(Answer::Gone);
        }
        let place = Place::new(id, &arrived.from, arrived.body.len());
        if let Some(known) = store.readable(store.doubt(id))?.filter(|_| store.is_writable()) {
            self.doubts.seat(account, known.lane, place);
            return Ok(Answer::Kept);
        }
        if !self.doubts.enter(account, lane, place) {
            return Ok(Answer::Later("too much waits to be verified; try again"));
        }
        let due_at = self.next_try(1, self.parts.clock.now());
        let doubt = Doubt {
            account,
            lane,
            envelope: arrived.body.to_vec(),
            media_type: arrived.media_type,
            from: arrived.from,
            received_at: arrived.received_at,
            due_at,
            attempts: 1,
        };
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
        let found = store.doubt(id);
        if matches!(found, Err(StoreError::Damaged { .. })) {
            // It stays as it is, and keeps nobody waiting who is behind it.
            self.doubts.strike(id);
        }
        let Some(doubt) = found? else { return store.drop_due(due).await };
        if doubt.due_at != due.at {
            return store.drop_due(due).await;
        }
        let Doubt { account: name, lane, received_at, .. } = doubt;
        // Nor is it for the next of that name.
        let is_its = |now: &Account| now.removed_at.is_none() && now.life.made_at <= received_at;
        let account = store.account(name)?.filter(is_its);
        let Some(account) = account else { return self.drop_doubt(id, name, lane).await };
        let now = self.parts.clock.now();
        self.seat(id, &doubt).await?;
        if self.doubts.first(name, lane) != Some(id) {
            self.put_off(id, now.after(BEHIND), doubt.attempts).await?;
            // Its turn may have come meanwhile, when it was due and there was nothing to hurry.
            if self.doubts.first(name, lane) == Some(id) {
                self.hurry(id).await?;
            }
            return Ok(());
        }
        let arrived = Arrived {
            id: name,
            account: Arc::new(account),
            body: Bytes::from(doubt.envelope),
            media_type: doubt.media_type,
            from: doubt.from,
            received_at,
            is_again: true,
        };
        let is_in_time = now.since(received_at) < self.parts.salmon.give_up;
        match Box::pin(self.judge(arrived)).await? {
            Verdict::Doubtful(_) | Verdict::Answered(Answer::Later(_) | Answer::TooMany { .. })
                if is_in_time =>
            {
                let attempts = doubt.attempts.saturating_add(1);
                self.put_off(id, self.next_try(attempts, now), attempts).await
            }
            verdict => {
                if !matches!(verdict, Verdict::Answered(Answer::Taken)) {
                    debug!(attempts = doubt.attempts, "a slap that was kept came to nothing");
                }
                self.drop_doubt(id, name, lane).await
            }
        }
    }

    /// One of which it was not known whether it was written, as when the disk hung, has a row and no place.
    async fn seat(&self, id: Id, doubt: &Doubt) -> Result<(), StoreError> {
        let _held = self.parts.store.lane_locks().write(&id).await;
        if self.parts.store.doubt(id)?.is_some() {
            let place = Place::new(id, &doubt.from, doubt.envelope.len());
            self.doubts.seat(doubt.account, doubt.lane, place);
        }
        Ok(())
    }

    /// Makes one that is kept due now, if it is not yet.
    async fn hurry(&self, id: Id) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let store = &self.parts.store;
        let Some(doubt) = store.readable(store.doubt(id))?.filter(|doubt| doubt.due_at > now) else {
            return Ok(());
        };
        self.put_off(id, now, doubt.attempts).await?;
        self.doubt_poke.due(now);
        Ok(())
    }

    /// It is due then. Nothing, if it is over by now.
    async fn put_off(&self, id: Id, due_at: Timestamp, attempts: u32) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&id).await;
        let Some(doubt) = store.doubt(id)? else { return Ok(()) };
        let was = Some(doubt.due_at);
        let doubt = Doubt { due_at, attempts, ..doubt };
        store.commit(RelayRecord::DoubtPut { id, doubt, was }.into()).await
    }

    /// It is over; the next of its lane need not wait any longer.
    async fn drop_doubt(&self, id: Id, account: NameId, lane: LaneId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let next = {
            // Whoever sends the same again meanwhile waits, and is then given a place of its own.
            let _held = store.lane_locks().write(&id).await;
            let done = match store.doubt(id) {
                Ok(Some(Doubt { due_at: was, .. })) => {
                    store.commit(RelayRecord::DoubtDone { id, was }.into()).await
                }
                found => found.map(|_| ()),
            };
            // Even if that failed: it may go yet, and would be in the way of all behind it. If it stays, it is due again.
            let next = self.doubts.leave(account, lane, id);
            done?;
            next
        };
        match next {
            Some(next) => self.hurry(next).await,
            None => Ok(()),
        }
    }
}

fn id(account: NameId, body: &[u8]) -> Id {
    let digest: [u8; 32] =
        Sha256::new().chain_update(account.as_bytes()).chain_update(body).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
