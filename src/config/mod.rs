//! The configuration: what an operator may decide, checked before a port is bound.
//!
//! [`Config`] has one struct a section of the file and one field a key, under the same names (`design.md` 5 and 6).
//! Units live in types: a span is a [`Duration`](std::time::Duration), a network an [`IpNet`](ipnet::IpNet).
//!
//! Invariants:
//! - A `Config` that came out of [`Config::from_toml`] or passed [`Config::check`] obeys every rule in `check.rs`; the
//!   other rooms need not ask again whether a timeout is zero or the shortest lease the longest.
//! - `config.example.toml` is the documentation and the defaults at once; a test compares both ways.
//! - An unknown key is an error, and every error names file, line, key and reason. What is of the wrong shape is
//!   reported all at once; if the shape is right, every broken rule is.
//! - No secret is in here, only paths to files that hold some, so `Debug` may be logged.
//!
//! This room reads no file, no environment and no flags: that is the command line's, which lays flags over the file.

mod check;
mod distribution;
mod errors;
mod file;
mod fitting;
mod inbound;
mod outbound;
mod process;
mod publishing;
mod salmon;
mod subscribing;
mod units;

#[cfg(test)]
mod example;

use serde::Deserialize;

pub use distribution::{DeliveryConfig, FirstDelivery, HostsConfig};
pub use errors::{ConfigErrors, Problem};
pub use inbound::{AdminConfig, LimitsConfig, ServerConfig};
pub use outbound::NetworkConfig;
pub use process::{LogConfig, LogFormat, StorageConfig};
pub use publishing::{FeedConfig, FetchConfig, PollingConfig, PublicationsConfig};
pub use salmon::SalmonConfig;
pub use subscribing::{AccessConfig, CompatConfig, LeaseConfig, VerificationConfig};
pub use units::{BadValue, parse_network, parse_public_url};

/// `config.example.toml` as it was when this program was built.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Everything an operator may decide.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct Config {
    pub server: ServerConfig,
    pub admin: AdminConfig,
    pub storage: StorageConfig,
    pub access: AccessConfig,
    pub lease: LeaseConfig,
    pub verification: VerificationConfig,
    pub fetch: FetchConfig,
    pub polling: PollingConfig,
    pub delivery: DeliveryConfig,
    pub publications: PublicationsConfig,
    pub feed: FeedConfig,
    pub hosts: HostsConfig,
    pub salmon: SalmonConfig,
    pub limits: LimitsConfig,
    pub network: NetworkConfig,
    pub compat: CompatConfig,
    pub log: LogConfig,
}
