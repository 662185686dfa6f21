//! What a feed's root makes of the names below it (F12): which elements are entries, where they lie, and which element
//! tells one from another.

use super::{
    Format, atom,
    namespaces::{self, Name},
    rss,
};

/// What an element is to its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The `channel` of RSS.
    Channel,
    Entry,
    /// A part of the envelope.
    Other,
}

/// The feed-level elements lie right below the root, and in RSS also right below the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Channel,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialect {
    Atom,
    /// With the namespace its publisher gave it, mostly none.
    Rss(Vec<u8>),
    Rdf,
}

impl Dialect {
    /// `None` if a document with this root is no feed.
    pub(super) fn of_root(name: Name<'_>) -> Option<Self> {
        if atom::is_root(name) {
            Some(Self::Atom)
        } else if rss::is_rdf_root(name) {
            Some(Self::Rdf)
        } else if rss::is_root(name) {
            Some(Self::Rss(name.namespace.to_vec()))
        } else {
            None
        }
    }

    pub(super) const fn format(&self) -> Format {
        match self {
            Self::Atom => Format::Atom,
            Self::Rss(_) => Format::Rss,
            Self::Rdf => Format::Rdf,
        }
    }

    /// One name for one thing: RSS's own elements have no namespace, Atom's the one of 1.0.
    pub(super) fn canonical<'a>(&self, name: Name<'a>) -> Name<'a> {
        let own = match self {
            Self::Atom => false,
            Self::Rss(namespace) => namespaces::same(name.namespace, namespace),
            Self::Rdf => rss::is_rdf_based(name.namespace),
        };
        if own {
            Name { namespace: b"", ..name }
        } else if atom::is_namespace(name.namespace) {
            Name { namespace: atom::NAMESPACE, ..name }
        } else {
            name
        }
    }

    /// What a feed-level element is; its name is canonical, as below.
    pub(super) fn role(&self, level: Level, name: Name<'_>) -> Role {
        let (is_channel, is_entry) = match (self, level) {
            (Self::Atom, _) => (false, atom::is_entry(name)),
            (Self::Rss(_), Level::Root) => (rss::is_channel(name), false),
            (Self::Rss(_), Level::Channel) => (false, rss::is_item(name)),
            (Self::Rdf, Level::Root) => (rss::is_channel(name), rss::is_item(name)),
            (Self::Rdf, Level::Channel) => (false, false),
        };
        match (is_channel, is_entry) {
            (true, _) => Role::Channel,
            (_, true) => Role::Entry,
            _ => Role::Other,
        }
    }

    /// Where the entries lie.
    pub(super) const fn entries_lie_at(&self) -> Level {
        match self {
            Self::Atom | Self::Rdf => Level::Root,
            Self::Rss(_) => Level::Channel,
        }
    }

    /// How many channels make sense of such a document.
    pub(super) const fn channels(&self) -> usize {
        match self {
            Self::Atom => 0,
            Self::Rss(_) | Self::Rdf => 1,
        }
    }

    /// How good an id this child of an entry is, 0 the best (F14).
    pub(super) fn identifies(&self, name: Name<'_>) -> Option<usize> {
        match self {
            Self::Atom => atom::identifies(name),
            Self::Rss(_) | Self::Rdf => rss::identifies(name),
        }
    }

    /// Whether some child of that local name does.
    pub(super) fn may_identify(&self, local: &[u8]) -> bool {
        let namespace = match self {
            Self::Atom => atom::NAMESPACE,
            Self::Rss(_) | Self::Rdf => b"",
        };
        self.identifies(Name { namespace, local }).is_some()
    }

    /// Whether this feed-level element says nothing but which entries there are.
    pub(super) fn is_contents(&self, name: Name<'_>) -> bool {
        *self == Self::Rdf && rss::is_contents(name)
    }

    /// Whether this feed-level element may advertise a hub (L04).
    pub(super) fn is_link(&self, name: Name<'_>) -> bool {
        atom::is_link(name) || (*self != Self::Atom && rss::is_link(name))
    }
}
