//! The agenda: runs what is due, a bounded number at a time.
//!
//! All waiting work is on disk under a due time; memory holds only what is being done. One [`Agenda`] a kind of work
//! (fetches, verifications, backlogs, leases), all with the same loop: scan what is due, start as much as there is
//! room for, sleep until the next is due or somebody pokes.
//!
//! A key is never worked on twice at the same time, which is what makes the order of one topic's fetches and of one
//! subscription's deliveries follow by itself.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::{Id, JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    clock::{Clock, Timestamp},
    store::{Due, DueKind, Store, StoreError},
};

/// The longest sleep: a wall clock that was set forwards must not leave work waiting for hours.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What is done with something that is due.
pub trait Work: Send + Sync + 'static {
    /// Does it. Every path must move or remove the due row, or the agenda offers the same again.
    fn run(self: Arc<Self>, due: Due) -> impl Future<Output = ()> + Send;
}

/// Tells an agenda that something may be due sooner than it thinks.
#[derive(Debug, Clone)]
pub struct Poke {
    wake: Arc<Notify>,
    asleep_until: Arc<AtomicU64>,
}

impl Default for Poke {
    fn default() -> Self {
        Self { wake: Arc::default(), asleep_until: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

impl Poke {
    pub fn new() -> Self {
        Self::default()
    }

    /// Something is due at this moment. Wakes the agenda only if it would have slept past it.
    pub fn due(&self, at: Timestamp) {
        if at.as_millis() < self.asleep_until.load(Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }
}

/// The loop over one kind of due work.
#[derive(Debug)]
pub struct Agenda {
    pub kind: DueKind,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub poke: Poke,
    /// How many are worked on at once.
    pub limit: usize,
}

#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<()>,
    keys: HashMap<Id, Vec<u8>>,
    busy: HashSet<Vec<u8>>,
    /// Work that panicked: left alone until the next start, or the loop would spin on it.
    broken: HashSet<Vec<u8>>,
}

impl Running {
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.keys.remove(&id) else { return };
        self.busy.remove(&key);
        if let Err(failure) = ended
            && failure.is_panic()
        {
            error!(%failure, "work panicked and is left alone until the next start");
            self.broken.insert(key);
        }
    }
}

/// What a look at the store came to.
#[derive(Debug)]
struct Filled {
    /// When the earliest of what is not due yet will be.
    next: Option<Timestamp>,
    /// More is due than there is room for.
    is_full: bool,
}

impl Agenda {
    /// Works until the stop, then finishes what is under way.
    pub async fn run<W: Work>(&self, work: Arc<W>, stop: CancellationToken) -> Result<(), StoreError> {
        let mut running = Running::default();
        while !stop.is_cancelled() {
            let filled = self.fill(&work, &mut running).await?;
            tokio::select! {
                () = stop.cancelled() => {}
                // With no room left, neither news nor time can start anything: only an end can.
                () = self.poke.wake.notified(), if !filled.is_full => {}
                () = self.sleep_until(filled.next), if !filled.is_full => {}
                Some(ended) = running.tasks.join_next_with_id() => {
                    running.ended(ended);
                    while let Some(ended) = running.tasks.try_join_next_with_id() {
                        running.ended(ended);
                    }
                }
            }
        }
        while let Some(ended) = running.tasks.join_next_with_id().await {
            running.ended(ended);
        }
        Ok(())
    }

    /// Starts what is due and there is room for.
    async fn fill<W: Work>(&self, work: &Arc<W>, running: &mut Running) -> Result<Filled, StoreError> {
        // Until the answer is known, every poke counts.
        self.poke.asleep_until.store(u64::MAX, Ordering::SeqCst);
        let kind = self.kind;
        // As many as there is room for, past those that are being done.
        let look = self.limit.saturating_add(running.broken.len()).saturating_add(1);
        let now = self.clock.now();
        let (rows, next) = self.store.read(move |store| store.due(kind, now, look)).await?;
        let mut is_full = false;
        for due in rows {
            let key = due.primary();
            if running.busy.contains(key) || running.broken.contains(key) {
                continue;
            }
            if running.busy.len() >= self.limit {
                is_full = true;
                break;
            }
            let key = key.to_vec();
            let task = running.tasks.spawn(Arc::clone(work).run(due));
            running.keys.insert(task.id(), key.clone());
            running.busy.insert(key);
        }
        let until = next.unwrap_or(Timestamp::MAX);
        self.poke.asleep_until.store(until.as_millis(), Ordering::SeqCst);
        Ok(Filled { next, is_full })
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => sleep(at.since(self.clock.now()).min(LONGEST_SLEEP)).await,
            None => pending().await,
        }
    }
}
