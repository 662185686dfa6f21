//! Inbound rates per client address (P11, S30) and per pair (X12), and the sweeping without which keyed limiters only grow.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock, clock::DefaultClock};
use tokio_util::sync::CancellationToken;

use super::client_ip::rate_key;
use crate::protocol::PairId;

/// How often addresses that came back to their full allowance are forgotten.
const SWEEP: Duration = Duration::from_mins(1);

/// Allowances by client.
#[derive(Debug)]
pub struct Limits {
    subscribe: DefaultKeyedRateLimiter<IpAddr>,
    publish: DefaultKeyedRateLimiter<IpAddr>,
    /// By address too: else a stranger could use up what the subscriber needs to renew.
    repeats: DefaultKeyedRateLimiter<(IpAddr, PairId)>,
}

impl Limits {
    /// Requests a second, each with a burst of so many times that; and requests a minute for one pair, as many at once.
    pub fn new(subscribe: NonZeroU32, publish: NonZeroU32, burst: NonZeroU32, repeats: NonZeroU32) -> Self {
        let limiter = |rate: NonZeroU32| {
            DefaultKeyedRateLimiter::keyed(Quota::per_second(rate).allow_burst(rate.saturating_mul(burst)))
        };
        let repeats = DefaultKeyedRateLimiter::keyed(Quota::per_minute(repeats));
        Self { subscribe: limiter(subscribe), publish: limiter(publish), repeats }
    }

    pub(super) fn subscribe(&self, client: IpAddr) -> Result<(), Duration> {
        check(&self.subscribe, &rate_key(client))
    }

    /// One more request for a pair: its subscriber may confirm whatever it is asked (X12).
    pub(super) fn repeat(&self, client: IpAddr, pair: PairId) -> Result<(), Duration> {
        check(&self.repeats, &(rate_key(client), pair))
    }

    pub(super) fn publish(&self, client: IpAddr) -> Result<(), Duration> {
        check(&self.publish, &rate_key(client))
    }

    /// Forgets who has not been heard of, until the stop.
    pub async fn sweep(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.subscribe.retain_recent();
            self.publish.retain_recent();
            self.repeats.retain_recent();
        }
    }
}

fn check<K: Clone + Eq + Hash>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Duration> {
    limiter.check_key(key).map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{CallbackId, TopicId};

    #[test]
    fn a_burst_is_allowed_and_then_the_client_waits_while_others_do_not() {
        let one = NonZeroU32::MIN;
        let limits = Limits::new(one, one, NonZeroU32::new(3).unwrap(), one);
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert_eq!(limits.subscribe(client), Ok(()));
        }
        let wait = limits.subscribe(client).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limits.publish(client), Ok(()), "each kind has its own allowance");
        assert_eq!(limits.subscribe("192.0.2.2".parse().unwrap()), Ok(()));
    }
    #[test]
    fn x12_one_pair_is_asked_about_so_often_and_no_more() {
        let one = NonZeroU32::MIN;
        let limits = Limits::new(one, one, one, NonZeroU32::new(2).unwrap());
        let pair = |topic| PairId {
            topic: TopicId::from_bytes([topic; 16]),
            callback: CallbackId::from_bytes([0; 16]),
        };
        let [client, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        assert!(limits.repeat(client, pair(1)).is_ok() && limits.repeat(client, pair(1)).is_ok());
        assert!(limits.repeat(client, pair(1)).unwrap_err() > Duration::from_secs(20));
        assert_eq!(limits.repeat(client, pair(2)), Ok(()));
        assert_eq!(limits.repeat(other, pair(1)), Ok(()), "the subscriber itself can still renew");
    }
}
