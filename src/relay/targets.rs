//! The targets of an entry: what they may be, which of them are the same account as far as that is known, and in which
//! lanes they wait.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use url::Url;

use super::account_form::FieldFault;
use crate::{
    protocol::NameId,
    salmon::{Descriptor, Identity},
    store::{LaneId, SlapTarget, Store, StoreError, TargetState},
};

/// Targets of one entry.
const MOST_TARGETS: usize = 1000;
/// Of the name of one, in octets.
const LONGEST_TARGET: usize = 2048;

/// The targets as they were named, if all of them can be.
pub(super) fn read(to: &[String]) -> Result<Vec<String>, FieldFault> {
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

/// A target, and what is known of whom it names.
struct Named {
    to: String,
    canonical: String,
    known: Option<Known>,
}

/// What the host of a name said of it. Nobody is asked here.
struct Known {
    name: Identity,
    descriptor: Descriptor,
    subject: Identity,
}

impl Known {
    fn of(store: &Store, to: &str) -> Result<Option<Self>, StoreError> {
        let Some(name) = Identity::parse(to) else { return Ok(None) };
        let Some(known) = store.readable(store.descriptor(name.id()))? else { return Ok(None) };
        let descriptor = known.descriptor;
        let subject = descriptor.subject.as_deref().and_then(Identity::parse);
        Ok(subject.map(|subject| Self { name, descriptor, subject }))
    }

    fn has(&self, name: &Identity) -> bool {
        self.descriptor.identities().iter().any(|known| known.is_same(name))
    }

    /// Whether both are one account, by the word of both: a page may say that it is whoever it likes, and would take the
    /// place of that one.
    fn is_same(&self, other: &Self) -> bool {
        self.subject.is_same(&other.subject)
            && self.has(&other.name)
            && other.has(&self.name)
            && self.descriptor.salmon().is_some()
            && self.descriptor.salmon() == other.descriptor.salmon()
    }

    /// By which name its lane goes: the subject, if that knows this name; else whoever names a stranger could have what
    /// goes to that one wait.
    fn lane_name(&self, store: &Store) -> Result<Identity, StoreError> {
        let subject = Self::of(store, self.subject.as_str())?;
        let is_mutual = subject.is_some_and(|subject| subject.is_same(self));
        Ok(if is_mutual { self.subject.clone() } else { self.name.clone() })
    }
}

/// Whether two names of targets are known to be of one account.
pub(super) fn are_same(store: &Store, one: &str, other: &str) -> Result<bool, StoreError> {
    let (Some(one), Some(other)) = (Known::of(store, one)?, Known::of(store, other)?) else {
        return Ok(false);
    };
    Ok(one.is_same(&other))
}

/// The names by which a target may be among the others, if anything is known of it.
pub(super) fn names(store: &Store, to: &str) -> Result<Vec<Identity>, StoreError> {
    Ok(Known::of(store, to)?.map(|known| known.descriptor.identities()).unwrap_or_default())
}

/// Each target that the site named with the lane in which it waits: that of its account, so that under another name nothing
/// overtakes it. Those that are one account are sent one.
pub(super) fn line_up(
    store: &Store,
    account: NameId,
    to: Vec<String>,
) -> Result<Vec<SlapTarget>, StoreError> {
    let mut named: Vec<Named> = Vec::with_capacity(to.len());
    for to in to {
        let canonical = Identity::parse(&to).map_or_else(|| to.clone(), |name| name.canonical().to_owned());
        let known = Known::of(store, &to)?;
        named.push(Named { to, canonical, known });
    }
    let (mut by_name, mut by_subject) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
    let mut targets: Vec<SlapTarget> = Vec::with_capacity(named.len());
    for (index, one) in named.iter().enumerate() {
        let mut same_as = by_name.get(one.canonical.as_str()).copied();
        by_name.entry(one.canonical.as_str()).or_insert(index);
        if let Some(known) = &one.known
            && same_as.is_none()
        {
            let others = by_subject.entry(known.subject.canonical().to_owned()).or_default();
            let is_same = |other: &&usize| {
                let other = named.get(**other).and_then(|other| other.known.as_ref());
                other.is_some_and(|other| other.is_same(known))
            };
            same_as = others.iter().find(is_same).copied();
            if same_as.is_none() {
                others.push(index);
            }
        }
        let lane = match same_as.and_then(|first| targets.get(first)) {
            Some(first) => first.lane,
            None => own_lane(store, account, one)?,
        };
        let same_as = same_as.and_then(|index| u16::try_from(index).ok());
        let (to, state, tries) = (one.to.clone(), TargetState::Queued, Vec::new());
        targets.push(SlapTarget { to, lane, endpoint: None, state, tries, same_as });
    }
    Ok(targets)
}

fn own_lane(store: &Store, account: NameId, target: &Named) -> Result<LaneId, StoreError> {
    let own = lane(account, &target.canonical);
    let Some(known) = &target.known else { return Ok(own) };
    // What was said before it was known who that is goes first.
    if store.out_lane(own)?.is_some() {
        return Ok(own);
    }
    Ok(lane(account, known.lane_name(store)?.canonical()))
}

/// The lane of all that an account sends to somebody.
fn lane(account: NameId, canonical: &str) -> LaneId {
    let digest: [u8; 32] =
        Sha256::new().chain_update(account.as_bytes()).chain_update(canonical).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
