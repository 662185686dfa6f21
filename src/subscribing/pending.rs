//! How many intents wait for each callback host: the bound on what a stranger can make us ask of somebody (X03).
//!
//! What is counted follows from the rows of the store. A commit that outlasts its caller's patience may be written all the
//! same, or may not; so after one that failed all rows are counted anew, as soon as nothing is on its way to the disk, and
//! nobody changes them meanwhile.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Subscribing;
use crate::{
    protocol::HostKey,
    store::{Store, StoreError},
};

const PAGE: usize = 1024;

#[derive(Debug, Default)]
struct Count {
    /// On disk.
    kept: usize,
    /// Of requests that are being made.
    held: usize,
}

impl Count {
    fn all(&self) -> usize {
        self.kept.saturating_add(self.held)
    }
}

/// Counts by host; hosts with nothing pending are forgotten.
#[derive(Debug, Default)]
pub(super) struct PendingCounts {
    counts: Mutex<HashMap<HostKey, Count>>,
    /// Held for reading from before a row is changed until it is counted. Whoever wants a pair's lock as well has that
    /// first.
    changing: RwLock<()>,
    doubted: Notify,
}

impl PendingCounts {
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let counts = Self::default();
        counts.recount(store).await?;
        Ok(counts)
    }

    async fn recount(&self, store: &Store) -> Result<(), StoreError> {
        let _nobody_else = self.changing.write().await;
        store.settled().await?;
        let mut found: HashMap<HostKey, Count> = HashMap::new();
        let mut after = None;
        loop {
            let page = store.read(move |store| store.intents(after, PAGE)).await?;
            after = page.last().map(|(pair, _)| *pair);
            for (_, intent) in &page {
                let count = found.entry(intent.callback.host_key()).or_default();
                count.kept = count.kept.saturating_add(1);
            }
            if page.len() < PAGE {
                break;
            }
        }
        let mut counts = self.lock();
        for (host, Count { held, .. }) in mem::take(&mut *counts) {
            if held > 0 {
                found.entry(host).or_default().held = held;
            }
        }
        *counts = found;
        Ok(())
    }

    pub(super) fn of(&self, host: &HostKey) -> usize {
        self.lock().get(host).map(Count::all).unwrap_or_default()
    }

    /// For whoever changes a row, until it is counted.
    pub(super) async fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.changing.read().await
    }

    /// A row may be there, or gone, without being counted so.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Counts one more, if there is room for it, until the value is dropped or for as long as it is
    /// [kept](Counted::keep).
    pub(super) fn count(&self, host: &HostKey, at_most: usize) -> Option<Counted<'_>> {
        let mut counts = self.lock();
        if counts.get(host).map(Count::all).unwrap_or_default() >= at_most {
            return None;
        }
        let count = counts.entry(host.clone()).or_default();
        count.held = count.held.saturating_add(1);
        Some(Counted { counts: self, host: host.clone() })
    }

    pub(super) fn add(&self, host: &HostKey) {
        let mut counts = self.lock();
        let count = counts.entry(host.clone()).or_default();
        count.kept = count.kept.saturating_add(1);
    }

    pub(super) fn remove(&self, host: &HostKey) {
        self.change(host, |count| count.kept = count.kept.saturating_sub(1));
    }

    fn change(&self, host: &HostKey, change: impl FnOnce(&mut Count)) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(host) {
            change(count);
            if count.all() == 0 {
                counts.remove(host);
            }
        }
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<HostKey, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that is counted.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    counts: &'a PendingCounts,
    host: HostKey,
}

impl Counted<'_> {
    /// It is on disk, and counts until it is removed from there.
    pub(super) fn keep(self) {
        self.counts.add(&self.host);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counts.change(&self.host, |count| count.held = count.held.saturating_sub(1));
    }
}

impl Subscribing {
    /// Counts anew whenever it is in doubt how many there are, until the stop.
    pub async fn count_pending(self: Arc<Self>, stop: CancellationToken) -> Result<(), Infallible> {
        let store = &self.parts.store;
        while stop.run_until_cancelled(self.pending.doubted.notified()).await.is_some() {
            let counting = async {
                loop {
                    store.writable().await?;
                    match self.pending.recount(store).await {
                        // It hangs again.
                        Err(StoreError::Stalled) => {}
                        counted => return counted,
                    }
                }
            };
            match stop.run_until_cancelled(counting).await {
                Some(Ok(())) => {
                    debug!("the requests that are pending were counted anew");
                    // What was not written, or was, may have been a subscription.
                    self.shares.doubt();
                }
                // Nothing is accepted any more, if it is that.
                Some(Err(error)) => warn!(%error, "the requests that are pending could not be counted"),
                None => break,
            }
        }
        Ok(())
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
        assert!(counts.counts.lock().unwrap().is_empty());
    }
}
