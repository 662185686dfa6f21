//! `X-Hub-Signature`: proof that a delivery comes from the hub that was told the secret (03 §7.4, `WebSub` §7.1).
//!
//! An HMAC over the body exactly as sent, in lower-case hexadecimal after the method, without a space: deployed
//! subscribers match it with anchored patterns (D09).

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use thiserror::Error;

use super::{percent, secret::Secret};

/// The digests a `WebSub` hub may sign with (D10). Stored by position: add at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// The default: the one value legal in all three texts and understood by every subscriber. The known attacks on
    /// SHA-1 find collisions, which an HMAC does not care about (D10).
    #[default]
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The method as it stands in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No algorithm of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature algorithm must be sha1, sha256, sha384 or sha512")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// In any case.
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|algorithm| text.eq_ignore_ascii_case(algorithm.as_str()))
            .ok_or(UnknownAlgorithm)
    }
}

/// The value of `X-Hub-Signature` for this body (D08, D09).
pub fn sign(algorithm: Algorithm, secret: &Secret, body: &[u8]) -> HeaderValue {
    let key = secret.expose();
    match algorithm {
        Algorithm::Sha1 => header(algorithm, &mac::<Hmac<Sha1>>(key, body).finalize().into_bytes()),
        Algorithm::Sha256 => header(algorithm, &mac::<Hmac<Sha256>>(key, body).finalize().into_bytes()),
        Algorithm::Sha384 => header(algorithm, &mac::<Hmac<Sha384>>(key, body).finalize().into_bytes()),
        Algorithm::Sha512 => header(algorithm, &mac::<Hmac<Sha512>>(key, body).finalize().into_bytes()),
    }
}

/// Whether a header is the signature of this body, whichever known algorithm it names. The digests are compared in
/// constant time; anything malformed is simply not a signature.
pub fn verify(header: &str, secret: &Secret, body: &[u8]) -> bool {
    let Some((method, hex)) = header.trim_ascii().split_once('=') else {
        return false;
    };
    let (Ok(algorithm), Some(digest)) = (method.parse(), unhex(hex)) else {
        return false;
    };
    let key = secret.expose();
    match algorithm {
        Algorithm::Sha1 => mac::<Hmac<Sha1>>(key, body).verify_slice(&digest).is_ok(),
        Algorithm::Sha256 => mac::<Hmac<Sha256>>(key, body).verify_slice(&digest).is_ok(),
        Algorithm::Sha384 => mac::<Hmac<Sha384>>(key, body).verify_slice(&digest).is_ok(),
        Algorithm::Sha512 => mac::<Hmac<Sha512>>(key, body).verify_slice(&digest).is_ok(),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], body: &[u8]) -> M {
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else {
        unreachable!("an HMAC takes a key of any length: RFC 2104 §2 hashes or pads it to the block");
    };
    mac.chain_update(body)
}

fn header(algorithm: Algorithm, digest: &[u8]) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut value = algorithm.as_str().as_bytes().to_vec();
    value.push(b'=');
    for byte in digest {
        let nibbles = [byte >> 4, byte & 0x0F];
        value.extend(nibbles.iter().filter_map(|nibble| DIGITS.get(usize::from(*nibble))));
    }
    let Ok(value) = HeaderValue::try_from(value) else {
        unreachable!("letters, digits and an equals sign are a header value");
    };
    value
}

/// Bounded by the longest digest, so a long header costs nothing.
fn unhex(hex: &str) -> Option<Vec<u8>> {
    if hex.len() > 128 {
        return None;
    }
    let (pairs, odd) = hex.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| percent::hex_pair(*high, *low)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Algorithm; 4] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(bytes.to_vec()).unwrap()
    }

    #[test]
    fn d09_signatures_are_those_of_the_rfcs() {
        // RFC 2202 §3 (SHA-1) and RFC 4231 §4 (SHA-2): test cases 1, 2, 6.
        let (jefe, question) = (&b"Jefe"[..], &b"what do ya want for nothing?"[..]);
        let (long, larger) = ([0xAA; 131], &b"Test Using Larger Than Block-Size Key - Hash Key First"[..]);
        let table: [(Algorithm, &[u8], &[u8], &str); 10] = [
            (Algorithm::Sha1, &[0x0B; 20], b"Hi There", "sha1=b617318655057264e28bc0b6fb378c8ef146be00"),
            (Algorithm::Sha1, jefe, question, "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha1, &[0xAA; 80], larger, "sha1=aa4ae5e15272d00e95705637ce8a3b55ed402112"),
            (
                Algorithm::Sha256,
                &[0x0B; 20],
                b"Hi There",
                "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                Algorithm::Sha256,
                jefe,
                question,
                "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                Algorithm::Sha256,
                &long,
                larger,
                "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                Algorithm::Sha384,
                jefe,
                question,
                "sha384=af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Algorithm::Sha384,
                &long,
                larger,
                "sha384=4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
            ),
            (
                Algorithm::Sha512,
                jefe,
                question,
                "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                 caeab1a34d4a6b4b636e070a38bce737",
            ),
            (
                Algorithm::Sha512,
                &long,
                larger,
                "sha512=80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52\
                 95e64f73f63f0aec8b915a985d786598",
            ),
        ];
        for (algorithm, key, body, expected) in table {
            let key = secret(key);
            assert_eq!(sign(algorithm, &key, body), expected);
            assert!(verify(expected, &key, body));
        }
    }

    #[test]
    fn what_is_not_the_signature_is_refused() {
        let key = secret(b"key");
        let good = sign(Algorithm::Sha1, &key, b"body").to_str().unwrap().to_owned();
        assert!(verify(&good, &key, b"body"));
        assert!(verify(&good.to_ascii_uppercase(), &key, b"body"));
        assert!(!verify(&format!("{good}0"), &key, b"body"));
        assert!(!verify(&good, &key, b"bodY"));
        assert!(!verify(&good, &secret(b"kex"), b"body"));
        assert!(!verify(&good.replace("sha1", "sha256"), &key, b"body"));
        let shortened = good.get(..good.len() - 2).unwrap();
        for header in [
            "",
            "sha1",
            "sha1=",
            "=",
            "md5=00",
            "sha1=zz",
            "sha1=abc",
            "sha1=é",
            shortened,
            &"a".repeat(9000),
        ] {
            assert!(!verify(header, &key, b"body"), "{header}");
        }
        assert!(!verify(&format!("sha1={}", "0".repeat(8000)), &key, b"body"));
    }

    #[test]
    fn algorithms_have_one_name_in_every_form() {
        for algorithm in ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
        }
        assert_eq!("SHA256".parse(), Ok(Algorithm::Sha256));
        assert_eq!("sha-1".parse::<Algorithm>(), Err(UnknownAlgorithm));
        assert_eq!(Algorithm::default(), Algorithm::Sha1, "D10");
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(key in prop::collection::vec(any::<u8>(), 1..200), body in prop::collection::vec(any::<u8>(), 0..300)) {
            let key = secret(&key);
            for algorithm in ALL {
                prop_assert!(verify(sign(algorithm, &key, &body).to_str().unwrap(), &key, &body));
            }
        }

        #[test]
        fn nothing_makes_it_panic(header in "\\PC{0,80}") {
            prop_assert!(!verify(&header, &secret(b"k"), b""));
        }
    }
}
