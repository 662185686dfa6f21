//! Fan-out: one publication to all subscriptions of its topic, resumable from its cursor.
//!
//! One fan-out of a topic runs at a time, oldest first, which gives each subscription its publications in order. Many
//! topics run beside each other; the next topic is looked for behind the last one, so a busy topic starves nobody.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::warn;

use super::{
    Distribution,
    compose::{Composed, FULL_AT_MOST},
    courier::{Errand, Queue, Report},
    delivery::{Counted, Delivery},
    pages::Pages,
    parcel::Parcel,
    readers::Tally,
    settle::Reach,
    window::{Checkpoint, Window},
};
use crate::{
    config::FirstDelivery,
    feed::Format,
    protocol::{CallbackId, HostKey, PairId, Profile, TopicId},
    store::{Commit, FanOut, FanOutId, NeedsFull, Publication, Readers, Record, StoreError, Subscription},
};

/// Fan-outs looked at in one scan for the next topic.
const LOOK: usize = 256;
/// Publications that are read at once: mostly there is one, and a thread for it would cost more than the reading.
const FEW: usize = 8;
/// Pause of a topic whose fan-out met a store that fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Hosts with a queue before those without work are looked for.
const QUEUES: usize = 1024;
/// A checkpoint on its way to the disk.
type Saving<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// The topics whose fan-outs are under way.
#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<()>,
    topics: HashMap<Id, TopicId>,
    busy: HashSet<TopicId>,
    /// Found with a fan-out while they were busy. They may have been about to end.
    again: HashSet<TopicId>,
    /// The fan-out that was started last.
    after: Option<FanOutId>,
    /// There may be more than there was room for.
    is_full: bool,
}

impl Running {
    fn start(&mut self, distribution: &Arc<Distribution>, topic: TopicId) {
        if self.busy.insert(topic) {
            let task = self.tasks.spawn(Arc::clone(distribution).run_topic(topic));
            self.topics.insert(task.id(), topic);
        } else {
            self.again.insert(topic);
        }
    }

    /// Says which topic has to be looked at again.
    fn ended(&mut self, ended: &Result<(Id, ()), JoinError>) -> Option<TopicId> {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let topic = self.topics.remove(&id)?;
        self.busy.remove(&topic);
        self.again.remove(&topic).then_some(topic)
    }
}

impl Distribution {
    /// Runs fan-outs until the stop.
    pub async fn run_fanouts(self: Arc<Self>) -> Result<(), StoreError> {
        let stop = self.parts.tasks.stopping().clone();
        let mut running = Running::default();
        let mut is_news = true;
        while !stop.is_cancelled() {
            let Some(writable) = stop.run_until_cancelled(self.parts.store.writable()).await else { break };
            writable?;
            if is_news {
                self.start_fanouts(&mut running).await?;
            }
            is_news = tokio::select! {
                () = stop.cancelled() => false,
                () = self.added.notified() => true,
                Some(ended) = running.tasks.join_next_with_id() => {
                    let again = running.ended(&ended);
                    if let Some(topic) = again {
                        running.start(&self, topic);
                    }
                    running.is_full && again.is_none()
                }
            };
        }
        while running.tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Looks for topics with fan-outs, and starts those that there is room for.
    async fn start_fanouts(self: &Arc<Self>, running: &mut Running) -> Result<(), StoreError> {
        let most = self.parts.delivery.topics;
        running.again.clear();
        // Twice round at most: from behind the last start to the end, then from the beginning.
        let mut rounds = 0;
        while running.busy.len() < most && rounds < 2 {
            let from = running.after;
            let found = self.parts.store.read(move |store| store.fanouts(from, LOOK)).await?;
            let is_end = found.len() < LOOK;
            for id in found {
                if running.busy.len() >= most {
                    break;
                }
                running.after = Some(id);
                running.start(self, id.topic);
            }
            if is_end && running.busy.len() < most {
                running.after = None;
                rounds += 1;
            }
        }
        running.is_full = running.busy.len() >= most;
        Ok(())
    }

    /// Runs the fan-outs of one topic, oldest first, until there is none left.
    async fn run_topic(self: Arc<Self>, topic: TopicId) {
        let stop = self.parts.tasks.stopping();
        while let Some(writable) = stop.run_until_cancelled(self.parts.store.writable()).await {
            let ran = async {
                writable?;
                let Some(id) = self.parts.store.next_fanout(topic)? else { return Ok(false) };
                Arc::clone(&self).run_one(id).await?;
                Ok::<_, StoreError>(true)
            };
            match ran.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    warn!(%error, "a fan-out met a store that fails and waits");
                    sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    async fn run_one(self: Arc<Self>, id: FanOutId) -> Result<(), StoreError> {
        let Some(fanout) = self.parts.store.fanout(id)? else { return Ok(()) };
        let Some((publication, content)) = self.material(id)? else {
            warn!(seq = id.seq, "a fan-out lost its publication and ends");
            return self.parts.store.commit(Record::FanOutDone(id).into()).await;
        };
        let began = Instant::now();
        let counted = Counted::running(&self.parts.metrics);
        let ended = FanOutRun::new(&self, id, fanout, publication, content).run().await;
        drop(counted);
        if ended? {
            self.parts.metrics.fan_out_seconds.observe(began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// The last rows of a fan-out: it is done, and what nobody waits for goes with it.
    async fn finish(&self, id: FanOutId, is_whole: bool, readers: Option<Readers>) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let topic = id.topic;
        let mut commit = Commit::from(Record::FanOutDone(id));
        if let Some(readers) = readers.filter(|_| id.start == CallbackId::from_bytes([0; 16])) {
            commit.push(Record::ReadersCounted(topic, readers));
        }
        // Backlogs of this topic are only made by its fan-outs, and this is the only one: none now is none later.
        let is_waited_for = store.oldest_needed(topic, 1)?.is_some();
        if !is_waited_for {
            let mut kept = store.publication_numbers(topic, FEW)?;
            if kept.len() == FEW {
                kept = store.read(move |store| store.publication_numbers(topic, LOOK)).await?;
            }
            for seq in kept.into_iter().take_while(|seq| *seq <= id.seq) {
                commit.push(Record::PublicationDropped(topic, seq));
            }
        } else if is_whole
            && let Some(before) = id.seq.checked_sub(1)
            && store
                .readable(store.publication(topic, before))?
                .is_some_and(|old| old.format == Format::Opaque)
        {
            // Of what is no feed only the last body is ever sent again, and each may be as large as a fetch may be.
            commit.push(Record::PublicationDropped(topic, before));
        }
        store.submit(commit).await?.on_disk().await
    }
}

/// A fan-out under way.
struct FanOutRun<'a> {
    distribution: &'a Arc<Distribution>,
    id: FanOutId,
    fanout: FanOut,
    publication: Publication,
    delta: Arc<Parcel>,
    /// The whole document, read when the first subscriber needs it.
    full: Option<Arc<Composed>>,
    /// The store's count of changes when the page at hand was read.
    changes: u64,
    /// What waits, by host.
    queues: HashMap<HostKey, Arc<Queue>>,
    /// So many queues, and those without work are looked for.
    sweep_at: usize,
}

impl Drop for FanOutRun<'_> {
    /// However it ends, its couriers take nothing more.
    fn drop(&mut self) {
        for queue in self.queues.values() {
            queue.clear();
        }
    }
}

impl<'a> FanOutRun<'a> {
    fn new(
        distribution: &'a Arc<Distribution>,
        id: FanOutId,
        fanout: FanOut,
        publication: Publication,
        content: Vec<u8>,
    ) -> Self {
        let delta = Arc::new(Parcel::new(&publication, content));
        let changes = distribution.parts.store.subscription_changes();
        Self {
            distribution,
            id,
            fanout,
            publication,
            delta,
            full: None,
            changes,
            queues: HashMap::new(),
            sweep_at: QUEUES,
        }
    }

    /// Goes through the subscriptions; says whether it came to the end.
    async fn run(mut self) -> Result<bool, StoreError> {
        let parts = &self.distribution.parts;
        let from = Checkpoint { cursor: self.fanout.cursor, open: self.fanout.open.clone() };
        let mut window = Window::new(parts.delivery.batch, from);
        let (report, mut reports) = mpsc::channel(parts.delivery.batch.max(1));
        let errand = Errand {
            distribution: Arc::clone(self.distribution),
            topic: self.id.topic,
            seq: self.id.seq,
            report,
        };
        let went = self.go_through(&mut window, &Arc::new(errand), &mut reports).await;
        if went.is_err() {
            // What was settled is not done again, and nobody goes on with it beside whoever takes it up.
            self.call_back(&mut window, &mut reports).await;
            if parts.store.is_writable() {
                self.save(window.checkpoint()).await?;
            }
        }
        went
    }

    /// Has no courier take anything more, and waits until none of them has anything in its hands.
    async fn call_back(&mut self, window: &mut Window, reports: &mut mpsc::Receiver<Report>) {
        let thrown =
            self.queues.values().fold(0, |thrown: usize, queue| thrown.saturating_add(queue.clear()));
        let carried = window.under_way().saturating_sub(thrown);
        let all = async {
            let mut ended: usize = 0;
            while ended < carried
                && let Some(report) = reports.recv().await
            {
                match report {
                    Ok(settled) => {
                        ended = ended.saturating_add(settled.len());
                        window.settle_all(settled);
                    }
                    Err(_same) => ended = ended.saturating_add(1),
                }
            }
        };
        // Who ended without a word is not waited for.
        let _all = timeout(self.distribution.parts.delivery.timeout, all).await;
    }

    async fn go_through(
        &mut self,
        window: &mut Window,
        errand: &Arc<Errand>,
        reports: &mut mpsc::Receiver<Report>,
    ) -> Result<bool, StoreError> {
        let parts = &self.distribution.parts;
        let stop = parts.tasks.stopping();
        let from_start = self.fanout.cursor.is_none();
        let mut tally = Tally::default();
        let mut pages = Pages::behind(self.id.topic, self.fanout.cursor, parts.store.clone())?;
        for callback in window.open().collect::<Vec<_>>() {
            match self.distribution.parts.store.subscription(PairId { topic: self.id.topic, callback })? {
                Some(subscription) if self.is_for(&subscription) && !self.is_behind(callback)? => {
                    self.start(errand, callback, subscription).await?;
                }
                _ => window.settle(callback),
            }
        }
        let mut saving: Option<Saving<'_>> = None;
        loop {
            while !stop.is_cancelled() && window.has_room() {
                let Some(row) = pages.next().await? else { break };
                let (callback, changes) = (row.callback, pages.changes());
                if let Some(subscription) = &row.subscription {
                    tally.count(subscription);
                }
                let found = row.subscription.filter(|_| !row.is_behind);
                let found = found.map(|found| self.served(callback, found, changes)).transpose()?;
                let Some(subscription) = found.flatten() else {
                    window.pass(callback);
                    continue;
                };
                self.changes = changes;
                window.enter(callback);
                self.start(errand, callback, subscription).await?;
            }
            let is_done = pages.are_read();
            // Idle but not at its end it waits for room: a disk is slower than those it delivers to.
            if window.is_idle() && (is_done || stop.is_cancelled()) {
                if let Some(saved) = saving.take() {
                    saved.await?;
                }
                if is_done {
                    // Only who went through all of them knows how many there are.
                    let readers = from_start.then(|| tally.readers(parts.readers_per_host));
                    let is_whole = self.publication.format == Format::Opaque;
                    self.distribution.finish(self.id, is_whole, readers).await?;
                } else {
                    self.save(window.checkpoint()).await?;
                }
                return Ok(is_done);
            }
            tokio::select! {
                biased;
                Some(settled) = reports.recv() => {
                    window.settle_all(settled?);
                    while let Ok(settled) = reports.try_recv() {
                        window.settle_all(settled?);
                    }
                }
                saved = async { match &mut saving { Some(saving) => saving.await, None => pending().await } } => {
                    saving = None;
                    window.saved();
                    saved?;
                }
            }
            if saving.is_none()
                && let Some(checkpoint) = window.due_checkpoint()
            {
                saving = self.saving(checkpoint);
                if saving.is_none() {
                    window.saved();
                }
            }
        }
    }

    fn is_behind(&self, callback: CallbackId) -> Result<bool, StoreError> {
        let pair = PairId { topic: self.id.topic, callback };
        self.distribution.parts.store.has_backlog(pair)
    }

    /// The subscription, if the publication is for it. A row read some pages ahead may have a lease that ran out since,
    /// and was renewed.
    fn served(
        &self,
        callback: CallbackId,
        subscription: Subscription,
        changes: u64,
    ) -> Result<Option<Subscription>, StoreError> {
        if self.is_for(&subscription) {
            return Ok(Some(subscription));
        }
        if changes == self.distribution.parts.store.subscription_changes() {
            return Ok(None);
        }
        let current =
            self.distribution.parts.store.subscription(PairId { topic: self.id.topic, callback })?;
        Ok(current.filter(|current| self.is_for(current)))
    }

    /// Whether the publication is for this subscription: active when it was made, its lease still running.
    fn is_for(&self, subscription: &Subscription) -> bool {
        subscription.since_seq < self.id.seq
            && subscription.is_active_at(self.distribution.parts.clock.now())
            && !self.is_later_part_of_a_first(subscription)
    }

    /// A new WebSub subscriber gets the whole document with its first publication, as nothing was "already delivered"
    /// to it (D03).
    fn is_first(&self, subscription: &Subscription) -> bool {
        self.distribution.parts.delivery.first == FirstDelivery::FullForWebsub
            && subscription.profile == Profile::Websub
            && self.publication.format.is_feed()
            && subscription.since_seq.saturating_add(1) == self.publication.first_of_fetch
    }

    /// Whether the subscription gets the whole document with this fetch.
    fn is_full(&self, subscription: &Subscription) -> bool {
        self.is_first(subscription) && self.publication.document_length <= FULL_AT_MOST
    }

    /// A large delta was split (F25); who got the whole document with the first part has the others already.
    fn is_later_part_of_a_first(&self, subscription: &Subscription) -> bool {
        self.id.seq != self.publication.first_of_fetch && self.is_full(subscription)
    }

    /// The whole document for a first delivery; `None` where a newer fetch has taken its place or it cannot be one
    /// document, and the catch-up has to do it: a delivery that reaches further than this fetch without a word of it on
    /// disk would be repeated by the fan-outs that follow.
    async fn full(&mut self) -> Result<Option<Arc<Composed>>, StoreError> {
        if self.full.is_none() {
            let composed =
                self.distribution.composer.compose(self.id.topic, self.id.seq, NeedsFull::First).await?;
            self.full = composed.filter(|composed| {
                composed.reach.is_full && composed.first_of_fetch == self.publication.first_of_fetch
            });
        }
        Ok(self.full.clone())
    }

    async fn start(
        &mut self,
        errand: &Arc<Errand>,
        callback: CallbackId,
        subscription: Subscription,
    ) -> Result<(), StoreError> {
        let is_full = self.is_full(&subscription);
        let mut reach = Reach { through: self.id.seq, is_full, owes_full: NeedsFull::No };
        let parcel = if is_full {
            // It holds the other parts of the fetch as well.
            self.full().await?.map(|composed| {
                reach = composed.reach;
                Arc::clone(&composed.parcel)
            })
        } else {
            Some(Arc::clone(&self.delta))
        };
        let patience = self.distribution.parts.delivery.patience;
        let patience = Instant::now().checked_add(patience).unwrap_or_else(Instant::now);
        let changes = self.changes;
        let counted = Counted::by(&self.distribution.parts.metrics);
        let queue = self.queue(subscription.callback.host_key());
        queue.add(
            errand,
            Delivery { callback, subscription, parcel, reach, changes, patience, _counted: counted },
        );
        Ok(())
    }

    /// What waits for a host. Those of hosts that nothing waits for are forgotten once there are too many.
    fn queue(&mut self, host: HostKey) -> &Arc<Queue> {
        if self.queues.len() >= self.sweep_at {
            self.queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            self.sweep_at = self.queues.len().saturating_mul(2).max(QUEUES);
        }
        self.queues.entry(host.clone()).or_insert_with(|| Queue::to(host))
    }

    /// Begins to save a checkpoint, unless it is the one that was saved last.
    fn saving(&mut self, checkpoint: Checkpoint) -> Option<Saving<'a>> {
        if checkpoint.cursor == self.fanout.cursor && checkpoint.open == self.fanout.open {
            return None;
        }
        self.fanout.cursor = checkpoint.cursor;
        self.fanout.open = checkpoint.open;
        let record = Record::FanOutPut(self.id, self.fanout.clone());
        Some(Box::pin(self.distribution.parts.store.commit(record.into())))
    }

    async fn save(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        match self.saving(checkpoint) {
            Some(saving) => saving.await,
            None => Ok(()),
        }
    }
}
