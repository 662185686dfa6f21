//! What a topic's body says, and how it is cut down to what is new. Pure: no I/O, no clock, no dice.
//!
//! Implements conformance F12-F25, the element half of L01, L04 and L05, and X08 for feeds. [`read`] decides by the root
//! element what a body is and finds its entries as byte ranges; [`news`] says which of them were not seen before;
//! [`render()`] cuts the others out; [`merge()`] appends entries that a subscriber missed (D20). A JSON Feed is taken
//! apart only where the caller says so ([`JsonFeed`]); of a page of HTML, nothing but the links in its head is read. For
//! those who have other documents of XML to read, [`Tree`] says what is in a small one.
//!
//! # Promises
//!
//! - **Bytes in are bytes out.** Nothing is ever re-serialised: every byte that leaves was a byte of the publisher's,
//!   in the publisher's order (F21, F24). Rendering all entries gives the input back.
//! - **Whole or not at all.** A body that is not well-formed to its end, or not understood, is [`Format::Opaque`] and
//!   goes out whole (F19, F23).
//! - **What is rendered reads back** as a feed with exactly the entries kept, the same envelope and the same context.
//! - **Nothing a publisher sends** makes this panic, recurse, or take more than linear time and memory.
//!
//! # Decisions
//!
//! - *Everything is read where it lies*, so that the same code serves every ASCII-compatible encoding without a converter.
//! - *Atom 0.3 is understood.* What it calls its entries and their ids is what Atom 1.0 calls them.
//! - *Strict, but for prefixes nobody declared.* Whatever XML 1.0 refuses is opaque: a stray `&nbsp;`, `]]>` in text, XML
//!   1.1. So is a DOCTYPE that could change what the rest says: a default attribute, markup in an entity. A prefix that was
//!   never declared is an error to some readers and none to XML itself; many feeds have one, and it stands in no name that
//!   decides anything.
//! - *Comments beside the feed's own elements are noise.* Page caches stamp the time of rendering in them.
//! - *What counts an entry's replies is volatile*, also in the link that leads to them: `thr:count` (RFC 4685), or a title
//!   that says "3 Comments".
//! - *White space between the members of a JSON Feed, or of its items, is noise too*, and so is a member with the bare
//!   name of a volatile element.
//! - *The table of contents of RSS 1.0 is volatile.* It repeats the entries, so that it changes with each of them.

mod aside;
mod atom;
#[cfg(test)]
mod conformance;
mod dialect;
mod diff;
#[cfg(test)]
mod differential;
mod doctype;
mod document;
mod encoding;
mod entry;
mod fingerprint;
#[cfg(test)]
mod generated;
mod head;
#[cfg(test)]
mod hostile;
mod html;
mod identity;
mod json;
mod legacy;
mod links;
mod merge;
mod names;
mod namespaces;
mod remainder;
mod render;
mod rss;
#[cfg(test)]
mod surroundings;
mod tag;
mod text;
mod tree;
mod volatile;
mod walk;
#[cfg(test)]
mod wild;
mod xml;

pub use diff::news;
pub use document::{Document, Format, JsonFeed, Reading, read};
pub use entry::{BodyDigest, Entry, EntryDigest, EntryId};
pub use head::{HeadLink, PageHead, page_head};
pub use merge::{Merged, merge};
pub use render::{Rendered, render};
pub use tree::{Element, Tree, TreeFault};
pub use volatile::{ElementName, UnknownElement, Volatile};
