//! One thread writes. Everything that gathered while it flushed goes into the next batch and shares its flush, as far as
//! that stays within bounds: a commit is acknowledged when the flush behind it returned. A commit that nobody outside waits
//! for waits for company: what a batch costs, the engine's seven threads that wake up for each write and the pages that it
//! copies, was a third of what a catch-up cost.

use std::{
    collections::VecDeque,
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
    embedded::Change,
    engine::Engine,
    health::{Health, LOOK},
    rotation::Rotation,
    steps::LARGE,
};

/// Commits waiting for the writer; more than this and whoever submits waits too.
const QUEUE: usize = 4096;
/// Commits in one batch, and changes and octets of all of them: bounds how long the first of them waits for the last to be
/// applied, and what the engine takes in one go. A commit that alone is more has a batch of its own, and is never split.
const GROUP: usize = 1024;
const GROUP_CHANGES: usize = 4 * LARGE;
const GROUP_OCTETS: usize = 8 << 20;

/// How long a commit that has time waits for company, and with how many others it waits no longer.
const PATIENCE: Duration = Duration::from_millis(10);
const COMPANY: usize = 256;

/// What is done when others can read a commit, which is before it is on disk. On the writing thread: nothing that takes time.
pub(super) type Applied = Box<dyn FnOnce() + Send>;

struct Job {
    changes: Vec<Change>,
    touches: Touches,
    has_time: bool,
    applied: Option<Applied>,
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
    pub(super) fn start(kv: Arc<Engine>, gather: Duration, counters: Counters) -> Result<Self, StoreError> {
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

    pub(super) async fn write(&self, commit: Commit, applied: Option<Applied>) -> Result<(), StoreError> {
        self.submit(commit, applied, false).await?.on_disk().await
    }

    /// Returns when the commit has its place, before all that are handed in later.
    pub(super) async fn submit(
        &self,
        commit: Commit,
        applied: Option<Applied>,
        has_time: bool,
    ) -> Result<Submitted, StoreError> {
        if self.health.is_stalled() {
            return Err(StoreError::Stalled);
        }
        let touches =
            Touches { subscriptions: commit.touches_subscriptions(), accounts: commit.touches_accounts() };
        let changes = commit.into_changes()?;
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or(StoreError::Closed)?;
        unless_stalled(&self.health, jobs.send(Job { changes, touches, has_time, applied, done }))
            .await?
            .map_err(|_closed| StoreError::Closed)?;
        Ok(Submitted { answer, health: Arc::clone(&self.health) })
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

/// A commit that has its place.
#[derive(Debug)]
#[must_use = "it may fail yet"]
pub struct Submitted {
    answer: oneshot::Receiver<Result<(), StoreError>>,
    health: Arc<Health>,
}

impl Submitted {
    /// Returns when it is on disk.
    pub async fn on_disk(self) -> Result<(), StoreError> {
        unless_stalled(&self.health, self.answer).await?.map_err(|_closed| StoreError::Closed)?
    }
}

/// Waits, and no longer than until a write hangs.
async fn unless_stalled<T>(health: &Health, work: impl Future<Output = T>) -> Result<T, StoreError> {
    let mut work = pin!(work);
    loop {
        match timeout(LOOK, &mut work).await {
            Ok(done) => return Ok(done),
            Err(_elapsed) if health.is_stalled() => return Err(StoreError::Stalled),
            Err(_elapsed) => {}
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

async fn write(kv: &Arc<Engine>, mut queue: mpsc::Receiver<Job>, gather: Duration, counters: &Counters) {
    let mut waiting = VecDeque::new();
    let mut received = Vec::new();
    let mut rotation = Rotation::new(Arc::clone(kv));
    loop {
        if waiting.is_empty() {
            let next = queue.recv_many(&mut received, GROUP);
            let count = match rotation.pause() {
                Some(pause) => match timeout(pause, next).await {
                    Ok(count) => count,
                    Err(_elapsed) => {
                        rotation.step();
                        continue;
                    }
                },
                None => next.await,
            };
            if count == 0 {
                rotation.stop();
                return;
            }
            // While a copy is made the steps between batches are its company.
            if rotation.pause().is_none() {
                wait_for_company(&mut queue, &mut received).await;
            }
            if !gather.is_zero() && received.len() < GROUP {
                let room = GROUP.saturating_sub(received.len());
                // Silence is as good as company: either way the group is flushed now.
                let _company = timeout(gather, queue.recv_many(&mut received, room)).await;
            }
            waiting.extend(received.drain(..));
        } else {
            // What had no room in the last batch has waited for its company already.
            while waiting.len() < GROUP
                && let Ok(job) = queue.try_recv()
            {
                waiting.push_back(job);
            }
        }
        let Group { answers, touched, changes, applied } = Group::of(&mut waiting);
        let share = rotation.share_of(&changes);
        let outcome = write_group(kv, changes, applied, answers.len() == 1);
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
        rotation.write(share);
        rotation.step();
    }
}

/// Waits until there is a commit that has no time, or many, or the first has waited for long enough.
async fn wait_for_company(queue: &mut mpsc::Receiver<Job>, received: &mut Vec<Job>) {
    let mut looked_at = 0;
    let all = async {
        while received.get(looked_at..).is_some_and(|new| new.iter().all(|job| job.has_time)) {
            looked_at = received.len();
            let room = COMPANY.saturating_sub(looked_at);
            if room == 0 || queue.recv_many(received, room).await == 0 {
                return;
            }
        }
    };
    let _company = timeout(PATIENCE, all).await;
}

/// Commits that go into one batch.
#[derive(Default)]
struct Group {
    answers: Vec<oneshot::Sender<Result<(), StoreError>>>,
    touched: Touches,
    changes: Vec<Change>,
    applied: Vec<Applied>,
}

impl Group {
    /// The first of those that wait, as many as go together.
    fn of(waiting: &mut VecDeque<Job>) -> Self {
        let mut group = Self::default();
        for Job { changes, touches, applied, done, .. } in waiting.drain(..together(waiting)) {
            group.answers.push(done);
            group.touched.subscriptions |= touches.subscriptions;
            group.touched.accounts |= touches.accounts;
            group.changes.extend(changes);
            group.applied.extend(applied);
        }
        group
    }
}

/// Writes the changes of a group.
fn write_group(
    kv: &Engine,
    changes: Vec<Change>,
    applied: Vec<Applied>,
    is_one: bool,
) -> Result<(), StoreError> {
    let (engine, health) = (kv.current(), kv.health());
    let written = || {
        if is_one && changes.len() > LARGE {
            engine.apply_large(changes)?;
        } else {
            engine.apply(changes)?;
        }
        for tell in applied {
            tell();
        }
        engine.flush()
    };
    // After a write that failed the engine is not touched again: some of its errors leave a gap in its log, and a
    // flush behind a gap waits for ever instead of failing.
    let outcome = if health.has_failed() { Err(StoreError::ReadOnly) } else { written() };
    if let Err(failure) = &outcome
        && health.fail(failure.to_string())
    {
        // Never closed, either: the engine flushes in its destructor, and the end of the program would wait for it.
        mem::forget(engine);
        // Once: a full disk must not fill the log as well.
        error!(error = %failure, "the store cannot write; nothing is acknowledged before a restart");
    }
    outcome
}

/// How many of those that wait go into one batch: at least the first, and a large one alone.
fn together(waiting: &VecDeque<Job>) -> usize {
    let (mut changes, mut octets) = (0_usize, 0_usize);
    let fits = |job: &&Job| {
        changes = changes.saturating_add(job.changes.len());
        octets = job.changes.iter().map(Change::octets).fold(octets, usize::saturating_add);
        job.changes.len() <= LARGE && changes <= GROUP_CHANGES && octets <= GROUP_OCTETS
    };
    waiting.iter().take(GROUP).take_while(fits).count().max(1).min(waiting.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::transfer_tests::options;

    type Answer = oneshot::Receiver<Result<(), StoreError>>;

    /// A commit of so many changes, each with a value of so many octets.
    fn job(number: u32, changes: u32, octets: usize) -> (Job, Answer) {
        let (done, answer) = oneshot::channel();
        let put = |change: u32| Change {
            key: [&b"E"[..], &number.to_be_bytes(), &change.to_be_bytes()].concat(),
            value: Some(vec![7; octets]),
        };
        (
            Job {
                changes: (0..changes).map(put).collect(),
                touches: Touches::default(),
                has_time: false,
                applied: None,
                done,
            },
            answer,
        )
    }

    /// Writes commits that all wait already, and says how many flushes that took and how many rows there are then.
    async fn written(jobs: Vec<(Job, Answer)>) -> (u64, u64) {
        let home = tempfile::tempdir().unwrap();
        let kv = Arc::new(Engine::open(&options(&home.path().join("data"))).unwrap());
        let before = kv.current().acknowledged().number().unwrap();
        let (waiting, queue) = mpsc::channel(QUEUE);
        let mut answers = Vec::new();
        for (job, answer) in jobs {
            waiting.send(job).await.unwrap();
            answers.push(answer);
        }
        drop(waiting);
        write(&kv, queue, Duration::ZERO, &Counters::default()).await;
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        kv.current().check_sum().unwrap();
        (kv.current().acknowledged().number().unwrap() - before, kv.count(b"E").unwrap())
    }

    #[tokio::test]
    async fn commits_that_wait_together_share_a_flush() {
        let (flushes, rows) = written((0..100).map(|number| job(number, 8, 100)).collect()).await;
        assert_eq!((flushes, rows), (1, 800));
    }

    /// What has time comes at these moments, and something that has none, if anything, at that one. Says when all were
    /// answered, and how many flushes that took.
    async fn with_time(at: &[Duration], hurried_at: Option<Duration>) -> (Duration, u64) {
        let home = tempfile::tempdir().unwrap();
        let kv = Arc::new(Engine::open(&options(&home.path().join("data"))).unwrap());
        let before = kv.current().acknowledged().number().unwrap();
        let (waiting, queue) = mpsc::channel(QUEUE);
        let begun = tokio::time::Instant::now();
        let mut moments: Vec<_> = at.iter().map(|at| (*at, true)).collect();
        moments.extend(hurried_at.map(|at| (at, false)));
        let counters = Counters::default();
        let (took, ()) = tokio::join!(
            async {
                let mut answers = Vec::new();
                for (number, (at, has_time)) in (0..).zip(moments) {
                    tokio::time::sleep_until(begun + at).await;
                    let (job, answer) = job(number, 1, 8);
                    waiting.send(Job { has_time, ..job }).await.unwrap();
                    answers.push(answer);
                }
                for answer in answers {
                    answer.await.unwrap().unwrap();
                }
                drop(waiting);
                begun.elapsed()
            },
            write(&kv, queue, Duration::ZERO, &counters),
        );
        (took, kv.current().acknowledged().number().unwrap() - before)
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_has_time_waits_for_company_and_goes_with_whatever_does_not_wait() {
        let (soon, millisecond) = (PATIENCE / 4, Duration::from_millis(1));
        // The runtime's timer has a grain of a millisecond.
        let (took, flushes) = with_time(&[Duration::ZERO, soon], None).await;
        assert!((PATIENCE..=PATIENCE + millisecond).contains(&took) && flushes == 1, "{took:?} {flushes}");
        let (took, flushes) = with_time(&[Duration::ZERO], Some(soon)).await;
        assert!((soon..=soon + millisecond).contains(&took) && flushes == 1, "{took:?} {flushes}");
        let (took, flushes) = with_time(&vec![Duration::ZERO; COMPANY], None).await;
        assert!(took <= millisecond && flushes <= 2, "{took:?} {flushes}");
    }

    /// Readable, and not on disk: whoever is told may begin with what a crash may take back.
    #[tokio::test]
    async fn a_commit_is_announced_between_its_being_applied_and_its_being_flushed() {
        for changes in [1, 2 * LARGE] {
            let home = tempfile::tempdir().unwrap();
            let kv = Arc::new(Engine::open(&options(&home.path().join("data"))).unwrap());
            let (waiting, queue) = mpsc::channel(QUEUE);
            let (mut job, answer) = job(1, u32::try_from(changes).unwrap(), 8);
            let (tell, told) = oneshot::channel();
            let engine = kv.current();
            job.applied = Some(Box::new(move || {
                let flushed = engine.acknowledged().number().unwrap();
                tell.send((engine.count(b"E").unwrap(), flushed)).unwrap();
            }));
            waiting.send(job).await.unwrap();
            drop(waiting);
            write(&kv, queue, Duration::ZERO, &Counters::default()).await;
            answer.await.unwrap().unwrap();
            let (rows, flushed) = told.await.unwrap();
            assert_eq!(rows, u64::try_from(changes).unwrap());
            assert_eq!(flushed + 1, kv.current().acknowledged().number().unwrap());
        }
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_its_changes() {
        let (flushes, rows) = written((0..9).map(|number| job(number, 1000, 8)).collect()).await;
        assert_eq!((flushes, rows), (3, 9000), "four and four and one");
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_its_octets() {
        let (flushes, rows) = written((0..5).map(|number| job(number, 1, 3 << 20)).collect()).await;
        assert_eq!((flushes, rows), (3, 5), "two and two and one");
    }

    /// With its row of its own it is flushed twice, and nobody else waits for it who came before it.
    #[tokio::test]
    async fn a_large_commit_shares_its_batch_with_nobody() {
        let jobs = [job(0, 8, 8), job(1, 2000, 8), job(2, 8, 8)];
        let (flushes, rows) = written(jobs.into()).await;
        assert_eq!((flushes, rows), (4, 2016));
    }
}
