//! How many intents wait for each callback host: the bound on what a stranger can make us ask of somebody (X03).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    protocol::HostKey,
    store::{Store, StoreError},
};

const PAGE: usize = 1024;

/// Counts by host; hosts with nothing pending are forgotten.
#[derive(Debug, Default)]
pub(super) struct PendingCounts(Mutex<HashMap<HostKey, usize>>);

impl PendingCounts {
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let counts = Self::default();
        let mut after = None;
        loop {
            let page = store.read(move |store| store.intents(after, PAGE)).await?;
            after = page.last().map(|(pair, _)| *pair);
            for (_, intent) in &page {
                counts.add(&intent.callback.host_key());
            }
            if page.len() < PAGE {
                return Ok(counts);
            }
        }
    }

    pub(super) fn of(&self, host: &HostKey) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied().unwrap_or_default()
    }

    /// Counts one for as long as the value lives, if there is room for one more.
    pub(super) fn count(&self, host: &HostKey, at_most: usize) -> Option<Counted<'_>> {
        if self.of(host) >= at_most {
            return None;
        }
        self.add(host);
        Some(Counted { counts: self, host: host.clone() })
    }

    pub(super) fn add(&self, host: &HostKey) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(host.clone()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn remove(&self, host: &HostKey) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(host);
            }
        }
    }
}

/// One that is counted.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    counts: &'a PendingCounts,
    host: HostKey,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counts.remove(&self.host);
    }
}
