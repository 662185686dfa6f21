//! Couriers: who carries the deliveries of a fan-out to one host.
//!
//! A task, a wait for a permit and a timer for each delivery cost more than the request. So what a fan-out has for a host
//! waits in a [`Queue`], and as many couriers as the host's lane is wide carry it, one after the other, each under one
//! permit for a while. A courier whose request outlasts the patience stays with it, and another takes its place.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{pin, sync::mpsc, time::Instant};
use tracing::debug;

use super::{Distribution, delivery::Delivery};
use crate::{
    alarm::{Alarm, TooLate},
    outbound::{Outcome, Permit},
    protocol::{CallbackId, HostKey, TopicId},
    store::{LastOutcome, StoreError},
};

/// Deliveries under one permit. Then whoever else waits for the host has a turn.
const TURN: usize = 32;
/// Settled deliveries that are reported together: each report wakes the fan-out.
const TOGETHER: usize = 16;
/// How long what is settled may wait for company.
const SOON: Duration = Duration::from_millis(20);
/// A request that got its permit late still gets this long before it counts as slow.
const MINIMUM_PATIENCE: Duration = Duration::from_millis(100);

/// What the fan-out hears: who is settled, or why it cannot go on.
pub(super) type Report = Result<Vec<CallbackId>, StoreError>;

/// What is the same for all deliveries of a fan-out.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) distribution: Arc<Distribution>,
    pub(super) topic: TopicId,
    pub(super) seq: u64,
    pub(super) report: mpsc::Sender<Report>,
}

/// What waits for one host.
#[derive(Debug)]
pub(super) struct Queue {
    host: HostKey,
    waiting: Mutex<Waiting>,
    /// The lane was full for so long that somebody ran out of patience, and nobody got in since.
    is_clogged: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    couriers: usize,
}

impl Queue {
    pub(super) fn to(host: HostKey) -> Arc<Self> {
        Arc::new(Self { host, waiting: Mutex::default(), is_clogged: AtomicBool::new(false) })
    }

    /// Adds a delivery, and a courier unless the lane is as full of them as it may be.
    pub(super) fn add(self: &Arc<Self>, errand: &Arc<Errand>, delivery: Delivery) {
        let mut waiting = self.lock();
        waiting.deliveries.push_back(delivery);
        if waiting.couriers < errand.distribution.parts.lanes.per_host() {
            waiting.couriers = waiting.couriers.saturating_add(1);
            drop(waiting);
            Courier::start(Arc::clone(errand), Arc::clone(self));
        }
    }

    /// Throws away what waits, and says how much that was.
    pub(super) fn clear(&self) -> usize {
        let mut waiting = self.lock();
        let thrown = std::mem::take(&mut waiting.deliveries);
        drop(waiting);
        thrown.len()
    }

    /// The next delivery. A courier that gets none is no longer one of this queue's.
    fn take(&self) -> Option<Delivery> {
        let mut waiting = self.lock();
        let next = waiting.deliveries.pop_front();
        if next.is_none() {
            waiting.couriers = waiting.couriers.saturating_sub(1);
        }
        next
    }

    /// Until when the first of those that wait has patience; the same applies.
    fn patience(&self) -> Option<Instant> {
        let mut waiting = self.lock();
        let first = waiting.deliveries.front().map(|delivery| delivery.patience);
        if first.is_none() {
            waiting.couriers = waiting.couriers.saturating_sub(1);
        }
        first
    }

    /// The first of those that wait, if it has waited for too long. Where the lane is clogged that is whoever waits.
    fn take_impatient(&self, now: Instant) -> Option<Delivery> {
        let is_clogged = self.is_clogged.load(Ordering::Relaxed);
        self.lock().deliveries.pop_front_if(|first| is_clogged || first.patience <= now)
    }

    /// A courier leaves; another comes if there is something to carry.
    fn replace(self: &Arc<Self>, errand: &Arc<Errand>) {
        let mut waiting = self.lock();
        if waiting.deliveries.is_empty() {
            waiting.couriers = waiting.couriers.saturating_sub(1);
        } else {
            drop(waiting);
            Courier::start(Arc::clone(errand), Arc::clone(self));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Courier {
    errand: Arc<Errand>,
    queue: Arc<Queue>,
    alarm: Alarm,
    settled: Vec<CallbackId>,
    /// A delivery is in its hands, and nothing was reported of it.
    is_carrying: bool,
}

impl Courier {
    fn start(errand: Arc<Errand>, queue: Arc<Queue>) {
        let parts = &errand.distribution.parts;
        let alarm = Alarm::new(parts.delivery.patience);
        let tasks = parts.tasks.clone();
        let courier = Self { errand, queue, alarm, settled: Vec::new(), is_carrying: false };
        // Boxed: it has some kilobytes, and the runtime moves a task about nine times before and after its life.
        drop(tasks.spawn(Box::pin(courier.run())));
    }

    async fn run(mut self) {
        loop {
            self.flush().await;
            let Some(mut permit) = self.enter().await else { return };
            if !self.turn(&mut permit).await {
                return;
            }
        }
    }

    /// Waits for the host's lane; meanwhile, whose patience ends is left to the catch-up. Nothing if nothing is left.
    async fn enter(&mut self) -> Option<Permit> {
        let (distribution, queue) = (Arc::clone(&self.errand.distribution), Arc::clone(&self.queue));
        let parts = &distribution.parts;
        let entering = parts.lanes.enter(queue.host.as_str());
        pin!(entering);
        loop {
            let patience = queue.patience()?;
            match self.alarm.wait(patience, entering.as_mut()).await {
                Ok(permit) => {
                    queue.is_clogged.store(false, Ordering::Relaxed);
                    return Some(permit);
                }
                Err(TooLate) => queue.is_clogged.store(true, Ordering::Relaxed),
            }
            while let Some(delivery) = queue.take_impatient(Instant::now()) {
                self.is_carrying = true;
                let due_at = parts.clock.now().after(parts.random.jitter(parts.delivery.patience, 0.5));
                let set_back = delivery.set_back(&self.errand, LastOutcome::LaneFull, due_at).await;
                self.settle(delivery.callback, set_back).await;
                self.flush().await;
            }
        }
    }

    /// Carries some deliveries under one permit; says whether this courier goes on.
    async fn turn(&mut self, permit: &mut Permit) -> bool {
        let now = Instant::now();
        // Whoever waits for the host should have its turn before its patience ends.
        let over = now.checked_add(self.errand.distribution.parts.delivery.patience / 4).unwrap_or(now);
        for _ in 0..TURN {
            if Instant::now() > over {
                break;
            }
            let Some(delivery) = self.queue.take() else {
                self.flush().await;
                return false;
            };
            self.is_carrying = true;
            if !self.carry(delivery, permit).await {
                return false;
            }
        }
        true
    }

    /// Sees one delivery to its end. Says whether that came within the patience.
    async fn carry(&mut self, mut delivery: Delivery, permit: &mut Permit) -> bool {
        let errand = Arc::clone(&self.errand);
        let callback = delivery.callback;
        let parcel = match delivery.ready(&errand).await {
            Ok(Some(parcel)) => parcel,
            settled => {
                self.settle(callback, settled.map(drop)).await;
                return true;
            }
        };
        let distribution = &errand.distribution;
        let (outcome, flying) = {
            let request = distribution.try_once(delivery.pair(&errand), &delivery.subscription, &parcel);
            pin!(request);
            if let Ok(outcome) = self.answer(delivery.patience, request.as_mut()).await {
                let settled = delivery.settle_in_time(&errand, &outcome).await;
                self.settle(callback, settled).await;
                return true;
            }
            // Slow: the fan-out goes on, and another courier for this one.
            let flying = distribution.in_flight.enter(delivery.pair(&errand));
            let due_at = distribution.parts.clock.now().after(distribution.slow_for());
            let set_back = delivery.set_back(&errand, LastOutcome::Slow, due_at).await;
            self.settle(callback, set_back).await;
            self.flush().await;
            self.queue.replace(&errand);
            let outcome = if permit.stand_aside() { Some(request.await) } else { None };
            (outcome, flying)
        };
        let outcome = outcome.unwrap_or_else(|| distribution.cut(&delivery.subscription));
        // Before the backlog goes: nobody may find neither.
        drop(flying);
        // An error here is one after the report: the backlog that was written before it stands.
        if let Err(error) = delivery.settle_late(&errand, &outcome).await {
            debug!(%error, "a late answer could not be written; the backlog stands");
        }
        false
    }

    /// Waits for an answer as long as there is patience. What is settled is not kept back meanwhile: the window of the
    /// fan-out is full of it.
    async fn answer<F: Future<Output = Outcome>>(
        &mut self,
        patience: Instant,
        mut request: Pin<&mut F>,
    ) -> Result<Outcome, TooLate> {
        let now = Instant::now();
        let soon = now.checked_add(SOON).unwrap_or(now);
        let patience = now.checked_add(MINIMUM_PATIENCE).unwrap_or(now).max(patience);
        if !self.settled.is_empty() {
            if let Ok(outcome) = self.alarm.wait(soon, request.as_mut()).await {
                return Ok(outcome);
            }
            self.flush().await;
        }
        self.alarm.wait(patience, request).await
    }

    async fn settle(&mut self, callback: CallbackId, settled: Result<(), StoreError>) {
        self.is_carrying = false;
        match settled {
            Ok(()) => self.settled.push(callback),
            Err(error) => self.send(Err(error)).await,
        }
        if self.settled.len() >= TOGETHER {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        if !self.settled.is_empty() {
            let settled = std::mem::take(&mut self.settled);
            self.send(Ok(settled)).await;
        }
    }

    async fn send(&self, report: Report) {
        // The fan-out may have ended with an error; then its cursor stands before this, and a restart repeats it.
        let _ended = self.errand.report.send(report).await;
    }
}

impl Drop for Courier {
    /// A courier that ends without a word would have its fan-out wait for ever.
    fn drop(&mut self) {
        if self.is_carrying || !self.settled.is_empty() {
            let lost = StoreError::Failed("a delivery ended without an outcome".to_owned());
            let _ended = self.errand.report.try_send(Err(lost));
        }
    }
}
