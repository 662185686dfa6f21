//! `X-Hub-Signature` as a subscriber checks it (`WebSub` §7.1): `method=hex`, an HMAC over the body as it arrived.

use std::fmt;

use super::SecretText;
use crate::protocol::{Algorithm, Secret, signature};

/// What a delivery's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was made with our secret, by this method.
    Valid(&'static str),
    /// It was not, or by a method nobody knows.
    Invalid,
    /// There is none although we gave a secret.
    Missing,
    /// There is one although we gave no secret, which a hub must not do (D08).
    Unasked,
    /// Neither secret nor signature.
    Unsigned,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(method) => write!(f, "valid ({method})"),
            Self::Invalid => f.write_str("invalid"),
            Self::Missing => f.write_str("missing"),
            Self::Unasked => f.write_str("present, but no secret was given"),
            Self::Unsigned => f.write_str("none"),
        }
    }
}

/// Judges the signature of a body.
pub fn verdict(secret: Option<&SecretText>, header: Option<&[u8]>, body: &[u8]) -> Verdict {
    let (secret, header) = match (secret, header) {
        (None, None) => return Verdict::Unsigned,
        (None, Some(_)) => return Verdict::Unasked,
        (Some(_), None) => return Verdict::Missing,
        (Some(secret), Some(header)) => (secret, header),
    };
    let method = || -> Option<Algorithm> {
        let header = str::from_utf8(header).ok()?;
        let secret = Secret::new(secret.expose().as_bytes().to_vec()).ok()?;
        let (method, _) = header.split_once('=')?;
        let method = method.parse().ok()?;
        signature::verify(header, &secret, body).then_some(method)
    };
    method().map_or(Verdict::Invalid, |method| Verdict::Valid(method.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"what do ya want for nothing?";

    /// RFC 2202 and RFC 4231, test case 2: key "Jefe".
    const SIGNATURES: [(&str, &str); 4] = [
        ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha384",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d\
             4a6b4b636e070a38bce737",
        ),
    ];

    fn jefe(header: &str, body: &[u8]) -> Verdict {
        verdict(Some(&SecretText::new("Jefe")), Some(header.as_bytes()), body)
    }

    #[test]
    fn each_method_accepts_the_published_vector_and_no_other_body() {
        for (method, hex) in SIGNATURES {
            let header = format!("{method}={hex}");
            assert_eq!(jefe(&header, BODY), Verdict::Valid(method));
            assert_eq!(jefe(&header.to_uppercase().replace("SHA", "sha"), BODY), Verdict::Valid(method));
            assert_eq!(jefe(&header, b"what do ya want for nothing!"), Verdict::Invalid);
            let other = verdict(Some(&SecretText::new("jefe")), Some(header.as_bytes()), BODY);
            assert_eq!(other, Verdict::Invalid);
        }
    }

    #[test]
    fn what_is_no_signature_is_invalid() {
        let (_, hex) = SIGNATURES[0];
        let crooked = ["", "sha1", "sha1=", "md5=00", "sha1=0", "sha1=zz", "=", "SHA1=00"].map(str::to_owned);
        let nearly =
            [format!("sha256={hex}"), format!("sha1={hex}00"), format!("sha1= {hex}"), hex.to_owned()];
        for header in crooked.into_iter().chain(nearly) {
            assert_eq!(jefe(&header, BODY), Verdict::Invalid, "{header}");
        }
        let not_text = verdict(Some(&SecretText::new("Jefe")), Some(b"sha1=\xff\xff"), BODY);
        assert_eq!(not_text, Verdict::Invalid);
    }

    #[test]
    fn a_signature_goes_with_a_secret_and_only_then() {
        assert_eq!(verdict(Some(&SecretText::new("Jefe")), None, BODY), Verdict::Missing);
        assert_eq!(verdict(None, Some(b"sha1=00"), BODY), Verdict::Unasked);
        assert_eq!(verdict(None, None, BODY), Verdict::Unsigned);
    }
}
