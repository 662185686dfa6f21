//! Text as it is written, and what it means: character references and the five entities every XML reader knows.
//!
//! Entities a document declares itself are never expanded (X08); they stay as written, which serves an id just as well.

use super::tag::is_name;

/// What stands between `&` and `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    Char(char),
    /// An entity we do not know; it is kept as written.
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
    char::from_u32(number).filter(|&c| c != '\0')
}

/// Whether these bytes, from `&` to `;`, are a reference.
pub(super) fn is_reference(written: &[u8]) -> bool {
    matches!(written, [b'&', inner @ .., b';'] if Reference::parse(inner).is_some())
}

/// Whether every `&` in these bytes begins a reference.
pub(super) fn references_are_sound(written: &[u8]) -> bool {
    written.split(|&b| b == b'&').skip(1).all(|piece| inner(piece).and_then(Reference::parse).is_some())
}

/// Appends what the text means: references resolved, all else as it is.
pub(super) fn decode_into(out: &mut Vec<u8>, written: &[u8]) {
    let mut pieces = written.split(|&b| b == b'&');
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        let known = inner(piece).and_then(|name| Some((name.len(), Reference::parse(name)?)));
        if let Some((length, Reference::Char(c))) = known {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            out.extend_from_slice(piece.get(length.saturating_add(1)..).unwrap_or_default());
        } else {
            out.push(b'&');
            out.extend_from_slice(piece);
        }
    }
}

/// What an attribute's value means.
pub(super) fn decoded(written: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(written.len());
    decode_into(&mut out, written);
    out
}

/// What stands before the `;`.
fn inner(piece: &[u8]) -> Option<&[u8]> {
    // No reference worth the name is longer; without a bound, many `&` before one far `;` would be quadratic.
    const LONGEST: usize = 256;
    let end = piece.iter().take(LONGEST).position(|&b| b == b';')?;
    piece.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_every_reader_knows_are_resolved_and_others_stay_as_written() {
        assert_eq!(decoded(b"a&amp;b&lt;&#x41;&#66;&nbsp;c"), b"a&b<AB&nbsp;c");
        assert_eq!(decoded("é&#233;".as_bytes()), "éé".as_bytes());
        assert_eq!(decoded(b"no reference"), b"no reference");
    }

    #[test]
    fn a_lone_ampersand_or_an_impossible_character_is_no_reference() {
        assert!(references_are_sound(b"?a=1&amp;b=2"));
        assert!(references_are_sound(b"nothing"));
        for bad in [&b"?a=1&b=2"[..], b"&", b"&;", b"&#;", b"&#x;", b"&#xD800;", b"&#0;", b"&#+1;", b"& amp;"]
        {
            assert!(!references_are_sound(bad), "{bad:?}");
        }
        assert!(is_reference(b"&eacute;") && !is_reference(b"&1;") && !is_reference(b"&amp"));
    }
}
