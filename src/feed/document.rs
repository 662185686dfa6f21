//! What was read from a body.

use serde::{Deserialize, Serialize};

use super::{BodyDigest, Entry, Volatile, encoding::Source, html, json, links::Links, walk};

/// What a body is, decided by its root element, or by what its object says of itself, and by nothing else (F12).
///
/// Stored by position: add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    Atom,
    /// RSS 0.91 to 2.0: items in the channel.
    Rss,
    /// RSS 0.90 and 1.0: items beside the channel.
    Rdf,
    /// Anything else, and anything broken: goes out whole (F19, F23).
    Opaque,
    /// JSON Feed 1.0 and 1.1, where the caller lets it be split; otherwise it is opaque as all JSON is (F19, F20).
    JsonFeed,
}

impl Format {
    /// Whether it may be cut down to some of its entries.
    pub const fn is_feed(self) -> bool {
        !matches!(self, Self::Opaque)
    }
}

/// What may become of a JSON Feed. `WebSub` wants whole what is neither Atom nor RSS (F19), so splitting is a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonFeed {
    /// No JSON is parsed, and a JSON Feed is opaque (F20).
    #[default]
    Whole,
    /// It is a feed like those of XML.
    #[serde(rename = "new-entries")]
    Split,
}

impl JsonFeed {
    /// How a body was read that turned out to be of this format: one that is kept is read again the same way, whatever
    /// has been decided since.
    pub const fn that_gave(format: Format) -> Self {
        if matches!(format, Format::JsonFeed) { Self::Split } else { Self::Whole }
    }
}

/// How a body is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The header as fetched. Only its charset is looked at, if a feed declares none, and whether it says HTML.
    pub content_type: Option<&'a [u8]>,
    pub volatile: &'a Volatile,
    pub json_feed: JsonFeed,
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
    /// Where the feed or page says it lives; as written but decoded, perhaps relative (L05, L07).
    pub self_link: Option<String>,
    /// The hubs it names, in document order; likewise. At most 16.
    pub hub_links: Vec<String>,
    /// What its relative links are relative to, itself relative to where the body came from: the `<base>` of HTML, or
    /// nothing. `None` for XML, whose `xml:base` is not read: nobody can say what its relative links mean.
    pub link_base: Option<String>,
    /// Where older entries are appended: behind the last entry, or where the first one would stand.
    pub insert_at: usize,
}

impl Document {
    fn opaque(body: &[u8], links: Links) -> Self {
        let whole = BodyDigest::of(body);
        Self {
            format: Format::Opaque,
            entries: Vec::new(),
            envelope: whole,
            context: whole,
            self_link: links.own,
            hub_links: links.hubs,
            link_base: links.base,
            insert_at: body.len(),
        }
    }
}

/// Reads a body. Never fails: what is no feed is opaque, and of that only a page of HTML is asked for its links.
pub fn read(body: &[u8], reading: &Reading<'_>) -> Document {
    let Reading { content_type, volatile, json_feed } = *reading;
    let split = match json_feed {
        JsonFeed::Whole => None,
        JsonFeed::Split => json::feed(body, volatile).ok(),
    };
    split
        .or_else(|| walk::feed(&Source::sniff(body, content_type)?, volatile).ok())
        .unwrap_or_else(|| Document::opaque(body, html::links(body, content_type)))
}

#[cfg(test)]
impl<'a> Reading<'a> {
    /// Without a Content-Type, and JSON Feed split as well.
    pub(super) const fn untyped(volatile: &'a Volatile) -> Self {
        Self { content_type: None, volatile, json_feed: JsonFeed::Split }
    }
}
