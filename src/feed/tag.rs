//! A start tag, taken apart: its name and its attributes, from the bytes as they were written.
//!
//! The parser hands over where a tag begins and ends and looks no closer; what lies between is held to the letter of
//! XML here, because a tag that two readers may read differently must not decide what is cut out.

use super::text::references_are_sound;

/// The body is not a document we can vouch for, so it is opaque (F23). Why does not matter to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// `name="value"`, the value as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'b> {
    pub(super) name: &'b [u8],
    pub(super) value: &'b [u8],
}

/// Takes apart what stands between `<` and `>` or `/>`: gives the name, and puts the attributes into `attributes`.
pub(super) fn parse<'b>(
    inner: &'b [u8],
    attributes: &mut Vec<Attribute<'b>>,
) -> Result<&'b [u8], Unreadable> {
    attributes.clear();
    let (name, mut rest) = split_name(inner).ok_or(Unreadable)?;
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            break;
        }
        // Attributes are kept apart by white space, also from the name.
        if trimmed.len() == rest.len() {
            return Err(Unreadable);
        }
        let (attribute, after) = one_attribute(trimmed).ok_or(Unreadable)?;
        attributes.push(attribute);
        rest = after;
    }
    if has_duplicates(attributes) { Err(Unreadable) } else { Ok(name) }
}

fn one_attribute(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (name, rest) = split_name(bytes)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    // Most values end before anything else is to be looked at.
    let (value, after) = split_at_first(rest, |b| b == quote || matches!(b, b'<' | b'&'));
    if let Some(after) = after.strip_prefix(&[quote]) {
        return Some((Attribute { name, value }, after));
    }
    let (value, after) = split_at_first(rest, |b| b == quote);
    let after = after.strip_prefix(&[quote])?;
    let sound = !value.contains(&b'<') && references_are_sound(value);
    sound.then_some((Attribute { name, value }, after))
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

/// Whether the bytes are a name as far as ASCII goes. All else may be a letter in some encoding.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    split_name(bytes).is_some_and(|(_, rest)| rest.is_empty())
}

/// The name these bytes begin with, and what follows it.
fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = split_at_first(bytes, |b| !may_be_in_name(b));
    let begins = name.first().is_some_and(|b| !matches!(b, b'0'..=b'9' | b'-' | b'.'));
    begins.then_some((name, rest))
}

const fn may_be_in_name(b: u8) -> bool {
    matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b':' | b'-' | b'.' | 0x80..)
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn split_at_first(bytes: &[u8], stop: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|&b| stop(b)).unwrap_or(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inner: &[u8]) -> Option<Vec<String>> {
        let mut attributes = Vec::new();
        let name = parse(inner, &mut attributes).ok()?;
        let all = std::iter::once(name).chain(attributes.iter().flat_map(|a| [a.name, a.value]));
        Some(all.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect())
    }

    #[test]
    fn a_tag_comes_apart_into_its_name_and_its_attributes_as_written() {
        assert_eq!(names(b"a:b"), Some(vec!["a:b".into()]));
        let spaced = names(b"link rel = 'self'\n\thref=\"?a=1&amp;b='2'\" ").unwrap();
        assert_eq!(spaced, ["link", "rel", "self", "href", "?a=1&amp;b='2'"]);
    }

    #[test]
    fn a_tag_that_readers_may_read_differently_is_not_read() {
        let bad: [&[u8]; 14] = [
            b"",
            b" a",
            b"1a",
            b"a/b",
            b"a b",
            b"a b=c",
            b"a b='c",
            b"a b='1'c='2'",
            b"a b='<'",
            b"a b='&'",
            b"a b='1' b='2'",
            b"a =''",
            b"a b=''/",
            b"a\"b='c'",
        ];
        for inner in bad {
            assert_eq!(names(inner), None, "{}", String::from_utf8_lossy(inner));
        }
    }

    #[test]
    fn duplicates_are_found_among_many_attributes_too() {
        use std::fmt::Write as _;
        let mut tag = String::from("a");
        for n in 0..100 {
            write!(tag, " n{n}=''").unwrap();
        }
        assert!(names(tag.as_bytes()).is_some());
        assert_eq!(names(format!("{tag} n7=''").as_bytes()), None);
    }
}
