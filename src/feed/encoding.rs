//! Whether a body's bytes can be read where they lie (F23).
//!
//! Every encoding we accept has ASCII for its markup, and no byte of markup inside another character but `]` and `[` in
//! four of them, where [`Source::find`] tells which is which. UTF-16 and its like are not accepted; such a body goes out
//! whole.

use super::{
    legacy::Legacy,
    names::{Letters, Vocabulary},
    tag::{self, Unreadable},
    text,
};

/// A body that can be read.
#[derive(Debug)]
pub(super) struct Source<'b> {
    /// All of it, as fetched.
    pub(super) body: &'b [u8],
    /// Where the document begins: behind the byte order mark.
    pub(super) start: usize,
    /// The encoding, in lower case.
    pub(super) label: String,
    /// The encoding again, if a byte of ASCII may be a part of another character.
    hides_markup: Option<Legacy>,
    pub(super) letters: Letters,
    /// Said so by its declaration: nothing outside it changes what it says.
    pub(super) stands_alone: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

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
        let Declared { label: declared, stands_alone } = declared(document).ok()?;
        let has_mark = start > 0;
        let label = match declared.or_else(|| charset(content_type).filter(|_| !has_mark)) {
            Some(label) => label.to_ascii_lowercase(),
            None => "utf-8".to_owned(),
        };
        let legacy = match label.as_str() {
            "utf-8" | "utf8" => {
                std::str::from_utf8(document).ok()?;
                if text::has_non_characters(document) {
                    return None;
                }
                None
            }
            "us-ascii" | "ascii" => {
                if !document.is_ascii() {
                    return None;
                }
                None
            }
            label => Some(Legacy::of(label)?),
        };
        if let Some(legacy) = legacy {
            // The mark says UTF-8 and the declaration says otherwise: nobody knows. And not every reader sees the header.
            let is_contradicted = has_mark || (declared.is_none() && legacy.hides_markup());
            if is_contradicted || !legacy.is_sound(document) {
                return None;
            }
        }
        let label = if label == "utf8" { "utf-8".to_owned() } else { label };
        let letters = if legacy.is_some() { Letters::Ascii } else { Letters::Utf8 };
        Some(Self {
            body,
            start,
            label,
            hides_markup: legacy.filter(|legacy| legacy.hides_markup()),
            letters,
            stands_alone,
        })
    }

    /// These bytes of the body, as they were fetched.
    pub(super) fn bytes(&self, range: std::ops::Range<usize>) -> &'b [u8] {
        self.body.get(range).unwrap_or_default()
    }

    /// The body from there on.
    pub(super) fn from(&self, position: usize) -> &'b [u8] {
        self.body.get(position..).unwrap_or_default()
    }

    /// How far it is to the first of three characters of ASCII, in bytes that begin with a whole character.
    pub(super) fn find(&self, bytes: &[u8], wanted: [u8; 3]) -> Option<usize> {
        let [one, two, three] = wanted;
        let Some(legacy) = self.hides_markup else { return memchr::memchr3(one, two, three, bytes) };
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if wanted.contains(first) {
                return Some(bytes.len().saturating_sub(rest.len()));
            }
            rest = rest.get(legacy.width(rest)..).unwrap_or_default();
        }
        None
    }
}

/// Each piece is looked at to its end: a loop without a way out is compiled to sixteen bytes at a time. Byte by byte,
/// this was a fifteenth of the time a feed took.
#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a way out")]
fn has_controls(document: &[u8]) -> bool {
    let is_control = |b: u8| (b < b' ') & (b != b'\t') & (b != b'\n') & (b != b'\r');
    document.chunks(4096).any(|piece| piece.iter().fold(false, |found, &b| found | is_control(b)))
}

/// What an XML declaration says.
#[derive(Debug, Default)]
struct Declared<'b> {
    label: Option<&'b str>,
    stands_alone: bool,
}

/// What the XML declaration says, if it is there and says anything. Of XML 1.1, whose line ends and characters are other
/// ones, nobody has seen a feed.
fn declared(document: &[u8]) -> Result<Declared<'_>, Unreadable> {
    let after_target = document.strip_prefix(b"<?xml");
    let Some(_) = after_target.filter(|rest| rest.first().is_some_and(|&b| tag::is_space(b))) else {
        return Ok(Declared::default());
    };
    // Read like a tag, for its attributes.
    let mut attributes = Vec::new();
    let written = document.get(b"<?".len()..).unwrap_or_default();
    let (_target, rest) = tag::parse(written, &Vocabulary::new(Letters::Ascii), &mut attributes)?;
    let mut left = attributes.iter().map(|a| (a.name, a.value)).peekable();
    let is_version = left.next() == Some((b"version", b"1.0"));
    let encoding = left.next_if(|(name, _)| *name == b"encoding");
    let standalone = left.next_if(|(name, _)| *name == b"standalone");
    let is_sound = standalone.is_none_or(|(_, value)| matches!(value, b"yes" | b"no"));
    if !is_version || !is_sound || left.next().is_some() || !rest.starts_with(b"?>") {
        return Err(Unreadable);
    }
    let label = encoding.map(|(_, label)| encoding_name(label).ok_or(Unreadable)).transpose()?;
    Ok(Declared { label, stands_alone: standalone.is_some_and(|(_, value)| value == b"yes") })
}

/// A label by the letter of XML: one with white space around it is known to some readers and not to others.
fn encoding_name(label: &[u8]) -> Option<&str> {
    let begins = label.first().is_some_and(u8::is_ascii_alphabetic);
    let goes_on = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    std::str::from_utf8(label).ok().filter(|_| begins && label.iter().all(goes_on))
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

    #[test]
    fn a_byte_of_markup_is_found_unless_it_is_a_part_of_another_character() {
        let found = |encoding: &str, text: &[u8]| {
            let head = format!("<?xml version='1.0' encoding='{encoding}'?><a>");
            let body = [head.as_bytes(), text, b"</a>"].concat();
            Source::sniff(&body, None).unwrap().find(text, [b']', b'<', b'&'])
        };
        assert_eq!(found("shift_jis", b"\x81]\xB1x]"), Some(4));
        assert_eq!(found("gb18030", b"\x81]\x81\x30\x81\x30\x80]"), Some(7));
        assert_eq!(found("big5", b"\xA1]"), None);
        assert_eq!(found("windows-1252", b"\xA1]"), Some(1));
        assert_eq!(found("euc-jp", b"\x8F\xB0\xA1&"), Some(3));
    }

    /// F23
    #[test]
    fn an_encoding_we_cannot_vouch_for_is_not_read() {
        let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let unmarked: Vec<u8> = "<a/>".encode_utf16().flat_map(|unit| [unit.to_be_bytes()[1], 0]).collect();
        let bad: [(&[u8], Option<&str>); 22] = [
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
            ("<?xml version='1.0' encoding='us-ascii'?><a>é</a>".as_bytes(), None),
            ("<a>\u{FFFE}</a>".as_bytes(), None),
            ("<a>\u{FFFF}</a>".as_bytes(), None),
            (b"<?xml version='1.0' encoding=' iso-8859-1'?><a/>", None),
            (b"<?xml version='1.0' encoding=''?><a/>", None),
            (b"<?xml version='1.1'?><a/>", None),
            (b"<?xml version='1.0' standalone='maybe'?><a/>", None),
            (b"<?xml version='1.0' standalone='yes' encoding='utf-8'?><a/>", None),
            (b"<?xml version='1.0' other='1'?><a/>", None),
            (b"<?xml version='1.0'><a/>", None),
            (b"<?xml version='1.0' encoding='windows-1253'?><a>\xD2</a>", None),
        ];
        for (body, content_type) in bad {
            assert_eq!(label(body, content_type), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
