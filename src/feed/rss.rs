//! RSS: 0.91 to 2.0, whose items lie in the channel, and 0.90 and 1.0, which are RDF and whose items lie beside it (F22).

use super::namespaces::Name;

pub(super) const RDF: &[u8] = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// What RSS 1.0 and 0.90 call their own.
const RDF_BASED: [&[u8]; 3] = [
    b"http://purl.org/rss/1.0/",
    b"http://my.netscape.com/rdf/simple/0.9/",
    b"http://channel.netscape.com/rdf/simple/0.9/",
];

/// RSS 2.0 has no namespace, but some of its publishers gave it one; whichever it is, it is the root's.
pub(super) fn is_root(name: Name<'_>) -> bool {
    name.local == b"rss"
}

pub(super) fn is_rdf_root(name: Name<'_>) -> bool {
    name.is(RDF, b"RDF")
}

pub(super) fn is_rdf_based(namespace: &[u8]) -> bool {
    RDF_BASED.contains(&namespace)
}

pub(super) fn is_channel(name: Name<'_>) -> bool {
    name.is(b"", b"channel")
}

pub(super) fn is_item(name: Name<'_>) -> bool {
    name.is(b"", b"item")
}

/// RSS 1.0's table of contents: it names every item, so it changes when one comes or goes.
pub(super) fn is_contents(name: Name<'_>) -> bool {
    name.is(b"", b"items")
}

/// Publishers also leave Atom's namespace off the link they copied from Atom (L04).
pub(super) fn is_link(name: Name<'_>) -> bool {
    name.is(b"", b"link")
}

/// Where an item's `rdf:about` stands among what identifies it.
pub(super) const ABOUT: usize = 1;

/// F14: the best there is, lower is better.
pub(super) fn identifies(name: Name<'_>) -> Option<usize> {
    if !name.namespace.is_empty() {
        return None;
    }
    match name.local {
        b"guid" => Some(0),
        b"link" => Some(2),
        b"title" => Some(3),
        b"description" => Some(4),
        _ => None,
    }
}
