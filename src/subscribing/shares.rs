//! How many subscriptions each callback host has: the bound on what can be asked of this hub for good in the name of one
//! host (X03).
//!
//! In an amount of memory that does not grow with hosts or subscriptions: a table of several rows, in each of which a
//! host counts in one column. Others may count there too, so the least of its columns is at most too much, by about a
//! sixteen-thousandth of all subscriptions.
//!
//! Which subscriptions there are is known to the store alone, and going through a million of them takes a minute and a
//! hundred megabytes of cache, which a hub that was just started has better uses for. So they are counted once a host has
//! got a hundredth of what it may have since the start, or one: it may have that much too much. And again when somebody is turned
//! away, in case some have ended that were not seen to.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Subscribing, hosts::host_id};
use crate::{
    distribution::Departures,
    protocol::{CallbackUrl, PairId},
    store::{Store, StoreError, Subscription},
};

const ROWS: usize = 4;
const COLUMNS: usize = 1 << 14;
/// Subscriptions that are looked at in one go, and the pause after that: nobody waits for the count.
const PAGE: usize = 512;
const BREATH: Duration = Duration::from_millis(5);
/// From one count to the next at least.
const RECOUNT: Duration = Duration::from_mins(5);
/// The part of its share that a host may get after a start before all are counted.
const UNCOUNTED: usize = 100;

/// Counts by host.
#[derive(Debug)]
struct Table(Box<[u32]>);

impl Default for Table {
    fn default() -> Self {
        Self(vec![0; ROWS.saturating_mul(COLUMNS)].into())
    }
}

impl Table {
    fn of(&self, host: [u8; 16]) -> usize {
        let least = cells(host).into_iter().filter_map(|cell| self.0.get(cell)).min();
        least.and_then(|count| usize::try_from(*count).ok()).unwrap_or_default()
    }

    fn change(&mut self, host: [u8; 16], change: impl Fn(u32) -> u32) {
        for cell in cells(host) {
            if let Some(count) = self.0.get_mut(cell) {
                *count = change(*count);
            }
        }
    }
}

/// Where a host counts, a cell in each row. It is known by a digest, each part of which is as good as chance.
fn cells(host: [u8; 16]) -> [usize; ROWS] {
    let mut cells = [0; ROWS];
    let (parts, _) = host.as_chunks::<4>();
    for (row, (cell, part)) in cells.iter_mut().zip(parts).enumerate() {
        let column = usize::try_from(u32::from_be_bytes(*part)).unwrap_or_default() % COLUMNS;
        *cell = row.saturating_mul(COLUMNS).saturating_add(column);
    }
    cells
}

/// The counts, and those of the count that is under way.
#[derive(Debug, Default)]
pub(super) struct Shares {
    tables: Mutex<(Table, Option<Table>)>,
    is_counted: AtomicBool,
    doubted: Notify,
}

impl Shares {
    pub(super) fn of(&self, callback: &CallbackUrl) -> usize {
        self.lock().0.of(host_id(callback))
    }

    pub(super) fn began(&self, callback: &CallbackUrl) {
        let host = host_id(callback);
        let mut tables = self.lock();
        tables.0.change(host, |count| count.saturating_add(1));
        // Perhaps counted already, but too many is what a later count puts right.
        if let Some(next) = &mut tables.1 {
            next.change(host, |count| count.saturating_add(1));
        }
    }

    pub(super) fn ended(&self, callback: &CallbackUrl) {
        self.lock().0.change(host_id(callback), |count| count.saturating_sub(1));
    }

    /// Somebody is turned away: it had better be true.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    async fn count(&self, store: &Store) -> Result<(), StoreError> {
        self.lock().1 = Some(Table::default());
        let mut after: Option<PairId> = None;
        loop {
            let page = store.read(move |store| store.all_subscriptions(after, PAGE)).await?;
            after = page.last().map(|(pair, _)| *pair);
            let is_last = page.len() < PAGE;
            self.add(&page, is_last);
            if is_last {
                self.is_counted.store(true, Ordering::Relaxed);
                return Ok(());
            }
            sleep(BREATH).await;
        }
    }

    /// Adds a page to the count that is under way, which after the last page takes the place of the one before.
    fn add(&self, page: &[(PairId, Option<Subscription>)], is_last: bool) {
        let mut tables = self.lock();
        let Some(mut next) = tables.1.take() else { return };
        for subscription in page.iter().filter_map(|(_, subscription)| subscription.as_ref()) {
            next.change(host_id(&subscription.callback), |count| count.saturating_add(1));
        }
        if is_last {
            tables.0 = next;
        } else {
            tables.1 = Some(next);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Table, Option<Table>)> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Departures for Shares {
    fn left(&self, callback: &CallbackUrl) {
        self.ended(callback);
    }
}

impl Subscribing {
    /// Whether one more subscription would be too many for its callback's host. What may become one counts.
    pub(super) fn has_its_share(&self, callback: &CallbackUrl) -> bool {
        let pending = self.pending.of(&callback.host_key());
        let (has, share) = (self.shares.of(callback), self.parts.subscriptions_per_callback_host);
        let is_over = has.saturating_add(pending) >= share;
        if is_over || (has >= share / UNCOUNTED && !self.shares.is_counted.load(Ordering::Relaxed)) {
            self.shares.doubt();
        }
        is_over
    }

    /// Counts whenever it is in doubt how many there are, until the stop.
    pub async fn count_shares(self: Arc<Self>, stop: CancellationToken) -> Result<(), Infallible> {
        let mut counted_at = None;
        loop {
            // A refusal that was due to what ended long ago is put right at once; the next such waits.
            let doubted = async {
                self.shares.doubted.notified().await;
                if let Some(pause) = counted_at.map(|at: Instant| RECOUNT.saturating_sub(at.elapsed())) {
                    sleep(pause).await;
                }
                if self.shares.is_counted.load(Ordering::Relaxed) {
                    counted_at = Some(Instant::now());
                }
            };
            if stop.run_until_cancelled(doubted).await.is_none() {
                return Ok(());
            }
            let counting = self.shares.count(&self.parts.store);
            match stop.run_until_cancelled(counting).await {
                Some(Ok(())) => debug!("the subscriptions of callback hosts counted"),
                Some(Err(error)) => warn!(%error, "the subscriptions of callback hosts could not be counted"),
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback(host: u32) -> CallbackUrl {
        CallbackUrl::parse(&format!("http://host{host}.example/cb")).unwrap()
    }

    #[test]
    fn x03_a_host_has_as_many_as_began_and_did_not_end() {
        let shares = Shares::default();
        for _ in 0..3 {
            shares.began(&callback(1));
        }
        shares.ended(&callback(1));
        shares.began(&callback(2));
        let of = |host| shares.of(&callback(host));
        assert_eq!((of(1), of(2), of(3)), (2, 1, 0));
        shares.ended(&callback(3));
        assert_eq!(of(3), 0);
    }

    /// However many hosts there are, none has fewer than it has, or many more.
    #[test]
    fn x03_others_add_little_to_a_hosts_count() {
        let shares = Shares::default();
        for host in 0..100_000 {
            shares.began(&callback(host));
        }
        let counts: Vec<_> = (0..1000).map(|host| shares.of(&callback(host))).collect();
        assert!(counts.iter().all(|count| (1..=20).contains(count)), "{:?}", counts.iter().max());
    }
}
