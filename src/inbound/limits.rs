//! Inbound rates per client address (P11, S30), and the sweeping without which keyed limiters only grow.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock, clock::DefaultClock};
use tokio_util::sync::CancellationToken;

use super::client_ip::rate_key;

/// How often addresses that came back to their full allowance are forgotten.
const SWEEP: Duration = Duration::from_mins(1);

/// Allowances by client.
#[derive(Debug)]
pub struct Limits {
    subscribe: DefaultKeyedRateLimiter<IpAddr>,
    publish: DefaultKeyedRateLimiter<IpAddr>,
}

impl Limits {
    /// Requests a second, each with a burst of so many times that.
    pub fn new(subscribe: NonZeroU32, publish: NonZeroU32, burst: NonZeroU32) -> Self {
        let limiter = |rate: NonZeroU32| {
            DefaultKeyedRateLimiter::keyed(Quota::per_second(rate).allow_burst(rate.saturating_mul(burst)))
        };
        Self { subscribe: limiter(subscribe), publish: limiter(publish) }
    }

    pub(super) fn subscribe(&self, client: IpAddr) -> Result<(), Duration> {
        check(&self.subscribe, client)
    }

    pub(super) fn publish(&self, client: IpAddr) -> Result<(), Duration> {
        check(&self.publish, client)
    }

    /// Forgets who has not been heard of, until the stop.
    pub async fn sweep(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.subscribe.retain_recent();
            self.publish.retain_recent();
        }
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<IpAddr>, client: IpAddr) -> Result<(), Duration> {
    limiter
        .check_key(&rate_key(client))
        .map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_client_waits_while_others_do_not() {
        let one = NonZeroU32::MIN;
        let limits = Limits::new(one, one, NonZeroU32::new(3).unwrap());
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert_eq!(limits.subscribe(client), Ok(()));
        }
        let wait = limits.subscribe(client).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limits.publish(client), Ok(()), "each kind has its own allowance");
        assert_eq!(limits.subscribe("192.0.2.2".parse().unwrap()), Ok(()));
    }
}
