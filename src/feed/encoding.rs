//! Whether a body's bytes can be read where they lie, and the text the parser gets to see (F23).
//!
//! Every encoding we accept has ASCII for its markup and stand-ins of the same width for all else, so that a position
//! in the text is a position in the body. UTF-16 and its like are not accepted; such a body goes out whole.

use std::borrow::Cow;

use super::{
    legacy::Legacy,
    tag::{self, Unreadable},
};

/// A body that can be read.
#[derive(Debug)]
pub(super) struct Source<'b> {
    /// All of it, as fetched.
    pub(super) body: &'b [u8],
    /// Where the document begins: behind the byte order mark.
    pub(super) start: usize,
    /// From there on, as UTF-8; as long as the bytes it stands for.
    pub(super) text: Cow<'b, str>,
    /// The encoding, in lower case.
    pub(super) label: String,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A declaration longer than this is none.
const LONGEST_DECLARATION: usize = 1024;

impl<'b> Source<'b> {
    /// `None` if it is in no encoding we can vouch for. A byte order mark counts first, then the XML declaration, then
    /// the header: servers put one charset on everything they serve (F12).
    pub(super) fn sniff(body: &'b [u8], content_type: Option<&[u8]>) -> Option<Self> {
        let (start, document) = match body.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (BYTE_ORDER_MARK.len(), rest),
            None => (0, body),
        };
        // No XML document has control characters, and every one in UTF-16 has NUL where ASCII stands.
        if has_controls(document) {
            return None;
        }
        let declared = declared(document).ok()?;
        let has_mark = start > 0;
        let label = match declared.or_else(|| charset(content_type).filter(|_| !has_mark)) {
            Some(label) => label.to_ascii_lowercase(),
            None => "utf-8".to_owned(),
        };
        let text = if is_utf8(&label) {
            Cow::Borrowed(std::str::from_utf8(document).ok()?)
        } else {
            let legacy = Legacy::of(&label)?;
            // The mark says UTF-8 and the declaration says otherwise: nobody knows. And not every reader sees the header.
            if has_mark || (declared.is_none() && legacy.hides_markup()) {
                return None;
            }
            // Many a feed that says Latin-1 means ASCII, and needs no copy.
            match std::str::from_utf8(document) {
                Ok(text) if text.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(legacy.masked(document)?),
            }
        };
        let label = if label == "utf8" { "utf-8".to_owned() } else { label };
        Some(Self { body, start, text, label })
    }

    /// These bytes of the body, as they were fetched.
    pub(super) fn bytes(&self, range: std::ops::Range<usize>) -> &'b [u8] {
        self.body.get(range).unwrap_or_default()
    }
}

/// And ASCII, which is a part of it.
fn is_utf8(label: &str) -> bool {
    matches!(label, "utf-8" | "utf8" | "us-ascii" | "ascii")
}

/// Each piece is looked at to its end: a loop without a way out is compiled to sixteen bytes at a time. Byte by byte,
/// this was a fifteenth of the time a feed took.
#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a way out")]
fn has_controls(document: &[u8]) -> bool {
    let is_control = |b: u8| (b < b' ') & (b != b'\t') & (b != b'\n') & (b != b'\r');
    document.chunks(4096).any(|piece| piece.iter().fold(false, |found, &b| found | is_control(b)))
}

/// What the XML declaration says, if it is there and says anything.
fn declared(document: &[u8]) -> Result<Option<&str>, Unreadable> {
    let after_target = document.strip_prefix(b"<?xml");
    let Some(rest) = after_target.filter(|rest| rest.first().is_some_and(|&b| tag::is_space(b))) else {
        return Ok(None);
    };
    let end = rest.windows(2).take(LONGEST_DECLARATION).position(|pair| pair == b"?>").ok_or(Unreadable)?;
    // Read like a tag, for its attributes.
    let inner = document.get(b"<?".len()..b"<?xml".len().saturating_add(end)).unwrap_or_default();
    let mut attributes = Vec::new();
    tag::parse(inner, &mut attributes)?;
    let begins = attributes.first().is_some_and(|first| first.name == b"version");
    if !begins || !attributes.iter().all(|a| matches!(a.name, b"version" | b"encoding" | b"standalone")) {
        return Err(Unreadable);
    }
    let label = tag::find(&attributes, b"encoding").map(std::str::from_utf8).transpose();
    label.or(Err(Unreadable))
}

/// The charset of a `Content-Type`.
fn charset(content_type: Option<&[u8]>) -> Option<&str> {
    let parameters = std::str::from_utf8(content_type?).ok()?.split(';').skip(1);
    let charset = parameters.filter_map(|p| p.split_once('=')).find(|(name, _)| is_charset(name));
    charset.map(|(_, value)| value.trim().trim_matches('"')).filter(|value| !value.is_empty())
}

fn is_charset(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("charset")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(body: &[u8], content_type: Option<&str>) -> Option<String> {
        let source = Source::sniff(body, content_type.map(str::as_bytes))?;
        assert_eq!(source.start + source.text.len(), body.len(), "text must lie where the bytes lie");
        Some(source.label)
    }

    #[test]
    fn the_mark_counts_before_the_declaration_and_that_before_the_header() {
        let html = Some("text/xml; charset=iso-8859-1");
        assert_eq!(label(b"<a/>", None).as_deref(), Some("utf-8"));
        assert_eq!(label(b"<a>\xE9</a>", html).as_deref(), Some("iso-8859-1"));
        assert_eq!(label(b"\xEF\xBB\xBF<a/>", html).as_deref(), Some("utf-8"));
        let declared = b"<?xml version='1.0' encoding=\"Windows-1252\" ?><a>\x80</a>";
        assert_eq!(label(declared, Some("text/xml;charset=\"utf-8\"")).as_deref(), Some("windows-1252"));
        assert_eq!(label(b"<?xml version='1.0' encoding='UTF8'?><a/>", None).as_deref(), Some("utf-8"));
        assert_eq!(label(b"<?xml version='1.0'?><a/>", Some("text/xml")).as_deref(), Some("utf-8"));
        assert_eq!(label(b"<a>\xB0\xA1</a>", Some("text/xml; charset=EUC-KR")).as_deref(), Some("euc-kr"));
        let japanese = b"<?xml version='1.0' encoding='Shift_JIS'?><a>\x81]\x81[</a>";
        assert_eq!(label(japanese, Some("text/xml; charset=utf-8")).as_deref(), Some("shift_jis"));
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for length in [0, 15, 16, 4095, 4096, 10_000] {
            for control in [b'\0', 8, 11, 12, 14, 31] {
                let body = [&b"<a>"[..], &vec![b' '; length], &[control], b"\t\n\r</a>"].concat();
                assert_eq!(label(&body, None), None, "{control} behind {length}");
            }
        }
        assert_eq!(label(&[b'\t'; 10_000], None).as_deref(), Some("utf-8"));
    }

    /// X08
    #[test]
    fn what_is_ascii_is_not_copied_whatever_it_calls_itself() {
        let latin1 = Some(&b"text/xml; charset=iso-8859-1"[..]);
        let is_copied = |body: &[u8]| matches!(Source::sniff(body, latin1).unwrap().text, Cow::Owned(_));
        assert!(is_copied(b"<a>\xE9</a>") && !is_copied(b"<a>e</a>"));
    }

    /// F23
    #[test]
    fn an_encoding_we_cannot_vouch_for_is_not_read() {
        let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let unmarked: Vec<u8> = "<a/>".encode_utf16().flat_map(|unit| [unit.to_be_bytes()[1], 0]).collect();
        let bad: [(&[u8], Option<&str>); 11] = [
            (&utf16, None),
            (&unmarked, Some("text/xml; charset=utf-16")),
            (b"<a>\xE9</a>", None),
            (b"<a/>", Some("text/xml; charset=shift_jis")),
            (b"<?xml version='1.0' encoding='iso-2022-jp'?><a/>", None),
            (b"<?xml version='1.0' encoding='shift_jis'?><a>\x81</a>", None),
            (b"\xEF\xBB\xBF<?xml version='1.0' encoding='euc-jp'?><a/>", None),
            (b"\xEF\xBB\xBF<?xml version='1.0' encoding='iso-8859-1'?><a/>", None),
            (b"<?xml version='1.0' encoding='utf-8'?><a>\xE9</a>", Some("text/xml; charset=iso-8859-1")),
            (b"<?xml encoding='utf-8'?><a/>", None),
            (b"<a>\x01</a>", None),
        ];
        for (body, content_type) in bad {
            assert_eq!(label(body, content_type), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
