//! When a backlog is tried again: the retry schedule, jitter, and the subscriber's own wish. Pure.

use std::time::Duration;

use crate::{clock::Timestamp, config::DeliveryConfig, random::Random};

/// When the try after `attempts` failed ones is due (D17). A subscriber's `Retry-After` can only put it off: the
/// caller has capped it already.
pub(super) fn next_try(
    rules: &DeliveryConfig,
    random: &Random,
    attempts: u32,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Timestamp {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let step = rules.retry.get(index).or(rules.retry.last()).copied().unwrap_or(Duration::from_mins(1));
    let step = random.jitter(step, rules.jitter);
    now.after(retry_after.map_or(step, |wish| wish.max(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> DeliveryConfig {
        DeliveryConfig {
            retry: [5, 30, 120].map(Duration::from_secs).to_vec(),
            jitter: 0.0,
            ..crate::config::Config::default().delivery
        }
    }

    fn after(attempts: u32, retry_after: Option<u64>) -> u64 {
        let now = Timestamp::from_millis(1_000_000);
        let due = next_try(&rules(), &Random::seeded(1), attempts, retry_after.map(Duration::from_secs), now);
        due.since(now).as_secs()
    }

    #[test]
    fn each_failure_takes_the_next_step_and_the_last_step_repeats() {
        assert_eq!([1, 2, 3, 4, 400].map(|attempts| after(attempts, None)), [5, 30, 120, 120, 120]);
    }

    #[test]
    fn a_wish_of_the_subscriber_puts_off_and_never_hastens() {
        assert_eq!(after(1, Some(90)), 90);
        assert_eq!(after(3, Some(1)), 120);
    }
}
