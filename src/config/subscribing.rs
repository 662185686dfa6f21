//! Subscriptions: how long they last, and how their callbacks are asked whether they meant it.

use std::time::Duration;

use serde::Deserialize;

use super::units;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

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
    /// For one try, from connecting to the last byte.
    #[serde(deserialize_with = "units::span")]
    pub timeout: Duration,
    /// Waits before the second and later tries; after the last the request is abandoned (V13).
    #[serde(deserialize_with = "units::schedule")]
    pub retry: Vec<Duration>,
    /// The same for subscribers of 0.3 whose host verified before (V11, V13).
    #[serde(deserialize_with = "units::schedule")]
    pub retry_03: Vec<Duration>,
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
            concurrency: 256,
            strict_echo: false,
        }
    }
}
