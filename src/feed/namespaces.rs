//! Which namespace a prefix stands for, here. Prefixes are the publisher's choice and may change within an entry (L04).

use std::borrow::Cow;

use super::{
    tag::{Attribute, Unreadable},
    text,
};

/// A feed in the wild declares a dozen or two. The bound keeps looking one up cheap whatever a publisher declares.
const MOST_BINDINGS: usize = 64;

/// An element's or attribute's name with its prefix resolved; no namespace is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) namespace: &'a [u8],
    pub(super) local: &'a [u8],
}

impl Name<'_> {
    /// Whether its prefix stands for anything.
    pub(super) fn is_declared(&self) -> bool {
        self.namespace != UNDECLARED
    }

    pub(super) fn is(&self, namespace: &[u8], local: &[u8]) -> bool {
        self.local == local && same(self.namespace, namespace)
    }
}

/// Whether two prefixes or namespaces are equal. Most are empty, and an empty slice may lie at no address at all: a
/// `memcmp` that reads under a mask (glibc with AVX-512) then faults in silence and takes 176 ns, forty times as long
/// as over bytes that are there. That was a tenth of the time a feed took.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

#[derive(Debug)]
struct Binding<'b> {
    depth: usize,
    /// Empty for the default namespace.
    prefix: &'b [u8],
    namespace: Cow<'b, [u8]>,
}

/// The declarations in force, innermost last.
#[derive(Debug, Default)]
pub(super) struct Scope<'b> {
    bindings: Vec<Binding<'b>>,
}

impl<'b> Scope<'b> {
    /// An element begins: its declarations come into force, for its own name too. An error if one is against the rules
    /// (Namespaces in XML 1.0, 2 and 3), since readers would differ on what it means.
    pub(super) fn enter(&mut self, depth: usize, attributes: &[Attribute<'b>]) -> Result<(), Unreadable> {
        for attribute in attributes {
            let prefix = match attribute.name {
                b"xmlns" => &b""[..],
                [b'x', b'm', b'l', b'n', b's', b':', prefix @ ..] => {
                    if attribute.value.is_empty() || prefix == b"xmlns" {
                        return Err(Unreadable);
                    }
                    prefix
                }
                _ => continue,
            };
            if self.bindings.len() >= MOST_BINDINGS {
                return Err(Unreadable);
            }
            // An entity that we do not expand could make it any namespace.
            let namespace = text::known(attribute.value).ok_or(Unreadable)?;
            // Kept for each other, and for nothing.
            if (*namespace == *XML) != (prefix == b"xml") || *namespace == *XMLNS {
                return Err(Unreadable);
            }
            self.bindings.push(Binding { depth, prefix, namespace });
        }
        Ok(())
    }

    /// The element at that depth ends, and its declarations with it.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bindings.pop_if(|binding| binding.depth >= depth).is_some() {}
    }

    /// The name of an element. A prefix nobody declared stands for no namespace, which no feed element has.
    pub(super) fn element<'a>(&'a self, qualified: &'a [u8]) -> Name<'a> {
        match split(qualified) {
            (Some(prefix), local) => Name { namespace: self.lookup(prefix).unwrap_or(UNDECLARED), local },
            (None, local) => Name { namespace: self.lookup(b"").unwrap_or_default(), local },
        }
    }

    /// The value of the attribute of that name, whatever its prefix.
    pub(super) fn attribute(
        &self,
        attributes: &[Attribute<'b>],
        namespace: &[u8],
        local: &[u8],
    ) -> Option<&'b [u8]> {
        let found = attributes.iter().find(|attribute| match split(attribute.name) {
            (Some(prefix), name) => {
                name == local && self.lookup(prefix).is_some_and(|found| same(found, namespace))
            }
            (None, _) => false,
        });
        found.map(|attribute| attribute.value)
    }

    fn lookup(&self, prefix: &[u8]) -> Option<&[u8]> {
        self.bindings.iter().rev().find(|b| same(b.prefix, prefix)).map(|b| b.namespace.as_ref())
    }
}

/// What the prefix `xml` stands for, always.
const XML: &[u8] = b"http://www.w3.org/XML/1998/namespace";
/// What the prefix `xmlns` does, which nobody declares.
const XMLNS: &[u8] = b"http://www.w3.org/2000/xmlns/";

/// Not a name of a namespace, so it equals none.
const UNDECLARED: &[u8] = b"\0";

/// The name without its prefix.
pub(super) fn local(qualified: &[u8]) -> &[u8] {
    split(qualified).1
}

fn split(qualified: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let parts = qualified.iter().position(|&b| b == b':').and_then(|colon| qualified.split_at_checked(colon));
    match parts {
        Some((prefix, [_colon, local @ ..])) => (Some(prefix), local),
        _ => (None, qualified),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xmlns(name: &'static str, value: &'static str) -> Attribute<'static> {
        Attribute { name: name.as_bytes(), value: value.as_bytes() }
    }

    #[test]
    fn the_innermost_declaration_of_a_prefix_counts_until_its_element_ends() {
        let mut scope = Scope::default();
        scope.enter(1, &[xmlns("xmlns", "outer"), xmlns("xmlns:a", "first"), xmlns("id", "x")]).unwrap();
        scope.enter(2, &[xmlns("xmlns:a", "second"), xmlns("xmlns", "")]).unwrap();
        assert!(scope.element(b"a:b").is(b"second", b"b"));
        assert!(scope.element(b"b").is(b"", b"b"));
        scope.leave(2);
        assert!(scope.element(b"a:b").is(b"first", b"b"));
        assert!(scope.element(b"b").is(b"outer", b"b"));
        scope.leave(1);
        assert!(scope.element(b"b").is(b"", b"b"));
        assert!(!scope.element(b"a:b").is(b"", b"b"), "an undeclared prefix is not the lack of one");
    }

    #[test]
    fn a_namespace_may_be_written_with_references() {
        let mut scope = Scope::default();
        scope.enter(1, &[xmlns("xmlns:p", "a&amp;b")]).unwrap();
        assert!(scope.element(b"p:x").is(b"a&b", b"x"));
        assert_eq!(scope.attribute(&[xmlns("p:y", "1"), xmlns("y", "2")], b"a&b", b"y"), Some(&b"1"[..]));
    }

    /// F23
    #[test]
    fn declarations_that_readers_may_read_differently_are_refused() {
        let bad = [
            ("xmlns:p", ""),
            ("xmlns:xml", "http://www.w3.org/2005/Atom"),
            ("xmlns:xmlns", "a"),
            ("xmlns:xmlns", "http://www.w3.org/XML/1998/namespace"),
            ("xmlns:p", "http://www.w3.org/XML/1998/namespace"),
            ("xmlns", "http://www.w3.org/XML/1998/namespace"),
            ("xmlns", "http://www.w3.org/2000/xmlns/"),
            ("xmlns:p", "&e;"),
            ("xmlns", "a&e;"),
        ];
        for (name, value) in bad {
            assert_eq!(Scope::default().enter(1, &[xmlns(name, value)]), Err(Unreadable), "{name} {value}");
        }
        let xml = xmlns("xmlns:xml", "http://www.w3.org/XML/1998/namespace");
        assert_eq!(Scope::default().enter(1, &[xml]), Ok(()));
    }

    #[test]
    fn more_declarations_than_anyone_needs_are_refused() {
        let mut scope = Scope::default();
        for depth in 0..MOST_BINDINGS {
            scope.enter(depth, &[xmlns("xmlns", "a")]).unwrap();
        }
        assert_eq!(scope.enter(MOST_BINDINGS, &[xmlns("xmlns", "a")]), Err(Unreadable));
    }
}
