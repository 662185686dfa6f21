//! The Salmon relay: whom it asks about whom, what it takes in, and how long it tries.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;

use super::{inbound::at_least_one, units};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// `[salmon]`: the relay (`salmon.md`). Names of hosts are in lower case, without port.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct SalmonConfig {
    /// For one request of a look-up.
    #[serde(deserialize_with = "units::span")]
    pub lookup_timeout: Duration,
    /// For all requests of a look-up; at least `lookup_timeout`.
    #[serde(deserialize_with = "units::span")]
    pub lookup_within: Duration,
    /// How long what was looked up is believed without asking again.
    #[serde(deserialize_with = "units::span")]
    pub keep_descriptor: Duration,
    /// How long it serves while its host is down; at least `keep_descriptor`.
    #[serde(deserialize_with = "units::span")]
    pub keep_stale: Duration,
    /// Hosts that are asked over plain http.
    pub http_hosts: Vec<String>,
    /// Whether keys of 512 to 1023 bits verify.
    pub small_keys: bool,
    /// Whether signatures over the data alone are taken (form L).
    pub legacy_form: bool,
    /// Hosts that are sent form L, too, when they refuse.
    pub legacy_hosts: Vec<String>,
    /// Hosts that are sent the `os:unfavorite` of StatusNet.
    pub unfavorite_hosts: Vec<String>,
    /// Waits before the second and later tries of what goes out, to peers and to the site; after the last, daily.
    #[serde(deserialize_with = "units::schedule")]
    pub retry: Vec<Duration>,
    /// How long they go on, from when the slap or entry came.
    #[serde(deserialize_with = "units::span")]
    pub give_up: Duration,
    /// How long a site may take to decide on a join.
    #[serde(deserialize_with = "units::span")]
    pub join_timeout: Duration,
    /// For one request to a site, or to the endpoint of a peer.
    #[serde(deserialize_with = "units::span")]
    pub forward_timeout: Duration,
    /// The largest slap.
    #[serde(deserialize_with = "units::memory")]
    pub max_bytes: usize,
    /// How long a post is known again.
    #[serde(deserialize_with = "units::span")]
    pub remember_posts: Duration,
    /// The oldest slap that is taken, by its own account.
    #[serde(deserialize_with = "units::optional_span")]
    pub max_age: Option<Duration>,
    /// Slaps a second from one address.
    pub slaps_per_second: NonZeroU32,
    /// Slaps a minute in the name of one author.
    pub slaps_per_author_per_minute: NonZeroU32,
    /// Look-ups a minute that one host orders, and that one host is asked.
    pub lookups_per_minute: NonZeroU32,
    /// Slaps that wait for the host of their author.
    pub most_waiting: usize,
    /// Slaps verified, sent or passed on at once, each.
    pub concurrency: usize,
}

impl Default for SalmonConfig {
    fn default() -> Self {
        Self {
            lookup_timeout: 5 * SECOND,
            lookup_within: 10 * SECOND,
            keep_descriptor: DAY,
            keep_stale: 7 * DAY,
            http_hosts: Vec::new(),
            small_keys: false,
            legacy_form: false,
            legacy_hosts: Vec::new(),
            unfavorite_hosts: Vec::new(),
            retry: vec![MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY],
            give_up: 7 * DAY,
            join_timeout: 8 * SECOND,
            forward_timeout: 20 * SECOND,
            max_bytes: 1 << 20,
            remember_posts: 90 * DAY,
            max_age: None,
            slaps_per_second: at_least_one(10),
            slaps_per_author_per_minute: at_least_one(60),
            lookups_per_minute: at_least_one(60),
            most_waiting: 10_000,
            concurrency: 16,
        }
    }
}
