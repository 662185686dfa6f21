//! The table of addresses that are not the public internet (X01).
//!
//! From the IANA special-purpose registries for IPv4 and IPv6, plus the addresses at which clouds serve credentials.
//! For IPv6 the rule is the other way round: only `2000::/3` has ever been given out as public, so what lies outside of
//! it is refused without having to be listed.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeName {
    ThisNetwork,
    Private,
    CarrierNat,
    Loopback,
    LinkLocal,
    Metadata,
    ProtocolAssignments,
    Documentation,
    SixToFour,
    Benchmark,
    Multicast,
    Reserved,
    Unspecified,
    Discard,
    Teredo,
    UniqueLocal,
    SiteLocal,
    LocalNat64,
    NotPublic,
}

impl RangeName {
    pub fn label(self) -> &'static str {
        match self {
            Self::ThisNetwork => "this-network",
            Self::Private => "private",
            Self::CarrierNat => "carrier-nat",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::ProtocolAssignments => "protocol-assignments",
            Self::Documentation => "documentation",
            Self::SixToFour => "6to4",
            Self::Benchmark => "benchmark",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Unspecified => "unspecified",
            Self::Discard => "discard",
            Self::Teredo => "teredo",
            Self::UniqueLocal => "unique-local",
            Self::SiteLocal => "site-local",
            Self::LocalNat64 => "local-nat64",
            Self::NotPublic => "not-public",
        }
    }
}

impl fmt::Display for RangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// First match wins, so the narrow ranges stand above the wide ones. Prefixes are 1 to 32.
const V4: [(Ipv4Addr, u32, RangeName); 21] = [
    // Nearly every cloud; Amazon's containers; Tencent; Alibaba; Oracle; Azure's wire server, a public address.
    (Ipv4Addr::new(169, 254, 169, 254), 32, RangeName::Metadata),
    (Ipv4Addr::new(169, 254, 170, 2), 32, RangeName::Metadata),
    (Ipv4Addr::new(169, 254, 0, 23), 32, RangeName::Metadata),
    (Ipv4Addr::new(100, 100, 100, 200), 32, RangeName::Metadata),
    (Ipv4Addr::new(192, 0, 0, 192), 32, RangeName::Metadata),
    (Ipv4Addr::new(168, 63, 129, 16), 32, RangeName::Metadata),
    (Ipv4Addr::UNSPECIFIED, 8, RangeName::ThisNetwork),
    (Ipv4Addr::new(10, 0, 0, 0), 8, RangeName::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, RangeName::CarrierNat),
    (Ipv4Addr::new(127, 0, 0, 0), 8, RangeName::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, RangeName::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, RangeName::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, RangeName::ProtocolAssignments),
    (Ipv4Addr::new(192, 0, 2, 0), 24, RangeName::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, RangeName::SixToFour),
    (Ipv4Addr::new(192, 168, 0, 0), 16, RangeName::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, RangeName::Benchmark),
    (Ipv4Addr::new(198, 51, 100, 0), 24, RangeName::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, RangeName::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, RangeName::Multicast),
    // Limited broadcast is inside.
    (Ipv4Addr::new(240, 0, 0, 0), 4, RangeName::Reserved),
];

const V6: [(Ipv6Addr, u32, RangeName); 15] = [
    (Ipv6Addr::UNSPECIFIED, 128, RangeName::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, RangeName::Loopback),
    // Amazon and Google, inside the unique local range.
    (Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254), 128, RangeName::Metadata),
    (Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254), 128, RangeName::Metadata),
    (Ipv6Addr::new(0x0064, 0xff9b, 0x0001, 0, 0, 0, 0, 0), 48, RangeName::LocalNat64),
    (Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 0), 64, RangeName::Discard),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, RangeName::Teredo),
    (Ipv6Addr::new(0x2001, 0x0002, 0, 0, 0, 0, 0, 0), 48, RangeName::Benchmark),
    // ORCHID and the rest.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, RangeName::ProtocolAssignments),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32, RangeName::Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, RangeName::Documentation),
    // Carries an IPv4 address inside; given up in RFC 7526.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, RangeName::SixToFour),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, RangeName::UniqueLocal),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, RangeName::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, RangeName::SiteLocal),
];

/// The address a connection to `ip` really reaches: the IPv4 address inside an IPv4-mapped one (which the system unwraps)
/// or inside the well-known NAT64 prefix (which the network unwraps).
pub(super) fn reached(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => match v6.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
            | [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
                Ipv4Addr::new(a, b, c, d).into()
            }
            _ => ip,
        },
        IpAddr::V4(_) => ip,
    }
}

/// The range that keeps an address from being public, if there is one.
pub(super) fn special_range(ip: IpAddr) -> Option<RangeName> {
    match reached(ip) {
        IpAddr::V4(v4) => V4
            .iter()
            .find(|(net, prefix, _)| (v4.to_bits() ^ net.to_bits()) >> (32 - prefix) == 0)
            .map(|(_, _, name)| *name),
        IpAddr::V6(v6) => V6
            .iter()
            .find(|(net, prefix, _)| (v6.to_bits() ^ net.to_bits()) >> (128 - prefix) == 0)
            .map(|(_, _, name)| *name)
            .or_else(|| v6.is_multicast().then_some(RangeName::Multicast))
            // IPv4-compatible and IPv4-translated addresses end up here too.
            .or_else(|| (v6.to_bits() >> 125 != 1).then_some(RangeName::NotPublic)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(ip: &str) -> Option<RangeName> {
        special_range(ip.parse().unwrap())
    }

    /// First and last address of each range, and the public neighbours on both sides where there are any.
    #[test]
    fn each_range_begins_and_ends_where_its_registry_says() {
        use RangeName as R;
        type Row = (R, &'static str, &'static str, Option<&'static str>, Option<&'static str>);
        let table: &[Row] = &[
            (R::ThisNetwork, "0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            (R::Private, "10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            (R::CarrierNat, "100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
            (R::Loopback, "127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
            (R::LinkLocal, "169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
            (R::Private, "172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
            (R::ProtocolAssignments, "192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            (R::Documentation, "192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            (R::SixToFour, "192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
            (R::Private, "192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
            (R::Benchmark, "198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
            (R::Documentation, "198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
            (R::Documentation, "203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
            (R::Multicast, "224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None),
            (R::Reserved, "240.0.0.0", "255.255.255.255", None, None),
            (R::Unspecified, "::", "::", None, None),
            (R::Loopback, "::1", "::1", None, None),
            (R::NotPublic, "::2", "::fffe:ffff:ffff", None, None),
            (R::LocalNat64, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", None, None),
            (R::Discard, "100::", "100::ffff:ffff:ffff:ffff", None, None),
            (R::NotPublic, "100:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, Some("2000::")),
            (R::Teredo, "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000:ffff::"), None),
            (R::Benchmark, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", None, None),
            (R::ProtocolAssignments, "2001:1::", "2001:1:ffff::", None, None),
            (R::ProtocolAssignments, "2001:2:1::", "2001:1ff:ffff::", None, Some("2001:200::")),
            (R::Documentation, "2001:db8::", "2001:db8:ffff::", Some("2001:db7::"), Some("2001:db9::")),
            (R::SixToFour, "2002::", "2002:ffff::", Some("2001:ffff::"), Some("2003::")),
            (R::Documentation, "3fff::", "3fff:fff:ffff::", Some("3ffe:ffff::"), Some("3fff:1000::")),
            (R::NotPublic, "4000::", "fbff:ffff::", Some("3fff:ffff::"), None),
            (R::UniqueLocal, "fc00::", "fdff:ffff::", None, None),
            (R::LinkLocal, "fe80::", "febf:ffff::", None, None),
            (R::SiteLocal, "fec0::", "feff:ffff::", None, None),
            (R::Multicast, "ff00::", "ffff:ffff::", None, None),
        ];
        for (name, first, last, before, after) in table {
            assert_eq!(range(first), Some(*name), "{first}");
            assert_eq!(range(last), Some(*name), "{last}");
            for neighbour in [before, after].into_iter().flatten() {
                assert_eq!(range(neighbour), None, "{neighbour}");
            }
        }
        let tested = |(_, _, name): &(_, _, RangeName)| table.iter().any(|row| row.0 == *name);
        assert!(V4.iter().filter(|row| row.2 != R::Metadata).all(|(a, b, c)| tested(&(
            IpAddr::V4(*a),
            *b,
            *c
        ))));
        assert!(V6.iter().filter(|row| row.2 != R::Metadata).all(|(a, b, c)| tested(&(
            IpAddr::V6(*a),
            *b,
            *c
        ))));
    }

    #[test]
    fn the_addresses_of_cloud_metadata_are_named_for_what_they_are() {
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.23",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
        ] {
            assert_eq!(range(ip), Some(RangeName::Metadata), "{ip}");
        }
        assert_eq!(range("168.63.129.17"), None);
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself() {
        assert_eq!(range("::ffff:127.0.0.1"), Some(RangeName::Loopback));
        assert_eq!(range("::ffff:10.1.2.3"), Some(RangeName::Private));
        assert_eq!(range("::ffff:8.8.8.8"), None);
        assert_eq!(range("64:ff9b::127.0.0.1"), Some(RangeName::Loopback));
        assert_eq!(range("64:ff9b::8.8.8.8"), None);
        assert_eq!(range("::127.0.0.1"), Some(RangeName::NotPublic), "IPv4-compatible");
        assert_eq!(range("::ffff:0:127.0.0.1"), Some(RangeName::NotPublic), "IPv4-translated");
        assert_eq!(range("2002:7f00:1::"), Some(RangeName::SixToFour));
    }

    #[test]
    fn public_addresses_are_in_no_range() {
        for ip in ["1.1.1.1", "93.184.216.34", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert_eq!(range(ip), None, "{ip}");
        }
    }
}
