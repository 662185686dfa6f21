//! Where the pieces of an XML document begin and end, and whether it is one (XML 1.0, fifth edition).
//!
//! Positions are all that is wanted here, and everything that makes a document well-formed has to be checked: one root,
//! matching end tags, sound tags and references, nothing but white space outside, and a bound on depth (X08). A library
//! hands out positions and leaves most of the checks to its caller, so that every byte was looked at twice, and it reads
//! UTF-8 only, so that other encodings had to be copied; this looks once, in place. Another reader holds it to its word
//! (`feed::surroundings`, `tests/fuzz`).

use std::ops::Range;

use memchr::memmem;

use super::{
    aside, doctype,
    encoding::Source,
    names::Vocabulary,
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
    /// White space between two tags or the like.
    Space,
    /// Other text, with the references in it.
    Text,
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
#[derive(Debug)]
pub(super) struct Scanner<'s, 'b> {
    source: &'s Source<'b>,
    position: usize,
    /// The names of the open elements.
    open: Vec<&'b [u8]>,
    attributes: Vec<Attribute<'b>>,
    vocabulary: Vocabulary<'b>,
    /// An empty-element tag was handed out as a start, and its end is due.
    end_is_due: bool,
    seen_root: bool,
    seen_doctype: bool,
}

impl<'s, 'b> Scanner<'s, 'b> {
    pub(super) fn new(source: &'s Source<'b>) -> Self {
        Self {
            source,
            position: source.start,
            open: Vec::new(),
            attributes: Vec::new(),
            vocabulary: Vocabulary::new(source.letters),
            end_is_due: false,
            seen_root: false,
            seen_doctype: false,
        }
    }

    /// The attributes of the start handed out last.
    pub(super) fn attributes(&self) -> &[Attribute<'b>] {
        &self.attributes
    }

    /// The next piece; `None` at the end of a document that was sound to its end. Into the one loop that asks for it, or a
    /// fifth of the time goes into handing it over.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Option<Event<'b>>, Unreadable> {
        if std::mem::take(&mut self.end_is_due) {
            let depth = self.open.len();
            self.open.pop();
            return Ok(Some(Event { kind: Kind::End, range: self.position..self.position, depth }));
        }
        let begin = self.position;
        let rest = self.source.from(begin);
        let mut depth = self.open.len();
        let (kind, after) = match rest {
            [] => return if self.seen_root && depth == 0 { Ok(None) } else { Err(Unreadable) },
            [b'<', b'/', end @ ..] => (Kind::End, self.end(end).ok_or(Unreadable)?),
            [b'<', b'!', ..] => self.declaration(rest).ok_or(Unreadable)?,
            [b'<', b'?', instruction @ ..] => {
                (Kind::Instruction, self.instruction(instruction).ok_or(Unreadable)?)
            }
            [b'<', tag @ ..] => {
                depth = depth.saturating_add(1);
                self.start(tag)?
            }
            _ => self.text(rest).ok_or(Unreadable)?,
        };
        self.position = self.source.body.len().saturating_sub(after.len());
        Ok(Some(Event { kind, range: begin..self.position, depth }))
    }

    /// A start tag or an empty-element tag, from behind its `<`. Like the others, gives what follows.
    #[inline]
    fn start(&mut self, tag: &'b [u8]) -> Result<(Kind<'b>, &'b [u8]), Unreadable> {
        let second_root = self.open.is_empty() && std::mem::replace(&mut self.seen_root, true);
        if second_root || self.open.len() >= MOST_DEPTH {
            return Err(Unreadable);
        }
        let (name, rest) = tag::parse(tag, &self.vocabulary, &mut self.attributes)?;
        // Kept for declarations (Namespaces in XML 1.0, 3).
        if name.starts_with(b"xmlns:") {
            return Err(Unreadable);
        }
        self.open.push(name);
        let rest = match rest {
            [b'>', rest @ ..] => rest,
            [b'/', b'>', rest @ ..] => {
                self.end_is_due = true;
                rest
            }
            _ => return Err(Unreadable),
        };
        Ok((Kind::Start(name), rest))
    }

    /// An end tag, from behind its `</`.
    fn end(&mut self, tag: &'b [u8]) -> Option<&'b [u8]> {
        let rest = tag.strip_prefix(self.open.pop()?)?;
        tag::skip_spaces(rest).strip_prefix(b">")
    }

    /// What begins with `<!`.
    fn declaration(&mut self, written: &'b [u8]) -> Option<(Kind<'b>, &'b [u8])> {
        if let Some(comment) = written.strip_prefix(b"<!--") {
            return Some((Kind::Comment, comment.get(aside::comment(comment)?..)?));
        }
        if let Some(mut rest) = written.strip_prefix(b"<![CDATA[") {
            if self.open.is_empty() {
                return None;
            }
            loop {
                rest = rest.get(self.source.find(rest, [b']'; 3])?..)?;
                if let Some(after) = rest.strip_prefix(b"]]>") {
                    return Some((Kind::CData, after));
                }
                rest = rest.get(1..)?;
            }
        }
        let is_first = !std::mem::replace(&mut self.seen_doctype, true);
        if !is_first || self.seen_root {
            return None;
        }
        let rest = doctype::read(written, self.source.stands_alone, &mut self.vocabulary)?;
        Some((Kind::Doctype, rest))
    }

    /// A processing instruction from behind its `<?`, or the XML declaration, which was read when the encoding was.
    fn instruction(&self, written: &'b [u8]) -> Option<&'b [u8]> {
        let is_first = self.position == self.source.start;
        let length = match written {
            [b'x', b'm', b'l', b' ' | b'\t' | b'\r' | b'\n', ..] if is_first => {
                memmem::find(written, b"?>")?.checked_add(b"?>".len())
            }
            _ => aside::instruction(written, self.source.letters),
        };
        written.get(length?..)
    }

    /// Text up to the next tag or the like; outside the root, white space.
    #[inline]
    fn text(&self, written: &'b [u8]) -> Option<(Kind<'b>, &'b [u8])> {
        let mut rest = tag::skip_spaces(written);
        if matches!(rest, [] | [b'<', ..]) {
            return Some((Kind::Space, rest));
        }
        if self.open.is_empty() {
            return None;
        }
        loop {
            rest = match self.source.find(rest, [b'<', b'&', b']']) {
                Some(at) => rest.get(at..)?,
                None => &[],
            };
            rest = match rest {
                [] | [b'<', ..] => return Some((Kind::Text, rest)),
                [b'&', ..] => rest.get(text::reference(rest, &self.vocabulary)?..)?,
                // Only the end of a CDATA section may be written so.
                [b']', b']', b'>', ..] => return None,
                _ => rest.get(1..)?,
            };
        }
    }
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
        let body = b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY e '>]'>]><!--c--><a b='>'>t&amp;]&e;<![CDATA[<]]>\
            <c /><?p i?></a ><!---->";
        let pieces = scan(body).unwrap();
        let expected = [
            ("Instruction <?xml version=\"1.0\"?>", 0),
            ("Space \n", 0),
            ("Doctype <!DOCTYPE a [<!ENTITY e '>]'>]>", 0),
            ("Comment <!--c-->", 0),
            ("Start <a b='>'>", 1),
            ("Text t&amp;]&e;", 1),
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
        let bad: [&[u8]; 36] = [
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
            b"<?xml?><a/>",
            b"<a>]]></a>",
            b"<a>&nbsp;</a>",
            b"<a b='&nbsp;'/>",
            b"<a>&#1;</a>",
            b"<a><![CDATA[]]</a>",
            b"<a><!ELEMENT b></a>",
            b"<a / >",
            b"<xmlns:a/>",
            b"<a>< b/></a>",
        ];
        for body in bad {
            assert_eq!(scan(body), None, "{}", String::from_utf8_lossy(body));
        }
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
