//! Wall time, as a value and as a seam.
//!
//! Leases, due times and digests are dated in [`Timestamp`]s read from an injected [`Clock`], so that a month of
//! leases is tested in a millisecond. Sleeping is tokio's own business. This file is the only one that asks the
//! system for the time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of time: earlier than anything that is due.
    pub const EPOCH: Self = Self(0);
    /// Later than anything that is due.
    pub const MAX: Self = Self(u64::MAX);

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This moment plus a span; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This moment less a span; stops at the epoch.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;

    /// It was at least this late before: what is on disk is due relative to that.
    fn not_before(&self, at: Timestamp);
}

/// The operating system's clock, except that it never goes back: whatever waits is due at a moment of its own time, and
/// after a clock that was a day ahead is set right it would wait for a day. It goes on from where it was instead, ahead of
/// the system by as much, which no lease and no pause can tell.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    /// Milliseconds from the epoch to `began`, as the latest that the system's clock ever said.
    epoch: AtomicU64,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn default() -> Self {
        Self { began: Instant::now(), epoch: AtomicU64::new(0) }
    }
}

impl SystemClock {
    fn at(&self, wall: Timestamp, passed: Duration) -> Timestamp {
        let epoch = wall.before(passed).as_millis();
        // Almost always it is known already, and many ask.
        let known = self.epoch.load(Ordering::Relaxed);
        let epoch =
            if epoch > known { self.epoch.fetch_max(epoch, Ordering::Relaxed).max(epoch) } else { known };
        Timestamp(epoch).after(passed)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn now(&self) -> Timestamp {
        let passed = self.began.elapsed();
        // A clock before 1970 is a broken machine; the epoch keeps every due time in the past, so nothing waits forever.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at(Timestamp::EPOCH.after(since), passed)
    }

    fn not_before(&self, at: Timestamp) {
        let _now = self.at(at, self.began.elapsed());
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(start.as_millis())))
    }

    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().after(span).as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn not_before(&self, at: Timestamp) {
        self.0.fetch_max(at.0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.before(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_millis(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(7).since(Timestamp::from_millis(5)), Duration::from_millis(2));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_millis(10));
        assert_eq!(clock.now(), Timestamp::from_millis(10));
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(15));
    }

    #[test]
    fn the_systems_clock_goes_on_where_it_was_when_it_is_set_back() {
        let clock = SystemClock::default();
        let (day, second) = (Duration::from_hours(24), Duration::from_secs(1));
        let before = Timestamp::EPOCH.after(day * 20_000);
        assert_eq!(clock.at(before, second), before);
        assert_eq!(clock.at(before.before(day), second * 3), before.after(second * 2));
        assert_eq!(clock.at(before.after(day), second * 4), before.after(day));
        assert_eq!(clock.at(before, second * 5), before.after(day).after(second));
        let clock = SystemClock::default();
        let later = clock.now().after(day);
        clock.not_before(later);
        assert!(clock.now() >= later);
    }
}
