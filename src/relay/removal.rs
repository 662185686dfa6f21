//! What becomes of all that an account had when it is removed: whoever has its name next finds nothing of it.
//!
//! That it is gone is on disk first, and nothing is taken for it, sent in its name or done by its site from then on. Then
//! its rows go, so many in a commit; whatever a crash leaves is taken out by the next start, or by whoever wants the name
//! before that.
//!
//! What was *seen* stays, and how late the last of its kind was. It is not the account's but its name's memory: a signature
//! says for whom a slap is by that name alone, and a follow of Mastodon's has no date in it, so that what the old account was
//! sent would be as good for the new one, and anybody who has a copy could follow it in somebody's name, or undo that.
//! Nobody loses by it, as what an author does anew has an id of its own.

use std::collections::BTreeSet;

use super::{Relay, SiteFault};
use crate::{
    protocol::{NameId, SlapId},
    store::{Account, Commit, LaneId, Life, RelayRecord, StoreError},
};

/// Rows in one commit, where they are small.
const PAGE: usize = 512;
/// Rows that are read at a time where each may hold an envelope.
const FEW: usize = 32;

impl Relay {
    /// Removes an account: its peers are told that it is gone. Its secret and its key go at once.
    pub async fn remove_account(&self, name: &str) -> Result<(), SiteFault> {
        let id = {
            let _held = self.account_lock.lock().await;
            let (id, account) = self.known(name).await?;
            if account.life.is_cleared {
                return Err(SiteFault::Gone);
            }
            if account.removed_at.is_none() {
                let removed_at = Some(self.parts.clock.now().max(account.life.made_at));
                let account = Account { callback: None, secret: None, removed_at, ..account };
                let mut commit = Commit::from(RelayRecord::AccountPut(id, account));
                commit.push(RelayRecord::AccountKeyDropped(id));
                self.parts.store.commit(commit).await?;
            }
            id
        };
        Ok(self.clear(id).await?)
    }

    /// Whether this account is the one that it was: not removed since, nor another of its name. Who asks holds a lock of a
    /// lane until it has committed.
    pub(super) fn is_still_there(&self, id: NameId, account: &Account) -> Result<bool, StoreError> {
        let now = self.parts.store.account(id)?;
        Ok(now.is_some_and(|now| now.removed_at.is_none() && now.life.made_at == account.life.made_at))
    }

    /// Goes on with what a crash cut off.
    pub(super) async fn finish_removals(&self) -> Result<(), StoreError> {
        let half_removed = self.parts.store.read(|store| {
            let mut found = Vec::new();
            store.each_account(|id, account| found.extend(account.is_half_removed().then_some(id)))?;
            Ok(found)
        });
        for id in half_removed.await? {
            self.clear(id).await?;
        }
        Ok(())
    }

    /// Takes out whatever there is of an account that is removed.
    pub(super) async fn clear(&self, id: NameId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        if !store.account(id)?.is_some_and(|account| account.is_half_removed()) {
            return Ok(());
        }
        let _one_at_a_time = self.clearing.lock().await;
        // Somebody else may have done it while this one waited.
        let Some(account) = store.account(id)?.filter(Account::is_half_removed) else { return Ok(()) };
        // Whoever found it alive has committed when this is through, and everybody else finds it removed.
        store.lane_locks().pass().await;
        self.clear_group(id).await?;
        self.clear_inbox(id).await?;
        self.clear_doubts(id).await?;
        self.clear_outgoing(id).await?;
        let life = Life { is_cleared: true, ..account.life };
        store.commit(RelayRecord::AccountPut(id, Account { life, ..account }).into()).await
    }

    async fn clear_group(&self, group: NameId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        loop {
            let page = store.read(move |store| {
                let mut gone: Vec<_> = store
                    .members(group, None, PAGE)?
                    .into_iter()
                    .map(|(id, _)| RelayRecord::MemberGone { group, id })
                    .collect();
                let posts = store.group_posts(group, FEW)?;
                gone.extend(posts.into_iter().map(|(seq, _)| RelayRecord::GroupPostDropped { group, seq }));
                Ok(gone)
            });
            if !self.drop_all(page.await?).await? {
                return Ok(());
            }
        }
    }

    async fn clear_inbox(&self, account: NameId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        loop {
            let lanes = store.read(move |store| store.lanes(account, PAGE)).await?;
            if lanes.is_empty() {
                return Ok(());
            }
            for (lane, _) in lanes {
                self.clear_lane(account, lane).await?;
            }
        }
    }

    async fn clear_lane(&self, account: NameId, lane: LaneId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write(&lane).await;
        loop {
            let waiting = store.read(move |store| {
                Ok(store.inbox(account, lane, FEW)?.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>())
            });
            let waiting = waiting.await?;
            let gone = waiting.iter().map(|seq| RelayRecord::InboxDone { account, lane, seq: *seq });
            if !self.drop_all(gone.collect()).await? {
                break;
            }
            for _ in waiting {
                self.parts.metrics.slaps_waiting.dec();
            }
        }
        let Some(state) = store.readable(store.lane(account, lane))? else { return Ok(()) };
        store.commit(RelayRecord::LaneDone { account, lane, was: state.due_at }.into()).await
    }

    async fn clear_doubts(&self, account: NameId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut after = None;
        loop {
            let page = store.read(move |store| {
                let page = store.doubts(after, FEW)?;
                let last = page.last().map(|(id, _)| *id);
                let own = page.into_iter().filter(|(_, doubt)| doubt.account == account);
                let gone = own.map(|(id, doubt)| RelayRecord::DoubtDone { id, was: doubt.due_at });
                Ok((last, gone.collect::<Vec<_>>()))
            });
            let (last, gone) = page.await?;
            self.drop_all(gone).await?;
            if last.is_none() {
                break;
            }
            after = last;
        }
        self.doubts.forget(account);
        Ok(())
    }

    async fn clear_outgoing(&self, account: NameId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut after = None;
        loop {
            let page = store.read(move |store| {
                let page = store.all_outgoing(after, FEW)?;
                let last = page.last().map(|(slap, _)| *slap);
                let own = page.into_iter().filter(|(_, row)| row.account == account);
                Ok((last, own.map(|(slap, row)| (slap, row.targets)).collect::<Vec<_>>()))
            });
            let (last, own) = page.await?;
            for (slap, targets) in own {
                self.clear_slap(slap, targets).await?;
            }
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }

    /// With the lanes of its targets, as no other account has anything in them.
    async fn clear_slap(&self, slap: SlapId, targets: u16) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let lanes = store.read(move |store| {
            Ok(store.targets(slap)?.into_iter().map(|target| target.lane).collect::<BTreeSet<_>>())
        });
        for lane in lanes.await? {
            let _held = store.lane_locks().write(&lane).await;
            loop {
                let waiting = store.out_queue(lane, PAGE)?;
                let gone = waiting.iter().map(|(seq, _)| RelayRecord::OutQueueDone { lane, seq: *seq });
                if !self.drop_all(gone.collect()).await? {
                    break;
                }
            }
            if let Some(state) = store.readable(store.out_lane(lane))? {
                store.commit(RelayRecord::OutLaneDone { lane, was: state.due_at }.into()).await?;
            }
        }
        store.commit(RelayRecord::OutgoingForgotten { slap, targets }.into()).await
    }

    /// Commits, unless it is nothing. Says whether it was something.
    async fn drop_all(&self, gone: Vec<RelayRecord>) -> Result<bool, StoreError> {
        if gone.is_empty() {
            return Ok(false);
        }
        self.parts.store.commit(gone.into_iter().map(Into::into).collect()).await?;
        Ok(true)
    }
}
