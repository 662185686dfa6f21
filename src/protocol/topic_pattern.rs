//! Which topics a setting is for, as an operator writes it: one topic, all that begin alike, or all.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, de::Error as _};
use thiserror::Error;

use super::topic::TopicUrl;

/// A topic's URL; or the beginning of one and a `*` behind it; or `*` alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPattern(Kind);

/// Ordered by how narrow it is, the widest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Prefix(String),
    /// The URL as the operator spells it; any spelling of it is meant (S22).
    Exact(String),
}

/// A pattern that no topic could have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{0}\" is neither a topic's URL nor the beginning of one with a * behind it")]
pub struct BadPattern(String);

impl TopicPattern {
    /// Whatever the topic is spelled like (S22): anybody may ping a topic by another spelling, and a setting must not
    /// come and go with that.
    pub fn matches(&self, topic: &TopicUrl) -> bool {
        match &self.0 {
            Kind::Prefix(prefix) => topic.canonical().starts_with(&regular(prefix)),
            Kind::Exact(url) => TopicUrl::parse(url).is_ok_and(|url| url.id() == topic.id()),
        }
    }

    /// The value under the narrowest pattern that the topic matches: itself before any prefix, a longer prefix before a
    /// shorter one.
    pub fn narrowest<'a, T>(map: &'a BTreeMap<Self, T>, topic: &TopicUrl) -> Option<&'a T> {
        let matching = map.iter().filter(|(pattern, _)| pattern.matches(topic));
        matching.max_by_key(|(pattern, _)| pattern.width()).map(|(_, value)| value)
    }

    fn width(&self) -> (bool, usize) {
        match &self.0 {
            Kind::Prefix(prefix) => (false, prefix.len()),
            Kind::Exact(url) => (true, url.len()),
        }
    }
}

/// The beginning of a URL as the beginning of its canonical form. One that ends inside the host or inside a `%XX` is only
/// the beginning of some spelling, and stands for itself.
fn regular(prefix: &str) -> String {
    let has_path = prefix.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let url = if has_path { TopicUrl::parse(prefix).ok() } else { None };
    url.map_or_else(|| prefix.to_owned(), |url| url.canonical())
}

impl FromStr for TopicPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        if let Some(prefix) = text.strip_suffix('*') {
            // Anything else would silently match nothing.
            let is_beginning = ["http://", "https://"]
                .iter()
                .any(|scheme| scheme.starts_with(prefix) || prefix.starts_with(scheme));
            return if is_beginning { Ok(Self(Kind::Prefix(prefix.to_owned()))) } else { Err(bad()) };
        }
        TopicUrl::parse(text).map_err(|_fault| bad())?;
        Ok(Self(Kind::Exact(text.to_owned())))
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Prefix(prefix) => write!(f, "{prefix}*"),
            Kind::Exact(url) => f.write_str(url),
        }
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
    }

    #[test]
    fn nothing_matches_where_no_pattern_does() {
        let map = map(&["http://a.example/*"]);
        assert_eq!(TopicPattern::narrowest(&map, &TopicUrl::parse("http://b.example/").unwrap()), None);
    }

    #[test]
    fn what_no_topic_could_be_is_no_pattern() {
        for text in
            ["", "a.example", "ftp://a.example/*", "example*", "http://a.example/#x", "http://me@a.example/"]
        {
            assert_eq!(text.parse::<TopicPattern>(), Err(BadPattern(text.to_owned())), "{text}");
        }
        for text in ["*", "http*", "https://a.example/*", "http://a.example/"] {
            assert_eq!(text.parse::<TopicPattern>().unwrap().to_string(), text);
        }
    }
}
