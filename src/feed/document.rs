//! What was read from a body.

use serde::{Deserialize, Serialize};

use super::{BodyDigest, Entry, Volatile, encoding::Source, walk};

/// What a body is, decided by its root element and by nothing else (F12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    Atom,
    /// RSS 0.91 to 2.0: items in the channel.
    Rss,
    /// RSS 0.90 and 1.0: items beside the channel.
    Rdf,
    /// Anything else, and anything broken: goes out whole (F19, F23).
    Opaque,
}

impl Format {
    /// Whether it may be cut down to some of its entries.
    pub const fn is_feed(self) -> bool {
        !matches!(self, Self::Opaque)
    }
}

/// What was read from a body. It does not own it, and makes sense only together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub format: Format,
    /// In document order; empty for an opaque body.
    pub entries: Vec<Entry>,
    /// Everything outside the entries that counts (F13): without volatile elements, white space and comments at feed
    /// level. Of an opaque body, all of it.
    pub envelope: BodyDigest,
    /// What gives the entries their meaning from outside: encoding, DOCTYPE, and the start tags around them. Entries of
    /// two documents may be put into one only if this is equal.
    pub context: BodyDigest,
    /// Where the feed says it lives; as written but decoded, perhaps relative (L07).
    pub self_link: Option<String>,
    /// The hubs it names, in document order; likewise. At most 16.
    pub hub_links: Vec<String>,
    /// Where older entries are appended: behind the last entry, or where the first one would stand.
    pub insert_at: usize,
}

impl Document {
    fn opaque(body: &[u8]) -> Self {
        let whole = BodyDigest::of(body);
        Self {
            format: Format::Opaque,
            entries: Vec::new(),
            envelope: whole,
            context: whole,
            self_link: None,
            hub_links: Vec::new(),
            insert_at: body.len(),
        }
    }
}

/// Reads a body. Never fails: what is no feed is opaque.
///
/// `content_type` is the header as fetched; only its charset is looked at, and only if the body declares none.
pub fn read(body: &[u8], content_type: Option<&[u8]>, volatile: &Volatile) -> Document {
    Source::sniff(body, content_type)
        .and_then(|source| walk::feed(&source, volatile).ok())
        .unwrap_or_else(|| Document::opaque(body))
}
