//! A start tag, taken apart: its name and its attributes, from the bytes as they were written.
//!
//! A tag is held to the letter of XML, because one that two readers may read differently must not decide what is cut
//! out.

use super::{
    names::{self, Vocabulary},
    text,
};

/// A feed's root declares some thirty namespaces at most. Each costs 32 bytes of memory, more than it may have in the tag.
const MOST_ATTRIBUTES: usize = 1024;

/// The body is not a document we can vouch for, so it is opaque (F23). Why does not matter to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// `name="value"`, the value as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'b> {
    pub(super) name: &'b [u8],
    pub(super) value: &'b [u8],
}

/// Takes a tag apart, from behind its `<`: gives the name and what follows the last attribute and the white space behind
/// that, which is for the caller to judge, and puts the attributes into `attributes`.
pub(super) fn parse<'b>(
    written: &'b [u8],
    vocabulary: &Vocabulary<'_>,
    attributes: &mut Vec<Attribute<'b>>,
) -> Result<(&'b [u8], &'b [u8]), Unreadable> {
    attributes.clear();
    let (name, mut rest) = names::split(written, vocabulary.letters).ok_or(Unreadable)?;
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
        if attributes.len() >= MOST_ATTRIBUTES {
            return Err(Unreadable);
        }
        let (attribute, after) = one_attribute(trimmed, vocabulary).ok_or(Unreadable)?;
        attributes.push(attribute);
        rest = after;
    }
    if has_duplicates(attributes) { Err(Unreadable) } else { Ok((name, rest)) }
}

fn one_attribute<'b>(written: &'b [u8], vocabulary: &Vocabulary<'_>) -> Option<(Attribute<'b>, &'b [u8])> {
    let (name, rest) = names::split(written, vocabulary.letters)?;
    let rest = skip_spaces(skip_spaces(rest).strip_prefix(b"=")?);
    let (&quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    // Most values end before anything else is to be looked at.
    let (mut value, mut after) = rest.split_at_checked(memchr::memchr3(quote, b'<', b'&', rest)?)?;
    if !after.starts_with(&[quote]) {
        (value, after) = rest.split_at_checked(memchr::memchr(quote, rest)?)?;
        if value.contains(&b'<') || !text::references_are_sound(value, vocabulary) {
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
    use crate::feed::names::Letters;

    fn parsed<'b>(
        tag: &'b [u8],
        attributes: &mut Vec<Attribute<'b>>,
    ) -> Result<(&'b [u8], &'b [u8]), Unreadable> {
        parse(tag, &Vocabulary::new(Letters::Utf8), attributes)
    }

    /// Of a tag that ends as it should.
    fn names(tag: &[u8]) -> Option<Vec<String>> {
        let mut attributes = Vec::new();
        let (name, rest) = parsed(tag, &mut attributes).ok()?;
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
            assert!(parsed(tag.as_bytes(), &mut Vec::new()).is_err(), "{tag}");
        }
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
        for n in 100..=MOST_ATTRIBUTES {
            write!(tag, " n{n}=''").unwrap();
        }
        assert_eq!(names(format!("{tag}>").as_bytes()), None, "more than anyone needs");
    }
}
