//! Lanes: how many requests may be under way at once, to one host and in all (X10, promise 3).
//!
//! A host's lane exists while somebody is in it or waits for it, and is then forgotten, so memory is bounded by the work
//! under way and not by the hosts of the world.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How wide the lanes are. Zero is taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneRules {
    /// Requests at once to one host.
    pub per_host: usize,
    /// Requests at once to all hosts together.
    pub total: usize,
}

impl Default for LaneRules {
    fn default() -> Self {
        Self { per_host: 32, total: 1024 }
    }
}

/// All lanes. Cheap to clone; clones share the lanes.
#[derive(Debug, Clone)]
pub struct Lanes {
    total: Arc<Semaphore>,
    /// As many again for those that turned out to be slow, so that these do not fill the lanes of all others.
    aside: Arc<Semaphore>,
    per_host: usize,
    hosts: Arc<Hosts>,
}

#[derive(Debug, Default)]
struct Hosts(Mutex<HashMap<Arc<str>, Lane>>);

/// `seats` counts those who use or wait for the permits: the lane lives as long as one of them does.
#[derive(Debug)]
struct Lane {
    permits: Arc<Semaphore>,
    seats: usize,
}

/// A claim on a lane's existence.
#[derive(Debug)]
struct Seat {
    hosts: Arc<Hosts>,
    host: Arc<str>,
    permits: Arc<Semaphore>,
}

impl Seat {
    fn take(hosts: &Arc<Hosts>, host: &str, width: usize) -> Self {
        let mut lanes = hosts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = lanes.get_key_value(host).map_or_else(|| Arc::from(host), |(key, _)| Arc::clone(key));
        let lane = lanes
            .entry(Arc::clone(&key))
            .or_insert_with(|| Lane { permits: Arc::new(Semaphore::new(width)), seats: 0 });
        lane.seats = lane.seats.saturating_add(1);
        let permits = Arc::clone(&lane.permits);
        drop(lanes);
        Self { hosts: Arc::clone(hosts), host: key, permits }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut lanes = self.hosts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(&self.host) {
            lane.seats = lane.seats.saturating_sub(1);
            if lane.seats == 0 {
                lanes.remove(&self.host);
            }
        }
    }
}

/// The right to have one request under way. Dropping it gives it back. Fields are dropped in order: the permits
/// before the seat that keeps their lane alive.
#[derive(Debug)]
#[must_use = "the right ends when this is dropped"]
pub struct Permit {
    _host: OwnedSemaphorePermit,
    total: OwnedSemaphorePermit,
    aside: Arc<Semaphore>,
    _seat: Seat,
}

impl Permit {
    /// The request turned out to be slow: makes room for others in all, if among the slow ones there is room. Where
    /// there is none, it has to end. The host's lane stays as full as it is: to a slow host no more is sent at once.
    #[must_use]
    pub fn stand_aside(&mut self) -> bool {
        let Ok(aside) = Arc::clone(&self.aside).try_acquire_owned() else { return false };
        self.total = aside;
        true
    }
}

impl Lanes {
    pub fn new(rules: LaneRules) -> Self {
        let width = |permits: usize| permits.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            total: Arc::new(Semaphore::new(width(rules.total))),
            aside: Arc::new(Semaphore::new(width(rules.total))),
            per_host: width(rules.per_host),
            hosts: Arc::default(),
        }
    }

    /// Requests at once to one host.
    pub fn per_host(&self) -> usize {
        self.per_host
    }

    /// Waits for room in the host's lane, then for room in all. In that order, so that those who queue for one slow
    /// host hold nothing that others need. First come, first served in both. Safe to cancel.
    ///
    /// `host` should be in lower case: lanes are told apart byte by byte.
    pub async fn enter(&self, host: &str) -> Permit {
        let seat = Seat::take(&self.hosts, host, self.per_host);
        let host = acquire(&seat.permits).await;
        let total = acquire(&self.total).await;
        self.permit(host, total, seat)
    }

    fn permit(&self, host: OwnedSemaphorePermit, total: OwnedSemaphorePermit, seat: Seat) -> Permit {
        Permit { _host: host, total, aside: Arc::clone(&self.aside), _seat: seat }
    }

    /// Enters if there is room right now.
    pub fn try_enter(&self, host: &str) -> Option<Permit> {
        let seat = Seat::take(&self.hosts, host, self.per_host);
        let host = Arc::clone(&seat.permits).try_acquire_owned().ok()?;
        let total = Arc::clone(&self.total).try_acquire_owned().ok()?;
        Some(self.permit(host, total, seat))
    }

    /// Requests that could start now, were their hosts free. For metrics.
    pub fn free(&self) -> usize {
        self.total.available_permits()
    }

    /// Hosts in use or waited for. For metrics.
    pub fn hosts(&self) -> usize {
        self.hosts.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn acquire(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match Arc::clone(permits).acquire_owned().await {
        Ok(permit) => permit,
        // Only a closed semaphore refuses, and nothing closes ours. Waiting is the safe reading of the impossible.
        Err(_closed) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn one_host_fills_its_own_lane_and_no_other() {
        let lanes = Lanes::new(LaneRules { per_host: 2, total: 10 });
        let held = [lanes.enter("slow").await, lanes.enter("slow").await];
        assert!(lanes.try_enter("slow").is_none());
        let mut waiting = pin!(lanes.enter("slow"));
        assert!(is_waiting(&mut waiting).await);
        assert!(lanes.try_enter("quick").is_some());
        assert_eq!(lanes.free(), 8, "who waits for a host holds no share of the whole");
        drop(held);
        drop(waiting.await);
        assert_eq!(lanes.free(), 10);
    }

    #[tokio::test]
    async fn all_hosts_together_are_bounded() {
        let lanes = Lanes::new(LaneRules { per_host: 2, total: 2 });
        let held = (lanes.enter("a").await, lanes.enter("b").await);
        assert!(lanes.try_enter("c").is_none());
        let mut waiting = pin!(lanes.enter("c"));
        assert!(is_waiting(&mut waiting).await);
        drop(held.0);
        assert!(!is_waiting(&mut waiting).await);
    }

    #[tokio::test]
    async fn a_cancelled_wait_gives_back_what_it_had() {
        let lanes = Lanes::new(LaneRules { per_host: 1, total: 1 });
        let held = lanes.enter("a").await;
        {
            // Has its host's permit and waits for the whole.
            let mut waiting = pin!(lanes.enter("b"));
            assert!(is_waiting(&mut waiting).await);
            assert_eq!(lanes.hosts(), 2);
        }
        assert_eq!(lanes.hosts(), 1);
        drop(held);
        assert!(lanes.try_enter("b").is_some());
    }

    #[tokio::test]
    async fn a_host_is_forgotten_when_nobody_uses_or_awaits_it() {
        let lanes = Lanes::new(LaneRules::default());
        let (one, two) = (lanes.enter("a").await, lanes.enter("a").await);
        assert_eq!(lanes.hosts(), 1);
        drop(one);
        assert_eq!(lanes.hosts(), 1);
        drop(two);
        assert_eq!(lanes.hosts(), 0);
        for host in 0..1000 {
            drop(lanes.try_enter(&host.to_string()));
        }
        assert_eq!(lanes.hosts(), 0);
    }

    #[tokio::test]
    async fn a_width_of_zero_or_of_everything_works() {
        let narrow = Lanes::new(LaneRules { per_host: 0, total: 0 });
        let held = narrow.try_enter("a");
        assert!(held.is_some() && narrow.try_enter("a").is_none());
        assert!(Lanes::new(LaneRules { per_host: usize::MAX, total: usize::MAX }).try_enter("a").is_some());
    }
}
