//! Atom: RFC 4287, and the draft before it that called itself 0.3 and is still served.

use super::namespaces::Name;

/// The namespace of Atom 1.0. Names of either version are told apart by local name only.
pub(super) const NAMESPACE: &[u8] = b"http://www.w3.org/2005/Atom";
const NAMESPACE_0_3: &[u8] = b"http://purl.org/atom/ns#";

pub(super) fn is_namespace(namespace: &[u8]) -> bool {
    namespace == NAMESPACE || namespace == NAMESPACE_0_3
}

/// A lone entry is a document too, but not one of a feed: it is opaque.
pub(super) fn is_root(name: Name<'_>) -> bool {
    name.local == b"feed" && is_namespace(name.namespace)
}

pub(super) fn is_entry(name: Name<'_>) -> bool {
    name.is(NAMESPACE, b"entry")
}

pub(super) fn is_link(name: Name<'_>) -> bool {
    name.is(NAMESPACE, b"link")
}

/// F14: the entry's own id and nothing else. One that lacks it breaks the format, and is known by its content.
pub(super) fn identifies(name: Name<'_>) -> Option<usize> {
    name.is(NAMESPACE, b"id").then_some(0)
}
