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

    /// Counts one more, if there is room for it, until the value is dropped or for as long as it is
    /// [kept](Counted::keep).
    pub(super) fn count(&self, host: &HostKey, at_most: usize) -> Option<Counted<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(host).copied().unwrap_or_default();
        if count >= at_most {
            return None;
        }
        counts.insert(host.clone(), count.saturating_add(1));
        Some(Counted { counts: self, host: host.clone(), is_kept: false })
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
    is_kept: bool,
}

impl Counted<'_> {
    /// It is on disk, and counts until it is removed from there.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.counts.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::CallbackUrl;

    #[test]
    fn x03_room_that_was_taken_is_given_back_unless_it_is_kept() {
        let counts = PendingCounts::default();
        let host = CallbackUrl::parse("http://reader.example/cb").unwrap().host_key();
        let first = counts.count(&host, 2).unwrap();
        let second = counts.count(&host, 2).unwrap();
        assert!(counts.count(&host, 2).is_none());
        second.keep();
        drop(first);
        assert_eq!(counts.of(&host), 1);
        counts.remove(&host);
        assert!(counts.0.lock().unwrap().is_empty());
    }
}
