//! Inbound rates per client address (P11, S30), per pair (X12), per callback host (X03) and per topic, and the sweeping without
//! which keyed limiters only grow.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock, clock::DefaultClock};
use tokio_util::sync::CancellationToken;

use super::client_ip::rate_key;
use crate::{
    config::LimitsConfig,
    protocol::{HostKey, IntentRequest, PairId, TopicId},
};

/// How often those that came back to their full allowance are forgotten.
const SWEEP: Duration = Duration::from_mins(1);

/// Allowances by client, and by whom the hub would have to ask.
#[derive(Debug)]
pub struct Limits {
    subscribe: DefaultKeyedRateLimiter<IpAddr>,
    publish: DefaultKeyedRateLimiter<IpAddr>,
    slaps: DefaultKeyedRateLimiter<IpAddr>,
    /// By address too: else one stranger could use up what the subscriber needs to renew.
    repeats: DefaultKeyedRateLimiter<(IpAddr, PairId)>,
    /// From all addresses: else a stranger would have as many times the above as addresses.
    pairs: DefaultKeyedRateLimiter<PairId>,
    hosts: DefaultKeyedRateLimiter<HostKey>,
    topics: DefaultKeyedRateLimiter<TopicId>,
}

/// Too many of these, and when there may be another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) what: &'static str,
    pub(super) wait: Duration,
}

impl Limits {
    pub fn new(rules: &LimitsConfig, slaps_per_second: NonZeroU32) -> Self {
        let burst = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(rules.burst));
        Self {
            subscribe: DefaultKeyedRateLimiter::keyed(burst(rules.subscribe_per_second)),
            publish: DefaultKeyedRateLimiter::keyed(burst(rules.publish_per_second)),
            slaps: DefaultKeyedRateLimiter::keyed(burst(slaps_per_second)),
            repeats: DefaultKeyedRateLimiter::keyed(Quota::per_minute(rules.repeats_per_minute)),
            pairs: DefaultKeyedRateLimiter::keyed(Quota::per_minute(rules.repeats_per_minute_in_all)),
            hosts: DefaultKeyedRateLimiter::keyed(burst(rules.callback_host_per_second)),
            topics: DefaultKeyedRateLimiter::keyed(burst(rules.topic_per_second)),
        }
    }

    /// A request for a pair: its subscriber may confirm whatever it is asked (X12), and its host may be one that somebody
    /// wants to have flooded (X03). What one address has too much of is not counted against the others. Whoever `is_there`
    /// already is not kept from renewing or leaving by what strangers ask of its host and topic.
    pub(super) fn intent(
        &self,
        client: IpAddr,
        intent: &IntentRequest,
        is_there: impl FnOnce() -> bool,
    ) -> Result<(), TooMany> {
        let (client, pair, host) = (rate_key(client), intent.pair(), intent.callback.host_key());
        check(&self.subscribe, &client, "too many requests from this address")?;
        check(&self.repeats, &(client, pair), "too many requests for this pair from this address")?;
        check(&self.pairs, &pair, "too many requests for this pair")?;
        let named = check(&self.hosts, &host, "hub.callback: too many requests name this host")
            .and_then(|()| check(&self.topics, &pair.topic, "hub.topic: too many requests name this topic"));
        named.or_else(|refused| if is_there() { Ok(()) } else { Err(refused) })
    }

    pub(super) fn publish(&self, client: IpAddr) -> Result<(), TooMany> {
        check(&self.publish, &rate_key(client), "too many requests from this address")
    }

    pub(super) fn slap(&self, client: IpAddr) -> Result<(), TooMany> {
        check(&self.slaps, &rate_key(client), "too many slaps from this address")
    }

    /// Forgets who has not been heard of, until the stop.
    pub async fn sweep(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.subscribe.retain_recent();
            self.publish.retain_recent();
            self.slaps.retain_recent();
            self.repeats.retain_recent();
            self.pairs.retain_recent();
            self.hosts.retain_recent();
            self.topics.retain_recent();
        }
    }
}

fn check<K: Clone + Eq + Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    what: &'static str,
) -> Result<(), TooMany> {
    limiter.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        TooMany { what, wait }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Request, request};

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn intent(topic: u32, callback: &str) -> IntentRequest {
        let form = format!("hub.mode=subscribe&hub.topic=http://t.example/{topic}&hub.callback={callback}");
        match request::parse(form.as_bytes()).unwrap() {
            Request::Intent(intent) => intent,
            Request::Publish(_) => panic!("it subscribes"),
        }
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn new() -> bool {
        false
    }

    const CALLBACK: &str = "http://reader.example/cb";

    #[test]
    fn a_burst_is_allowed_and_then_the_client_waits_while_others_do_not() {
        let (one, burst) = (NonZeroU32::MIN, number(3));
        let rules = LimitsConfig {
            subscribe_per_second: one,
            publish_per_second: one,
            burst,
            ..LimitsConfig::default()
        };
        let limits = Limits::new(&rules, NonZeroU32::MIN);
        for topic in 0..3 {
            assert_eq!(limits.intent(address(1), &intent(topic, CALLBACK), new), Ok(()));
        }
        let TooMany { what, wait } = limits.intent(address(1), &intent(3, CALLBACK), new).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(what.ends_with("from this address"), "{what}");
        assert_eq!(limits.publish(address(1)), Ok(()), "each kind has its own allowance");
        assert_eq!(limits.intent(address(2), &intent(3, CALLBACK), new), Ok(()));
    }

    #[test]
    fn x12_one_pair_is_asked_about_so_often_and_no_more_from_however_many_addresses() {
        let rules = LimitsConfig {
            repeats_per_minute: number(2),
            repeats_per_minute_in_all: number(3),
            ..LimitsConfig::default()
        };
        let limits = Limits::new(&rules, NonZeroU32::MIN);
        let ask = |client, topic| limits.intent(address(client), &intent(topic, CALLBACK), new);
        assert_eq!((ask(1, 1), ask(1, 1)), (Ok(()), Ok(())));
        let TooMany { what, wait } = ask(1, 1).unwrap_err();
        assert!(
            wait > Duration::from_secs(20) && what.ends_with("pair from this address"),
            "{what}: {wait:?}"
        );
        assert_eq!(ask(1, 2), Ok(()));
        assert_eq!(ask(2, 1), Ok(()), "the subscriber itself can still renew");
        assert!(ask(3, 1).unwrap_err().what.ends_with("for this pair"), "whoever asks");
        assert_eq!(ask(3, 2), Ok(()));
    }

    #[test]
    fn x03_one_callback_host_is_named_so_often_and_no_more_from_however_many_addresses() {
        let rules = LimitsConfig {
            callback_host_per_second: NonZeroU32::MIN,
            burst: number(2),
            ..LimitsConfig::default()
        };
        let limits = Limits::new(&rules, NonZeroU32::MIN);
        for topic in 1..=2 {
            let client = u8::try_from(topic).unwrap();
            assert_eq!(limits.intent(address(client), &intent(topic, CALLBACK), new), Ok(()));
        }
        let refused =
            limits.intent(address(3), &intent(3, "http://READER.example:80/other"), new).unwrap_err();
        assert!(
            refused.what.contains("hub.callback") && refused.wait <= Duration::from_secs(1),
            "{refused:?}"
        );
        assert_eq!(limits.intent(address(3), &intent(3, "http://other.example/cb"), new), Ok(()));
    }

    #[test]
    fn x03_one_topic_is_named_so_often_and_no_more_from_however_many_addresses_and_hosts() {
        let rules = LimitsConfig {
            topic_per_second: NonZeroU32::MIN,
            burst: number(2),
            callback_host_per_second: number(1000),
            ..LimitsConfig::default()
        };
        let limits = Limits::new(&rules, NonZeroU32::MIN);
        let ask = |client, topic| {
            limits.intent(address(client), &intent(topic, &format!("http://reader{client}.example/cb")), new)
        };
        assert_eq!((ask(1, 1), ask(2, 1)), (Ok(()), Ok(())));
        let refused = ask(3, 1).unwrap_err();
        assert!(refused.what.contains("hub.topic") && refused.wait <= Duration::from_secs(1), "{refused:?}");
        assert_eq!(ask(3, 2), Ok(()));
    }

    #[test]
    fn x03_who_is_there_already_renews_however_many_name_its_topic_and_its_host() {
        let one = NonZeroU32::MIN;
        for rules in [
            LimitsConfig { topic_per_second: one, burst: one, ..LimitsConfig::default() },
            LimitsConfig { callback_host_per_second: one, burst: one, ..LimitsConfig::default() },
        ] {
            let limits = Limits::new(&rules, NonZeroU32::MIN);
            let ask =
                |client, is_there: bool| limits.intent(address(client), &intent(1, CALLBACK), || is_there);
            assert_eq!(ask(1, false), Ok(()));
            assert!(ask(2, false).is_err());
            assert_eq!(ask(3, true), Ok(()));
        }
        // What bounds the questions to one pair holds for it as well (X12).
        let rules = LimitsConfig { repeats_per_minute: one, ..LimitsConfig::default() };
        let limits = Limits::new(&rules, NonZeroU32::MIN);
        let ask = || limits.intent(address(1), &intent(1, CALLBACK), || true);
        assert_eq!((ask().is_ok(), ask().is_ok()), (true, false));
    }
}
