//! `application/x-www-form-urlencoded`, byte for byte.
//!
//! Values are bytes, not text: `hub.secret` is a key and a decoder that replaces what is no UTF-8 would change it (S04).
//! Tolerant, because every encoder is different: a `%` that begins no triplet is itself, empty segments are
//! skipped, a bare name has an empty value (S08).

use thiserror::Error;
use zeroize::Zeroizing;

use super::percent::{self, Step};

/// A ping of 256 URLs (P10) with room for what is ignored (S19); the body itself is bounded where it is read (S39).
const MAX_PARAMETERS: usize = 1024;

/// Parameters in the order of the body. The values are wiped with the form: secrets and tokens are among them.
pub struct Form(Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>);

/// Why a body is not taken as a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormFault {
    #[error("the form has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
}

impl Form {
    pub fn parse(body: &[u8]) -> Result<Self, FormFault> {
        let mut pairs = Vec::new();
        for segment in body.split(|byte| *byte == b'&').filter(|segment| !segment.is_empty()) {
            if pairs.len() >= MAX_PARAMETERS {
                return Err(FormFault::TooManyParameters);
            }
            let mut halves = segment.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default());
            let value = Zeroizing::new(decode(halves.next().unwrap_or_default()));
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Names and values, decoded, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The values of one parameter, in order, empty ones among them.
    pub fn all<'form>(&'form self, name: &'form str) -> impl Iterator<Item = &'form [u8]> {
        self.iter().filter(move |(given, _)| *given == name.as_bytes()).map(|(_, value)| value)
    }
}

/// A form holds secrets, tokens and callbacks: only its size is shown.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} parameters)", self.0.len())
    }
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    // Room for all of it at once: what grows leaves copies behind.
    let mut decoded = Vec::with_capacity(encoded.len());
    decoded.extend(percent::steps(encoded).map(|step| match step {
        Step::Plain(b'+') => b' ',
        Step::Plain(byte) | Step::Triplet(byte) => byte,
    }));
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(body: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = Form::parse(body.as_bytes()).unwrap().0;
        pairs.into_iter().map(|(name, value)| (name, value.to_vec())).collect()
    }

    #[test]
    fn s04_values_are_bytes() {
        assert_eq!(pairs("s=%FF%00+%2B"), [(b"s".to_vec(), b"\xFF\0 +".to_vec())]);
    }

    #[test]
    fn s08_bare_and_empty_parameters_are_there_with_an_empty_value() {
        let empty = || (b"a".to_vec(), Vec::new());
        assert_eq!(pairs("a&a=&&"), [empty(), empty()]);
        assert_eq!(pairs("=x"), [(Vec::new(), b"x".to_vec())]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn only_the_first_equals_sign_divides_and_names_are_decoded() {
        assert_eq!(pairs("hub%2Emode=a=b"), [(b"hub.mode".to_vec(), b"a=b".to_vec())]);
    }

    #[test]
    fn a_stray_percent_sign_is_itself() {
        assert_eq!(
            pairs("a=100%&b=%zz%4"),
            [(b"a".to_vec(), b"100%".to_vec()), (b"b".to_vec(), b"%zz%4".to_vec())]
        );
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let body = |count| vec!["a=1"; count].join("&");
        assert_eq!(pairs(&body(MAX_PARAMETERS)).len(), 1024);
        assert_eq!(
            Form::parse(body(MAX_PARAMETERS + 1).as_bytes()).unwrap_err().to_string(),
            "the form has more than 1024 parameters"
        );
    }

    #[test]
    fn a_form_does_not_show_what_is_in_it() {
        assert_eq!(format!("{:?}", Form::parse(b"hub.secret=x&b=y").unwrap()), "Form(2 parameters)");
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..20)
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let form = Form::parse(&body).unwrap();
            prop_assert!(form.iter().count() <= body.len());
        }

        #[test]
        fn what_was_encoded_comes_back(pairs in prop::collection::vec((bytes(), bytes()), 0..8)) {
            let encoded: Vec<_> = pairs
                .iter()
                .map(|(name, value)| {
                    let encode = |bytes| percent::encode(bytes, percent::is_unreserved);
                    format!("{}={}", encode(name), encode(value))
                })
                .collect();
            let form = Form::parse(encoded.join("&").as_bytes()).unwrap();
            let parsed: Vec<_> = form.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(parsed, pairs);
        }
    }
}
