//! What changes without anything having been said: rebuild dates, generators, counters of comments and views.
//!
//! At feed level such an element alone makes no news (F13); in an entry it makes no new version (F16).

use std::str::FromStr;

use super::namespaces::Name;

/// An element by namespace and local name; RSS's own have no namespace.
///
/// Read from `slash:comments` by the prefixes of [`PREFIXES`](Self::PREFIXES), from a bare `ttl`, or in full from
/// `{http://namespace}local`. Which prefix a publisher uses does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementName {
    namespace: String,
    local: String,
}

/// A name of an element that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownElement {
    /// The prefix is none of ours.
    #[error("unknown prefix in \"{0}\": write {{namespace}}local instead")]
    Prefix(String),
    /// It is no name at all.
    #[error("\"{0}\" is no name of an element")]
    Name(String),
}

impl ElementName {
    /// The prefixes as they are commonly written, and what they stand for.
    pub const PREFIXES: [(&str, &str); 20] = [
        ("activity", "http://activitystrea.ms/spec/1.0/"),
        ("admin", "http://webns.net/mvcb/"),
        ("atom", "http://www.w3.org/2005/Atom"),
        ("content", "http://purl.org/rss/1.0/modules/content/"),
        ("dc", "http://purl.org/dc/elements/1.1/"),
        ("dcterms", "http://purl.org/dc/terms/"),
        ("gd", "http://schemas.google.com/g/2005"),
        ("itunes", "http://www.itunes.com/dtds/podcast-1.0.dtd"),
        ("media", "http://search.yahoo.com/mrss/"),
        ("openSearch", "http://a9.com/-/spec/opensearchrss/1.0/"),
        ("opensearch", "http://a9.com/-/spec/opensearch/1.1/"),
        ("ostatus", "http://ostatus.org/schema/1.0"),
        ("podcast", "https://podcastindex.org/namespace/1.0"),
        ("poco", "http://portablecontacts.net/spec/1.0"),
        ("slash", "http://purl.org/rss/1.0/modules/slash/"),
        ("statusnet", "http://status.net/schema/api/1/"),
        ("sy", "http://purl.org/rss/1.0/modules/syndication/"),
        ("thr", "http://purl.org/syndication/thread/1.0"),
        ("wfw", "http://wellformedweb.org/CommentAPI/"),
        ("yt", "http://gdata.youtube.com/schemas/2007"),
    ];

    fn is(&self, name: Name<'_>) -> bool {
        name.is(self.namespace.as_bytes(), self.local.as_bytes())
    }
}

impl FromStr for ElementName {
    type Err = UnknownElement;

    fn from_str(written: &str) -> Result<Self, UnknownElement> {
        let no_name = || UnknownElement::Name(written.to_owned());
        let (namespace, local) = if let Some(rest) = written.strip_prefix('{') {
            rest.split_once('}').ok_or_else(no_name)?
        } else if let Some((prefix, local)) = written.split_once(':') {
            let known = Self::PREFIXES.iter().find(|(ours, _)| *ours == prefix);
            (known.ok_or_else(|| UnknownElement::Prefix(written.to_owned()))?.1, local)
        } else {
            ("", written)
        };
        if !super::names::is_name(local.as_bytes()) || local.contains(':') {
            return Err(no_name());
        }
        Ok(Self { namespace: namespace.to_owned(), local: local.to_owned() })
    }
}

/// The elements that do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volatile {
    feed: Vec<ElementName>,
    entry: Vec<ElementName>,
}

impl Volatile {
    /// At feed level, unless the operator says otherwise: right below the feed or channel.
    pub const FEED: [&str; 19] = [
        "atom:updated",
        "atom:modified",
        "atom:generator",
        "lastBuildDate",
        "pubDate",
        "generator",
        "ttl",
        "dc:date",
        "admin:generatorAgent",
        "openSearch:totalResults",
        "openSearch:startIndex",
        "openSearch:itemsPerPage",
        "opensearch:totalResults",
        "opensearch:startIndex",
        "opensearch:itemsPerPage",
        "slash:comments",
        "thr:total",
        "yt:statistics",
        // The members of a group on an OStatus site.
        "statusnet:group_info",
    ];

    /// In entries, unless the operator says otherwise: however deep. An entry's own date is not among them.
    pub const ENTRY: [&str; 7] = [
        "slash:comments",
        "slash:hit_parade",
        "thr:total",
        "media:community",
        "yt:statistics",
        "gd:rating",
        "gd:comments",
    ];

    pub const fn new(feed: Vec<ElementName>, entry: Vec<ElementName>) -> Self {
        Self { feed, entry }
    }

    /// From names as an operator writes them; stops at the first that cannot be resolved.
    pub fn parse<S: AsRef<str>>(feed: &[S], entry: &[S]) -> Result<Self, UnknownElement> {
        let all = |names: &[S]| -> Result<_, _> { names.iter().map(|name| name.as_ref().parse()).collect() };
        Ok(Self { feed: all(feed)?, entry: all(entry)? })
    }

    pub(super) fn in_feed(&self, name: Name<'_>) -> bool {
        self.feed.iter().any(|element| element.is(name))
    }

    /// Whether some element of that local name is volatile in entries.
    pub(super) fn may_be_in_entry(&self, local: &[u8]) -> bool {
        self.entry.iter().any(|element| element.local.as_bytes() == local)
    }

    pub(super) fn in_entry(&self, name: Name<'_>) -> bool {
        self.entry.iter().any(|element| element.is(name))
    }
}

impl Default for Volatile {
    fn default() -> Self {
        // The defaults are ours and a test holds them to be sound.
        let ours = |names: &[&str]| names.iter().filter_map(|name| name.parse().ok()).collect();
        Self::new(ours(&Self::FEED), ours(&Self::ENTRY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_resolved() {
        assert_eq!(Volatile::parse(&Volatile::FEED[..], &Volatile::ENTRY[..]), Ok(Volatile::default()));
        assert_eq!(Volatile::default().feed.len(), Volatile::FEED.len());
    }

    #[test]
    fn a_name_is_read_with_a_known_prefix_with_none_or_in_full() {
        let name: ElementName = "slash:comments".parse().unwrap();
        assert!(name.is(Name { namespace: b"http://purl.org/rss/1.0/modules/slash/", local: b"comments" }));
        let in_full: ElementName = "{http://purl.org/rss/1.0/modules/slash/}comments".parse().unwrap();
        assert_eq!(in_full, name);
        assert!("ttl".parse::<ElementName>().unwrap().is(Name { namespace: b"", local: b"ttl" }));
        assert_eq!("nope:x".parse::<ElementName>(), Err(UnknownElement::Prefix("nope:x".into())));
        for bad in ["", "a b", "atom:", "{x", "{x}", "atom:a:b"] {
            assert_eq!(bad.parse::<ElementName>(), Err(UnknownElement::Name(bad.into())), "{bad}");
        }
    }
}
