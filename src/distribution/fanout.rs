//! Fan-out: one publication to all subscriptions of its topic, resumable from its cursor.
//!
//! One fan-out of a topic runs at a time, oldest first, which gives each subscription its publications in order. Many
//! topics run beside each other; the next topic is looked for behind the last one, so a busy topic starves nobody.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    Distribution,
    compose::{Composed, FULL_AT_MOST},
    parcel::Parcel,
    readers::Tally,
    settle::{Reach, Setback},
    window::{Checkpoint, Window},
};
use crate::{
    config::FirstDelivery,
    feed::Format,
    outbound::Outcome,
    protocol::{CallbackId, PairId, Profile, TopicId},
    store::{Commit, FanOut, FanOutId, LastOutcome, Publication, Readers, Record, StoreError, Subscription},
};

/// Subscriptions read at once: large enough to make a read cheap, small enough to stay in cache.
const PAGE: usize = 512;
/// Fan-outs looked at in one scan for the next topic.
const LOOK: usize = 256;
/// Pause of a topic whose fan-out met a store that fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// A request that got its permit late still gets this long before it counts as slow.
const MINIMUM_PATIENCE: Duration = Duration::from_millis(100);
/// One page of a topic's subscriptions, and which of them have a backlog.
type Page = (Vec<(CallbackId, Subscription)>, HashSet<CallbackId>);

impl Distribution {
    /// Runs fan-outs until the stop.
    pub async fn run_fanouts(self: Arc<Self>) -> Result<(), StoreError> {
        let stop = self.parts.tasks.stopping().clone();
        let mut running = JoinSet::new();
        let mut topics: HashMap<tokio::task::Id, TopicId> = HashMap::new();
        let mut busy: HashSet<TopicId> = HashSet::new();
        let mut after: Option<FanOutId> = None;
        while !stop.is_cancelled() {
            if !self.parts.store.is_writable() {
                return Err(StoreError::ReadOnly);
            }
            // Twice round at most: from behind the last start to the end, then from the beginning.
            let mut rounds = 0;
            while busy.len() < self.parts.delivery.topics && rounds < 2 {
                let from = after;
                let found = self.parts.store.read(move |store| store.fanouts(from, LOOK)).await?;
                let is_end = found.len() < LOOK;
                for id in found {
                    after = Some(id);
                    if busy.len() >= self.parts.delivery.topics {
                        break;
                    }
                    if busy.insert(id.topic) {
                        let task = running.spawn(Arc::clone(&self).run_topic(id.topic));
                        topics.insert(task.id(), id.topic);
                    }
                }
                if is_end && busy.len() < self.parts.delivery.topics {
                    after = None;
                    rounds += 1;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.added.notified() => {}
                Some(ended) = running.join_next_with_id() => {
                    let id = match &ended { Ok((id, ())) => *id, Err(error) => error.id() };
                    if let Some(topic) = topics.remove(&id) {
                        busy.remove(&topic);
                    }
                }
            }
        }
        while running.join_next().await.is_some() {}
        Ok(())
    }

    /// Runs the fan-outs of one topic, oldest first, until there is none left.
    async fn run_topic(self: Arc<Self>, topic: TopicId) {
        while !self.parts.tasks.stopping().is_cancelled() {
            let step = async {
                if !self.parts.store.is_writable() {
                    return Err(StoreError::ReadOnly);
                }
                let Some(id) = self.parts.store.next_fanout(topic)? else { return Ok(false) };
                Arc::clone(&self).run_one(id).await?;
                Ok::<_, StoreError>(true)
            };
            match step.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    warn!(%error, "a fan-out met a store that fails and waits");
                    sleep(STORE_PAUSE).await;
                    return;
                }
            }
        }
    }

    async fn run_one(self: Arc<Self>, id: FanOutId) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(fanout) = store.fanout(id)? else { return Ok(()) };
        let (publication, content) = (store.publication(id.topic, id.seq)?, store.content(id.topic, id.seq)?);
        let (Some(publication), Some(content)) = (publication, content) else {
            warn!(seq = id.seq, "a fan-out lost its publication and ends");
            return store.commit(Record::FanOutDone(id).into()).await;
        };
        let began = Instant::now();
        self.parts.metrics.fan_outs_running.inc();
        let ended = FanOutRun::new(&self, id, fanout, publication, content).run().await;
        self.parts.metrics.fan_outs_running.dec();
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
        let is_waited_for = store.read(move |store| store.oldest_needed(topic, 1)).await?.is_some();
        if !is_waited_for {
            let kept = store.read(move |store| store.publications(topic, 0, LOOK)).await?;
            for (seq, _) in kept.into_iter().take_while(|(seq, _)| *seq <= id.seq) {
                commit.push(Record::PublicationDropped(topic, seq));
            }
        } else if is_whole
            && let Some(before) = id.seq.checked_sub(1)
            && store.publication(topic, before)?.is_some_and(|old| old.format == Format::Opaque)
        {
            // Of what is no feed only the last body is ever sent again, and each may be as large as a fetch may be.
            commit.push(Record::PublicationDropped(topic, before));
        }
        store.commit(commit).await
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
        Self { distribution, id, fanout, publication, delta, full: None, changes }
    }

    /// Goes through the subscriptions; says whether it came to the end.
    async fn run(mut self) -> Result<bool, StoreError> {
        let parts = &self.distribution.parts;
        let stop = parts.tasks.stopping();
        let from = Checkpoint { cursor: self.fanout.cursor, open: self.fanout.open.clone() };
        let from_start = from.cursor.is_none();
        let mut tally = Tally::default();
        let mut read_to = from.cursor;
        let mut window = Window::new(parts.delivery.batch, from);
        let (report, mut settled) = mpsc::channel(parts.delivery.batch.max(1));
        for callback in window.open().collect::<Vec<_>>() {
            match parts.store.subscription(PairId { topic: self.id.topic, callback })? {
                Some(subscription) if self.is_for(&subscription) && !self.is_behind(callback)? => {
                    self.start(callback, subscription, &report).await?;
                }
                _ => window.settle(callback),
            }
        }
        let mut page: VecDeque<(CallbackId, Subscription)> = VecDeque::new();
        let mut behind = HashSet::new();
        let mut is_last = false;
        loop {
            while !stop.is_cancelled() && window.has_room() {
                if page.is_empty() && !is_last {
                    self.changes = parts.store.subscription_changes();
                    let (rows, backlogged) = self.read_page(read_to).await?;
                    is_last = rows.len() < PAGE;
                    read_to = rows.last().map_or(read_to, |(callback, _)| Some(*callback));
                    page = rows.into();
                    behind = backlogged;
                }
                let Some((callback, subscription)) = page.pop_front() else { break };
                tally.count(&subscription);
                if behind.contains(&callback) || !self.is_for(&subscription) {
                    window.pass(callback);
                    continue;
                }
                window.enter(callback);
                self.start(callback, subscription, &report).await?;
            }
            if window.is_idle() {
                let is_done = is_last && page.is_empty();
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
            if let Some(callback) = settled.recv().await {
                window.settle(callback?);
                while let Ok(callback) = settled.try_recv() {
                    window.settle(callback?);
                }
            }
            if let Some(checkpoint) = window.due_checkpoint() {
                self.save(checkpoint).await?;
            }
        }
    }

    async fn read_page(&self, after: Option<CallbackId>) -> Result<Page, StoreError> {
        let topic = self.id.topic;
        self.distribution
            .parts
            .store
            .read(move |store| {
                let rows = store.subscriptions(topic, after, PAGE)?;
                let behind = match rows.last() {
                    Some((last, _)) => store.backlogged(topic, after, *last, PAGE)?,
                    None => HashSet::new(),
                };
                Ok((rows, behind))
            })
            .await
    }

    fn is_behind(&self, callback: CallbackId) -> Result<bool, StoreError> {
        let pair = PairId { topic: self.id.topic, callback };
        Ok(self.distribution.parts.store.backlog(pair)?.is_some())
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
            let composed = self.distribution.composer.compose(self.id.topic, self.id.seq, true).await?;
            self.full = composed.filter(|composed| {
                composed.reach.is_full && composed.first_of_fetch == self.publication.first_of_fetch
            });
        }
        Ok(self.full.clone())
    }

    async fn start(
        &mut self,
        callback: CallbackId,
        subscription: Subscription,
        report: &mpsc::Sender<Result<CallbackId, StoreError>>,
    ) -> Result<(), StoreError> {
        let is_full = self.is_full(&subscription);
        let mut reach = Reach { through: self.id.seq, is_full, owes_full: false };
        let parcel = if is_full {
            // It holds the other parts of the fetch as well.
            self.full().await?.map(|composed| {
                reach = composed.reach;
                Arc::clone(&composed.parcel)
            })
        } else {
            Some(Arc::clone(&self.delta))
        };
        let one = One {
            distribution: Arc::clone(self.distribution),
            pair: PairId { topic: self.id.topic, callback },
            subscription,
            parcel,
            reach,
            seq: self.id.seq,
            changes: self.changes,
            report: report.clone(),
            is_reported: AtomicBool::new(false),
        };
        let tasks = &self.distribution.parts.tasks;
        drop(tasks.spawn(one.run()));
        Ok(())
    }

    async fn save(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        if checkpoint.cursor == self.fanout.cursor && checkpoint.open == self.fanout.open {
            return Ok(());
        }
        self.fanout.cursor = checkpoint.cursor;
        self.fanout.open = checkpoint.open;
        let record = Record::FanOutPut(self.id, self.fanout.clone());
        self.distribution.parts.store.commit(record.into()).await
    }
}

/// One publication to one subscription.
struct One {
    distribution: Arc<Distribution>,
    pair: PairId,
    subscription: Subscription,
    /// `None` where the catch-up has to make it.
    parcel: Option<Arc<Parcel>>,
    reach: Reach,
    seq: u64,
    /// The store's count of changes when the subscription was read.
    changes: u64,
    report: mpsc::Sender<Result<CallbackId, StoreError>>,
    is_reported: AtomicBool,
}

impl One {
    async fn run(mut self) {
        let gauge = self.distribution.parts.metrics.deliveries_in_flight.clone();
        gauge.inc();
        let late = self.settle().await;
        if let Some(error) = late {
            debug!(%error, "a late answer could not be written; the backlog stands");
        }
        gauge.dec();
    }

    /// Settles for the fan-out within the patience, then sees a slow request through. An error after the report is
    /// returned: the backlog that was written before it stands.
    async fn settle(&mut self) -> Option<StoreError> {
        let distribution = Arc::clone(&self.distribution);
        let parts = &distribution.parts;
        // Of a subscription that ended and came back while a slow request was under way: one at a time all the same.
        if self.distribution.in_flight.contains(&self.pair) {
            let due_at = parts.clock.now().after(parts.delivery.patience);
            self.report(self.set_back(LastOutcome::Slow, due_at).await).await;
            return None;
        }
        let Some(parcel) = self.parcel.clone() else {
            self.report(self.set_back(LastOutcome::Slow, parts.clock.now()).await).await;
            return None;
        };
        let patience = Instant::now().checked_add(parts.delivery.patience);
        let host = self.subscription.callback.host_key();
        let Ok(_permit) = timeout(parts.delivery.patience, parts.lanes.enter(host.as_str())).await else {
            let due_at = parts.clock.now().after(parts.random.jitter(parts.delivery.patience, 0.5));
            self.report(self.set_back(LastOutcome::LaneFull, due_at).await).await;
            return None;
        };
        // It may have waited for a while: the secret that is active now signs (V16), and who has left gets nothing, were
        // it back meanwhile or its lease at its end (D22).
        if parts.store.subscription_changes() != self.changes {
            match parts.store.subscription(self.pair) {
                Ok(Some(current)) if current.since_seq < self.seq => self.subscription = current,
                gone => {
                    self.report(gone.map(drop)).await;
                    return None;
                }
            }
        }
        let now = parts.clock.now();
        if !self.subscription.is_active_at(now) {
            self.report(Ok(())).await;
            return None;
        }
        if let Some(until) = distribution.holds.until(self.pair, now) {
            let held = distribution.fall_behind_held(self.pair, self.seq, self.reach.is_full, until).await;
            self.report(held).await;
            return None;
        }
        // Asked last: who is let through as the probe of an open breaker has to send.
        if let Some(until) = self.distribution.breaker_wait(&self.subscription) {
            self.report(self.set_back(LastOutcome::BreakerOpen, until).await).await;
            return None;
        }
        let mut request = Box::pin(self.distribution.try_once(self.pair, &self.subscription, &parcel));
        let left = patience.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
        if let Ok(outcome) = timeout(left.max(MINIMUM_PATIENCE), &mut request).await {
            self.report(self.settle_in_time(&outcome).await).await;
            return None;
        }
        // Slow: the fan-out goes on.
        let flying = self.distribution.in_flight.enter(self.pair);
        let due_at = parts.clock.now().after(self.distribution.slow_for());
        self.report(self.set_back(LastOutcome::Slow, due_at).await).await;
        let outcome = request.await;
        // Before the backlog goes: nobody may find neither.
        drop(flying);
        let settled = match &outcome {
            Outcome::Accepted => self.distribution.caught_up(self.pair, self.reach).await,
            Outcome::Gone => self.end().await,
            Outcome::Later { .. } => {
                self.distribution.put_off(self.pair, self.distribution.setback(0, &outcome)).await
            }
        };
        settled.err()
    }

    async fn settle_in_time(&self, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome {
            // The successful path writes nothing.
            Outcome::Accepted => Ok(()),
            Outcome::Gone => self.end().await,
            Outcome::Later { .. } => {
                let setback = self.distribution.setback(0, outcome);
                self.distribution.fall_behind(self.pair, self.seq, self.reach.is_full, setback).await
            }
        }
    }

    /// 410: the subscription is over, or the renewed one in its place is owed what the old one refused.
    async fn end(&self) -> Result<(), StoreError> {
        if self.distribution.end(self.pair, &self.subscription).await? {
            return Ok(());
        }
        self.set_back(LastOutcome::Status(410), self.distribution.parts.clock.now()).await
    }

    async fn set_back(&self, last: LastOutcome, due_at: crate::clock::Timestamp) -> Result<(), StoreError> {
        let setback = Setback { last, due_at, counts: false };
        self.distribution.fall_behind(self.pair, self.seq, self.reach.is_full, setback).await
    }

    async fn report(&self, settled: Result<(), StoreError>) {
        self.is_reported.store(true, Ordering::Relaxed);
        // The fan-out may have ended with an error; then its cursor stands before this one, and a restart repeats it.
        let _ended = self.report.send(settled.map(|()| self.pair.callback)).await;
    }
}

impl Drop for One {
    /// A delivery that ends without a word would have its fan-out wait for ever.
    fn drop(&mut self) {
        if !self.is_reported.load(Ordering::Relaxed) {
            let lost = StoreError::Failed("a delivery ended without an outcome".to_owned());
            let _ended = self.report.try_send(Err(lost));
        }
    }
}
