//! What arrived of one publication, or of the verifications. Pure.

use serde::{Deserialize, Serialize};

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

/// The sum, and whom it is about.
#[derive(Debug)]
pub(crate) struct Tally {
    seen: Vec<bool>,
    pub(crate) count: Count,
}

impl Tally {
    pub(crate) fn new(subscribers: u32) -> Self {
        Self { seen: vec![false; usize::try_from(subscribers).unwrap_or_default()], count: Count::default() }
    }

    /// Something arrived. `is_right` is the judgement of its signature, if it was looked at. Says whether there is such
    /// a subscriber.
    pub(crate) fn add(&mut self, subscriber: u32, octets: usize, is_right: Option<bool>, now: u64) -> bool {
        let place = usize::try_from(subscriber).ok().and_then(|place| self.seen.get_mut(place));
        let Some(seen) = place else { return false };
        let count = &mut self.count;
        if *seen {
            count.repeats = count.repeats.saturating_add(1);
        } else {
            *seen = true;
            count.reached = count.reached.saturating_add(1);
            count.first = if count.first == 0 { now } else { count.first.min(now) };
            count.last = count.last.max(now);
        }
        count.octets = count.octets.saturating_add(u64::try_from(octets).unwrap_or_default());
        count.checked = count.checked.saturating_add(u32::from(is_right.is_some()));
        count.wrong = count.wrong.saturating_add(u32::from(is_right == Some(false)));
        true
    }
}
