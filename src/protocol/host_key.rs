//! Which server a URL speaks to: the key of everything counted per host.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use url::Url;

/// `scheme://host:port` in lower case, the port always named. No path, no user name, so it may be logged (X06).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(Arc<str>);

impl HostKey {
    /// `host` must be ASCII in lower case, as `canonical` makes it. A dot at its end names the same server, and must not
    /// be a way to twice of what is allowed for it (X03).
    pub(super) fn new(scheme: &str, host: &str, port: u16) -> Self {
        let host = host.strip_suffix('.').unwrap_or(host);
        Self(format!("{scheme}://{host}:{port}").into())
    }

    /// The server that a URL speaks to, if it is one of http or https.
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self::new(url.scheme(), url.host_str()?, url.port_or_known_default()?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_its_server_have_one_key() {
        let of = |text: &str| HostKey::of(&Url::parse(text).unwrap());
        assert_eq!(of("HTTP://Example.com/feed"), Some(HostKey::new("http", "example.com", 80)));
        assert_eq!(of("https://[::1]:8443/"), Some(HostKey::new("https", "[::1]", 8443)));
        assert_eq!(of("ftp://example.com/"), None);
    }

    #[test]
    fn x03_a_dot_behind_a_name_makes_no_other_host() {
        assert_eq!(HostKey::new("http", "example.com.", 80), HostKey::new("http", "example.com", 80));
    }

    #[test]
    fn a_key_survives_the_store() {
        let key = HostKey::new("https", "example.com", 443);
        assert_eq!(key.to_string(), "https://example.com:443");
        let bytes = postcard::to_stdvec(&key).unwrap();
        assert_eq!(postcard::from_bytes::<HostKey>(&bytes).unwrap(), key);
    }
}
