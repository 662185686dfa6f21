//! What a proven slap changes, decided and committed while nobody else decides on the same lane.

use super::{Relay, answer::Answer, groups, receive::Proven};
use crate::{
    clock::Timestamp,
    protocol::NameId,
    salmon::{Form, ReplayKey, Verb},
    store::{Commit, InboxSlap, LaneId, LaneState, RelayRecord, Seen, StoreError},
};

/// A proven slap and what is derived from it.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) proven: Proven,
    pub(super) lane: LaneId,
    state: Option<[u8; 16]>,
    done_at: Option<Timestamp>,
}

impl Settling {
    fn new(proven: Proven, now: Timestamp) -> Self {
        let Proven { arrived, read, author, .. } = &proven;
        let (account, subject) = (&arrived.account, &author.subject);
        let lane = read.lane(account, subject);
        let state = read.state(account, subject);
        let done_at = read.done_at(arrived.received_at, now);
        Self { proven, lane, state, done_at }
    }

    pub(super) fn account_id(&self) -> NameId {
        self.proven.arrived.id
    }

    /// For the site, with all that is needed to tell it.
    pub(super) fn inbox_slap(&self) -> InboxSlap {
        let Proven { arrived, author, form, .. } = &self.proven;
        InboxSlap {
            envelope: arrived.body.to_vec(),
            media_type: arrived.media_type.clone(),
            signer: author.subject.as_str().to_owned(),
            form: word(*form).to_owned(),
            id: self.proven.replay.0,
            received_at: arrived.received_at,
        }
    }
}

impl Relay {
    pub(super) async fn settle(&self, proven: Proven) -> Result<Answer, StoreError> {
        let settling = Settling::new(proven, self.parts.clock.now());
        let Proven { arrived, read, .. } = &settling.proven;
        if read.is_join(&arrived.account) && !groups::is_decided_here(arrived.account.members) {
            return self.ask_to_join(settling).await;
        }
        let _held = self.parts.store.lane_locks().write(&settling.lane).await;
        // The site is just deciding on the same.
        if self.deciding.contains(settling.account_id(), settling.lane) {
            return Ok(Answer::busy());
        }
        if !self.is_still_there(settling.account_id(), &settling.proven.arrived.account)? {
            return Ok(Answer::Gone);
        }
        if self.is_known(&settling)? {
            return Ok(Answer::Taken);
        }
        let mut commit = Commit::new();
        self.remember(&settling, &mut commit)?;
        self.membership(&settling, &mut commit);
        let is_waiting = self.enqueue(&settling, &mut commit)?;
        if let Some(refusal) = self.commit_with_feed(&settling, commit).await? {
            return Ok(refusal);
        }
        if is_waiting {
            self.forward_poke.due(self.parts.clock.now());
            self.parts.metrics.slaps_waiting.inc();
        }
        Ok(Answer::Taken)
    }

    /// Whether it was here before, or came later than what undid it.
    pub(super) fn is_known(&self, settling: &Settling) -> Result<bool, StoreError> {
        let (store, account) = (&self.parts.store, settling.account_id());
        if self.was_taken(account, settling.proven.replay)? {
            return Ok(true);
        }
        let Some(of) = settling.state else { return Ok(false) };
        match store.applied(account, of)? {
            Some(last) if settling.proven.read.is_outdone(settling.done_at, last) => self.on_disk(),
            _ => Ok(false),
        }
    }

    /// That it was here, and when the last of its kind was done.
    pub(super) fn remember(&self, settling: &Settling, commit: &mut Commit) -> Result<(), StoreError> {
        let (account, Proven { arrived, read, replay, .. }) = (settling.account_id(), &settling.proven);
        let verb = &read.entry.verb;
        let seen = Seen { at: arrived.received_at, for_good: verb.is_remembered_for_good() };
        commit.push(RelayRecord::SlapSeen { account, replay: replay.0, seen });
        let (Some(of), Some(updated)) = (settling.state, settling.done_at) else { return Ok(()) };
        // This is for good, and posts are many: so of those alone that were deleted once.
        if *verb != Verb::Post || self.parts.store.applied(account, of)?.is_some() {
            commit.push(RelayRecord::SlapApplied { account, of, updated });
        }
        Ok(())
    }

    /// Whether it was here before, and is on disk.
    pub(super) fn was_taken(&self, account: NameId, replay: ReplayKey) -> Result<bool, StoreError> {
        match self.parts.store.seen(account, replay.0) {
            // Where a row cannot be read there is one all the same.
            Ok(Some(_)) | Err(StoreError::Damaged { .. }) => self.on_disk(),
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a failed flush left in memory is not on disk.
    fn on_disk(&self) -> Result<bool, StoreError> {
        if self.parts.store.is_writable() { Ok(true) } else { Err(StoreError::ReadOnly) }
    }

    /// Puts it behind what waits in its lane, if there is anybody to be told. Says whether.
    fn enqueue(&self, settling: &Settling, commit: &mut Commit) -> Result<bool, StoreError> {
        if settling.proven.arrived.account.callback.is_none() {
            return Ok(false);
        }
        let (store, account, lane) = (&self.parts.store, settling.account_id(), settling.lane);
        let seq = store.next_in_lane(account, lane)?;
        commit.push(RelayRecord::InboxPut { account, lane, seq, slap: settling.inbox_slap() });
        if store.lane(account, lane)?.is_none() {
            let state = LaneState::due(self.parts.clock.now());
            commit.push(RelayRecord::LanePut { account, lane, state, was: None });
        }
        Ok(true)
    }
}

/// The name of a form, for the site.
pub(super) const fn word(form: Form) -> &'static str {
    match form {
        Form::Padded => "padded",
        Form::UnpaddedData => "unpadded-data",
        Form::Unpadded => "unpadded",
        Form::Draft => "draft",
        Form::DataOnly => "data-only",
    }
}
