//! Where the pieces of an XML document begin and end, and whether it is one: the only file that knows quick-xml.
//!
//! quick-xml finds the ends of tags, comments, CDATA sections and DOCTYPEs. Everything it leaves to its caller is
//! checked here: one root, matching end tags, sound tags and references, nothing but white space outside, a bound on
//! depth (X08). A DOCTYPE is stepped over; nothing in it is ever expanded or loaded.

use std::ops::Range;

use quick_xml::{Reader, events::Event as Found};

use super::{
    encoding::Source,
    tag::{self, Attribute, Unreadable},
    text,
};

/// How deep elements may lie. Feeds reach about twenty, pasted word processor output in them sixty.
pub(super) const MOST_DEPTH: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'b> {
    /// With its name as written. An empty-element tag is a start followed by an end of no length.
    Start(&'b [u8]),
    End,
    Text,
    /// `&name;` or `&#number;`
    Reference,
    CData,
    Comment,
    /// The XML declaration, or a processing instruction.
    Instruction,
    Doctype,
}

/// One piece of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event<'b> {
    pub(super) kind: Kind<'b>,
    /// Its bytes in the body.
    pub(super) range: Range<usize>,
    /// How many elements are open; a start and its end count their own, so that the root's is 1.
    pub(super) depth: usize,
}

/// Walks a document piece by piece.
pub(super) struct Scanner<'s, 'b> {
    source: &'s Source<'b>,
    reader: Reader<&'s [u8]>,
    position: usize,
    /// The names of the open elements.
    open: Vec<&'b [u8]>,
    attributes: Vec<Attribute<'b>>,
    /// An empty-element tag was handed out as a start, and its end is due.
    end_is_due: bool,
    seen_root: bool,
    seen_doctype: bool,
}

impl std::fmt::Debug for Scanner<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("position", &self.position).field("depth", &self.open.len()).finish()
    }
}

impl<'s, 'b> Scanner<'s, 'b> {
    pub(super) fn new(source: &'s Source<'b>) -> Self {
        let mut reader = Reader::from_str(&source.text);
        reader.config_mut().check_comments = true;
        // Names are compared here, on the bytes as fetched: the reader may be looking at stand-ins.
        reader.config_mut().check_end_names = false;
        Self {
            source,
            reader,
            position: source.start,
            open: Vec::new(),
            attributes: Vec::new(),
            end_is_due: false,
            seen_root: false,
            seen_doctype: false,
        }
    }

    /// The attributes of the start handed out last.
    pub(super) fn attributes(&self) -> &[Attribute<'b>] {
        &self.attributes
    }

    /// The next piece; `None` at the end of a document that was sound to its end.
    pub(super) fn advance(&mut self) -> Result<Option<Event<'b>>, Unreadable> {
        if std::mem::take(&mut self.end_is_due) {
            let depth = self.open.len();
            self.open.pop();
            return Ok(Some(Event { kind: Kind::End, range: self.position..self.position, depth }));
        }
        let Ok(found) = self.reader.read_event() else { return Err(Unreadable) };
        let begin = self.position;
        let read = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        self.position = self.source.start.saturating_add(read);
        let range = begin..self.position;
        let bytes = self.source.bytes(range.clone());
        let inside = !self.open.is_empty();
        let mut depth = self.open.len();
        let kind = match found {
            Found::Start(_) => {
                depth = depth.saturating_add(1);
                self.start(inner(bytes, b"<", b">")?)?
            }
            Found::Empty(_) => {
                depth = depth.saturating_add(1);
                self.end_is_due = true;
                self.start(inner(bytes, b"<", b"/>")?)?
            }
            Found::End(_) => {
                let name = inner(bytes, b"</", b">")?.trim_ascii_end();
                sound(self.open.pop() == Some(name), Kind::End)?
            }
            Found::Text(_) => sound(inside || bytes.iter().all(|&b| tag::is_space(b)), Kind::Text)?,
            Found::GeneralRef(_) => sound(inside && text::is_reference(bytes), Kind::Reference)?,
            Found::CData(_) => sound(inside, Kind::CData)?,
            Found::Comment(_) => Kind::Comment,
            // Its content was read when the encoding was; only its place is left to check.
            Found::Decl(_) => sound(begin == self.source.start, Kind::Instruction)?,
            Found::PI(_) => sound(is_instruction(inner(bytes, b"<?", b"?>")?), Kind::Instruction)?,
            Found::DocType(_) => {
                let first = !std::mem::replace(&mut self.seen_doctype, true);
                sound(first && !self.seen_root, Kind::Doctype)?
            }
            Found::Eof => return if self.seen_root && !inside { Ok(None) } else { Err(Unreadable) },
        };
        Ok(Some(Event { kind, range, depth }))
    }

    fn start(&mut self, inner: &'b [u8]) -> Result<Kind<'b>, Unreadable> {
        let second_root = self.open.is_empty() && std::mem::replace(&mut self.seen_root, true);
        if second_root || self.open.len() >= MOST_DEPTH {
            return Err(Unreadable);
        }
        let name = tag::parse(inner, &mut self.attributes)?;
        self.open.push(name);
        Ok(Kind::Start(name))
    }
}

fn inner<'b>(bytes: &'b [u8], before: &[u8], after: &[u8]) -> Result<&'b [u8], Unreadable> {
    bytes.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).ok_or(Unreadable)
}

fn sound(is_sound: bool, kind: Kind<'_>) -> Result<Kind<'_>, Unreadable> {
    if is_sound { Ok(kind) } else { Err(Unreadable) }
}

/// Whether it has a target, and one that is not kept for the XML declaration.
fn is_instruction(inner: &[u8]) -> bool {
    let target = inner.split(|&b| tag::is_space(b)).next().unwrap_or_default();
    tag::is_name(target) && !target.eq_ignore_ascii_case(b"xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &[u8]) -> Option<Vec<(String, usize)>> {
        let source = Source::sniff(body, None)?;
        let mut scanner = Scanner::new(&source);
        let mut pieces = Vec::new();
        let mut position = source.start;
        while let Some(event) = scanner.advance().ok()? {
            assert_eq!(event.range.start, position, "the pieces lie end to end");
            position = event.range.end;
            let kind = format!("{:?}", event.kind);
            let kind = kind.split('(').next().unwrap_or_default().to_owned();
            pieces.push((
                format!("{kind} {}", String::from_utf8_lossy(&body[event.range.clone()])),
                event.depth,
            ));
        }
        assert_eq!(position, body.len());
        Some(pieces)
    }

    #[test]
    fn the_pieces_of_a_document_are_found_end_to_end() {
        let body = b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY e '>]'>]><!--c--><a b='>'>t&amp;<![CDATA[<]]>\
            <c /><?p i?></a ><!---->";
        let pieces = scan(body).unwrap();
        let expected = [
            ("Instruction <?xml version=\"1.0\"?>", 0),
            ("Text \n", 0),
            ("Doctype <!DOCTYPE a [<!ENTITY e '>]'>]>", 0),
            ("Comment <!--c-->", 0),
            ("Start <a b='>'>", 1),
            ("Text t", 1),
            ("Reference &amp;", 1),
            ("CData <![CDATA[<]]>", 1),
            ("Start <c />", 2),
            ("End ", 2),
            ("Instruction <?p i?>", 1),
            ("End </a >", 1),
            ("Comment <!---->", 0),
        ];
        assert_eq!(pieces, expected.map(|(piece, depth)| (piece.to_owned(), depth)));
    }

    /// F23
    #[test]
    fn a_document_that_is_not_well_formed_to_its_end_is_unreadable() {
        let bad: [&[u8]; 26] = [
            b"",
            b" ",
            b"text",
            b"<a>",
            b"</a>",
            b"<a></b>",
            b"<a></a></a>",
            b"<a/><b/>",
            b"<a/>text",
            b"text<a/>",
            b"<a/>&amp;",
            b"<a/><![CDATA[]]>",
            b"<a>&</a>",
            b"<a>& b;</a>",
            b"<a>&#0;</a>",
            b" <?xml version='1.0'?><a/>",
            b"<a/><!DOCTYPE a>",
            b"<!DOCTYPE a><!DOCTYPE a><a/>",
            b"<a><!-- -- --></a>",
            b"<a><!-- </a>",
            b"<a><?xml version='1.0'?></a>",
            b"<a><?XML x?></a>",
            b"<a><? x?></a>",
            b"<a></a b=''>",
            b"<a <b/></a>",
            b"<!-->",
        ];
        for body in bad {
            assert_eq!(scan(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn names_are_compared_as_fetched_in_a_single_byte_encoding() {
        let head = b"<?xml version='1.0' encoding='iso-8859-1'?>".as_slice();
        assert!(scan(&[head, b"<\xE9></\xE9>"].concat()).is_some());
        assert!(scan(&[head, b"<\xE9></\xE8>"].concat()).is_none());
    }

    /// X08
    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(scan(nested(MOST_DEPTH).as_bytes()).is_some());
        assert!(scan(nested(MOST_DEPTH + 1).as_bytes()).is_none());
        assert!(scan("<a>".repeat(1_000_000).as_bytes()).is_none());
    }
}
