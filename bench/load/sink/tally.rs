//! What arrived of one publication, or of the verifications. Pure.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::stats;

/// The sum, as the sink tells it to the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Subscribers that were reached.
    pub(crate) reached: u32,
    /// Arrivals at a subscriber that had been reached already.
    pub(crate) repeats: u32,
    /// Signatures looked at, and how many of them were missing or wrong.
    pub(crate) checked: u32,
    pub(crate) wrong: u32,
    /// Octets of all bodies.
    pub(crate) octets: u64,
    /// When the first and the last subscriber was reached, in microseconds since the epoch.
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Count {
    fn add(&mut self, is_first: bool, octets: usize, is_right: Option<bool>, now: u64) {
        if is_first {
            self.reached = self.reached.saturating_add(1);
            self.first = if self.first == 0 { now } else { self.first.min(now) };
            self.last = self.last.max(now);
        } else {
            self.repeats = self.repeats.saturating_add(1);
        }
        self.octets = self.octets.saturating_add(u64::try_from(octets).unwrap_or_default());
        self.checked = self.checked.saturating_add(u32::from(is_right.is_some()));
        self.wrong = self.wrong.saturating_add(u32::from(is_right == Some(false)));
    }

    /// Both together.
    pub(crate) fn and(self, other: &Self) -> Self {
        let first = match (self.first, other.first) {
            (0, first) | (first, 0) => first,
            (one, other) => one.min(other),
        };
        Self {
            reached: self.reached.saturating_add(other.reached),
            repeats: self.repeats.saturating_add(other.repeats),
            checked: self.checked.saturating_add(other.checked),
            wrong: self.wrong.saturating_add(other.wrong),
            octets: self.octets.saturating_add(other.octets),
            first,
            last: self.last.max(other.last),
        }
    }
}

/// One arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) subscriber: u32,
    pub(super) is_healthy: bool,
    pub(super) octets: usize,
    /// The judgement of its signature, if it was looked at.
    pub(super) is_right: Option<bool>,
    pub(super) now: u64,
}

/// The sum, and whom it is about.
#[derive(Debug)]
pub(super) struct Tally {
    seen: Vec<bool>,
    /// Of the healthy subscribers, and of all others.
    pub(super) count: Count,
    pub(super) others: Count,
    /// How long it took to reach each of the healthy.
    pub(super) times: Option<Histogram<u32>>,
}

impl Tally {
    pub(super) fn new(subscribers: u32) -> Self {
        Self {
            seen: vec![false; usize::try_from(subscribers).unwrap_or_default()],
            count: Count::default(),
            others: Count::default(),
            times: stats::histogram(),
        }
    }

    /// Something arrived that was asked for at that moment. Says whether there is such a subscriber.
    pub(super) fn add(&mut self, arrival: &Arrival, asked: u64) -> bool {
        let place = usize::try_from(arrival.subscriber).ok().and_then(|place| self.seen.get_mut(place));
        let Some(seen) = place else { return false };
        let is_first = !*seen;
        *seen = true;
        let count = if arrival.is_healthy { &mut self.count } else { &mut self.others };
        count.add(is_first, arrival.octets, arrival.is_right, arrival.now);
        if let Some(times) = &mut self.times
            && is_first
            && arrival.is_healthy
        {
            times.saturating_record(arrival.now.saturating_sub(asked));
        }
        true
    }
}
