//! From a name to a key and an endpoint, as documents: a document in, its links, keys and names out; and our own written.
//!
//! | File | What |
//! |---|---|
//! | `xrd`, `jrd` | descriptors and host-meta in XML and JSON |
//! | `fallback` | a person's page, its Link header, and a feed, where there is no descriptor |
//! | `addresses` | where to ask: WebFinger, host-meta, templates |
//! | `publish` | our own descriptors and host-meta |
//!
//! Whoever fetches decides on order and trust: a descriptor speaks for a name only if it came from that name's host
//! ([`Claims::judge`](super::Claims::judge)), and keys of a host-meta are nobody's.

mod addresses;
mod fallback;
mod jrd;
mod publish;
mod xrd;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use addresses::{expand, host_meta, webfinger};
pub use fallback::{FeedSource, Pointers, feed, link_header, page};
pub use publish::{Account, AccountKind, HostMeta};

use super::{Exposure, Identity, KeyFault, KeySizes, PublicKey};

/// What a lookup may bring at most.
pub const MOST_BYTES: usize = 256 << 10;
/// A descriptor in use has a dozen links; each costs as much as is in it.
const MOST_LINKS: usize = 128;
const MOST_NAMES: usize = 64;
/// Keys that are tried: nobody needs a third. One of 8192 bits costs 2 ms for each form and signature, so that the worst
/// envelope takes a tenth of a second.
const MOST_KEYS: usize = 2;

/// Octets of a descriptor that is kept: a key of 8192 bits has 1400.
const MOST_KEPT: usize = 16 << 10;

/// The relations that are kept.
const KEPT: [&str; 7] = [
    rel::SALMON,
    rel::SALMON_REPLIES,
    rel::SALMON_MENTION,
    rel::MAGIC_PUBLIC_KEY,
    rel::UPDATES_FROM,
    rel::PROFILE_PAGE,
    rel::SUBSCRIBE,
];

/// The relations that are asked for.
pub mod rel {
    pub const SALMON: &str = "salmon";
    pub const SALMON_REPLIES: &str = "http://salmon-protocol.org/ns/salmon-replies";
    pub const SALMON_MENTION: &str = "http://salmon-protocol.org/ns/salmon-mention";
    pub const MAGIC_PUBLIC_KEY: &str = "magic-public-key";
    pub const UPDATES_FROM: &str = "http://schemas.google.com/g/2010#updates-from";
    pub const PROFILE_PAGE: &str = "http://webfinger.net/rel/profile-page";
    pub const SUBSCRIBE: &str = "http://ostatus.org/schema/1.0/subscribe";
    pub const LRDD: &str = "lrdd";
    pub const HUB: &str = "hub";
}

/// What the draft calls a key in a property.
const MAGIC_KEY_PROPERTY: &str = "http://salmon-protocol.org/ns/magic-key";

/// Why a document is no descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DescriptorFault {
    #[error("the document is too large")]
    TooLarge,
    #[error("the document has a DOCTYPE")]
    Doctype,
    #[error("the document is no well-formed XML")]
    NoXml,
    #[error("the document is no JSON resource descriptor")]
    NoJrd,
    #[error("the document is no XRD")]
    NoXrd,
}

/// A link of a descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescriptorLink {
    pub rel: String,
    pub media_type: Option<String>,
    pub href: Option<String>,
    pub template: Option<String>,
}

/// A descriptor of an account, or a host-meta.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    pub subject: Option<String>,
    pub aliases: Vec<String>,
    pub links: Vec<DescriptorLink>,
    /// `hm:Host` of a host-meta: what it is for.
    pub hosts: Vec<String>,
    /// The texts of keys outside links, as the draft would have them.
    property_keys: Vec<String>,
}

impl Descriptor {
    /// Reads a descriptor or host-meta; what it is shows in the body, since servers mix up the types.
    pub fn read(body: &[u8]) -> Result<Self, DescriptorFault> {
        if body.len() > MOST_BYTES {
            return Err(DescriptorFault::TooLarge);
        }
        let mut descriptor =
            if body.trim_ascii_start().starts_with(b"{") { jrd::read(body)? } else { xrd::read(body)? };
        descriptor.links.truncate(MOST_LINKS);
        descriptor.aliases.truncate(MOST_NAMES);
        descriptor.hosts.truncate(MOST_NAMES);
        Ok(descriptor)
    }

    /// What is of use in the descriptor of an account, so that it can be kept; `None` if that is still more than any
    /// account has.
    pub fn condensed(mut self) -> Option<Self> {
        self.hosts.clear();
        self.property_keys.truncate(MOST_KEYS);
        self.links.retain(|link| {
            link.href.is_some() && KEPT.iter().any(|kept| link.rel.trim_ascii().eq_ignore_ascii_case(kept))
        });
        let links = self.links.iter().flat_map(|link| {
            [Some(&link.rel), link.media_type.as_ref(), link.href.as_ref(), link.template.as_ref()]
        });
        let names = self.subject.iter().chain(&self.aliases).chain(&self.property_keys);
        let octets: usize = links.flatten().chain(names).map(String::len).sum();
        (octets <= MOST_KEPT).then_some(self)
    }

    /// The names of its account, the subject first.
    pub fn identities(&self) -> Vec<Identity> {
        self.subject.iter().chain(&self.aliases).filter_map(|name| Identity::parse(name)).collect()
    }

    /// Whether this is one of the names, letter by letter.
    pub fn has_name(&self, name: &str) -> bool {
        self.subject.iter().chain(&self.aliases).any(|known| known == name)
    }

    /// The links of that relation.
    pub fn all(&self, rel: &str) -> impl Iterator<Item = &DescriptorLink> {
        self.links.iter().filter(move |link| link.rel.trim_ascii().eq_ignore_ascii_case(rel))
    }

    fn href(&self, rel: &str) -> Option<&str> {
        self.all(rel).find_map(|link| link.href.as_deref())
    }

    /// Where slaps for the account go: the new relation, else one of the old ones.
    pub fn salmon(&self) -> Option<&str> {
        [rel::SALMON, rel::SALMON_REPLIES, rel::SALMON_MENTION].into_iter().find_map(|rel| self.href(rel))
    }

    /// Its Atom feed.
    pub fn feed(&self) -> Option<&str> {
        let is_atom = |link: &&DescriptorLink| link.media_type.as_deref().is_none_or(is_atom);
        self.all(rel::UPDATES_FROM).filter(is_atom).find_map(|link| link.href.as_deref())
    }

    pub fn profile(&self) -> Option<&str> {
        self.href(rel::PROFILE_PAGE)
    }

    /// The templates under which a host-meta has descriptors, those of XML first, since all that ever served Salmon have
    /// that.
    pub fn templates(&self) -> Vec<&str> {
        let is_json =
            |link: &&DescriptorLink| link.media_type.as_deref().is_some_and(|of| of.contains("json"));
        let (json, xml): (Vec<_>, Vec<_>) = self.all(rel::LRDD).partition(is_json);
        xml.into_iter().chain(json).filter_map(|link| link.template.as_deref()).collect()
    }

    /// Its keys, at most two, in document order: peers that publish two mean either the first or the last. One that
    /// cannot be used is there as its fault, so that a log can say why nothing verifies.
    pub fn keys(&self, sizes: KeySizes) -> Vec<Result<(PublicKey, Exposure), KeyFault>> {
        let hrefs = self.all(rel::MAGIC_PUBLIC_KEY).filter_map(|link| link.href.as_deref());
        let mut keys: Vec<_> = hrefs.map(|href| PublicKey::from_href(href, sizes)).take(MOST_KEYS).collect();
        // No peer of OStatus reads these; a site that follows the draft has nothing else.
        if keys.is_empty() {
            let texts = self.property_keys.iter().take(MOST_KEYS);
            keys = texts.map(|text| PublicKey::parse(text, sizes)).collect();
        }
        keys
    }
}

/// Whether a media type is that of Atom, whatever its parameters.
fn is_atom(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case("application/atom+xml")
}

#[cfg(test)]
mod tests;
