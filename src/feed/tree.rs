//! A small XML document as a tree, for those who want to know what it says and not only where its pieces lie: envelopes,
//! the entries in them, and documents of discovery.
//!
//! Stricter than the reading of feeds, since who signs or answers for an account has no old software to excuse it: UTF-8
//! only, and no DOCTYPE at all, so that no entity, external or not, has anything to do with what is read (X08). The
//! elements lie in one list, so that nothing here recurses, not even to be dropped.

use std::{borrow::Cow, ops::Range};

use thiserror::Error;

use super::{
    encoding::Source,
    namespaces::Scope,
    tag::{Attribute, Unreadable},
    text,
    xml::{Kind, Scanner},
};

/// An entry with fifty mentions has two hundred elements, a feed of fifty such entries ten thousand.
const MOST_ELEMENTS: usize = 1 << 14;
/// All those of OStatus stay under 60 bytes. Each element holds its own, so a long one would be a way to make us hold much.
const LONGEST_NAMESPACE: usize = 256;

/// Why a document cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TreeFault {
    #[error("it has a DOCTYPE")]
    Doctype,
    #[error("it is no well-formed XML in UTF-8")]
    Malformed,
    #[error("it has too many elements or too long a namespace")]
    TooMuch,
}

impl From<Unreadable> for TreeFault {
    fn from(_: Unreadable) -> Self {
        Self::Malformed
    }
}

/// A document that was sound to its end.
#[derive(Debug)]
pub struct Tree<'b> {
    /// In document order.
    elements: Vec<Stored<'b>>,
}

#[derive(Debug)]
struct Stored<'b> {
    namespace: String,
    local: &'b str,
    attributes: Vec<Attribute<'b>>,
    /// The namespaces of those attributes whose names have a prefix, in the same order.
    prefixed: Vec<String>,
    text: String,
    range: Range<usize>,
    inner: Range<usize>,
    /// The first element that does not lie in this one.
    after: usize,
}

impl<'b> Tree<'b> {
    /// Reads a document.
    pub fn parse(body: &'b [u8]) -> Result<Self, TreeFault> {
        // A DOCTYPE is named as such even where the scanner would not have it.
        let source = Source::sniff(body, None).ok_or(TreeFault::Malformed)?;
        if source.label != "utf-8" && source.label != "us-ascii" {
            return Err(TreeFault::Malformed);
        }
        let mut scanner = Scanner::new(&source);
        let mut scope = Scope::default();
        let mut elements: Vec<Stored<'b>> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut doctype_follows = begins_with_doctype(source.from(source.start));
        loop {
            let event = match scanner.advance() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Self { elements }),
                Err(Unreadable) if doctype_follows => return Err(TreeFault::Doctype),
                Err(Unreadable) => return Err(TreeFault::Malformed),
            };
            match event.kind {
                Kind::Start(name) => {
                    doctype_follows = false;
                    if elements.len() >= MOST_ELEMENTS {
                        return Err(TreeFault::TooMuch);
                    }
                    scope.enter(event.depth, scanner.attributes())?;
                    open.push(elements.len());
                    elements.push(Stored {
                        inner: event.range.end..event.range.end,
                        range: event.range,
                        ..stored(&scope, name, scanner.attributes())?
                    });
                }
                Kind::End => {
                    scope.leave(event.depth);
                    let after = elements.len();
                    if let Some(element) = open.pop().and_then(|index| elements.get_mut(index)) {
                        element.inner.end = event.range.start.max(element.inner.start);
                        element.range.end = event.range.end;
                        element.after = after;
                    }
                }
                Kind::Space | Kind::Text | Kind::CData => {
                    if let Some(element) = open.last().and_then(|&index| elements.get_mut(index)) {
                        push_text(&mut element.text, source.bytes(event.range), event.kind);
                    }
                }
                Kind::Doctype => return Err(TreeFault::Doctype),
                Kind::Comment | Kind::Instruction => {}
            }
        }
    }

    /// The root; `None` never, since a document without one is none.
    pub fn root(&self) -> Option<Element<'_>> {
        self.at(0)
    }

    fn at(&self, index: usize) -> Option<Element<'_>> {
        let stored = self.elements.get(index)?;
        Some(Element { tree: self, index, stored })
    }
}

/// Whether a DOCTYPE comes before the root, which is what to say of a document whose DOCTYPE could not even be read.
fn begins_with_doctype(document: &[u8]) -> bool {
    let root =
        document.windows(2).position(|pair| matches!(pair, [b'<', next] if !matches!(next, b'!' | b'?')));
    let before = document.get(..root.unwrap_or(document.len())).unwrap_or_default();
    memchr::memmem::find(before, b"<!DOCTYPE").is_some()
}

fn stored<'b>(
    scope: &Scope<'b>,
    name: &'b [u8],
    attributes: &[Attribute<'b>],
) -> Result<Stored<'b>, TreeFault> {
    let resolved = scope.element(name);
    let local = resolved.local;
    let mut stored = Stored {
        namespace: namespace(resolved.namespace)?,
        local: "",
        attributes: Vec::new(),
        prefixed: Vec::new(),
        text: String::new(),
        range: 0..0,
        inner: 0..0,
        after: usize::MAX,
    };
    // The local name lies at the end of the name as written, which lives as long as the body.
    let start = name.len().saturating_sub(local.len());
    stored.local = utf8(name.get(start..).unwrap_or_default())?;
    for attribute in attributes {
        let is_declaration = attribute.name == b"xmlns" || attribute.name.starts_with(b"xmlns:");
        if is_declaration {
            continue;
        }
        if attribute.name.contains(&b':') {
            stored.prefixed.push(namespace(scope.element(attribute.name).namespace)?);
        }
        stored.attributes.push(*attribute);
    }
    Ok(stored)
}

fn namespace(bytes: &[u8]) -> Result<String, TreeFault> {
    if bytes.len() > LONGEST_NAMESPACE {
        return Err(TreeFault::TooMuch);
    }
    utf8(bytes).map(str::to_owned)
}

/// The whole document was found to be UTF-8, so that its pieces between markup are.
fn utf8(bytes: &[u8]) -> Result<&str, TreeFault> {
    std::str::from_utf8(bytes).ok().ok_or(TreeFault::Malformed)
}

/// What the text means: references resolved and line ends made one (XML 1.0, 2.11).
fn push_text(text: &mut String, written: &[u8], kind: Kind<'_>) {
    let mut lines = String::from_utf8_lossy(written);
    if lines.contains('\r') {
        lines = Cow::Owned(lines.replace("\r\n", "\n").replace('\r', "\n"));
    }
    if kind == Kind::CData {
        let inner = lines.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
        text.push_str(inner.unwrap_or_default());
    } else if lines.contains('&') {
        text.push_str(&String::from_utf8_lossy(&text::decoded(lines.as_bytes())));
    } else {
        text.push_str(&lines);
    }
}

/// One element of a tree.
#[derive(Debug, Clone, Copy)]
pub struct Element<'t> {
    tree: &'t Tree<'t>,
    index: usize,
    stored: &'t Stored<'t>,
}

impl<'t> Element<'t> {
    /// Whether this is its name. The namespace is empty for what has none.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.stored.local == local && self.stored.namespace == namespace
    }

    /// Its namespace; a prefix that nobody declared stands for one that equals none.
    pub fn namespace(&self) -> &'t str {
        &self.stored.namespace
    }

    pub fn local(&self) -> &'t str {
        self.stored.local
    }

    /// Its children, without what lies deeper.
    pub fn children(self) -> impl Iterator<Item = Element<'t>> {
        let end = self.stored.after;
        let mut next = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let child = self.tree.at(next).filter(|_| next < end)?;
            next = child.stored.after;
            Some(child)
        })
    }

    /// The children of that name.
    pub fn all<'n>(
        self,
        namespace: &'n str,
        local: &'n str,
    ) -> impl Iterator<Item = Element<'t>> + use<'t, 'n> {
        self.children().filter(move |child| child.is(namespace, local))
    }

    /// The first child of that name.
    pub fn first(self, namespace: &str, local: &str) -> Option<Element<'t>> {
        self.all(namespace, local).next()
    }

    /// Its own text, whatever comments stand in it, without that of its children.
    pub fn text(&self) -> &'t str {
        &self.stored.text
    }

    /// Whether it has no children, so that its text is all it says.
    pub fn is_plain(&self) -> bool {
        self.stored.after == self.index.saturating_add(1)
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<Cow<'t, str>> {
        let found = self.stored.attributes.iter().find(|attribute| attribute.name == name.as_bytes())?;
        Some(value(found.value))
    }

    /// The value of an attribute of that namespace.
    pub fn attribute_of(&self, namespace: &str, local: &str) -> Option<Cow<'t, str>> {
        let prefixed = self.stored.attributes.iter().filter(|attribute| attribute.name.contains(&b':'));
        let mut named = prefixed.zip(&self.stored.prefixed);
        let (found, _) = named.find(|(attribute, found)| {
            super::namespaces::local(attribute.name) == local.as_bytes() && *found == namespace
        })?;
        Some(value(found.value))
    }

    /// Where it lies in the document, with its tags.
    pub fn range(&self) -> Range<usize> {
        self.stored.range.clone()
    }

    /// Where its content lies; of no length for an empty-element tag, behind that.
    pub fn inner(&self) -> Range<usize> {
        self.stored.inner.clone()
    }

    /// Whether it is one tag and has nowhere to put anything.
    pub fn is_empty_tag(&self) -> bool {
        self.stored.inner.start == self.stored.range.end
    }
}

/// What an attribute's value means (XML 1.0, 3.3.3): each line end and tab as written is a space, those referred to are not.
fn value(written: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(written);
    let has_space = text.contains(['\t', '\n', '\r']);
    if !has_space && !text.contains('&') {
        return text;
    }
    let spaced = text.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    Cow::Owned(String::from_utf8_lossy(&text::decoded(spaced.as_bytes())).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_it_says() {
        let body = b"<?xml version='1.0'?><a xmlns='u' xmlns:p='v' x='1&amp;\r\n2&#10;\t' p:x='3'>t<!--c-->&lt;<![CDATA[&]]>\r\n\
            <p:b/><c><b>deep</b></c><b p:y=''>two</b></a>";
        let tree = Tree::parse(body).unwrap();
        let root = tree.root().unwrap();
        assert!(root.is("u", "a") && !root.is("", "a") && !root.is("v", "a"));
        assert_eq!(root.text(), "t<&\n");
        assert_eq!(root.attribute("x").as_deref(), Some("1& 2\n "));
        assert_eq!(root.attribute_of("v", "x").as_deref(), Some("3"));
        assert_eq!(root.attribute_of("u", "x"), None);
        let names: Vec<_> = root.children().map(|child| (child.namespace(), child.local())).collect();
        assert_eq!(names, [("v", "b"), ("u", "c"), ("u", "b")]);
        let b = root.first("u", "b").unwrap();
        assert_eq!(
            (b.text(), &body[b.range()], &body[b.inner()]),
            ("two", &b"<b p:y=''>two</b>"[..], &b"two"[..])
        );
        assert_eq!(root.all("u", "b").count(), 1);
        assert!(b.is_plain() && !root.is_plain() && root.first("u", "c").unwrap().children().count() == 1);
        assert!(root.first("v", "b").unwrap().is_empty_tag() && !b.is_empty_tag());
        assert_eq!(root.range().end, body.len());
    }

    #[test]
    fn x08_no_doctype_is_read_whatever_it_says() {
        for body in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<?xml version='1.0'?><!-- --><!DOCTYPE a SYSTEM 'http://b/'><a/>",
            "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>",
        ] {
            assert_eq!(Tree::parse(body.as_bytes()).err(), Some(TreeFault::Doctype), "{body}");
        }
        for body in ["<a>&e;</a>", "<a><![CDATA[<!DOCTYPE a>]]>", "", "<a><!DOCTYPE b></a>", "<a/><b/>"] {
            assert_eq!(Tree::parse(body.as_bytes()).err(), Some(TreeFault::Malformed), "{body}");
        }
        let latin1 = b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xE4</a>";
        assert_eq!(Tree::parse(latin1).err(), Some(TreeFault::Malformed));
    }

    #[test]
    fn x08_what_a_document_makes_us_hold_is_bounded() {
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS));
        assert_eq!(Tree::parse(many.as_bytes()).err(), Some(TreeFault::TooMuch));
        let long = format!("<a xmlns='{}'/>", "n".repeat(LONGEST_NAMESPACE + 1));
        assert_eq!(Tree::parse(long.as_bytes()).err(), Some(TreeFault::TooMuch));
    }
}
