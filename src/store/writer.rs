//! One thread writes. Everything that gathered while it flushed goes into the next batch and shares its flush: a
//! commit is acknowledged when the flush behind it returned.

use std::{
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::error;

use super::{
    Commit, StoreError,
    embedded::{Change, Embedded},
    health::{Health, LOOK},
    steps::LARGE,
};

/// Commits waiting for the writer; more than this and whoever submits waits too.
const QUEUE: usize = 4096;
/// Commits in one batch: bounds how long the first of them waits for the last to be applied.
const GROUP: usize = 1024;

struct Job {
    changes: Vec<Change>,
    touches: Touches,
    done: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Touches {
    subscriptions: bool,
    accounts: bool,
}

/// How often each was changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    pub(super) subscriptions: Arc<AtomicU64>,
    pub(super) accounts: Arc<AtomicU64>,
}

/// The handle of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    health: Arc<Health>,
}

impl Writer {
    /// `counters` count the batches in which subscriptions were put or ended, and those in which accounts were.
    pub(super) fn start(kv: Arc<Embedded>, gather: Duration, counters: Counters) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let health = Arc::clone(kv.health());
        // A runtime of its own, because waiting for company needs a timer and the flush must block nobody else.
        let runtime = Builder::new_current_thread().enable_time().build().map_err(thread_failed)?;
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _ending = Ending(kv.health());
                runtime.block_on(write(&kv, queue, gather, &counters));
            })
            .map_err(thread_failed)?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)), health })
    }

    pub(super) async fn submit(&self, commit: Commit) -> Result<(), StoreError> {
        if self.health.is_stalled() {
            return Err(StoreError::Stalled);
        }
        let touches =
            Touches { subscriptions: commit.touches_subscriptions(), accounts: commit.touches_accounts() };
        let changes = commit.into_changes()?;
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or(StoreError::Closed)?;
        let mut answered = pin!(async {
            jobs.send(Job { changes, touches, done }).await.map_err(|_closed| StoreError::Closed)?;
            answer.await.map_err(|_closed| StoreError::Closed)?
        });
        loop {
            match timeout(LOOK, &mut answered).await {
                Ok(done) => return done,
                Err(_elapsed) if self.health.is_stalled() => return Err(StoreError::Stalled),
                Err(_elapsed) => {}
            }
        }
    }

    /// Takes no more, and returns when the thread has flushed what it had.
    pub(super) async fn stop(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                error!("the store's writing thread ended badly");
            }
        }
    }
}

/// However the thread ends, a panic of the engine included, nothing is written after it.
struct Ending<'a>(&'a Health);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.fail("its writing has ended");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn thread_failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(format!("no thread to write with: {error}"))
}

async fn write(kv: &Arc<Embedded>, mut queue: mpsc::Receiver<Job>, gather: Duration, counters: &Counters) {
    let health = kv.health();
    let mut group = Vec::new();
    loop {
        group.clear();
        if queue.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        if !gather.is_zero() && group.len() < GROUP {
            let room = GROUP.saturating_sub(group.len());
            // Silence is as good as company: either way the group is flushed now.
            let _company = timeout(gather, queue.recv_many(&mut group, room)).await;
        }
        let mut answers = Vec::with_capacity(group.len());
        let mut changes = Vec::new();
        let mut written = Ok(());
        let mut touched = Touches::default();
        for Job { changes: wanted, touches, done } in group.drain(..) {
            answers.push(done);
            touched.subscriptions |= touches.subscriptions;
            touched.accounts |= touches.accounts;
            if wanted.len() <= LARGE {
                changes.extend(wanted);
            } else if !health.has_failed() {
                // On its own, behind what came before it.
                let before = mem::take(&mut changes);
                written = written.and_then(|()| kv.apply(before)).and_then(|()| kv.apply_large(wanted));
            }
        }
        // After a write that failed the engine is not touched again: some of its errors leave a gap in its log, and a
        // flush behind a gap waits for ever instead of failing.
        let outcome = if health.has_failed() {
            Err(StoreError::ReadOnly)
        } else {
            written.and_then(|()| kv.commit(changes))
        };
        if let Err(failure) = &outcome
            && health.fail(failure.to_string())
        {
            // Never closed, either: the engine flushes in its destructor, and the end of the program would wait for it.
            mem::forget(Arc::clone(kv));
            // Once: a full disk must not fill the log as well.
            error!(error = %failure, "the store cannot write; nothing is acknowledged before a restart");
        }
        // Here, because whoever asked may not have waited for it.
        if touched.subscriptions {
            counters.subscriptions.fetch_add(1, Ordering::SeqCst);
        }
        if touched.accounts {
            counters.accounts.fetch_add(1, Ordering::SeqCst);
        }
        for done in answers {
            // Whoever asked may have gone; the commit stands all the same.
            let _gone = done.send(outcome.clone());
        }
    }
}
