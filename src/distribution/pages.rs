//! The subscriptions of a topic in key order, a page at a time, and the next page read while this one is worked on.
//!
//! Reading and decoding a page takes about as long as a few hundred deliveries, and the couriers would run out of work.

use std::collections::{HashSet, VecDeque};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    protocol::{CallbackId, TopicId},
    store::{Store, StoreError, Subscription},
};

/// Subscriptions read at once: large enough to make a read cheap, small enough to stay in cache.
const PAGE: usize = 512;
/// Read at once by whoever asks: most topics have no more, and a thread for each would cost more than the reading.
const FEW: usize = 32;

/// A subscription on its way into the window.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) callback: CallbackId,
    /// `None` where it cannot be read.
    pub(super) subscription: Option<Subscription>,
    /// It has a backlog, so its catch-up tells it.
    pub(super) is_behind: bool,
}

#[derive(Debug)]
struct Page {
    rows: VecDeque<Row>,
    /// The store's count of changes before it was read.
    changes: u64,
    is_last: bool,
}

/// Goes through all of them once.
#[derive(Debug)]
pub(super) struct Pages {
    topic: TopicId,
    store: Store,
    page: Page,
    ahead: Option<JoinHandle<Result<Page, StoreError>>>,
}

impl Pages {
    /// All behind a callback, or all.
    pub(super) fn behind(
        topic: TopicId,
        cursor: Option<CallbackId>,
        store: Store,
    ) -> Result<Self, StoreError> {
        let page = read(topic, cursor, FEW, &store)?;
        let mut pages = Self { topic, store, page, ahead: None };
        pages.read_ahead();
        Ok(pages)
    }

    /// The next one, until there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        if self.page.rows.is_empty()
            && let Some(ahead) = self.ahead.take()
        {
            self.page = ahead.await.map_err(|_lost| StoreError::Closed)??;
            self.read_ahead();
        }
        Ok(self.page.rows.pop_front())
    }

    /// The store's count of changes before the row at hand was read.
    pub(super) fn changes(&self) -> u64 {
        self.page.changes
    }

    /// Whether nothing is left.
    pub(super) fn are_read(&self) -> bool {
        self.page.is_last && self.page.rows.is_empty()
    }

    /// What comes behind the page at hand.
    fn read_ahead(&mut self) {
        if let Some(last) = self.page.rows.back().filter(|_| !self.page.is_last) {
            let (topic, after, store) = (self.topic, Some(last.callback), self.store.clone());
            self.ahead = Some(spawn_blocking(move || read(topic, after, PAGE, &store)));
        }
    }
}

fn read(topic: TopicId, after: Option<CallbackId>, limit: usize, store: &Store) -> Result<Page, StoreError> {
    let changes = store.subscription_changes();
    let rows = store.subscriptions(topic, after, limit)?;
    let behind = match rows.last() {
        Some((last, _)) => store.backlogged(topic, after, *last, limit)?,
        None => HashSet::new(),
    };
    let is_last = rows.len() < limit;
    let row =
        |(callback, subscription)| Row { callback, subscription, is_behind: behind.contains(&callback) };
    Ok(Page { rows: rows.into_iter().map(row).collect(), changes, is_last })
}
