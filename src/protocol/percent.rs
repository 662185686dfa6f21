//! Percent-encoding, one byte at a time: what every other file here needs to write or read `%XX`.
//!
//! Lossless in both directions: nothing is ever replaced by U+FFFD, and a `%` that begins no triplet stays itself,
//! because half the field's encoders are sloppy and none of them should lose a byte on our account.

/// The characters that RFC 3986 §2.3 calls unreserved: encoding them changes nothing, so a key decodes them (S22).
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The characters of RFC 3986 §2.2 that may be told apart from their encoded form, so they are left as they are.
pub(super) const fn is_reserved(byte: u8) -> bool {
    matches!(byte, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@') || is_sub_delimiter(byte)
}

/// The part of the reserved characters that may stand inside a component.
pub(super) const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// Appends `%XX`, in upper case as RFC 3986 §2.1 asks of producers.
pub(super) fn push_triplet(out: &mut String, byte: u8) {
    out.push('%');
    push_hex_digit(out, byte >> 4);
    push_hex_digit(out, byte & 0x0F);
}

fn push_hex_digit(out: &mut String, nibble: u8) {
    if let Some(digit) = char::from_digit(u32::from(nibble), 16) {
        out.push(digit.to_ascii_uppercase());
    }
}

/// Copies `bytes`, percent-encoding every one that `keep` does not want as it is. `keep` must want ASCII only.
pub(super) fn encode(bytes: &[u8], keep: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii() && keep(byte) {
            out.push(char::from(byte));
        } else {
            push_triplet(&mut out, byte);
        }
    }
    out
}

/// The value of one hexadecimal digit of either case.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The byte that two hexadecimal digits spell.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some((hex_digit(high)? << 4) | hex_digit(low)?)
}

/// One step through encoded text: the next byte or triplet, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A byte that stands for itself, a `%` that begins no triplet among them.
    Plain(u8),
    /// The byte that a `%XX` stands for.
    Triplet(u8),
}

/// Walks encoded text step by step.
pub(super) fn steps(mut rest: &[u8]) -> impl Iterator<Item = Step> {
    std::iter::from_fn(move || {
        if let [b'%', high, low, tail @ ..] = rest
            && let Some(byte) = hex_pair(*high, *low)
        {
            rest = tail;
            return Some(Step::Triplet(byte));
        }
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        Some(Step::Plain(byte))
    })
}

/// Decodes every triplet.
pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
    steps(bytes)
        .map(|step| match step {
            Step::Plain(byte) | Step::Triplet(byte) => byte,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn triplets_are_upper_case_and_stray_percent_signs_survive() {
        assert_eq!(encode(b"a b\xFF~", is_unreserved), "a%20b%FF~");
        assert_eq!(decode(b"%41%zz%4%"), b"A%zz%4%");
        assert_eq!(decode(b"%%34%31"), b"%41");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(encode(&bytes, is_unreserved).as_bytes()), bytes);
        }
    }
}
