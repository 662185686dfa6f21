//! Entries of a site on their way out: completed, signed, and on disk with all their targets before the site is told that
//! they are taken (`salmon.md` 6.2, 6.4). `deliver` does the rest.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{Relay, SiteFault, account_form::FieldFault, accounts::with_key, reading};
use crate::{
    clock::Timestamp,
    protocol::{NameId, SlapId},
    salmon::{
        Entry, Identity, PrivateKey,
        entry::{OutgoingFault, Signer, complete},
        moment, seal,
    },
    store::{
        Account, AccountKind, Commit, KeyPair, LaneId, LaneState, OutgoingSlap, RelayRecord, SlapTarget,
        StoreError, TargetState, Try,
    },
};

/// Targets of one entry.
const MOST_TARGETS: usize = 1000;
/// Of the name of one, in octets.
const LONGEST_TARGET: usize = 2048;

/// An entry as it leaves.
struct Signed {
    account: NameId,
    account_name: String,
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
}

#[derive(Debug, Serialize)]
struct TryView {
    at: String,
    status: Option<u16>,
    outcome: String,
    form: String,
}

impl SlapView {
    fn new(id: SlapId, slap: OutgoingSlap, targets: Vec<SlapTarget>) -> Self {
        let try_view = |made: Try| {
            let Try { at, status, outcome, form } = made;
            TryView { at: moment::write(at), status, outcome, form }
        };
        let target_view = |target: SlapTarget| {
            let SlapTarget { to, endpoint, state, tries, .. } = target;
            TargetView { to, state, endpoint, tries: tries.into_iter().map(try_view).collect() }
        };
        Self {
            id,
            account: slap.account_name,
            entry_id: slap.entry_id,
            verb: slap.verb,
            created: moment::write(slap.created_at),
            targets: targets.into_iter().map(target_view).collect(),
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
        let to = targets(to)?;
        let id = SlapId::from_bytes(self.parts.random.id());
        let Signed { account, account_name, entry, envelope } = self.signed(name, entry, id).await?;
        let now = self.parts.clock.now();
        let mut targets: Vec<SlapTarget> = Vec::new();
        for to in to {
            let lane = lane(account, &to);
            // Under whichever of its spellings: once is enough.
            if targets.iter().all(|known| known.lane != lane) {
                let (state, tries) = (TargetState::Queued, Vec::new());
                targets.push(SlapTarget { to, lane, endpoint: None, state, tries });
            }
        }
        let slap = OutgoingSlap {
            account,
            account_name,
            verb: entry.verb.as_str().to_owned(),
            entry_id: entry.id,
            envelope: envelope.into_bytes(),
            created_at: now,
            targets: u16::try_from(targets.len()).unwrap_or(u16::MAX),
        };
        self.line_up(id, &slap, &targets, now).await?;
        self.slap_poke.due(now);
        Ok(SlapView::new(id, slap, targets))
    }

    async fn line_up(
        &self,
        id: SlapId,
        slap: &OutgoingSlap,
        targets: &[SlapTarget],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.lane_locks().write_all(targets.iter().map(|target| &target.lane)).await;
        let (slap, targets) = (slap.clone(), targets.to_vec());
        let commit = store.read(move |store| {
            let mut commit = Commit::from(RelayRecord::OutgoingPut(id, slap));
            for (index, target) in (0..).zip(targets) {
                let lane = target.lane;
                let seq = store.next_in_out_lane(lane)?;
                commit.push(RelayRecord::TargetPut { slap: id, index, target });
                commit.push(RelayRecord::OutQueuePut { lane, seq, slap: id, index });
                if store.out_lane(lane)?.is_none() {
                    let state = LaneState::due(now);
                    commit.push(RelayRecord::OutLanePut { lane, state, was: None });
                }
            }
            Ok(commit)
        });
        store.commit(commit.await?).await
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
        Ok(Signed { account, account_name: row.name, entry: read, envelope })
    }

    /// How it stands with an entry. `None` if it was forgotten, or there never was one.
    pub async fn slap(&self, id: SlapId) -> Result<Option<SlapView>, StoreError> {
        let read = self.parts.store.read(move |store| {
            let Some(slap) = store.outgoing(id)? else { return Ok(None) };
            Ok(Some((slap, store.targets(id)?)))
        });
        Ok(read.await?.map(|(slap, targets)| SlapView::new(id, slap, targets)))
    }

    /// The same as soon as something is known of every target, or when the time is over.
    pub async fn verdicts(&self, id: SlapId, within: Duration) -> Result<Option<SlapView>, StoreError> {
        let now = Instant::now();
        let deadline = now.checked_add(within).unwrap_or(now);
        loop {
            let mut news = std::pin::pin!(self.slap_news.notified());
            // Before the look: what happens in between is news as well.
            news.as_mut().enable();
            let view = self.slap(id).await?;
            if view.as_ref().is_none_or(SlapView::is_answered) || timeout_at(deadline, news).await.is_err() {
                return Ok(view);
            }
        }
    }
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

/// The targets as they were named, if all of them can be.
fn targets(to: &[String]) -> Result<Vec<String>, FieldFault> {
    if to.is_empty() {
        return Err(FieldFault::new("to", "is missing"));
    }
    if to.len() > MOST_TARGETS {
        return Err(FieldFault::new("to", format!("there are more than {MOST_TARGETS}")));
    }
    let mut targets = Vec::new();
    for (place, name) in (1..).zip(to) {
        let name = name.trim();
        let is_target = match name.strip_prefix("salmon:") {
            Some(endpoint) => Url::parse(endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https")),
            None => Identity::parse(name).is_some(),
        };
        if !is_target || name.len() > LONGEST_TARGET {
            let reason = format!(
                "number {place} is neither nick@host, nor an address of http or https, nor salmon: and an endpoint"
            );
            return Err(FieldFault::new("to", reason));
        }
        targets.push(name.to_owned());
    }
    Ok(targets)
}

/// The lane of all that an account sends to a target.
fn lane(account: NameId, to: &str) -> LaneId {
    let canonical = Identity::parse(to).map_or_else(|| to.to_owned(), |name| name.canonical().to_owned());
    let digest: [u8; 32] =
        Sha256::new().chain_update(account.as_bytes()).chain_update(canonical).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
