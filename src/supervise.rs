//! Background tasks: tracked, so that a stop waits for them; restarted with back-off when they fail, and loud when
//! that does not help.
//!
//! Two tokens make a stop in two stages. *Soft*: take nothing new, finish or checkpoint what is under way. *Hard*: drop
//! it; everything that waits is on disk.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

/// Pause before the first restart of a failed task; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A task that ran this long before it failed starts afresh.
const STEADY: Duration = Duration::from_mins(1);
/// Failures in a row after which the program gives up and lets the service manager have a go.
const PATIENCE: u32 = 8;

/// The tasks of one running hub. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asked to stop: take nothing new.
    pub fn stopping(&self) -> &CancellationToken {
        &self.soft
    }

    /// Begins the stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Whether a task and not a person asked for the stop.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Runs a piece of work that a stop waits for, and that a hard stop drops.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let hard = self.hard.clone();
        self.tracker.spawn(async move { hard.run_until_cancelled(work).await })
    }

    /// Keeps a loop running until the stop; `start` makes a new one after each failure.
    pub fn keep<S, F, E>(&self, name: &'static str, start: S)
    where
        S: Fn() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let mut pause = FIRST_PAUSE;
            let mut failures: u32 = 0;
            loop {
                let began = Instant::now();
                // A task of its own, so that a panic ends the loop's turn and not the supervision.
                let ended = tasks.spawn(start()).await;
                if tasks.soft.is_cancelled() {
                    return;
                }
                match ended {
                    Ok(Some(Ok(())) | None) => return,
                    Ok(Some(Err(reason))) => error!(task = name, %reason, "background task failed"),
                    // Without its message, which may be made of anything.
                    Err(_panic) => error!(task = name, "background task panicked"),
                }
                if began.elapsed() > STEADY {
                    pause = FIRST_PAUSE;
                    failures = 0;
                }
                failures = failures.saturating_add(1);
                if failures >= PATIENCE {
                    error!(task = name, failures, "background task keeps failing; stopping the hub");
                    tasks.failed.store(true, Ordering::SeqCst);
                    tasks.stop();
                    return;
                }
                let waited = tasks.soft.run_until_cancelled(sleep(pause)).await;
                if waited.is_none() {
                    return;
                }
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Waits until every task has ended, then drops what is left after `within`. Says whether nothing was left.
    pub async fn finish(&self, within: Duration) -> bool {
        self.stop();
        self.tracker.close();
        let in_time = timeout(within, self.tracker.wait()).await.is_ok();
        self.hard.cancel();
        self.tracker.wait().await;
        in_time
    }
}

#[cfg(test)]
mod tests {
    use std::{future, sync::atomic::AtomicU32};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_fails_is_started_again_with_growing_pauses_and_then_given_up() {
        let tasks = Tasks::new();
        let starts = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&starts);
        let began = Instant::now();
        tasks.keep("failing", move || {
            count.fetch_add(1, Ordering::SeqCst);
            future::ready(Err::<(), _>("no"))
        });
        tasks.stopping().cancelled().await;
        assert_eq!(starts.load(Ordering::SeqCst), PATIENCE);
        assert!(began.elapsed() > FIRST_PAUSE * 16, "no hot loop: {:?}", began.elapsed());
        assert!(tasks.failed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_work_and_drops_what_outlasts_it() {
        let tasks = Tasks::new();
        let short = tasks.spawn(sleep(Duration::from_secs(1)));
        let long = tasks.spawn(future::pending::<()>());
        let in_time = tasks.finish(Duration::from_secs(5)).await;
        assert!(!in_time);
        assert_eq!(short.await.unwrap(), Some(()));
        assert_eq!(long.await.unwrap(), None);
        assert!(!tasks.failed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure_like_any_other() {
        let tasks = Tasks::new();
        let starts = AtomicU32::new(0);
        let again = Arc::new(Notify::new());
        let started = Arc::clone(&again);
        tasks.keep("panicking", move || {
            let first = starts.fetch_add(1, Ordering::SeqCst) == 0;
            let started = Arc::clone(&started);
            async move {
                assert!(!first, "the first start fails");
                started.notify_one();
                Ok::<(), String>(())
            }
        });
        again.notified().await;
        assert!(tasks.finish(Duration::from_secs(30)).await);
        assert!(!tasks.failed());
    }
}
