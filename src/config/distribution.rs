//! Deliveries: how long they may take, when they are tried again, what they carry, and how hosts are spared.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::protocol::{Algorithm, TopicPattern};

use super::units;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// `[delivery]`: content distribution.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct DeliveryConfig {
    /// For one request, from connecting to the last byte of the answer (D21).
    #[serde(deserialize_with = "units::span")]
    pub timeout: Duration,
    /// For the connection alone; at most `timeout`.
    #[serde(deserialize_with = "units::span")]
    pub connect_timeout: Duration,
    /// How long a fan-out waits for one answer before it goes on and leaves a backlog; at most `timeout`.
    #[serde(deserialize_with = "units::span")]
    pub patience: Duration,
    /// Waits before the second and later tries (D17); the last repeats while the lease lasts. Never empty.
    #[serde(deserialize_with = "units::schedule")]
    pub retry: Vec<Duration>,
    /// By what fraction a wait is moved either way; 0 to 1.
    pub jitter: f64,
    /// The longest `Retry-After` that is believed.
    #[serde(deserialize_with = "units::span")]
    pub retry_after_max: Duration,
    /// Entries in one document (F25).
    pub max_entries: usize,
    /// Bytes in one document that was merged for a catch-up.
    #[serde(deserialize_with = "units::memory")]
    pub max_document_bytes: usize,
    /// What a subscription gets first (D03).
    pub first: FirstDelivery,
    /// How deliveries are signed (D10).
    pub signature: Algorithm,
    /// How deliveries of these topics are signed instead.
    pub signature_for_topics: BTreeMap<TopicPattern, Algorithm>,
    /// How deliveries to these callback hosts are signed instead, whatever the topic. Names in lower case, without port.
    pub signature_for_hosts: BTreeMap<String, Algorithm>,
    /// Whether signed deliveries carry `X-Hub-Signature-256` as well (D11).
    pub also_sha256: bool,
    /// Whether deliveries name their topic and their callback in headers (D28).
    pub topic_headers: bool,
    /// Subscriptions in flight per fan-out, and the most that is repeated after a crash.
    pub batch: usize,
    /// Requests under way at once, over all fan-outs.
    pub concurrency: usize,
    /// Fan-outs under way at once.
    pub topics: usize,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            timeout: 20 * SECOND,
            connect_timeout: 5 * SECOND,
            patience: SECOND,
            retry: vec![
                5 * SECOND,
                30 * SECOND,
                2 * MINUTE,
                10 * MINUTE,
                30 * MINUTE,
                2 * HOUR,
                6 * HOUR,
                12 * HOUR,
                24 * HOUR,
            ],
            jitter: 0.2,
            retry_after_max: 6 * HOUR,
            max_entries: 200,
            max_document_bytes: 10 << 20,
            first: FirstDelivery::default(),
            signature: Algorithm::Sha1,
            signature_for_topics: BTreeMap::new(),
            signature_for_hosts: BTreeMap::new(),
            also_sha256: false,
            topic_headers: false,
            batch: 1024,
            concurrency: 1024,
            topics: 64,
        }
    }
}

/// What a subscription gets that was sent nothing yet (D03).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstDelivery {
    /// The whole feed for subscribers of 0.4 and `WebSub`, new entries for those of 0.3.
    #[default]
    FullForWebsub,
    /// New entries for everybody.
    NewEntries,
}

/// `[hosts]`: what one callback host is asked to bear, and when it is left alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct HostsConfig {
    /// Requests under way at once to one host.
    pub connections: usize,
    /// The fraction of failures above which the breaker opens, of deliveries, of slaps and of look-ups each; above 0, at
    /// most 1.
    pub breaker_failures: f64,
    /// Over which time failures are counted.
    #[serde(deserialize_with = "units::span")]
    pub breaker_window: Duration,
    /// Fewer tries than this in the window never open it.
    pub breaker_min_tries: u32,
    /// How long an open breaker waits before one request may probe.
    #[serde(deserialize_with = "units::span")]
    pub breaker_pause: Duration,
    /// The longest that all callbacks of a host wait because one of them answered `Retry-After`.
    #[serde(deserialize_with = "units::span")]
    pub retry_after_max: Duration,
}

impl Default for HostsConfig {
    fn default() -> Self {
        Self {
            connections: 32,
            breaker_failures: 0.8,
            breaker_window: 5 * MINUTE,
            breaker_min_tries: 20,
            breaker_pause: 30 * SECOND,
            retry_after_max: MINUTE,
        }
    }
}
