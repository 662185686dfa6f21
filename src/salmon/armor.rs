//! base64url as Salmon has it: with `=` or without, white space anywhere, and nothing else forgiven.
//!
//! Text that does not encode to itself again is malformed: readers differ on what the plain alphabet, characters of no
//! alphabet and spare bits mean, and what two of them read differently must not be signed for.

use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};

/// With padding, as every peer reads it.
pub(super) fn padded(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}

/// The text without its padding.
pub(super) fn unpadded(text: &str) -> &str {
    text.trim_end_matches('=')
}

/// The text without white space: tab, line feed, vertical tab, form feed, carriage return, space.
pub(super) fn stripped(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\t'..='\r' | ' ')).collect()
}

/// What it stands for; `None` if it is malformed. Without white space.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    // Both refuse spare bits that are not zero.
    if text.ends_with('=') { URL_SAFE.decode(text).ok() } else { URL_SAFE_NO_PAD.decode(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_optional_and_nothing_else_is() {
        for (text, bytes) in
            [("", &b""[..]), ("-_8=", b"\xfb\xff"), ("-_8", b"\xfb\xff"), ("AA==", b"\0"), ("AA", b"\0")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["+/8=", "-_9=", "A", "AA=", "AB==", "AAA==", "A A", "A.", "=", "AA==AA", "AAAA=", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(stripped(" a\tb\r\nc\x0b\x0cd "), "abcd");
        assert_eq!((padded(b"\xfb\xff"), unpadded("AA==")), ("-_8=".to_owned(), "AA"));
    }
}
