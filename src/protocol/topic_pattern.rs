//! Which topics a setting is for, as an operator writes it: one topic, all that begin alike, or all.

use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, de::Error as _};
use thiserror::Error;

use super::topic::TopicUrl;

/// A topic's URL; or the beginning of one and a `*` behind it; or `*` alone.
///
/// Ordered by how narrow it is, prefixes first. Any spelling of a URL is meant (S22), so two that differ in nothing else
/// are one pattern.
#[derive(Debug, Clone)]
pub struct TopicPattern {
    is_exact: bool,
    /// Without the `*`, as the beginning of the canonical form.
    canonical: String,
    written: String,
}

/// A pattern that no topic could have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{0}\" is neither a topic's URL nor the beginning of one with a * behind it")]
pub struct BadPattern(String);

impl TopicPattern {
    /// Whatever the topic is spelled like (S22): anybody may ping a topic by another spelling, and a setting must not
    /// come and go with that.
    pub fn matches(&self, topic: &TopicUrl) -> bool {
        self.is_met_by(&topic.canonical())
    }

    /// The value under the narrowest pattern that the topic matches: itself before any prefix, a longer prefix before a
    /// shorter one.
    pub fn narrowest<'a, T>(map: &'a BTreeMap<Self, T>, topic: &TopicUrl) -> Option<&'a T> {
        let topic = topic.canonical();
        let matching = map.iter().filter(|(pattern, _)| pattern.is_met_by(&topic));
        matching
            .max_by_key(|(pattern, _)| (pattern.is_exact, pattern.canonical.len()))
            .map(|(_, value)| value)
    }

    fn is_met_by(&self, topic: &str) -> bool {
        if self.is_exact { topic == self.canonical } else { topic.starts_with(&self.canonical) }
    }

    fn meaning(&self) -> (bool, &str) {
        (self.is_exact, &self.canonical)
    }
}

/// The beginning of a URL as the beginning of its canonical form; `None` where no URL begins like that. Of one that ends
/// inside the host only the case is regular; what ends inside a `%XX` stands for itself from there.
fn regular(prefix: &str) -> Option<String> {
    let is_in_path = prefix.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']));
    if !is_in_path {
        let prefix = prefix.to_lowercase();
        let mut schemes = ["http://", "https://"].into_iter();
        return schemes
            .any(|scheme| scheme.starts_with(&prefix) || prefix.starts_with(scheme))
            .then_some(prefix);
    }
    let open = prefix.rfind('%').filter(|at| prefix.len().saturating_sub(*at) < "%XX".len());
    let (whole, open) = prefix.split_at_checked(open.unwrap_or(prefix.len()))?;
    Some(TopicUrl::parse(whole).ok()?.canonical() + &open.to_ascii_uppercase())
}

impl FromStr for TopicPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let (is_exact, canonical) = match text.strip_suffix('*') {
            // Anything but a beginning would silently match nothing.
            Some(prefix) => (false, regular(prefix)),
            None => (true, TopicUrl::parse(text).ok().map(|url| url.canonical())),
        };
        let canonical = canonical.ok_or_else(|| BadPattern(text.to_owned()))?;
        Ok(Self { is_exact, canonical, written: text.to_owned() })
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.meaning() == other.meaning()
    }
}

impl Eq for TopicPattern {}

impl PartialOrd for TopicPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TopicPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.meaning().cmp(&other.meaning())
    }
}

impl<'de> Deserialize<'de> for TopicPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(patterns: &[&str]) -> BTreeMap<TopicPattern, String> {
        patterns.iter().map(|text| (text.parse().unwrap(), (*text).to_owned())).collect()
    }

    #[test]
    fn the_narrowest_pattern_counts() {
        let map = map(&["*", "http://a.example/*", "http://a.example/x*", "http://a.example/x%79"]);
        let found = |topic: &str| TopicPattern::narrowest(&map, &TopicUrl::parse(topic).unwrap()).unwrap();
        assert_eq!(found("https://b.example/"), "*");
        assert_eq!(found("http://a.example/"), "http://a.example/*");
        assert_eq!(found("http://a.example/xx"), "http://a.example/x*");
        assert_eq!(
            found("http://A.example:80/xy"),
            "http://a.example/x%79",
            "whatever it is spelled like (S22)"
        );
    }

    #[test]
    fn how_narrow_a_pattern_is_does_not_depend_on_its_spelling() {
        let map = map(&["http://a.example/%78%78*", "http://a.example/xx/*"]);
        let topic = TopicUrl::parse("http://a.example/xx/y").unwrap();
        assert_eq!(TopicPattern::narrowest(&map, &topic).unwrap(), "http://a.example/xx/*");
        let parsed = |text: &str| text.parse::<TopicPattern>().unwrap();
        assert_eq!(parsed("http://A.example:80/%7e*"), parsed("http://a.example/~*"));
        assert_ne!(parsed("http://a.example/*"), parsed("http://a.example/"));
    }

    #[test]
    fn a_prefix_means_every_spelling_of_what_begins_with_it() {
        let matches = |pattern: &str, topic: &str| {
            pattern.parse::<TopicPattern>().unwrap().matches(&TopicUrl::parse(topic).unwrap())
        };
        for topic in
            ["HTTP://A.example/%7Eme/feed", "http://a.example:80/~me/feed", "http://a.example/~%6De/x"]
        {
            for pattern in
                ["http://a.example/~me/*", "http://A.example:80/%7eme/*", "http://a.ex*", "http*", "*"]
            {
                assert!(matches(pattern, topic), "{pattern} {topic}");
            }
            assert!(!matches("http://a.example/~you/*", topic), "{topic}");
        }
        assert!(matches("http://a.example*", "http://a.example.org/"), "the beginning of a host is no host");
        assert!(matches("HTTP://A.example*", "http://a.example/") && matches("HTTP*", "http://a.example/"));
        assert!(matches("http://a.example?q*", "http://a.example/?q=1"));
        for open in ["%", "%c", "%C3%b"] {
            assert!(matches(&format!("http://a.example/{open}*"), "http://a.example/%C3%BC"), "{open}");
        }
    }

    #[test]
    fn nothing_matches_where_no_pattern_does() {
        let map = map(&["http://a.example/*"]);
        assert_eq!(TopicPattern::narrowest(&map, &TopicUrl::parse("http://b.example/").unwrap()), None);
    }

    #[test]
    fn what_no_topic_could_be_is_no_pattern() {
        for text in [
            "",
            "a.example",
            "ftp://a.example/*",
            "example*",
            "http://a.example/#x",
            "http://me@a.example/",
            "http://me@a.example/*",
            "http://a.example/#*",
        ] {
            assert_eq!(text.parse::<TopicPattern>(), Err(BadPattern(text.to_owned())), "{text}");
        }
        for text in ["*", "http*", "https://a.example/*", "http://a.example/"] {
            assert_eq!(text.parse::<TopicPattern>().unwrap().to_string(), text);
        }
    }
}
