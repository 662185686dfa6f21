//! The way in: where the hub listens, under which name, and how much it lets one peer ask.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use super::units;

/// `[server]`: the public listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct ServerConfig {
    /// Where the hub listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL subscribers and publishers know the hub by; see [`hub_url`](Self::hub_url) for when there is none.
    #[serde(deserialize_with = "units::public_url")]
    pub public_url: Option<Url>,
    /// Proxies whose forwarding headers are believed.
    #[serde(deserialize_with = "units::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Where the hub moved: requests are sent there with 308 (S31).
    #[serde(deserialize_with = "units::public_url")]
    pub moved_to: Option<Url>,
    /// How long a stop may take to settle what is in flight.
    #[serde(deserialize_with = "units::span")]
    pub stop_within: Duration,
    /// Connections open at once; when all are taken, the client with the most of them gives one up.
    pub max_connections: usize,
    /// How long a peer may take to send the head of a request.
    #[serde(deserialize_with = "units::span")]
    pub header_timeout: Duration,
    /// How long the body of a request may take, and how long a peer may read nothing of an answer.
    #[serde(deserialize_with = "units::span")]
    pub body_timeout: Duration,
    /// The largest request body, in bytes.
    #[serde(deserialize_with = "units::memory")]
    pub max_body_bytes: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            moved_to: None,
            stop_within: Duration::from_secs(10),
            max_connections: 4096,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            max_body_bytes: 1 << 20,
        }
    }
}

impl ServerConfig {
    /// The hub's URL: the configured one, or one that reaches the address that was really bound, which differs from
    /// `listen` where that asked for any free port. Where the hub listens on every address, the loopback one is named:
    /// nobody can connect to `0.0.0.0`.
    pub fn hub_url(&self, bound: SocketAddr) -> Result<Url, url::ParseError> {
        if let Some(url) = &self.public_url {
            return Ok(url.clone());
        }
        let reachable = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        // Put together anew, because an IPv6 address carries a scope that no URL can.
        Url::parse(&format!("http://{}/", SocketAddr::new(reachable, bound.port())))
    }
}

/// `[admin]`: the operator's listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct AdminConfig {
    /// Where metrics, API and dashboard are served.
    pub listen: SocketAddr,
    /// A file holding the bearer token of the API; the token itself is never part of the configuration.
    pub token_file: Option<PathBuf>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8081)), token_file: None }
    }
}

/// `[limits]`: what one address may ask, and what may be asked of one callback host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct LimitsConfig {
    /// Subscribe and unsubscribe requests a second from one address.
    pub subscribe_per_second: NonZeroU32,
    /// Pings a second from one address.
    pub publish_per_second: NonZeroU32,
    /// How many seconds' worth of requests may come at once.
    pub burst: NonZeroU32,
    /// Requests a minute for one pair of topic and callback from one address (X12), and as many at once.
    pub repeats_per_minute: NonZeroU32,
    /// The same from all addresses together.
    pub repeats_per_minute_in_all: NonZeroU32,
    /// Subscribe and unsubscribe requests a second that name one callback host (X03), whoever sends them.
    pub callback_host_per_second: NonZeroU32,
    /// Subscribe and unsubscribe requests a second that name one topic, whoever sends them.
    pub topic_per_second: NonZeroU32,
    /// Verifications pending for one callback host.
    pub per_callback_host: usize,
    /// Subscriptions whose callbacks are on one host (X03).
    pub subscriptions_per_callback_host: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            subscribe_per_second: at_least_one(10),
            publish_per_second: at_least_one(100),
            burst: at_least_one(10),
            repeats_per_minute: at_least_one(10),
            repeats_per_minute_in_all: at_least_one(100),
            callback_host_per_second: at_least_one(100),
            topic_per_second: at_least_one(100),
            per_callback_host: 10_000,
            subscriptions_per_callback_host: 1_000_000,
        }
    }
}

pub(super) const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_public_url_the_hub_is_named_by_what_it_bound() {
        let server = ServerConfig::default();
        let named = |bound: &str| server.hub_url(bound.parse().unwrap()).unwrap().to_string();
        assert_eq!(named("127.0.0.1:4711"), "http://127.0.0.1:4711/");
        assert_eq!(named("0.0.0.0:8080"), "http://127.0.0.1:8080/");
        assert_eq!(named("[::]:8080"), "http://[::1]:8080/");
        assert_eq!(named("[fe80::1%2]:8080"), "http://[fe80::1]:8080/");
    }

    #[test]
    fn a_public_url_is_the_name_wherever_the_hub_listens() {
        let public_url = Some(Url::parse("https://hub.example/").unwrap());
        let server = ServerConfig { public_url, ..ServerConfig::default() };
        assert_eq!(server.hub_url(server.listen).unwrap().as_str(), "https://hub.example/");
    }
}
