//! Which ports may be called (S10).

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// The ports that may be called. The default is 80, 443 and everything from 1024 up: low ports belong to services
/// that speak something else (mail, ssh), and an HTTP request can be crafted to say something to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRules(Vec<RangeInclusive<u16>>);

impl PortRules {
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self(ranges)
    }

    pub fn allow(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

impl Default for PortRules {
    fn default() -> Self {
        Self(vec![80..=80, 443..=443, 1024..=u16::MAX])
    }
}

/// A rule that is neither a port nor a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a port such as `80` or a range such as `1024-65535`")]
pub struct PortRulesError;

/// One item, `80` or `1024-65535`, or several with commas between. Join parsed items with `collect`.
impl FromStr for PortRules {
    type Err = PortRulesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|item| range(item.trim())).collect::<Option<_>>().map(Self).ok_or(PortRulesError)
    }
}

fn range(item: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = item.split_once('-').unwrap_or((item, item));
    let (from, to) = (port(from.trim())?, port(to.trim())?);
    (from <= to).then_some(from..=to)
}

/// Digits only: the standard parser would also take a sign.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl FromIterator<PortRules> for PortRules {
    fn from_iter<I: IntoIterator<Item = PortRules>>(items: I) -> Self {
        Self(items.into_iter().flat_map(|rules| rules.0).collect())
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for PortRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_allows_the_two_web_ports_and_the_high_ones() {
        let rules = PortRules::default();
        for port in [80, 443, 1024, 8080, u16::MAX] {
            assert!(rules.allow(port), "{port}");
        }
        for port in [0, 22, 25, 79, 81, 442, 1023] {
            assert!(!rules.allow(port), "{port}");
        }
    }

    #[test]
    fn items_are_read_alone_joined_and_printed_back() {
        let items = ["80", "1024-65535"];
        let rules: PortRules =
            items.iter().map(|item| item.parse::<PortRules>()).collect::<Result<_, _>>().unwrap();
        assert_eq!(rules, PortRules::new(vec![80..=80, 1024..=65535]));
        assert_eq!(rules.to_string().parse(), Ok(rules));
        assert_eq!(PortRules::default().to_string().parse(), Ok(PortRules::default()));
    }

    #[test]
    fn what_is_no_port_or_range_is_an_error() {
        for text in ["", "http", "+80", "-1", "80-", "90-80", "65536", "80,,443", "80:90"] {
            assert_eq!(text.parse::<PortRules>(), Err(PortRulesError), "{text}");
        }
    }
}
