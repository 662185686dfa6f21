//! Targets of one entry that turn out to be one account only when they are looked up: the first of them is sent it, and
//! what becomes of that becomes of the others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Relay, targets};
use crate::{
    salmon::Identity,
    store::{Store, StoreError, TargetKey},
};

/// Targets that are being sent something for the first time, each with its turn.
#[derive(Debug, Default)]
pub(super) struct FirstTries(Mutex<(u64, HashMap<TargetKey, u64>)>);

/// The turn of a target; it lasts until what came of it is on disk.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    all: &'a FirstTries,
    key: TargetKey,
    number: u64,
}

impl FirstTries {
    fn begin(&self, key: TargetKey) -> Turn<'_> {
        let mut all = self.lock();
        all.0 = all.0.saturating_add(1);
        let number = all.0;
        all.1.insert(key, number);
        Turn { all: self, key, number }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<TargetKey, u64>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    fn is_behind(&self, other: TargetKey) -> bool {
        self.all.lock().1.get(&other).is_some_and(|number| *number < self.number)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.lock().1.remove(&self.key);
    }
}

impl Relay {
    /// Asked once it is known who a target is and before it is sent anything: its turn, or the target of the same slap
    /// that is the same account and whose turn came first.
    ///
    /// Of two, each of which is looked up before its turn begins, the later one knows of both; and what came of the earlier
    /// one is on disk before its turn ends.
    pub(super) async fn first_turn(
        &self,
        key: TargetKey,
        to: &str,
    ) -> Result<Result<Turn<'_>, u16>, StoreError> {
        let (turn, slap) = (self.first_tries.begin(key), key.0);
        let (store, to) = (&self.parts.store, to.to_owned());
        let twins = store.read(move |store| twins(store, key, &to)).await?;
        for twin in twins {
            if turn.is_behind((slap, twin)) {
                return Ok(Err(twin));
            }
            // It has been sent something, whatever came of it.
            let other = store.readable(store.target(slap, twin))?;
            if other.is_some_and(|other| other.endpoint.is_some() && other.same_as.is_none()) {
                return Ok(Err(twin));
            }
        }
        Ok(Ok(turn))
    }
}

/// The other targets of the slap that are the same account.
fn twins(store: &Store, (slap, own): TargetKey, to: &str) -> Result<Vec<u16>, StoreError> {
    let names = targets::names(store, to)?;
    let mut twins = Vec::new();
    if names.is_empty() {
        return Ok(twins);
    }
    for (index, other) in (0..).zip(store.targets(slap)?) {
        let name = Identity::parse(&other.to);
        let is_named = name.is_some_and(|name| names.iter().any(|known| known.is_same(&name)));
        if index != own && other.same_as.is_none() && is_named && targets::are_same(store, to, &other.to)? {
            twins.push(index);
        }
    }
    Ok(twins)
}
