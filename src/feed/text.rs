//! Text as it is written, and what it means: character references and the five entities every XML reader knows.
//!
//! Entities a document declares itself are never expanded (X08); their names serve an id just as well.

use std::borrow::Cow;

use super::names::{Vocabulary, is_name};

/// What stands between `&` and `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    Char(char),
    /// An entity we do not know.
    Named,
}

impl Reference {
    /// `None` if it is no reference at all.
    fn parse(inner: &[u8]) -> Option<Self> {
        match inner {
            b"amp" => Some(Self::Char('&')),
            b"lt" => Some(Self::Char('<')),
            b"gt" => Some(Self::Char('>')),
            b"quot" => Some(Self::Char('"')),
            b"apos" => Some(Self::Char('\'')),
            [b'#', b'x', digits @ ..] => number(digits, 16).map(Self::Char),
            [b'#', digits @ ..] => number(digits, 10).map(Self::Char),
            name => is_name(name).then_some(Self::Named),
        }
    }
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    char::from_u32(number).filter(|&c| is_character(c))
}

/// Whether XML 1.0 has this character at all, written or referred to.
pub(super) const fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether there is U+FFFE or U+FFFF in this UTF-8, which XML has no place for.
pub(super) fn has_non_characters(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"\xEF\xBF")
        .any(|at| matches!(text.get(at.saturating_add(2)), Some(0xBE | 0xBF)))
}

/// How long the reference is that these bytes begin with; `None` if it is none, or one to an entity that the document
/// does not have.
pub(super) fn reference(written: &[u8], vocabulary: &Vocabulary<'_>) -> Option<usize> {
    let name = inner(written.strip_prefix(b"&")?)?;
    let is_sound = match Reference::parse(name)? {
        Reference::Char(_) => true,
        Reference::Named => vocabulary.has_entity(name),
    };
    is_sound.then(|| name.len().saturating_add(b"&;".len()))
}

/// Whether every `&` in these bytes begins a reference.
pub(super) fn references_are_sound(written: &[u8], vocabulary: &Vocabulary<'_>) -> bool {
    memchr::memchr_iter(b'&', written)
        .all(|at| written.get(at..).and_then(|rest| reference(rest, vocabulary)).is_some())
}

/// Whether every `&` in these bytes begins a reference to a character that is no markup.
pub(super) fn references_are_characters(written: &[u8]) -> bool {
    written.split(|&b| b == b'&').skip(1).all(|piece| {
        let number = inner(piece).filter(|name| name.starts_with(b"#"));
        matches!(number.and_then(Reference::parse), Some(Reference::Char(c)) if !matches!(c, '<' | '&'))
    })
}

/// Stands for the `&` of a reference that is not resolved.
const UNRESOLVED: u8 = 0;

/// Appends what the text means: references resolved, all else as it is. One to an entity of the document's own is marked
/// by a byte that no text has, or it would mean the same as its name spelled out.
pub(super) fn decode_into(out: &mut Vec<u8>, written: &[u8]) {
    let mut pieces = written.split(|&b| b == b'&');
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        let known = inner(piece).and_then(|name| Some((name.len(), Reference::parse(name)?)));
        if let Some((length, Reference::Char(c))) = known {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            out.extend_from_slice(piece.get(length.saturating_add(1)..).unwrap_or_default());
        } else {
            out.push(UNRESOLVED);
            out.extend_from_slice(piece);
        }
    }
}

/// What an attribute's value means.
pub(super) fn decoded(written: &[u8]) -> Cow<'_, [u8]> {
    if !written.contains(&b'&') {
        return Cow::Borrowed(written);
    }
    let mut out = Vec::with_capacity(written.len());
    decode_into(&mut out, written);
    Cow::Owned(out)
}

/// What they mean, if no entity stands in the way.
pub(super) fn known(written: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut references = written.split(|&b| b == b'&').skip(1).map(|piece| Reference::parse(inner(piece)?));
    references.all(|reference| matches!(reference, Some(Reference::Char(_)))).then(|| decoded(written))
}

/// What stands before the `;`.
fn inner(piece: &[u8]) -> Option<&[u8]> {
    piece.get(..memchr::memchr(b';', piece)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::names::Letters;

    #[test]
    fn references_every_reader_knows_are_resolved_and_others_are_told_from_text() {
        assert_eq!(*decoded(b"a&amp;b&lt;&#x41;&#66;&nbsp;c"), *b"a&b<AB\0nbsp;c");
        assert_eq!(*decoded("é&#233;".as_bytes()), *"éé".as_bytes());
        assert_eq!(*decoded(b"no reference"), *b"no reference");
    }

    /// F23
    #[test]
    fn a_lone_ampersand_an_impossible_character_or_an_unknown_entity_is_no_reference() {
        let none = Vocabulary::new(Letters::Utf8);
        assert!(references_are_sound(b"?a=1&amp;b=2&#x10FFFF;", &none));
        assert!(references_are_sound(b"nothing", &none));
        let bad = [
            "?a=1&b=2", "&", "&;", "&#;", "&#x;", "&#xD800;", "&#0;", "&#1;", "&#x1F;", "&#xFFFE;", "&#+1;",
            "& amp;", "&1;", "&amp", "&nbsp;",
        ];
        for bad in bad {
            assert!(!references_are_sound(bad.as_bytes(), &none), "{bad}");
        }
        assert_eq!(reference(b"&eacute;s", &none), None);
        assert_eq!(reference(b"&lt;s", &none), Some(4));
    }

    #[test]
    fn an_entity_may_stand_for_characters_and_for_no_markup() {
        assert!(references_are_characters(b"caf&#233; &#xe9;"));
        for bad in ["&lt;", "&#60;", "&#x26;", "&e;", "&", "&#60"] {
            assert!(!references_are_characters(bad.as_bytes()), "{bad}");
        }
    }
}
