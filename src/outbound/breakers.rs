//! The breakers of all hosts that failed lately.
//!
//! A host gets a record with its first failure and loses it when its failures have left the window, so hosts that work
//! cost nothing, and the tries counted are those since that first failure.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::breaker::{Breaker, BreakerRules, Change, Gate};
use crate::clock::Timestamp;

/// Hosts remembered at most. Beyond it new hosts go unwatched: their failures cost a try each and nothing else.
const MOST_HOSTS: usize = 65_536;

/// Below this many there is nothing worth sweeping.
const FIRST_SWEEP: usize = 256;

/// A breaker per host.
#[derive(Debug)]
pub struct Breakers {
    rules: BreakerRules,
    hosts: Mutex<Hosts>,
    /// How many have a record. Asked before each delivery, and almost always zero.
    watched: AtomicUsize,
}

#[derive(Debug)]
struct Hosts {
    by_name: HashMap<Box<str>, Breaker>,
    /// Sweep when there are as many. Twice what the last sweep left, so that sweeping costs each insertion a constant.
    sweep_at: usize,
    next_sweep: Timestamp,
}

impl Breakers {
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            hosts: Mutex::new(Hosts {
                by_name: HashMap::new(),
                sweep_at: FIRST_SWEEP,
                next_sweep: Timestamp::EPOCH,
            }),
            watched: AtomicUsize::new(0),
        }
    }

    /// Whether a request to `host` may start now. Who gets [`Gate::Probe`] must send and [`report`](Self::report).
    ///
    /// `host` should be in lower case: hosts are told apart byte by byte.
    pub fn ask(&self, host: &str, now: Timestamp) -> Gate {
        if self.watched.load(Ordering::Acquire) == 0 {
            return Gate::Go;
        }
        self.lock().by_name.get_mut(host).map_or(Gate::Go, |breaker| breaker.ask(now))
    }

    /// Whether whoever asks now would be let through, however many that are. Nobody becomes a probe by this.
    pub fn lets_all_through(&self, host: &str, now: Timestamp) -> bool {
        self.watched.load(Ordering::Acquire) == 0
            || self.lock().by_name.get(host).is_none_or(|breaker| breaker.lets_all_through(now))
    }

    /// Records how a request to `host` ended, and says what that changed.
    pub fn report(&self, host: &str, now: Timestamp, ok: bool) -> Option<Change> {
        if ok && self.watched.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut hosts = self.lock();
        let change = self.note(&mut hosts, host, now, ok);
        self.watched.store(hosts.by_name.len(), Ordering::Release);
        change
    }

    /// Leaves `host` alone for as long as it asked, up to the longest that is granted. Only a host of which a failure was
    /// reported is heard. Says for how long, if it is new that it waits.
    pub fn hold(&self, host: &str, now: Timestamp, wish: Duration) -> Option<Duration> {
        let pause = wish.min(self.rules.longest_hold);
        let mut hosts = self.lock();
        hosts.by_name.get_mut(host)?.hold(now, now.after(pause)).then_some(pause)
    }

    fn note(&self, hosts: &mut Hosts, host: &str, now: Timestamp, ok: bool) -> Option<Change> {
        if let Some(breaker) = hosts.by_name.get_mut(host) {
            let change = breaker.report(&self.rules, now, ok);
            if matches!(change, Some(Change::Closed(_))) && breaker.is_forgettable(&self.rules, now) {
                hosts.by_name.remove(host);
            }
            return change;
        }
        if ok {
            return None;
        }
        if hosts.by_name.len() >= hosts.sweep_at && now >= hosts.next_sweep {
            hosts.by_name.retain(|_, breaker| !breaker.is_forgettable(&self.rules, now));
            hosts.sweep_at = hosts.by_name.len().saturating_mul(2).clamp(FIRST_SWEEP, MOST_HOSTS);
            // A tenth of the window has to leave it before another look can find anything.
            hosts.next_sweep = now.after(self.rules.window / 10);
        }
        if hosts.by_name.len() >= MOST_HOSTS {
            return None;
        }
        let mut breaker = Breaker::new(&self.rules);
        let change = breaker.report(&self.rules, now, ok);
        hosts.by_name.insert(host.into(), breaker);
        change
    }

    /// Hosts whose breaker is not closed. For metrics; it looks at every record.
    pub fn open(&self) -> usize {
        self.lock().by_name.values().filter(|breaker| !breaker.is_closed()).count()
    }

    /// Hosts with a record. For metrics.
    pub fn watched(&self) -> usize {
        self.lock().by_name.len()
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn one_host_open_leaves_the_others_alone() {
        let breakers = Breakers::new(BreakerRules::default());
        let changes: Vec<_> = (0..25).filter_map(|_| breakers.report("dead", START, false)).collect();
        assert_eq!(changes, [Change::Opened]);
        assert!(matches!(breakers.ask("dead", START), Gate::Wait(_)));
        assert_eq!(breakers.ask("alive", START), Gate::Go);
        assert_eq!(breakers.open(), 1);
    }

    #[test]
    fn d17_a_pause_is_the_hosts_that_asked_for_it() {
        let breakers = Breakers::new(BreakerRules::default());
        let (wish, granted) = (Duration::from_hours(6), Duration::from_mins(1));
        assert_eq!(breakers.hold("busy", START, wish), None, "nothing was heard of it");
        breakers.report("busy", START, false);
        assert_eq!(breakers.hold("busy", START, wish), Some(granted));
        assert_eq!(breakers.hold("busy", START, wish), None, "it waits already");
        let until = START.after(granted);
        assert_eq!(breakers.ask("busy", START), Gate::Wait(until));
        assert_eq!(breakers.ask("other", START), Gate::Go);
        assert_eq!(breakers.ask("busy", until), Gate::Go);
    }

    #[test]
    fn d17_a_host_that_is_back_and_asked_for_a_pause_gets_it() {
        let breakers = Breakers::new(BreakerRules::default());
        for _ in 0..20 {
            breakers.report("busy", START, false);
        }
        let due = START.after(Duration::from_secs(30));
        assert_eq!(breakers.ask("busy", due), Gate::Probe);
        let granted = breakers.hold("busy", due, Duration::from_hours(1)).unwrap();
        assert!(matches!(breakers.report("busy", due, true), Some(Change::Closed(_))));
        assert_eq!((breakers.open(), breakers.watched()), (0, 1), "closed, and not forgotten");
        assert!(!breakers.lets_all_through("busy", due));
        assert_eq!(breakers.ask("busy", due), Gate::Wait(due.after(granted)));
        assert_eq!(breakers.ask("busy", due.after(granted)), Gate::Go);
    }

    #[test]
    fn a_host_that_never_failed_or_recovered_is_not_remembered() {
        let breakers = Breakers::new(BreakerRules::default());
        assert_eq!(breakers.report("fine", START, true), None);
        assert_eq!(breakers.watched(), 0);
        for _ in 0..20 {
            breakers.report("ill", START, false);
        }
        let due = START.after(Duration::from_secs(30));
        assert_eq!(breakers.ask("ill", due), Gate::Probe);
        assert!(matches!(breakers.ask("ill", due), Gate::Wait(_)));
        assert!(!breakers.lets_all_through("ill", due));
        assert!(matches!(breakers.report("ill", due, true), Some(Change::Closed(_))));
        assert!(breakers.lets_all_through("ill", due));
        assert_eq!(breakers.watched(), 0);
    }

    #[test]
    fn the_map_is_bounded_and_old_failures_make_room() {
        let breakers = Breakers::new(BreakerRules::default());
        for n in 0..MOST_HOSTS + 1000 {
            breakers.report(&n.to_string(), START, false);
        }
        assert_eq!(breakers.watched(), MOST_HOSTS);
        assert_eq!(breakers.ask("unwatched", START), Gate::Go);
        breakers.report("later", START.after(Duration::from_secs(301)), false);
        assert_eq!(breakers.watched(), 1);
    }
}
