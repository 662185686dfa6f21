//! Names as XML and its namespaces have them, and which of them a document may use (XML 1.0, 2.3; Namespaces, 4).

use std::collections::BTreeSet;

/// What a document may name: which letters names are made of, and which entities there are beside the five that every
/// reader knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vocabulary<'b> {
    pub(super) letters: Letters,
    pub(super) entities: BTreeSet<&'b [u8]>,
    /// There is a part of the DTD that we do not load. It may declare any, and a reader that does not load it either
    /// has to put up with that.
    pub(super) has_more_entities: bool,
}

impl Vocabulary<'_> {
    pub(super) const fn new(letters: Letters) -> Self {
        Self { letters, entities: BTreeSet::new(), has_more_entities: false }
    }

    /// Whether a document that refers to this entity is well-formed (XML 1.0, "Entity Declared").
    pub(super) fn has_entity(&self, name: &[u8]) -> bool {
        self.entities.contains(name) || (self.has_more_entities && self.letters.make_name(name))
    }
}

/// Which letters names are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// All that XML 1.0 allows, in UTF-8.
    Utf8,
    /// In an old encoding it would take a converter to tell a letter from a sign, and no feed calls anything so.
    Ascii,
}

impl Letters {
    /// Whether the bytes are a name, all of them.
    fn make_name(self, bytes: &[u8]) -> bool {
        split(bytes, self).is_some_and(|(_, rest)| rest.is_empty())
    }

    /// Whether a part of a name that is not plain throughout may be one.
    fn make(self, part: &[u8]) -> bool {
        begins_a_name(part) && (part.is_ascii() || (self == Self::Utf8 && is_name_beyond_ascii(part)))
    }
}

/// The name these bytes begin with, and what follows it. Nearly all are plain, which shows while they are looked through
/// for their end: a tenth of the time of a feed goes into names.
#[inline]
pub(super) fn split(bytes: &[u8], letters: Letters) -> Option<(&[u8], &[u8])> {
    let mut seen = 0;
    let is_end = |b: &u8| {
        let class = CLASSES.get(usize::from(*b)).copied().unwrap_or(ENDS);
        seen |= class;
        class == ENDS
    };
    let end = bytes.iter().position(is_end).unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(end)?;
    let is_part = |part: &[u8]| {
        if seen & BEYOND_ASCII == 0 { begins_a_name(part) } else { letters.make(part) }
    };
    let is_name = if seen & COLON == 0 { is_part(name) } else { is_qualified(name, is_part) };
    is_name.then_some((name, rest))
}

/// The same for what has no namespace: an entity, or the target of an instruction.
pub(super) fn split_plain(bytes: &[u8], letters: Letters) -> Option<(&[u8], &[u8])> {
    split(bytes, letters).filter(|(name, _)| !name.contains(&b':'))
}

/// Whether a name with a colon is a prefix and a local name.
fn is_qualified(name: &[u8], is_part: impl Fn(&[u8]) -> bool) -> bool {
    let mut parts = name.splitn(3, |&b| b == b':');
    parts.by_ref().take(2).all(is_part) && parts.next().is_none()
}

fn begins_a_name(part: &[u8]) -> bool {
    part.first().is_some_and(|first| !matches!(first, b'0'..=b'9' | b'-' | b'.'))
}

/// Whether the bytes are a name.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    Letters::Utf8.make_name(bytes)
}

/// What a byte may be in a name: the end of it, or a bit for each other thing.
static CLASSES: [u8; 256] = {
    let mut table = [ENDS; 256];
    let mut left = table.as_mut_slice();
    let mut byte = 0_u8;
    while let [first, rest @ ..] = left {
        *first = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => PLAIN,
            b':' => COLON,
            0x80.. => BEYOND_ASCII,
            _ => ENDS,
        };
        byte = byte.wrapping_add(1);
        left = rest;
    }
    table
};
const ENDS: u8 = 0;
const PLAIN: u8 = 1;
const COLON: u8 = 2;
const BEYOND_ASCII: u8 = 4;

/// By the letter of XML 1.0, 2.3.
fn is_name_beyond_ascii(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    name.char_indices().all(|(at, c)| {
        let begins = c.is_ascii()
            || matches!(c,
                '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
                | '\u{37F}'..='\u{1FFF}' | '\u{200C}' | '\u{200D}' | '\u{2070}'..='\u{218F}'
                | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
                | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}');
        begins || (at > 0 && matches!(c, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}' | '\u{2040}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F23
    #[test]
    fn a_name_begins_with_a_letter_in_both_its_parts() {
        for good in ["a", "_", "a-1.b", "a:b", "été", "é:ö", "a·", "日本"] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "1a",
            "-a",
            ".a",
            ":a",
            "a:",
            "a:b:c",
            "a:1",
            "a b",
            "‹a",
            "a×",
            "·a",
            "a:·b",
            "p:\u{300}b",
            "a;",
        ] {
            assert!(!is_name(bad.as_bytes()), "{bad}");
        }
        assert_eq!(split(b"a:b c", Letters::Utf8), Some((&b"a:b"[..], &b" c"[..])));
        assert_eq!(split_plain(b"a:b", Letters::Utf8), None);
    }

    #[test]
    fn in_an_old_encoding_names_are_ascii() {
        assert_eq!(split(b"a\xE9", Letters::Ascii), None);
        assert_eq!(split("é".as_bytes(), Letters::Ascii), None, "whatever it would be in UTF-8");
        assert_eq!(split(b"a>", Letters::Ascii), Some((&b"a"[..], &b">"[..])));
    }

    #[test]
    fn an_entity_is_declared_or_may_be_where_nobody_looks() {
        let mut vocabulary = Vocabulary::new(Letters::Ascii);
        vocabulary.entities.insert(b"e");
        assert!(vocabulary.has_entity(b"e") && !vocabulary.has_entity(b"f"));
        vocabulary.has_more_entities = true;
        assert!(vocabulary.has_entity(b"f") && !vocabulary.has_entity("é".as_bytes()));
    }
}
