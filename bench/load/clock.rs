//! The wall clock: the one clock that three processes share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// From one moment to a later one; zero if it is not later.
pub(crate) fn between(from: u64, to: u64) -> Duration {
    Duration::from_micros(to.saturating_sub(from))
}
