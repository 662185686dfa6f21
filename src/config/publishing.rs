//! Topics: how they are fetched after a ping, what counts as news, and how long news are kept.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::units;
use crate::{feed::JsonFeed, protocol::TopicPattern};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// `[fetch]`: the GET of a topic.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct FetchConfig {
    /// For a whole fetch, redirects included (F11).
    #[serde(deserialize_with = "units::span")]
    pub timeout: Duration,
    /// The largest body, in bytes after decompression (F11); before it, somewhat more (F09).
    #[serde(deserialize_with = "units::memory")]
    pub max_bytes: usize,
    /// Redirects followed; 0 follows none.
    pub redirects: usize,
    /// When a fetch that found nothing new is repeated.
    #[serde(deserialize_with = "units::schedule")]
    pub look_again: Vec<Duration>,
    /// Waits before the second and later tries of a fetch that failed (F10).
    #[serde(deserialize_with = "units::schedule")]
    pub retry: Vec<Duration>,
    /// The shortest time from one fetch of a topic to the next that a ping asks for (P05, P11).
    #[serde(deserialize_with = "units::span")]
    pub coalesce: Duration,
    /// The most readers that the callbacks of one host may claim to stand for together (D19); 0 counts none.
    pub readers_per_host: u64,
    /// Fetches under way at once; as many again may have turned out to be slow.
    pub concurrency: usize,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            timeout: 30 * SECOND,
            max_bytes: 10 << 20,
            redirects: 5,
            look_again: vec![5 * SECOND, 30 * SECOND, 2 * MINUTE],
            retry: vec![30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE],
            coalesce: Duration::from_millis(500),
            readers_per_host: 100_000,
            concurrency: 64,
        }
    }
}

/// `[polling]`: topics that are fetched without being pinged (P15).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct PollingConfig {
    /// From one look to the next.
    #[serde(deserialize_with = "units::span")]
    pub every: Duration,
    /// Which topics, if somebody subscribes to them.
    pub topics: Vec<TopicPattern>,
}

impl Default for PollingConfig {
    fn default() -> Self {
        Self { every: HOUR, topics: Vec::new() }
    }
}

/// `[publications]`: how long what was published is kept for subscribers that were down.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct PublicationsConfig {
    /// The greatest age.
    #[serde(deserialize_with = "units::span")]
    pub keep_for: Duration,
    /// The bytes of all of them together.
    #[serde(deserialize_with = "units::bytes")]
    pub keep_bytes: u64,
}

impl Default for PublicationsConfig {
    fn default() -> Self {
        Self { keep_for: 7 * DAY, keep_bytes: 1 << 30 }
    }
}

/// `[feed]`: what is news in a feed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct FeedConfig {
    /// How long an entry is known after it was last seen, and a topic after it was last wanted (F18).
    #[serde(deserialize_with = "units::span")]
    pub remember_for: Duration,
    /// Further elements whose change at feed level is no news (F13): `prefix:name`, a bare name or `{namespace}name`.
    pub volatile_feed: Vec<String>,
    /// Further elements whose change makes no new version of an entry (F16), written likewise.
    pub volatile_entry: Vec<String>,
    /// Whether a JSON Feed is cut down to its new items (F19).
    pub json_feed: JsonFeed,
    /// The same for these topics instead.
    pub json_feed_for_topics: BTreeMap<TopicPattern, JsonFeed>,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            remember_for: 30 * DAY,
            volatile_feed: Vec::new(),
            volatile_entry: Vec::new(),
            json_feed: JsonFeed::default(),
            json_feed_for_topics: BTreeMap::new(),
        }
    }
}
