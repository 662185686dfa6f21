//! Waiting for what a program does, by notification and with a deadline.
//!
//! A [`Board`] holds what a fake peer has seen. Every change to it wakes whoever waits, so no test sleeps and looks
//! again. To show that something does *not* happen, a test publishes something else afterwards and waits for that.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// How long any one thing may take before the test fails: generous, since it is never waited out when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A value that is changed by one side and awaited by another.
#[derive(Debug)]
pub(crate) struct Board<T>(watch::Sender<T>);

impl<T> Board<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(watch::Sender::new(value))
    }

    /// Changes the value and wakes everyone who waits.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut result = None;
        self.0.send_modify(|value| result = Some(change(value)));
        result.unwrap()
    }

    /// Looks at the value as it is now.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.borrow())
    }

    /// Waits until `find` finds something, and fails with `what` if it has not within [`PATIENCE`].
    pub(crate) async fn find<R>(&self, what: &str, find: impl FnMut(&T) -> Option<R>) -> R {
        self.find_within(PATIENCE, what, find).await
    }

    /// The same for what takes long by itself.
    pub(crate) async fn find_within<R>(
        &self,
        within: Duration,
        what: &str,
        mut find: impl FnMut(&T) -> Option<R>,
    ) -> R {
        let mut found = None;
        let mut receiver = self.0.subscribe();
        let waiting = receiver.wait_for(|value| {
            found = find(value);
            found.is_some()
        });
        assert!(timeout(within, waiting).await.is_ok(), "waited {within:?} in vain for {what}");
        found.unwrap()
    }

    /// Waits until `holds` holds.
    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut(&T) -> bool) {
        self.find(what, |value| holds(value).then_some(())).await;
    }
}

/// A door that a fake peer stands behind with its answer until the test opens it.
#[derive(Debug, Clone)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Resolves when the gate is open; a gate that the test forgets stays closed.
    pub(crate) async fn opened(&self) {
        let mut receiver = self.0.subscribe();
        receiver.wait_for(|open| *open).await.unwrap();
    }
}

/// The answer of a future that must come within [`PATIENCE`].
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}
