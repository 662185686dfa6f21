//! Entries of a site on their way out: completed, signed, and on disk with all their targets before the site is told that
//! they are taken (`salmon.md` 6.2, 6.4). `deliver` does the rest.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{Relay, SiteFault, accounts::with_key, reading, targets};
use crate::{
    clock::Timestamp,
    protocol::{NameId, SlapId},
    salmon::{
        Entry, PrivateKey,
        entry::{OutgoingFault, Signer, complete},
        moment, seal,
    },
    store::{
        Account, AccountKind, Commit, KeyPair, LaneState, OutgoingSlap, RelayRecord, SlapTarget, Store,
        StoreError, TargetState, Try,
    },
};

/// An entry as it leaves.
struct Signed {
    id: NameId,
    account: Account,
    entry: Entry,
    envelope: String,
}

/// How it stands with an entry that is sent.
#[derive(Debug, Serialize)]
pub struct SlapView {
    id: SlapId,
    account: String,
    entry_id: String,
    verb: String,
    created: String,
    targets: Vec<TargetView>,
}

#[derive(Debug, Serialize)]
struct TargetView {
    to: String,
    state: TargetState,
    /// Where it goes, once that is known.
    endpoint: Option<String>,
    /// The last tries, oldest first.
    tries: Vec<TryView>,
    /// Which of the targets is the same account, and was sent what this was not: state and tries are those of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct TryView {
    at: String,
    status: Option<u16>,
    outcome: String,
    form: String,
}

impl SlapView {
    fn new(id: SlapId, slap: OutgoingSlap, targets: &[SlapTarget]) -> Self {
        let try_view = |made: &Try| {
            let Try { at, status, outcome, form } = made.clone();
            TryView { at: moment::write(at), status, outcome, form }
        };
        let target_view = |named: &SlapTarget| {
            let sent = sent_for(named, targets);
            TargetView {
                to: named.to.clone(),
                state: sent.state,
                endpoint: sent.endpoint.clone(),
                tries: sent.tries.iter().map(try_view).collect(),
                same_as: named.same_as.map(|_| sent.to.clone()),
            }
        };
        Self {
            id,
            account: slap.account_name,
            entry_id: slap.entry_id,
            verb: slap.verb,
            created: moment::write(slap.created_at),
            targets: targets.iter().map(target_view).collect(),
        }
    }

    pub fn id(&self) -> SlapId {
        self.id
    }

    /// Whether something is known of every target: a verdict, or that it is tried again later.
    pub fn is_answered(&self) -> bool {
        self.targets.iter().all(|target| target.state != TargetState::Queued || !target.tries.is_empty())
    }

    /// Whether nothing more is done.
    pub fn is_over(&self) -> bool {
        self.targets.iter().all(|target| target.state != TargetState::Queued)
    }
}

impl Relay {
    /// The envelope of an entry of this account, for a site that delivers by itself.
    pub async fn sign(&self, name: &str, entry: String) -> Result<String, SiteFault> {
        let id = SlapId::from_bytes(self.parts.random.id());
        Ok(self.signed(name, entry, id).await?.envelope)
    }

    /// Takes an entry of this account for these targets.
    pub async fn send(&self, name: &str, entry: String, to: &[String]) -> Result<SlapView, SiteFault> {
        let to = targets::read(to)?;
        let slap_id = SlapId::from_bytes(self.parts.random.id());
        let Signed { id, account, entry, envelope } = self.signed(name, entry, slap_id).await?;
        let now = self.parts.clock.now();
        let slap = OutgoingSlap {
            account: id,
            account_name: account.name.clone(),
            verb: entry.verb.as_str().to_owned(),
            entry_id: entry.id,
            envelope: envelope.into_bytes(),
            // Not before its account, whatever became of the clock in between.
            created_at: now.max(account.life.made_at),
            targets: u16::try_from(to.len()).unwrap_or(u16::MAX),
        };
        let targets = self.line_up(slap_id, &slap, &account, to).await?;
        self.slap_poke.due(now);
        Ok(SlapView::new(slap_id, slap, &targets))
    }

    /// Commits all of it; the targets as they are in their lanes.
    async fn line_up(
        &self,
        id: SlapId,
        slap: &OutgoingSlap,
        account: &Account,
        to: Vec<String>,
    ) -> Result<Vec<SlapTarget>, SiteFault> {
        let store = &self.parts.store;
        let (owner, now) = (slap.account, self.parts.clock.now());
        loop {
            let names = to.clone();
            let found = store.read(move |store| targets::line_up(store, owner, names)).await?;
            let _held = store.lane_locks().write_all(found.iter().map(|target| &target.lane)).await;
            // Removed while it was signed: what is left of it is being looked for, or has been.
            if !self.is_still_there(owner, account)? {
                return Err(SiteFault::Gone);
            }
            let (row, names) = (slap.clone(), to.clone());
            let lined_up = store.read(move |store| {
                // A lane may have ended, or somebody been looked up, before the locks were held.
                let targets = targets::line_up(store, owner, names)?;
                let is_held = targets.iter().zip(&found).all(|(now, then)| now.lane == then.lane);
                Ok(if is_held { Some((queued(store, id, row, &targets, now)?, targets)) } else { None })
            });
            if let Some((commit, targets)) = lined_up.await? {
                store.commit(commit).await?;
                return Ok(targets);
            }
        }
    }

    async fn signed(&self, name: &str, entry: String, id: SlapId) -> Result<Signed, SiteFault> {
        let (account, row) = self.live(name).await?;
        if row.kind == AccountKind::Group {
            return Err(SiteFault::Conflict("a group has no key, and signs nothing"));
        }
        let key = self.parts.store.read(move |store| store.account_key(account)).await?;
        let key = key.ok_or(SiteFault::Conflict("the account has no key"))?;
        let entry = completed(&row, &entry, id, self.parts.clock.now())?;
        let read = Entry::read(entry.as_bytes()).map_err(OutgoingFault::from)?;
        let envelope = with_key(move || Ok(seal(entry.as_bytes(), &read_key(&key)?)?.to_xml())).await?;
        Ok(Signed { id: account, account: row, entry: read, envelope })
    }

    /// How it stands with an entry. `None` if it was forgotten, or there never was one.
    pub async fn slap(&self, id: SlapId) -> Result<Option<SlapView>, StoreError> {
        let read = self.parts.store.read(move |store| {
            let Some(slap) = store.outgoing(id)? else { return Ok(None) };
            Ok(Some((slap, store.targets(id)?)))
        });
        Ok(read.await?.map(|(slap, targets)| SlapView::new(id, slap, &targets)))
    }

    /// The same as soon as something is known of every target, or nothing more will be by the time that is over then.
    pub async fn verdicts(&self, id: SlapId, within: Duration) -> Result<Option<SlapView>, StoreError> {
        let now = Instant::now();
        let deadline = now.checked_add(within).unwrap_or(now);
        let ends_at = self.parts.clock.now().after(within);
        loop {
            let mut news = std::pin::pin!(self.slap_news.notified());
            // Before the look: what happens in between is news as well.
            news.as_mut().enable();
            let view = self.slap(id).await?;
            if view.as_ref().is_none_or(SlapView::is_answered)
                || self.parts.store.read(move |store| are_put_off(store, id, ends_at)).await?
                || timeout_at(deadline, news).await.is_err()
            {
                return Ok(view);
            }
        }
    }
}

/// Whether all targets of which nothing is known wait for longer than until then, as for a host that is left alone.
fn are_put_off(store: &Store, id: SlapId, until: Timestamp) -> Result<bool, StoreError> {
    let targets = store.targets(id)?;
    for target in targets.iter().filter(|target| target.is_queued() && target.tries.is_empty()) {
        if store.out_lane(target.lane)?.is_none_or(|lane| lane.due_at <= until) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The target that is sent something in place of this one: this one, most often.
fn sent_for<'t>(named: &'t SlapTarget, targets: &'t [SlapTarget]) -> &'t SlapTarget {
    let mut sent = named;
    // What was the same as another may turn out to be, with that, the same as a third.
    for _ in targets {
        match sent.same_as.and_then(|index| targets.get(usize::from(index))) {
            Some(other) => sent = other,
            None => break,
        }
    }
    sent
}

/// The slap with its targets, each that is sent something behind what waits in its lane.
fn queued(
    store: &Store,
    id: SlapId,
    slap: OutgoingSlap,
    targets: &[SlapTarget],
    now: Timestamp,
) -> Result<Commit, StoreError> {
    let mut commit = Commit::from(RelayRecord::OutgoingPut(id, slap));
    for (index, target) in (0..).zip(targets) {
        let lane = target.lane;
        commit.push(RelayRecord::TargetPut { slap: id, index, target: target.clone() });
        if !target.is_queued() {
            continue;
        }
        let seq = store.next_in_out_lane(lane)?;
        commit.push(RelayRecord::OutQueuePut { lane, seq, slap: id, index });
        if store.out_lane(lane)?.is_none() {
            let state = LaneState::due(now);
            commit.push(RelayRecord::OutLanePut { lane, state, was: None });
        }
    }
    Ok(commit)
}

pub(super) fn read_key(key: &KeyPair) -> Result<PrivateKey, crate::salmon::PrivateKeyFault> {
    PrivateKey::from_pkcs8(key.expose())
}

fn completed(account: &Account, entry: &str, id: SlapId, now: Timestamp) -> Result<String, OutgoingFault> {
    let names = reading::names(account);
    let (nick, domain) =
        account.name.trim_start_matches("acct:").rsplit_once('@').unwrap_or((&account.name, ""));
    let host = domain.split(':').next().unwrap_or_default();
    let moment = moment::write(now);
    let day = moment.split('T').next().unwrap_or_default();
    let signer = Signer {
        names: &names,
        uri: &account.uri,
        profile: &account.profile,
        nick,
        display_name: if account.display_name.is_empty() { nick } else { &account.display_name },
    };
    complete(entry, &signer, &format!("tag:{host},{day}:slap:{id}"), now)
}
