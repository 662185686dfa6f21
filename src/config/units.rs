//! How spans, sizes, networks and ports are written in the file, and what they become.
//!
//! The `deserialize_with` functions of the sections are here, so that each unit is read one way everywhere.

use std::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use url::Url;

/// The longest span that may be configured, ten years. Added to any clock we have it does not overflow, and whoever
/// means "for ever" gets there.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// A value that is not what its key asks for; the text says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(String);

/// A span as humans write it: `"250ms"`, `"5s"`, `"2min"`, `"1h 30min"`, `"10d"`.
fn parse_span(text: &str) -> Result<Duration, BadValue> {
    let span = humantime::parse_duration(text).map_err(|error| {
        BadValue(format!("\"{text}\" is no duration such as \"5s\", \"2min\" or \"10d\": {error}"))
    })?;
    bounded(span)
}

fn bounded(span: Duration) -> Result<Duration, BadValue> {
    if span > LONGEST { Err(BadValue("is longer than ten years".to_owned())) } else { Ok(span) }
}

/// A number of bytes: `"512KiB"`, `"10MiB"`, `"1GiB"`; decimal units (`"10MB"`) too.
fn parse_bytes(text: &str) -> Result<u64, BadValue> {
    let bad = || BadValue(format!("\"{text}\" is no size such as 65536, \"64KiB\" or \"10MiB\""));
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(bad)
}

/// A network in CIDR notation, or one address.
///
/// Bits beyond the prefix are refused: `10.1.2.3/8` in a list of what may be reached would allow sixteen million
/// addresses to somebody who meant one.
pub fn parse_network(text: &str) -> Result<IpNet, BadValue> {
    let network =
        text.parse::<IpNet>().or_else(|_not_cidr| text.parse::<IpAddr>().map(IpNet::from)).map_err(
            |_not_address| BadValue(format!("\"{text}\" is no network such as 10.0.0.0/8 or fd00::/8")),
        )?;
    if network != network.trunc() {
        return Err(BadValue(format!(
            "\"{text}\" has bits beyond its prefix; did you mean {}?",
            network.trunc()
        )));
    }
    Ok(network)
}

/// The URL under which the hub is reached: http or https, a host, no credentials, query or fragment.
pub fn parse_public_url(text: &str) -> Result<Url, BadValue> {
    let bad = |why: String| BadValue(format!("\"{text}\" is no URL for a hub: {why}"));
    let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("neither http nor https".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It is printed, sent to every subscriber, and shown to the world. Do not repeat it here either.
        return Err(BadValue("a URL for a hub carries no user name or password".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a query or a fragment".to_owned()));
    }
    Ok(url)
}

/// A port (`80`, `"80"`) or a range of ports (`"1024-65535"`); both ends belong to it.
fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, BadValue> {
    let bad =
        || BadValue(format!("\"{text}\" is no port or range of ports such as \"443\" or \"1024-65535\""));
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad);
    let range = match text.split_once('-') {
        Some((first, last)) => port(first)?..=port(last)?,
        None => port(text)?..=port(text)?,
    };
    if range.is_empty() { Err(bad()) } else { Ok(range) }
}

/// Reads a value that is written as text or as a plain number.
struct TextOrNumber<T> {
    expected: &'static str,
    text: fn(&str) -> Result<T, BadValue>,
    number: fn(u64) -> Result<T, BadValue>,
}

impl<T> de::Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let number = u64::try_from(number)
            .map_err(|_negative| E::invalid_value(de::Unexpected::Signed(number), &self.expected))?;
        self.visit_u64(number)
    }
}

/// A span; a plain number is one of seconds.
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(TextOrNumber {
                expected: "a duration such as \"5s\" or a number of seconds",
                text: parse_span,
                number: |seconds| bounded(Duration::from_secs(seconds)),
            })
            .map(Self)
    }
}

/// A range of ports; a plain number is one port.
struct Ports(RangeInclusive<u16>);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(TextOrNumber {
                expected: "a port or a range of ports such as \"1024-65535\"",
                text: parse_ports,
                number: |port| parse_ports(&port.to_string()),
            })
            .map(Self)
    }
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_network(&String::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

pub(super) fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Span::deserialize(deserializer).map(|Span(span)| span)
}

/// A span that need not be there.
pub(super) fn optional_span<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    span(deserializer).map(Some)
}

/// Spans one after the other: when a second, third ... try is made.
pub(super) fn schedule<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|Span(span)| span).collect())
}

/// A number of bytes on disk, or in a cache.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(TextOrNumber {
        expected: "a number of bytes or a size such as \"10MiB\"",
        text: parse_bytes,
        number: Ok,
    })
}

/// A number of bytes that must fit into memory.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    usize::try_from(bytes(deserializer)?).map_err(de::Error::custom)
}

pub(super) fn ports<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RangeInclusive<u16>>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|Ports(range)| range).collect())
}

pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|Network(network)| network).collect())
}

pub(super) fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    parse_public_url(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_as_humans_write_them() {
        let read =
            [("250ms", 250), ("5s", 5_000), ("2min", 120_000), ("1h 30min", 5_400_000), ("10d", 864_000_000)];
        for (text, millis) in read {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "five seconds", "-5s", "1000y", "99999999999999999999s"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_know_binary_and_decimal_units() {
        let read = [
            ("7", 7),
            ("7B", 7),
            ("64KiB", 65_536),
            ("10 MiB", 10_485_760),
            ("1GiB", 1 << 30),
            ("2MB", 2_000_000),
        ];
        for (text, size) in read {
            assert_eq!(parse_bytes(text), Ok(size), "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "-1", "10mib", "10 Mi B", "18446744073709551615KiB", "1é"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_with_bits_beyond_its_prefix_is_refused_with_the_one_that_may_be_meant() {
        assert_eq!(parse_network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        assert!(parse_network("10.1.2.3/8").unwrap_err().to_string().contains("10.0.0.0/8"));
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0/8"] {
            assert!(parse_network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_are_single_or_ranges_and_never_zero_or_backwards() {
        assert_eq!(parse_ports("443"), Ok(443..=443));
        assert_eq!(parse_ports("1024-65535"), Ok(1024..=65535));
        assert_eq!(parse_ports("80 - 90"), Ok(80..=90));
        for text in ["", "0", "0-5", "90-80", "65536", "http", "1-2-3", "-5"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_url_of_a_hub_is_plain_http() {
        assert_eq!(parse_public_url("https://hub.example/").unwrap().as_str(), "https://hub.example/");
        for text in
            ["", "hub.example", "ftp://hub.example/", "https://hub.example/?a", "https://hub.example/#a"]
        {
            assert!(parse_public_url(text).is_err(), "{text}");
        }
        let with_password = parse_public_url("https://me:hunter2@hub.example/").unwrap_err().to_string();
        assert!(!with_password.contains("hunter2"), "{with_password}");
    }

    proptest! {
        #[test]
        fn a_size_in_kibibytes_is_1024_times_its_number(number in 0_u64..=u64::MAX >> 10) {
            prop_assert_eq!(parse_bytes(&format!("{number}KiB")), Ok(number * 1024));
        }

        #[test]
        fn nothing_written_makes_a_unit_panic(text in ".{0,40}") {
            prop_assert!(parse_span(&text).is_ok_and(|span| span <= LONGEST) || parse_span(&text).is_err());
            prop_assert!(parse_ports(&text).is_ok_and(|range| !range.is_empty()) || parse_ports(&text).is_err());
            prop_assert!(parse_network(&text).is_ok_and(|net| net == net.trunc()) || parse_network(&text).is_err());
            prop_assert!(parse_bytes(&text).is_err() || text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(parse_public_url(&text).is_err() || text.contains(':'));
        }
    }
}
