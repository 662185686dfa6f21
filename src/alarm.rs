//! A timer for one short wait after the other.
//!
//! Entering a timer into the runtime's wheel and taking it out again costs about as much as signing a small body, and
//! nearly every answer comes long before its deadline. So an alarm stays where an earlier wait had set it, and is set
//! anew only when it goes off too early: once in a while, and not once a request.
//!
//! A peer that never stops talking cannot talk past it: the runtime lets a task do so much before others have their turn,
//! and work that uses all of that up would leave nothing for the timer, each time anew.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// Used for one wait at a time.
#[derive(Debug)]
pub struct Alarm(Pin<Box<Sleep>>);

/// The deadline came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLate;

impl Alarm {
    /// One that goes off `within` from now at the earliest, for the first of many waits that are about so long.
    pub fn new(within: Duration) -> Self {
        let now = Instant::now();
        Self(Box::pin(sleep_until(now.checked_add(within).unwrap_or(now))))
    }

    /// Waits for `work`, and no longer than until `deadline`. What is not done by then goes on when it is polled again.
    pub async fn wait<F: Future>(&mut self, deadline: Instant, work: F) -> Result<F::Output, TooLate> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_past(deadline, cx).map(|()| Err(TooLate)),
        })
        .await
    }

    fn poll_past(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline < self.0.deadline() {
            self.0.as_mut().reset(deadline);
        }
        while pin!(unconstrained(self.0.as_mut())).poll(cx).is_ready() {
            if self.0.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::{
        task::coop::consume_budget,
        time::{advance, sleep},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_deadline_wherever_the_alarm_stood() {
        let mut alarm = Alarm::new(SECOND);
        for span in [SECOND, SECOND / 10, SECOND * 5, SECOND / 2] {
            let began = Instant::now();
            assert_eq!(alarm.wait(began + span, pending::<()>()).await, Err(TooLate));
            assert_eq!(began.elapsed(), span);
        }
    }

    /// In real time: a clock that stands still while there is work would prove nothing.
    #[tokio::test]
    async fn x10_work_that_never_pauses_is_too_late_as_well() {
        let mut alarm = Alarm::new(SECOND);
        let restless = async {
            loop {
                consume_budget().await;
            }
        };
        let deadline = Instant::now() + SECOND / 50;
        assert_eq!(alarm.wait(deadline, restless).await.map(|(): ()| ()), Err(TooLate));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_in_time_is_handed_on_and_what_is_late_goes_on() {
        let mut alarm = Alarm::new(SECOND);
        assert_eq!(alarm.wait(Instant::now() + SECOND, ready(1)).await, Ok(1));
        advance(SECOND * 3).await;
        let mut work = pin!(async {
            sleep(SECOND).await;
            2
        });
        assert_eq!(alarm.wait(Instant::now() + SECOND / 2, work.as_mut()).await, Err(TooLate));
        assert_eq!(alarm.wait(Instant::now() + SECOND, work.as_mut()).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_still_lets_what_is_ready_through() {
        let mut alarm = Alarm::new(SECOND);
        assert_eq!(alarm.wait(Instant::now(), ready(1)).await, Ok(1));
        assert_eq!(alarm.wait(Instant::now(), pending::<()>()).await, Err(TooLate));
    }
}
