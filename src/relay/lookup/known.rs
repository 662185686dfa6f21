//! What was found, on disk, so that keys survive a restart; and for a minute what was not.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::warn;

use super::Miss;
use crate::{
    clock::Timestamp,
    protocol::NameId,
    salmon::{Descriptor, Exposure, Identity, KeySizes},
    store::{Commit, KnownDescriptor, RelayRecord, Store, StoreError},
};

/// How often rows are looked through.
pub(super) const SWEEP: Duration = Duration::from_hours(1);
/// A failure is remembered for a minute and not for a day: sites restart.
const REMEMBER_FAILURE: Duration = Duration::from_mins(1);
const MOST_FAILURES: usize = 10_000;
/// Rows on disk: 16 KiB each at most, mostly 2.
const MOST_ROWS: usize = 20_000;
/// What stays when there are too many.
const ROWS_LEFT: usize = MOST_ROWS / 10 * 9;
/// Rows that are read in one go.
const PAGE: usize = 256;

#[derive(Debug)]
pub(super) struct Known {
    store: Store,
    failures: Mutex<HashMap<NameId, (Miss, Timestamp)>>,
    /// Rows there are at most; unknown before they were counted.
    rows: tokio::sync::Mutex<Option<usize>>,
}

impl Known {
    pub(super) fn new(store: Store) -> Self {
        Self { store, failures: Mutex::default(), rows: tokio::sync::Mutex::default() }
    }

    /// A row that cannot be read is none.
    pub(super) async fn get(&self, identity: &Identity) -> Option<KnownDescriptor> {
        let name = identity.id();
        let row = self.store.read(move |store| store.descriptor(name)).await;
        row.unwrap_or_else(|error| {
            warn!(%error, "what is known of a name could not be read");
            None
        })
    }

    /// What cannot be written will be asked for again.
    pub(super) async fn put(&self, identity: &Identity, row: KnownDescriptor) {
        let mut commit = Commit::new();
        commit.push(RelayRecord::DescriptorPut(identity.id(), row));
        if let Err(error) = self.store.commit(commit).await {
            warn!(%error, "what is known of a name could not be kept");
        }
    }

    /// Keeps what was found in place of what was known.
    pub(super) async fn replace(
        &self,
        identity: &Identity,
        was: Option<&KnownDescriptor>,
        row: KnownDescriptor,
    ) {
        let keys = key_ids(&row.descriptor);
        match was.map(|was| key_ids(&was.descriptor)) {
            Some(were) if were.ids != keys.ids => {
                let (host, were, are) = (identity.host(), were.ids.join(" "), keys.ids.join(" "));
                warn!(host, were, are, "the key of an account there has changed");
            }
            None if keys.is_exposed => {
                warn!(host = identity.host(), "an account there publishes its private key");
            }
            _ => {}
        }
        if was.is_none() {
            self.make_room().await;
        }
        self.put(identity, row).await;
    }

    /// One more row is to come.
    async fn make_room(&self) {
        let mut rows = self.rows.lock().await;
        let now = match *rows {
            Some(rows) if rows < MOST_ROWS => rows.saturating_add(1),
            _ => match self.prune(Timestamp::EPOCH).await {
                Ok(rows) => rows.saturating_add(1),
                Err(error) => {
                    warn!(%error, "what is known of names could not be looked through");
                    return;
                }
            },
        };
        *rows = Some(now);
    }

    /// Forgets what is older than this.
    pub(super) async fn forget(&self, oldest: Timestamp) {
        let mut rows = self.rows.lock().await;
        match self.prune(oldest).await {
            Ok(left) => *rows = Some(left),
            Err(error) => warn!(%error, "what is known of names was not forgotten"),
        }
    }

    /// How many there are after those that are too old, and the oldest of too many, have gone.
    async fn prune(&self, oldest: Timestamp) -> Result<usize, StoreError> {
        let mut ages = self.store.read(ages).await?;
        ages.sort_unstable();
        let surplus = if ages.len() >= MOST_ROWS { ages.len().saturating_sub(ROWS_LEFT) } else { 0 };
        let gone: Vec<_> = ages
            .iter()
            .enumerate()
            .filter(|(index, (fetched_at, _))| *index < surplus || *fetched_at < oldest)
            .map(|(_, (_, name))| *name)
            .collect();
        for page in gone.chunks(PAGE) {
            let mut commit = Commit::new();
            for name in page {
                commit.push(RelayRecord::DescriptorForgotten(*name));
            }
            self.store.commit(commit).await?;
        }
        Ok(ages.len().saturating_sub(gone.len()))
    }

    /// What the last look came to, if that was just now.
    pub(super) fn failure(&self, name: NameId, now: Timestamp) -> Option<Miss> {
        let failures = self.failures();
        let (miss, at) = failures.get(&name)?;
        (now.since(*at) < REMEMBER_FAILURE).then_some(*miss)
    }

    pub(super) fn failed(&self, name: NameId, miss: Miss, now: Timestamp) {
        if matches!(miss, Miss::Busy | Miss::Crowded) {
            return;
        }
        let mut failures = self.failures();
        if failures.len() >= MOST_FAILURES {
            failures.retain(|_, (_, at)| now.since(*at) < REMEMBER_FAILURE);
        }
        if failures.len() < MOST_FAILURES {
            failures.insert(name, (miss, now));
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<NameId, (Miss, Timestamp)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of all rows, the oldest first once sorted.
fn ages(store: &Store) -> Result<Vec<(Timestamp, NameId)>, StoreError> {
    let (mut ages, mut after) = (Vec::new(), None);
    loop {
        let page = store.descriptors(after, PAGE)?;
        ages.extend(page.iter().map(|(name, known)| (known.fetched_at, *name)));
        if page.len() < PAGE {
            return Ok(ages);
        }
        after = page.last().map(|(name, _)| *name);
    }
}

struct KeyIds {
    ids: Vec<String>,
    is_exposed: bool,
}

fn key_ids(descriptor: &Descriptor) -> KeyIds {
    let keys: Vec<_> = descriptor.keys(KeySizes::Weak).into_iter().flatten().collect();
    KeyIds {
        ids: keys.iter().map(|(key, _)| key.id()).collect(),
        is_exposed: keys.iter().any(|(_, exposure)| *exposure == Exposure::PrivatePart),
    }
}
