//! The resource subscribed to, named by its URL.
//!
//! The string is kept exactly as received, because subscribers compare the topic they are told byte by byte (S22, V03);
//! what it is a key for is decided by [`TopicUrl::id`].

use std::{cell::RefCell, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{canonical::Parts, fault::UrlFault, host_key::HostKey, ids::TopicId, stored};

/// An absolute http or https URL of at most 8 KiB, without fragment (S09) and without user name (S38).
///
/// Equality is of the strings; two spellings of one topic are different values with the same [`id`](Self::id).
/// Reading one back from the store checks it again, so the rules may be loosened but not tightened without a migration.
#[derive(Clone)]
pub struct TopicUrl(Arc<Parsed>);

/// Worked out once; a fan-out clones the handle for every subscription.
struct Parsed {
    text: Box<str>,
    url: Url,
    id: TopicId,
    host_key: HostKey,
}

impl TopicUrl {
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let parts = Parts::parse(text)?;
        if parts.userinfo.is_some() {
            return Err(UrlFault::Userinfo);
        }
        let Ok(url) = Url::parse(text) else {
            return Err(UrlFault::Host);
        };
        // The guard looks at what the client will connect to. Should the two parsers ever differ, nobody connects.
        if url.host_str() != Some(parts.host.as_str()) || url.port_or_known_default() != Some(parts.port) {
            return Err(UrlFault::Host);
        }
        let id = TopicId::of_canonical(&parts.canonical());
        Ok(Self(Arc::new(Parsed { text: text.into(), url, id, host_key: parts.host_key() })))
    }

    /// One that was taken apart before it was stored.
    fn read(text: &str) -> Result<Self, UrlFault> {
        let last = LAST.with_borrow(|last| last.as_ref().filter(|last| last.as_str() == text).cloned());
        if let Some(last) = last {
            return Ok(last);
        }
        let topic = Self::parse(text)?;
        LAST.set(Some(topic.clone()));
        Ok(topic)
    }

    /// The string as received: what is echoed, verified and advertised.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The same, parsed for fetching. Its serialisation may differ from [`as_str`](Self::as_str).
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// The same for every spelling of this URL.
    pub fn id(&self) -> TopicId {
        self.0.id
    }

    /// The one spelling that stands for all (S22): to compare by, never to show.
    pub(super) fn canonical(&self) -> String {
        // It was taken apart before, so it can be again.
        Parts::parse(self.as_str()).map_or_else(|_| self.as_str().to_owned(), |parts| parts.canonical())
    }

    /// The same address under the other scheme (P09).
    pub fn twin(&self) -> Option<Self> {
        let (scheme, rest) = self.as_str().split_once("://")?;
        let other = if scheme.eq_ignore_ascii_case("http") { "https" } else { "http" };
        Self::parse(&format!("{other}://{rest}")).ok()
    }

    /// The server it is fetched from.
    pub fn host_key(&self) -> HostKey {
        self.0.host_key.clone()
    }
}

impl fmt::Debug for TopicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicUrl").field(&self.0.text).finish()
    }
}

impl fmt::Display for TopicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl PartialEq for TopicUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for TopicUrl {}

impl std::hash::Hash for TopicUrl {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl std::str::FromStr for TopicUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        Self::parse(text)
    }
}

impl Serialize for TopicUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

thread_local! {
    /// What was read last. A fan-out reads thousands of subscriptions of one topic in a row, and taking its URL apart for
    /// each would be more work than sending them the publication.
    static LAST: RefCell<Option<TopicUrl>> = const { RefCell::new(None) };
}

impl<'de> Deserialize<'de> for TopicUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stored::text(deserializer, Self::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s22_spellings_share_an_id_and_keep_their_strings() {
        let one = TopicUrl::parse("HTTP://Example.com:80/%7Efeed").unwrap();
        let other = TopicUrl::parse("http://example.com/~feed").unwrap();
        assert_eq!(one.id(), other.id());
        assert_ne!(one, other);
        assert_eq!(one.as_str(), "HTTP://Example.com:80/%7Efeed");
        assert_eq!(one.host_key().as_str(), "http://example.com:80");
    }

    #[test]
    fn s38_a_topic_carries_no_credentials() {
        for text in ["http://user:pw@example.com/", "http://user@example.com/", "http://@example.com/"] {
            assert_eq!(TopicUrl::parse(text).unwrap_err(), UrlFault::Userinfo);
        }
    }

    #[test]
    fn s09_a_topic_has_no_fragment() {
        assert_eq!(TopicUrl::parse("http://example.com/#a").unwrap_err(), UrlFault::Fragment);
    }

    #[test]
    fn the_parsed_copy_is_fit_for_fetching() {
        let topic = TopicUrl::parse("http://bücher.example/ü").unwrap();
        assert_eq!(topic.url().as_str(), "http://xn--bcher-kva.example/%C3%BC");
    }

    #[test]
    fn a_topic_is_stored_as_its_string_and_checked_when_read() {
        let topic = TopicUrl::parse("http://example.com/Feed?x=%2f").unwrap();
        let bytes = postcard::to_stdvec(&topic).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(topic.as_str()).unwrap());
        let back: TopicUrl = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((back.as_str(), back.id()), (topic.as_str(), topic.id()));
        assert!(postcard::from_bytes::<TopicUrl>(&postcard::to_stdvec("ftp://x/").unwrap()).is_err());
    }
}
