//! The rules that one value alone cannot break, and those that its type does not state.
//!
//! Every broken rule is reported, not the first: nobody should start the hub five times to learn of five mistakes.

use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Config, ConfigErrors, Problem};
use crate::feed::ElementName;

/// The largest sensible count, or size in memory: far above 4 GiB, queues could not even be made.
const MOST: usize = 1 << 32;

/// No lease is shorter, because it is told to the subscriber in whole seconds that are more than zero (V05).
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// Publishers would take anything faster for an attack.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// Below it the store thrashes.
const SMALLEST_CACHE: u64 = 1 << 20;

/// Twice as many of the 512 threads that may block wait for name servers at worst; the store needs the others.
const MOST_LOOKUPS: usize = 200;

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) section: &'static str,
    /// The keys it is about, the one to look at first first.
    pub(super) keys: Vec<&'static str>,
    pub(super) reason: String,
}

impl Config {
    /// Holds a configuration against every rule, for instance after flags were laid over it.
    ///
    /// `source` is what the errors name as the place where the values came from.
    pub fn check(&self, source: &str) -> Result<(), ConfigErrors> {
        let broken = self.broken_rules();
        if broken.is_empty() {
            return Ok(());
        }
        let problems = broken.into_iter().map(|Broken { section, keys, reason }| Problem {
            line: None,
            key: format!("{section}.{}", keys.first().copied().unwrap_or_default()),
            reason,
        });
        Err(ConfigErrors::new(source, problems.collect()))
    }

    pub(super) fn broken_rules(&self) -> Vec<Broken> {
        let mut rules = Rules::default();
        self.check_process(&mut rules);
        self.check_inbound(&mut rules);
        self.check_subscribing(&mut rules);
        self.check_publishing(&mut rules);
        self.check_distribution(&mut rules);
        self.check_salmon(&mut rules);
        rules.broken
    }

    fn check_process(&self, rules: &mut Rules) {
        let Self { storage, log, .. } = self;
        rules.section = "storage";
        rules.that(!storage.path.as_os_str().is_empty(), &["path"], "is empty");
        rules.that(storage.cache_bytes >= SMALLEST_CACHE, &["cache_bytes"], "is less than 1 MiB");
        rules.section = "log";
        if let Err(error) = EnvFilter::try_new(&log.filter) {
            rules.that(
                false,
                &["filter"],
                format!("is no filter such as \"info\" or \"hubbub=debug\": {error}"),
            );
        }
    }

    fn check_inbound(&self, rules: &mut Rules) {
        let Self { server, admin, limits, network, .. } = self;
        rules.section = "server";
        rules.lasts(server.stop_within, "stop_within");
        rules.lasts(server.header_timeout, "header_timeout");
        rules.lasts(server.body_timeout, "body_timeout");
        rules.counts(server.max_connections, "max_connections");
        rules.counts(server.max_body_bytes, "max_body_bytes");
        rules.section = "admin";
        // Two listeners on one address would fail when they are bound; told here, it is told with the key.
        rules.that(
            admin.listen != server.listen || admin.listen.port() == 0,
            &["listen"],
            format!("{} is server.listen too", admin.listen),
        );
        rules.section = "limits";
        rules.counts(limits.per_callback_host, "per_callback_host");
        rules.counts(limits.subscriptions_per_callback_host, "subscriptions_per_callback_host");
        rules.section = "network";
        rules.hosts(&network.self_signed_hosts, "self_signed_hosts");
        rules.that(!network.ports.is_empty(), &["ports"], "is empty, so nothing could be reached");
        rules.counts(network.lookups, "lookups");
        rules.that(network.lookups <= MOST_LOOKUPS, &["lookups"], format!("is more than {MOST_LOOKUPS}"));
    }

    fn check_subscribing(&self, rules: &mut Rules) {
        let Self { lease, verification, .. } = self;
        rules.section = "lease";
        rules.that(lease.min >= SHORTEST_LEASE, &["min"], "is shorter than one second");
        rules.that(lease.min <= lease.default, &["min", "default"], "lease.min is longer than lease.default");
        rules.that(lease.default <= lease.max, &["default", "max"], "lease.default is longer than lease.max");
        // Written so that no comparison with a NaN, which TOML can spell, is taken for a yes.
        rules.that(
            lease.refresh_at > 0.0 && lease.refresh_at < 1.0,
            &["refresh_at"],
            "is not between 0 and 1, both excluded",
        );
        rules.section = "verification";
        rules.lasts(verification.timeout, "timeout");
        rules.lasts(verification.hold_deliveries, "hold_deliveries");
        rules.waits(&verification.retry, "retry");
        rules.waits(&verification.retry_03, "retry_03");
        rules.counts(verification.concurrency, "concurrency");
    }

    fn check_publishing(&self, rules: &mut Rules) {
        let Self { fetch, polling, publications, feed, .. } = self;
        rules.section = "fetch";
        rules.lasts(fetch.timeout, "timeout");
        rules.counts(fetch.max_bytes, "max_bytes");
        rules.waits(&fetch.look_again, "look_again");
        rules.waits(&fetch.retry, "retry");
        rules.counts(fetch.concurrency, "concurrency");
        rules.section = "polling";
        rules.that(polling.every >= SHORTEST_POLL, &["every"], "is shorter than one second");
        rules.section = "publications";
        rules.lasts(publications.keep_for, "keep_for");
        rules.that(publications.keep_bytes > 0, &["keep_bytes"], "is zero");
        rules.section = "feed";
        rules.lasts(feed.remember_for, "remember_for");
        for (key, names) in [("volatile_feed", &feed.volatile_feed), ("volatile_entry", &feed.volatile_entry)]
        {
            for fault in names.iter().filter_map(|name| name.parse::<ElementName>().err()) {
                rules.that(false, &[key], fault.to_string());
            }
        }
    }

    fn check_distribution(&self, rules: &mut Rules) {
        let Self { delivery, hosts, .. } = self;
        rules.section = "delivery";
        rules.lasts(delivery.timeout, "timeout");
        rules.lasts(delivery.connect_timeout, "connect_timeout");
        rules.lasts(delivery.patience, "patience");
        rules.that(
            delivery.connect_timeout <= delivery.timeout,
            &["connect_timeout", "timeout"],
            "delivery.connect_timeout is longer than delivery.timeout, which includes it",
        );
        rules.that(
            delivery.patience <= delivery.timeout,
            &["patience", "timeout"],
            "delivery.patience is longer than delivery.timeout, so it would never end",
        );
        rules.that(!delivery.retry.is_empty(), &["retry"], "is empty; its last wait is the one that repeats");
        rules.waits(&delivery.retry, "retry");
        rules.that((0.0..=1.0).contains(&delivery.jitter), &["jitter"], "is not between 0 and 1");
        rules.counts(delivery.max_entries, "max_entries");
        rules.counts(delivery.max_document_bytes, "max_document_bytes");
        rules.hosts(delivery.signature_for_hosts.keys(), "signature_for_hosts");
        rules.counts(delivery.batch, "batch");
        rules.counts(delivery.concurrency, "concurrency");
        rules.counts(delivery.topics, "topics");
        rules.section = "hosts";
        rules.counts(hosts.connections, "connections");
        rules.that(
            hosts.breaker_failures > 0.0 && hosts.breaker_failures <= 1.0,
            &["breaker_failures"],
            "is not above 0 and at most 1",
        );
        rules.lasts(hosts.breaker_window, "breaker_window");
        rules.that(hosts.breaker_min_tries > 0, &["breaker_min_tries"], "is zero");
        rules.lasts(hosts.breaker_pause, "breaker_pause");
    }

    fn check_salmon(&self, rules: &mut Rules) {
        let Self { salmon, .. } = self;
        rules.section = "salmon";
        rules.lasts(salmon.lookup_timeout, "lookup_timeout");
        rules.that(
            salmon.lookup_timeout <= salmon.lookup_within,
            &["lookup_timeout", "lookup_within"],
            "salmon.lookup_timeout is longer than salmon.lookup_within, which includes it",
        );
        rules.lasts(salmon.keep_descriptor, "keep_descriptor");
        rules.that(
            salmon.keep_descriptor <= salmon.keep_stale,
            &["keep_stale", "keep_descriptor"],
            "salmon.keep_stale is shorter than salmon.keep_descriptor",
        );
        rules.hosts(&salmon.http_hosts, "http_hosts");
        rules.hosts(&salmon.legacy_hosts, "legacy_hosts");
        rules.hosts(&salmon.unfavorite_hosts, "unfavorite_hosts");
        rules.waits(&salmon.retry, "retry");
        rules.lasts(salmon.give_up, "give_up");
        rules.lasts(salmon.join_timeout, "join_timeout");
        rules.lasts(salmon.forward_timeout, "forward_timeout");
        rules.counts(salmon.max_bytes, "max_bytes");
        rules.lasts(salmon.remember_posts, "remember_posts");
        if let Some(max_age) = salmon.max_age {
            rules.lasts(max_age, "max_age");
        }
        rules.counts(salmon.most_waiting, "most_waiting");
        rules.counts(salmon.concurrency, "concurrency");
    }
}

/// Collects what is broken in one section after the other.
#[derive(Debug, Default)]
struct Rules {
    section: &'static str,
    broken: Vec<Broken>,
}

impl Rules {
    fn that(&mut self, holds: bool, keys: &[&'static str], otherwise: impl Into<String>) {
        if !holds {
            self.broken.push(Broken { section: self.section, keys: keys.to_vec(), reason: otherwise.into() });
        }
    }

    /// A span in which something must be able to happen.
    fn lasts(&mut self, span: Duration, key: &'static str) {
        self.that(!span.is_zero(), &[key], "is zero");
    }

    /// A number of things of which there must be room for one.
    fn counts(&mut self, number: usize, key: &'static str) {
        self.that(number > 0, &[key], "is zero");
        self.that(number <= MOST, &[key], format!("is more than {MOST}"));
    }

    /// Names of hosts as they are compared: anything else would silently match nothing.
    fn hosts<'a>(&mut self, names: impl IntoIterator<Item = &'a String>, key: &'static str) {
        for name in names {
            let is_host = Url::parse(&format!("https://{name}/")).is_ok_and(|url| {
                url.host_str() == Some(name)
                    && url.port().is_none()
                    && url.path() == "/"
                    && url.username().is_empty()
            });
            self.that(
                is_host,
                &[key],
                format!("\"{name}\" is no name of a host in lower case, without port"),
            );
        }
    }

    /// A schedule without a zero in it: what failed would be repeated as fast as it can fail.
    fn waits(&mut self, schedule: &[Duration], key: &'static str) {
        self.that(!schedule.iter().any(Duration::is_zero), &[key], "has a wait of zero in it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_break_no_rule() {
        assert_eq!(Config::default().check("the defaults"), Ok(()));
    }

    #[test]
    fn a_flag_that_breaks_a_rule_is_named_by_its_key() {
        let mut config = Config::default();
        config.server.listen = config.admin.listen;
        let errors = config.check("the command line").unwrap_err().to_string();
        assert_eq!(errors, "the command line: admin.listen: 127.0.0.1:8081 is server.listen too");
    }

    #[test]
    fn two_listeners_may_both_take_any_free_port() {
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.admin.listen.set_port(0);
        assert_eq!(config.check("the command line"), Ok(()));
    }
}
