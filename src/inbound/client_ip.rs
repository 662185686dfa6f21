//! Whose request it is, behind which proxies. Pure.
//!
//! `X-Forwarded-For` is believed only from a trusted proxy, and read from the right: the first address that is not a
//! trusted proxy's is the client. What stands left of it anybody could have written.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The client's address.
pub(super) fn client_ip(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer.ip().to_canonical();
    if !is_trusted(&client) {
        return client;
    }
    let lists: Vec<_> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
        let Some(address) = parse(hop.trim()) else { return client };
        client = address;
        if !is_trusted(&client) {
            return client;
        }
    }
    client
}

/// Whether whoever is connected is a proxy that is believed.
pub(super) fn is_trusted(peer: SocketAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&peer.ip().to_canonical()))
}

/// Whether the client spoke https as far as can be told: the hub itself speaks plain http, so a trusted proxy has to say
/// so (S18).
pub(super) fn is_https(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    // The last word is that of the proxy that we trust.
    is_trusted(peer, trusted)
        && said
            .and_then(|list| list.rsplit(',').next())
            .is_some_and(|last| last.trim().eq_ignore_ascii_case("https"))
}

fn parse(hop: &str) -> Option<IpAddr> {
    let address =
        hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// What a rate is counted by: an IPv4 address, or the /64 that one IPv6 customer has.
pub(super) fn rate_key(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_another_client() {
        assert_eq!(client("192.0.2.1:9", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn behind_proxies_the_rightmost_stranger_is_the_client() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.1:9", &["203.0.113.9, 198.51.100.7, 10.0.0.2"], &trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &["203.0.113.9", "198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &[], &trusted), "10.0.0.1");
        assert_eq!(client("10.0.0.1:9", &["198.51.100.7, rubbish"], &trusted), "10.0.0.1");
        assert_eq!(client("[::ffff:10.0.0.1]:9", &["[2001:db8::1]:44"], &trusted), "2001:db8::1");
    }

    #[test]
    fn s18_only_a_trusted_proxy_can_say_that_it_was_https() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let https = |peer: &str, said: &str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-proto"), said.parse().unwrap())]);
            is_https(peer.parse().unwrap(), &headers, &trusted)
        };
        assert!(https("10.0.0.1:9", "https") && https("10.0.0.1:9", "http, HTTPS"));
        assert!(!https("10.0.0.1:9", "http") && !https("10.0.0.1:9", "https, http"));
        assert!(!https("192.0.2.1:9", "https"), "anybody can claim that");
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        let key = |address: &str| rate_key(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
