//! The agenda: runs what is due, a bounded number at a time.
//!
//! All waiting work is on disk under a due time; memory holds only what is being done. One [`Agenda`] a kind of work
//! (fetches, verifications, backlogs, leases), all with the same loop: scan what is due, start as much as there is
//! room for, sleep until the next is due or somebody pokes.
//!
//! Some work waits for something else than time, and its due time is a guess. When that comes to pass, whoever knows says
//! at which moment it would have been due ([`Poke::early`]), and what is due at that very moment is done at once, as far as
//! what is due anyway leaves room. The rows stay as they are.
//!
//! A row that cannot be read is left alone until the next start, and keeps nothing else waiting.
//!
//! A key is never worked on twice at the same time, which is what makes the order of one topic's fetches and of one
//! subscription's deliveries follow by itself.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
use tracing::{error, warn};

use crate::{
    clock::{Clock, Timestamp},
    store::{Due, DueKind, Store, StoreError},
};

/// The longest sleep: a wall clock that was set forwards must not leave work waiting for hours, nor a lost poke.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Pause of what met a store that fails. It is still due: without one the loop would spin.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Moments whose work may be done early. Beyond that it waits until it is due.
const EARLY: usize = 1024;

/// What is done with something that is due.
pub trait Work: Send + Sync + 'static {
    /// Does it. Every path must move or remove the due row, or the agenda offers the same again. With an error the row stays
    /// due.
    fn run(self: Arc<Self>, due: Due) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Tells an agenda that something may be due sooner than it thinks.
#[derive(Debug, Clone)]
pub struct Poke {
    wake: Arc<Notify>,
    asleep_until: Arc<AtomicU64>,
    early: Arc<Mutex<BTreeSet<Timestamp>>>,
}

impl Default for Poke {
    fn default() -> Self {
        let asleep_until = Arc::new(AtomicU64::new(u64::MAX));
        Self { wake: Arc::default(), asleep_until, early: Arc::default() }
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

    /// What is due at this very moment need not wait for it.
    pub fn early(&self, at: Timestamp) {
        let mut early = self.early_moments();
        if early.len() < EARLY && early.insert(at) {
            self.wake.notify_one();
        }
    }

    fn early_moments(&self) -> MutexGuard<'_, BTreeSet<Timestamp>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
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
    tasks: JoinSet<Option<Due>>,
    keys: HashMap<Id, Vec<u8>>,
    busy: HashSet<Vec<u8>>,
    /// Work that panicked: left alone until the next start, or the loop would spin on it.
    broken: HashSet<Vec<u8>>,
    /// What came upon a row that cannot be read: the same, unless the key is due at another moment, for then somebody has
    /// written a row that can.
    unreadable: HashSet<Due>,
    /// Due when it was last looked, and more than there was room for: started as others end, without another look.
    ready: VecDeque<Due>,
    /// How far it has come with a moment whose work may be done early. Each row is offered once, or what is put off to the
    /// same moment again would be done again and again.
    early: Option<(Timestamp, Option<Due>)>,
    /// What may be done early and is being done: it may be about to be put off. Offered once more when that ends.
    again: HashMap<Vec<u8>, Due>,
}

impl Running {
    fn ended(&mut self, ended: Result<(Id, Option<Due>), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.keys.remove(&id) else { return };
        self.busy.remove(&key);
        self.ready.extend(self.again.remove(&key));
        match ended {
            Ok((_, unreadable)) => self.unreadable.extend(unreadable),
            Err(failure) if failure.is_panic() => {
                error!("work panicked and is left alone until the next start");
                self.broken.insert(key);
            }
            Err(_cancelled) => {}
        }
    }

    fn add(&mut self, rows: Vec<Due>) {
        let (busy, broken, unreadable) = (&self.busy, &self.broken, &self.unreadable);
        let is_new = |due: &Due| {
            !busy.contains(due.primary()) && !broken.contains(due.primary()) && !unreadable.contains(due)
        };
        self.ready.extend(rows.into_iter().filter(is_new));
    }

    /// Where to go on with what may be done early. What is due by now is not early.
    fn next_early(&mut self, poke: &Poke, now: Timestamp) -> Option<(Timestamp, Option<Due>)> {
        loop {
            let next = self.early.take().or_else(|| Some((poke.early_moments().pop_first()?, None)))?;
            if next.0 > now {
                return Some(next);
            }
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
            // Where nothing can be noted any more it is better to stop, and be started anew.
            let Some(writable) = stop.run_until_cancelled(self.store.writable()).await else { break };
            writable?;
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
        self.start(work, running);
        if !running.ready.is_empty() {
            return Ok(Filled { next: None, is_full: true });
        }
        // Past those that are being done, and as many again: where much is due at once, a look for each that ends would
        // read all of them each time.
        let left_alone = running.broken.len().saturating_add(running.unreadable.len());
        let look = self.limit.saturating_mul(2).saturating_add(left_alone).saturating_add(1);
        let now = self.clock.now();
        let (rows, next) = self.store.read(move |store| store.due(kind, now, look)).await?;
        running.add(rows);
        while let Some(room) = look.checked_sub(running.ready.len()).filter(|room| *room > 0)
            && let Some((at, after)) = running.next_early(&self.poke, now)
        {
            let rows = self.store.read(move |store| store.due_at(kind, at, after.as_ref(), room)).await?;
            if rows.len() == room {
                running.early = Some((at, rows.last().cloned()));
            }
            let busy = rows.iter().filter(|due| running.busy.contains(due.primary()));
            running.again.extend(busy.map(|due| (due.primary().to_vec(), due.clone())));
            running.add(rows);
        }
        self.start(work, running);
        let is_full = !running.ready.is_empty();
        let until = next.unwrap_or(Timestamp::MAX);
        self.poke.asleep_until.store(until.as_millis(), Ordering::SeqCst);
        Ok(Filled { next, is_full })
    }

    /// Starts what is ready, as far as there is room. What was moved since the look finds that out by itself.
    fn start<W: Work>(&self, work: &Arc<W>, running: &mut Running) {
        while running.busy.len() < self.limit
            && let Some(due) = running.ready.pop_front()
        {
            let key = due.primary().to_vec();
            if !running.broken.contains(&key) && running.busy.insert(key.clone()) {
                let task = running.tasks.spawn(self.attend(Arc::clone(work), due));
                running.keys.insert(task.id(), key);
            }
        }
    }

    /// Does one. Gives it back if it came upon a row that cannot be read.
    fn attend<W: Work>(&self, work: Arc<W>, due: Due) -> impl Future<Output = Option<Due>> + Send + use<W> {
        let (kind, store) = (self.kind, self.store.clone());
        async move {
            match work.run(due.clone()).await {
                Ok(()) => None,
                Err(StoreError::Damaged { table }) => {
                    store.pass_over(table);
                    Some(due)
                }
                Err(error) => {
                    warn!(?kind, %error, "what is due met a store that fails; it stays due");
                    sleep(STORE_PAUSE).await;
                    None
                }
            }
        }
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        sleep(at.map_or(LONGEST_SLEEP, |at| at.since(self.clock.now()).min(LONGEST_SLEEP))).await;
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::sync::{Semaphore, mpsc};

    use super::*;
    use crate::{
        clock::ManualClock,
        protocol::{TopicId, TopicUrl},
        store::{PendingFetch, Record, StoreOptions, keys::Table},
    };

    /// Reports each start, and ends when the test lets it.
    #[derive(Debug)]
    struct Slow {
        store: Store,
        started: mpsc::Sender<TopicId>,
        gate: Arc<Semaphore>,
    }

    impl Work for Slow {
        async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
            let topic = due.topic().unwrap();
            self.started.send(topic).await.unwrap();
            self.gate.acquire().await.unwrap().forget();
            self.store.pending_fetch(topic)?;
            self.store.commit(Record::FetchDone { topic, was: due.at }.into()).await
        }
    }

    /// Leaves all as it is.
    #[derive(Debug)]
    struct Stubborn(Slow);

    impl Work for Stubborn {
        async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
            let Self(slow) = &*self;
            let topic = due.topic().unwrap();
            slow.started.send(topic).await.unwrap();
            // Else what is due now would come again at once.
            if due.at <= Timestamp::from_millis(1000) {
                slow.store.commit(Record::FetchDone { topic, was: due.at }.into()).await.unwrap();
            }
            Ok(())
        }
    }

    struct Scene {
        _home: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
        poke: Poke,
        started: mpsc::Receiver<TopicId>,
        gate: Arc<Semaphore>,
        stop: CancellationToken,
        agenda: tokio::task::JoinHandle<Result<(), StoreError>>,
    }

    impl Scene {
        fn set(limit: usize) -> Self {
            Self::set_with(limit, |store, started, gate| Slow { store, started, gate })
        }

        #[expect(clippy::disallowed_methods, reason = "the test awaits it by its handle")]
        fn set_with<W: Work>(
            limit: usize,
            work: impl FnOnce(Store, mpsc::Sender<TopicId>, Arc<Semaphore>) -> W,
        ) -> Self {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("data");
            let options = StoreOptions { path, cache_bytes: 16 << 20, gather: Duration::ZERO };
            let store = Store::open(&options).unwrap();
            let clock = ManualClock::at(Timestamp::from_millis(1000));
            let poke = Poke::new();
            let (report, started) = mpsc::channel(16);
            let gate = Arc::new(Semaphore::new(0));
            let work = Arc::new(work(store.clone(), report, Arc::clone(&gate)));
            let kind = DueKind::Fetch;
            let agenda =
                Agenda { kind, store: store.clone(), clock: clock.clone(), poke: poke.clone(), limit };
            let stop = CancellationToken::new();
            let until = stop.clone();
            let agenda = tokio::spawn(async move { agenda.run(work, until).await });
            Self { _home: home, store, clock, poke, started, gate, stop, agenda }
        }

        async fn add(&self, name: &str, due: u64) -> TopicId {
            let url = TopicUrl::parse(&format!("http://site.example/{name}")).unwrap();
            let (topic, due_at) = (url.id(), Timestamp::from_millis(due));
            let fetch =
                PendingFetch { url, pinged_at: due_at, due_at, attempts: 0, looks: 0, is_poll: false };
            self.store.commit(Record::FetchPut { topic, fetch, was: None }.into()).await.unwrap();
            self.poke.due(due_at);
            topic
        }
    }

    #[tokio::test]
    async fn what_is_due_is_started_once_within_the_limit_and_the_rest_when_there_is_room() {
        let mut scene = Scene::set(2);
        let topics = [scene.add("a", 1).await, scene.add("b", 2).await, scene.add("c", 3).await];
        assert_eq!([scene.started.recv().await.unwrap(), scene.started.recv().await.unwrap()], topics[..2]);
        // Everything that could start has: a poke finds no room, and nothing a second time.
        scene.poke.due(Timestamp::EPOCH);
        scene.gate.add_permits(1);
        assert_eq!(scene.started.recv().await.unwrap(), topics[2]);
        scene.gate.add_permits(2);
        scene.stop.cancel();
        scene.agenda.await.unwrap().unwrap();
        assert!(scene.started.try_recv().is_err(), "each was started once");
        assert!(scene.store.due(DueKind::Fetch, Timestamp::MAX, 10).unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn a_poke_wakes_for_what_is_due_sooner_and_a_stop_lets_work_end() {
        let mut scene = Scene::set(8);
        let later = scene.add("later", 3_600_000).await;
        let sooner = scene.add("sooner", 1000).await;
        assert_eq!(scene.started.recv().await.unwrap(), sooner);
        scene.clock.advance(Duration::from_hours(1));
        scene.poke.due(Timestamp::EPOCH);
        assert_eq!(scene.started.recv().await.unwrap(), later);
        scene.stop.cancel();
        scene.gate.add_permits(2);
        scene.agenda.await.unwrap().unwrap();
        assert!(scene.store.due(DueKind::Fetch, Timestamp::MAX, 10).unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn what_is_due_at_a_moment_that_need_not_be_waited_for_is_done_early_and_the_rest_is_not() {
        let mut scene = Scene::set(2);
        let mut early = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            early.push(scene.add(name, 60_000).await);
        }
        let (before, after) = (scene.add("before", 59_999).await, scene.add("after", 60_001).await);
        scene.gate.add_permits(7);
        scene.poke.early(Timestamp::from_millis(60_000));
        let mut started = Vec::new();
        while started.len() < 7 {
            started.push(scene.started.recv().await.unwrap());
        }
        early.sort();
        started.sort();
        assert_eq!(started, early);
        scene.clock.advance(Duration::from_secs(59));
        scene.poke.due(Timestamp::EPOCH);
        assert_eq!(scene.started.recv().await.unwrap(), before);
        scene.gate.add_permits(1);
        scene.stop.cancel();
        scene.agenda.await.unwrap().unwrap();
        let (left, _) = scene.store.due(DueKind::Fetch, Timestamp::MAX, 10).unwrap();
        assert_eq!(left.iter().filter_map(Due::topic).collect::<Vec<_>>(), [after]);
    }

    /// What is put off to the same moment again is not offered again, or the loop would spin until then.
    #[tokio::test]
    async fn what_comes_early_and_is_left_as_it_is_comes_again_when_it_is_due() {
        let mut scene = Scene::set_with(2, |store, started, gate| Stubborn(Slow { store, started, gate }));
        for name in ["a", "b", "c"] {
            scene.add(name, 60_000).await;
        }
        scene.poke.early(Timestamp::from_millis(60_000));
        for _ in 0..3 {
            scene.started.recv().await.unwrap();
        }
        let sooner = scene.add("sooner", 1000).await;
        assert_eq!(scene.started.recv().await.unwrap(), sooner, "and none of the others");
        scene.stop.cancel();
        scene.agenda.await.unwrap().unwrap();
        assert!(scene.started.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_left_alone_and_keeps_nothing_waiting_until_it_can() {
        let mut scene = Scene::set(1);
        let counter = Counter::default();
        scene.store.count_unreadable_in(counter.clone());
        let (bad, good) = (scene.add("bad", 1).await, scene.add("good", 2).await);
        scene.store.spoil(Table::Fetches, bad.as_bytes());
        scene.gate.add_permits(2);
        assert_eq!(scene.started.recv().await.unwrap(), bad);
        assert_eq!(scene.started.recv().await.unwrap(), good);
        let other = scene.add("other", 3).await;
        scene.gate.add_permits(1);
        assert_eq!(scene.started.recv().await.unwrap(), other, "and not the same again");
        assert_eq!(counter.get(), 1);
        assert_eq!(scene.add("bad", 4).await, bad);
        scene.gate.add_permits(1);
        assert_eq!(scene.started.recv().await.unwrap(), bad);
        scene.stop.cancel();
        scene.agenda.await.unwrap().unwrap();
        assert!(scene.started.try_recv().is_err());
        let (left, _) = scene.store.due(DueKind::Fetch, Timestamp::MAX, 10).unwrap();
        assert_eq!(left.iter().filter_map(Due::topic).collect::<Vec<_>>(), [bad], "of the row that was");
    }
}
