//! The entry of a member in the feed of a group: unchanged inside, with its source and its proof put behind what it has.
//!
//! A group never signs. Whoever reads its feed has to believe it about each author, unless the envelope in which the entry
//! came goes with it.

use thiserror::Error;

use super::ATOM;
use crate::{
    feed::Tree,
    salmon::{magic_envelope::Envelope, markup},
};

const MAGIC: &str = "http://salmon-protocol.org/ns/magic-env";

/// Why an entry cannot be put into a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProvenanceFault {
    #[error("the payload is no Atom entry")]
    NoEntry,
    #[error("the entry already has a provenance")]
    HasProvenance,
}

/// The entry within an envelope, as an element for the feed of a group. `feed` is the address of its author's own feed,
/// which becomes its source if it names none.
pub fn for_group_feed(envelope: &Envelope, feed: Option<&str>) -> Result<String, ProvenanceFault> {
    let payload = envelope.payload();
    let tree = Tree::parse(payload).ok().ok_or(ProvenanceFault::NoEntry)?;
    let entry = tree.root().filter(|root| root.is(ATOM, "entry")).ok_or(ProvenanceFault::NoEntry)?;
    if entry.first(MAGIC, "provenance").is_some() {
        return Err(ProvenanceFault::HasProvenance);
    }
    // An entry has an id and an author, so that it is no empty tag.
    let inner = entry.inner();
    let begin = payload.get(entry.range().start..inner.end).ok_or(ProvenanceFault::NoEntry)?;
    let end = payload.get(inner.end..entry.range().end).ok_or(ProvenanceFault::NoEntry)?;
    let mut out = String::from_utf8_lossy(begin).into_owned();
    if let Some(feed) = feed
        && entry.first(ATOM, "source").is_none()
    {
        out.push_str("<source xmlns=\"http://www.w3.org/2005/Atom\"><id>");
        markup::push_escaped(&mut out, feed);
        out.push_str("</id><link rel=\"self\" type=\"application/atom+xml\" href=\"");
        markup::push_escaped(&mut out, feed);
        out.push_str("\"/></source>");
    }
    out.push_str(&envelope.to_provenance());
    out.push_str(&String::from_utf8_lossy(end));
    Ok(out)
}
