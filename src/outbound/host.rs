//! What the host of a URL really names: an address, however it is spelled, or a name.
//!
//! URL parsers and system resolvers read `2130706433`, `0x7f.1` and `0177.0.0.1` as 127.0.0.1. So do we, by the rules of
//! the WHATWG URL standard; what ends in a number and is no address by them is neither address nor name (X01).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host<'a> {
    Address(IpAddr),
    /// Without the dot of the root; case as given.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads the host of a URI, brackets included. `None` is a host that must not be used.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            // The parser knows no zone ids, so `[fe80::1%25eth0]` is refused here.
            return inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| Self::Address(ip.into()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if !is_name(text) {
            return None;
        }
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.bytes().all(|byte| byte.is_ascii_digit()) || number(last).is_some() {
            return ipv4(text).map(|ip| Self::Address(ip.into()));
        }
        Some(Self::Name(text))
    }
}

/// Letters, digits, hyphens and the underscore that some real hosts have; labels and lengths as DNS has them.
fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

/// One to four numbers; the last fills all the bytes that are left.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(number).collect::<Option<Vec<u64>>>()?;
    let last = parts.pop()?;
    if parts.len() > 3 || parts.iter().any(|part| *part > 255) {
        return None;
    }
    let filled = u32::try_from(parts.len()).ok()?.checked_mul(8)?;
    let leading = parts.iter().fold(0_u64, |sum, part| (sum << 8) | part);
    let room = 32_u32.checked_sub(filled)?;
    if last >> room != 0 {
        return None;
    }
    u32::try_from((leading << room) | last).ok().map(Ipv4Addr::from)
}

/// Decimal, octal after `0`, hexadecimal after `0x`. Larger than any address is no number of an address.
fn number(text: &str) -> Option<u64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hex, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 8),
        (None, None) if text.is_empty() => return None,
        (None, None) => (text, 10),
    };
    if digits.is_empty() {
        return Some(0);
    }
    let value = digits.chars().try_fold(0_u64, |sum, digit| {
        sum.checked_mul(u64::from(radix))?.checked_add(u64::from(digit.to_digit(radix)?))
    })?;
    u32::try_from(value).is_ok().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 14] = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "0x7f.1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "0177.0.0.1",
        "0177.0x0.1",
        "127.0x.1",
        "00000177.0.0.01",
    ];

    #[test]
    fn every_spelling_of_loopback_is_the_same_address() {
        for spelling in LOOPBACK {
            assert_eq!(Host::read(spelling), Some(Host::Address(Ipv4Addr::LOCALHOST.into())), "{spelling}");
        }
    }

    /// The fetch client's URL parser must see in a host what the guard saw.
    #[test]
    fn the_url_library_reads_the_same_addresses() {
        for spelling in LOOPBACK {
            let url = url::Url::parse(&format!("http://{spelling}/")).unwrap();
            assert_eq!(url.host(), Some(url::Host::Ipv4(Ipv4Addr::LOCALHOST)), "{spelling}");
        }
    }

    #[test]
    fn ipv6_stands_in_brackets_and_without_a_zone() {
        assert_eq!(Host::read("[::1]"), Some(Host::Address(Ipv6Addr::LOCALHOST.into())));
        assert_eq!(
            Host::read("[::ffff:127.0.0.1]"),
            Some(Host::Address(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()))
        );
        for bad in ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1", "::1", "[]", "[v1.x]", "[127.0.0.1]"] {
            assert_eq!(Host::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_ends_in_a_number_is_an_address_or_nothing() {
        for bad in [
            "256.1.1.1",
            "1.2.3.4.5",
            "08.8.8.8",
            "4294967296",
            "1.16777216",
            "example.1",
            "a.0x7f",
            "1..1",
            "0x1g.9",
        ] {
            assert_eq!(Host::read(bad), None, "{bad}");
        }
        assert_eq!(Host::read("1.2.3.4"), Some(Host::Address(Ipv4Addr::new(1, 2, 3, 4).into())));
        assert_eq!(Host::read("255.255.65535"), Some(Host::Address(Ipv4Addr::BROADCAST.into())));
    }

    #[test]
    fn names_lose_the_dot_of_the_root_and_nothing_else() {
        assert_eq!(Host::read("Example.COM."), Some(Host::Name("Example.COM")));
        assert_eq!(Host::read("a_b.xn--p1ai"), Some(Host::Name("a_b.xn--p1ai")));
        assert_eq!(Host::read("1.example"), Some(Host::Name("1.example")));
        for bad in
            ["", ".", "..", "example..com", "example.com..", "%6c%6fcalhost", "a b", "user@host", "ä.example"]
        {
            assert_eq!(Host::read(bad), None, "{bad}");
        }
        assert_eq!(Host::read(&"a".repeat(64)), None);
        let longest = "a.".repeat(127);
        assert_eq!(Host::read(&longest), Some(Host::Name(longest.trim_end_matches('.'))));
        assert_eq!(Host::read(&format!("{}a", "a.".repeat(127))), None);
    }

    proptest::proptest! {
        #[test]
        fn an_address_survives_all_its_spellings(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            let [a, b, c, d] = ip.octets();
            let expected = Some(Host::Address(ip.into()));
            for spelling in [
                ip.to_string(),
                bits.to_string(),
                format!("{bits:#x}"),
                format!("0{bits:o}"),
                format!("{a:#x}.0{b:o}.{c}.{d:#x}"),
                format!("{a}.{}", bits & 0x00ff_ffff),
                format!("{a}.{b}.{}", bits & 0xffff),
            ] {
                proptest::prop_assert_eq!(Host::read(&spelling), expected, "{}", spelling);
            }
        }

        #[test]
        fn no_host_panics(text in "\\PC{0,80}") {
            drop(format!("{:?}", Host::read(&text)));
        }
    }
}
