//! Whether the store can still be relied on. What failed once stays failed until a restart: a write that failed may have
//! left a gap in the engine's log, and after an fsync that failed the kernel may have dropped what it could not write.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// A flush takes milliseconds. One that takes this long is not to come: the disk hangs, or the engine waits for a write
/// that it knows to have failed.
pub(super) const STALLED: Duration = Duration::from_secs(10);

/// How often whoever waits looks whether a write hangs, or has ended.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Health {
    failed: OnceLock<String>,
    /// Since when the engine has been at a write.
    writing_since: Mutex<Option<Instant>>,
}

impl Health {
    /// Something failed, for this reason. Says whether it is the first.
    pub(super) fn fail(&self, reason: impl Into<String>) -> bool {
        self.failed.set(reason.into()).is_ok()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.get().is_some()
    }

    /// A write goes to the engine: until it has answered, however it does.
    #[expect(clippy::disallowed_methods, reason = "a disk knows no paused time")]
    pub(super) fn writing(&self) -> Writing<'_> {
        *self.since() = Some(Instant::now());
        Writing(self)
    }

    pub(super) fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.writing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.since().is_some_and(|since| since.elapsed() >= STALLED)
    }

    /// What is wrong, in words for the operator; `None` if nothing is.
    pub(super) fn trouble(&self) -> Option<String> {
        if let Some(reason) = self.failed.get() {
            return Some(reason.clone());
        }
        self.is_stalled().then(|| format!("a write has taken more than {} seconds", STALLED.as_secs()))
    }
}

/// A write that the engine has not answered yet.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub(super) struct Writing<'a>(&'a Health);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        *self.0.since() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_for_ever_and_a_stall_while_it_lasts() {
        let health = Health::default();
        assert_eq!(health.trouble(), None);
        let writing = health.writing();
        assert_eq!(health.trouble(), None);
        let long_ago = health.since().unwrap().checked_sub(STALLED);
        *health.since() = long_ago;
        assert!(health.trouble().unwrap().contains("10 seconds"));
        drop(writing);
        assert_eq!(health.trouble(), None);
        assert!(health.fail("no space left"));
        assert!(!health.fail("something else"));
        assert_eq!(health.trouble().unwrap(), "no space left");
    }
}
