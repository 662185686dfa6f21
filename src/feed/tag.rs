//! A start tag, taken apart: its name and its attributes, from the bytes as they were written.
//!
//! The parser hands over where a tag begins and ends and looks no closer; what lies between is held to the letter of
//! XML here, because a tag that two readers may read differently must not decide what is cut out.

use super::{doctype::Entities, text};

/// The body is not a document we can vouch for, so it is opaque (F23). Why does not matter to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// `name="value"`, the value as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'b> {
    pub(super) name: &'b [u8],
    pub(super) value: &'b [u8],
}

/// Which letters names are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// All that XML 1.0 allows, in UTF-8.
    Utf8,
    /// In an old encoding it would take a converter to tell a letter from a sign, and no feed calls anything so.
    Ascii,
}

impl Names {
    fn include(self, name: &[u8]) -> bool {
        let is_sound = name.is_ascii() || (self == Self::Utf8 && is_name_beyond_ascii(name));
        begins_a_name(name) && is_sound && (!name.contains(&b':') || is_qualified(name))
    }
}

/// Takes a tag apart, from behind its `<`: gives the name and what follows the last attribute and the white space behind
/// that, which is for the caller to judge, and puts the attributes into `attributes`.
pub(super) fn parse<'b>(
    written: &'b [u8],
    names: Names,
    entities: &Entities<'_>,
    attributes: &mut Vec<Attribute<'b>>,
) -> Result<(&'b [u8], &'b [u8]), Unreadable> {
    attributes.clear();
    let (name, mut rest) = split_name(written, names).ok_or(Unreadable)?;
    loop {
        let trimmed = skip_spaces(rest);
        if matches!(trimmed, [] | [b'>' | b'/' | b'?', ..]) {
            rest = trimmed;
            break;
        }
        // Attributes are kept apart by white space, also from the name.
        if trimmed.len() == rest.len() {
            return Err(Unreadable);
        }
        let (attribute, after) = one_attribute(trimmed, names, entities).ok_or(Unreadable)?;
        attributes.push(attribute);
        rest = after;
    }
    if has_duplicates(attributes) { Err(Unreadable) } else { Ok((name, rest)) }
}

fn one_attribute<'b>(
    written: &'b [u8],
    names: Names,
    entities: &Entities<'_>,
) -> Option<(Attribute<'b>, &'b [u8])> {
    let (name, rest) = split_name(written, names)?;
    let rest = skip_spaces(skip_spaces(rest).strip_prefix(b"=")?);
    let (&quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    // Most values end before anything else is to be looked at.
    let (mut value, mut after) = rest.split_at_checked(memchr::memchr3(quote, b'<', b'&', rest)?)?;
    if !after.starts_with(&[quote]) {
        (value, after) = rest.split_at_checked(memchr::memchr(quote, rest)?)?;
        if value.contains(&b'<') || !text::references_are_sound(value, entities) {
            return None;
        }
    }
    Some((Attribute { name, value }, after.get(1..)?))
}

/// The first attribute of that name.
pub(super) fn find<'b>(attributes: &[Attribute<'b>], name: &[u8]) -> Option<&'b [u8]> {
    attributes.iter().find(|a| a.name == name).map(|a| a.value)
}

fn has_duplicates(attributes: &[Attribute<'_>]) -> bool {
    // Few enough to compare each with each; more are sorted, or a tag with a million of them would take hours.
    const FEW: usize = 8;
    if attributes.len() <= FEW {
        return attributes
            .iter()
            .enumerate()
            .any(|(at, a)| attributes.iter().take(at).any(|b| a.name == b.name));
    }
    let mut names: Vec<&[u8]> = attributes.iter().map(|a| a.name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Whether the bytes are a name.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    split_name(bytes, Names::Utf8).is_some_and(|(_, rest)| rest.is_empty())
}

/// The name these bytes begin with, and what follows it.
pub(super) fn split_name(bytes: &[u8], names: Names) -> Option<(&[u8], &[u8])> {
    let may_be_in_name = |b: u8| IN_NAMES.get(usize::from(b)).is_some_and(|is| *is);
    let end = bytes.iter().position(|&b| !may_be_in_name(b)).unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(end)?;
    names.include(name).then_some((name, rest))
}

fn begins_a_name(name: &[u8]) -> bool {
    name.first().is_some_and(|first| !matches!(first, b'0'..=b'9' | b'-' | b'.'))
}

/// Whether a name with a colon is a prefix and a local name (Namespaces in XML 1.0, 4).
fn is_qualified(name: &[u8]) -> bool {
    let mut parts = name.split(|&b| b == b':');
    let both_begin = parts.by_ref().take(2).all(begins_a_name);
    both_begin && parts.next().is_none()
}

/// Which bytes may be in a name, as far as ASCII goes. A table, because a tenth of the time of a feed goes into names.
static IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut left = table.as_mut_slice();
    let mut byte = 0_u8;
    while let [first, rest @ ..] = left {
        *first = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b':' | b'-' | b'.' | 0x80..);
        byte = byte.wrapping_add(1);
        left = rest;
    }
    table
};

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

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What follows the white space at the beginning, if there is any.
pub(super) fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| !is_space(b)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a tag that ends as it should.
    fn names(tag: &[u8]) -> Option<Vec<String>> {
        let mut attributes = Vec::new();
        let (name, rest) = parse(tag, Names::Utf8, &Entities::default(), &mut attributes).ok()?;
        assert!(rest == b">" || rest == b"/>" || rest == b"?>", "{}", String::from_utf8_lossy(rest));
        let all = std::iter::once(name).chain(attributes.iter().flat_map(|a| [a.name, a.value]));
        Some(all.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect())
    }

    #[test]
    fn a_tag_comes_apart_into_its_name_and_its_attributes_as_written() {
        assert_eq!(names(b"a:b>"), Some(vec!["a:b".into()]));
        assert_eq!(names("été/>".as_bytes()), Some(vec!["été".into()]));
        let spaced = names(b"link rel = 'self'\n\thref=\"?a=1&amp;b='>2'\" />").unwrap();
        assert_eq!(spaced, ["link", "rel", "self", "href", "?a=1&amp;b='>2'"]);
    }

    /// F23
    #[test]
    fn a_tag_that_readers_may_read_differently_is_not_read() {
        let bad = [
            "",
            ">",
            " a>",
            "1a>",
            "a b>",
            "a b=c>",
            "a b='c>",
            "a b='1'c='2'>",
            "a b='<'>",
            "a b='&'>",
            "a b='&nbsp;'>",
            "a b='1' b='2'>",
            "a =''>",
            "a\"b='c'>",
            "a <b",
            "‹a>",
            "a×>",
            "a ·b=''>",
            "a b",
            "a 'b'>",
            ":a>",
            "a:>",
            "a:b:c>",
            "a:1>",
            "a b:=''>",
        ];
        for tag in bad {
            let parsed = parse(tag.as_bytes(), Names::Utf8, &Entities::default(), &mut Vec::new());
            assert!(parsed.is_err(), "{tag}");
        }
    }

    #[test]
    fn names_in_an_old_encoding_are_ascii_or_not_read() {
        let parsed = |tag: &[u8]| parse(tag, Names::Ascii, &Entities::default(), &mut Vec::new()).is_ok();
        assert!(parsed(b"a b='\xE9'>") && !parsed(b"a\xE9>") && !parsed(b"a \xE9=''>"));
        assert!(!parsed("é>".as_bytes()), "whatever it would be in UTF-8");
    }

    #[test]
    fn duplicates_are_found_among_many_attributes_too() {
        use std::fmt::Write as _;
        let mut tag = String::from("a");
        for n in 0..100 {
            write!(tag, " n{n}=''").unwrap();
        }
        assert!(names(format!("{tag}>").as_bytes()).is_some());
        assert_eq!(names(format!("{tag} n7=''>").as_bytes()), None);
    }
}
