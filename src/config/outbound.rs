//! The way out: which addresses outside the public Internet may be reached, and which ports at all.

use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::Deserialize;

use super::units;

/// `[network]`: exceptions from the guard, which otherwise reaches public addresses only.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct NetworkConfig {
    /// Networks allowed for everything the hub connects to.
    #[serde(deserialize_with = "units::networks")]
    pub allow: Vec<IpNet>,
    /// Networks allowed for fetches of topics only.
    #[serde(deserialize_with = "units::networks")]
    pub allow_fetch: Vec<IpNet>,
    /// Networks allowed for verifications and deliveries only.
    #[serde(deserialize_with = "units::networks")]
    pub allow_callback: Vec<IpNet>,
    /// Hosts whose TLS certificates are taken as they are (X13), in lower case, without port.
    pub self_signed_hosts: Vec<String>,
    /// The ports that may be connected to, on any address. Never empty.
    #[serde(deserialize_with = "units::ports")]
    pub ports: Vec<RangeInclusive<u16>>,
    /// Names that are looked up at once for callbacks, and as many for topics.
    pub lookups: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_fetch: Vec::new(),
            allow_callback: Vec::new(),
            self_signed_hosts: Vec::new(),
            ports: vec![80..=80, 443..=443, 1024..=65535],
            lookups: 128,
        }
    }
}
