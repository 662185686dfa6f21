//! Subscriptions: how long they last, and how their callbacks are asked whether they meant it.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::units;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// `[access]`: who may subscribe, and to what. Nothing here concerns who unsubscribes (S33).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct AccessConfig {
    /// A file with the credentials of those who may subscribe, a `name:password` or a bearer token on each line (S37);
    /// without one everybody may.
    pub credentials_file: Option<PathBuf>,
    /// Whether a secret that came over plain http is refused (S18).
    pub secrets_over_https_only: bool,
    /// Whether a topic is fetched before its subscription is verified, and has to name this hub (L10).
    pub topics_must_name_this_hub: bool,
}

/// `[compat]`: switches that only test suites need.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct CompatConfig {
    /// Whether `hub.verify_token` without `hub.verify` is an error, as it was in 0.3 (S11).
    pub token_requires_verify: bool,
}

/// `[lease]`: how long a subscription lasts (V18). `min <= default <= max`, at least one second.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct LeaseConfig {
    /// Whoever asks for less gets this.
    #[serde(deserialize_with = "units::span")]
    pub min: Duration,
    /// Granted to who asks for nothing.
    #[serde(deserialize_with = "units::span")]
    pub default: Duration,
    /// Whoever asks for more gets this.
    #[serde(deserialize_with = "units::span")]
    pub max: Duration,
    /// The fraction of a 0.3 lease after which the hub asks the callback again by itself (V19); between 0 and 1, both
    /// excluded.
    pub refresh_at: f64,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { min: 5 * MINUTE, default: 10 * DAY, max: 30 * DAY, refresh_at: 0.5 }
    }
}

/// `[verification]`: verification of intent (V01-V14).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct VerificationConfig {
    /// Between the 202 and the verification (S35).
    #[serde(deserialize_with = "units::span")]
    pub delay: Duration,
    /// For one try, from connecting to the last byte; and for all of a synchronous verification (V14).
    #[serde(deserialize_with = "units::span")]
    pub timeout: Duration,
    /// Waits before the second and later tries; after the last the request is abandoned (V13).
    #[serde(deserialize_with = "units::schedule")]
    pub retry: Vec<Duration>,
    /// The same for subscribers of 0.3 whose host verified before (V11, V13).
    #[serde(deserialize_with = "units::schedule")]
    pub retry_03: Vec<Duration>,
    /// How long deliveries of a subscription wait while a request that changes its secret is verified (V16).
    #[serde(deserialize_with = "units::span")]
    pub hold_deliveries: Duration,
    /// Verifications under way at once.
    pub concurrency: usize,
    /// Whether white space after the challenge is a wrong answer (V09).
    pub strict_echo: bool,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(250),
            timeout: 10 * SECOND,
            retry: vec![SECOND, 2 * SECOND, 30 * SECOND, 2 * MINUTE, 7 * MINUTE],
            retry_03: vec![SECOND, 2 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 3 * HOUR],
            hold_deliveries: 10 * SECOND,
            concurrency: 256,
            strict_echo: false,
        }
    }
}
