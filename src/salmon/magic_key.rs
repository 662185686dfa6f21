//! The public key of an account, as its site publishes it: `RSA.n.e` (draft-panzer-magicsig-01, 5).
//!
//! Read as every peer has been seen to write it: padded or not, with a leading zero octet in the modulus, with white
//! space, with a private exponent behind that should not be there, behind a comma or a semicolon. Written in one form.
//!
//! # Decisions
//!
//! - *1000 to 8192 bits, and 512 where the operator says so.* The sites that still speak Salmon have 1024 and up, and
//!   Friendica has 512. The floor lies under 1024 because a key may come out a little short of what was asked for.
//! - *The exponent is odd and lies between 3 and 2^33.* All in use is 65537; a huge one would be work for us.

use std::fmt;

use rsa::{BoxedUint, Pkcs1v15Sign, traits::PublicKeyParts as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::armor;

/// The largest modulus that is looked at, in bits.
const MOST_BITS: usize = 8192;
/// Of its text; one with a private exponent has twice the length of its modulus.
const LONGEST_TEXT: usize = 8 * 1024;

/// How short a key may be whose signatures count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeySizes {
    /// 1000 bits and up.
    #[default]
    Usual,
    /// 512 bits and up: what Friendica has. Whoever wants to can break such a key in a day.
    Weak,
}

impl KeySizes {
    const fn least_bits(self) -> usize {
        match self {
            Self::Usual => 1000,
            Self::Weak => 512,
        }
    }
}

/// Why a text is no key of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    #[error("the key is behind an address and not in the link")]
    Elsewhere,
    #[error("the link to the key is of another type")]
    OtherType,
    #[error("a key is written RSA.n.e")]
    Form,
    #[error("a part of the key is no base64url")]
    Armor,
    #[error("the key has {0} bits, which is too few")]
    TooSmall(usize),
    #[error("the key is too large")]
    TooLarge,
    #[error("the modulus is even")]
    Modulus,
    #[error("the exponent of the key is out of bounds")]
    Exponent,
}

/// Whether a key was published with its private part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    None,
    /// The peer gives its private exponent away; it was not kept.
    PrivatePart,
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: rsa::PublicKey,
}

impl PublicKey {
    /// Reads `RSA.n.e`.
    pub fn parse(text: &str, sizes: KeySizes) -> Result<(Self, Exposure), KeyFault> {
        if text.len() > LONGEST_TEXT {
            return Err(KeyFault::TooLarge);
        }
        let text = armor::stripped(text);
        let parts: Vec<&str> = text.split('.').collect();
        let (modulus, exponent, exposure) = match parts.as_slice() {
            ["RSA", n, e] => (n, e, Exposure::None),
            ["RSA", n, e, _private] => (n, e, Exposure::PrivatePart),
            _ => return Err(KeyFault::Form),
        };
        let modulus = armor::decode(modulus).ok_or(KeyFault::Armor)?;
        let exponent = armor::decode(exponent).ok_or(KeyFault::Armor)?;
        Ok((Self::new(&modulus, &exponent, sizes)?, exposure))
    }

    /// Reads the address of a link with rel `magic-public-key`: `data:application/magic-public-key,RSA.n.e`, the type of
    /// the draft (`application/magic-key`), and StatusNet's semicolon for the comma.
    pub fn from_href(href: &str, sizes: KeySizes) -> Result<(Self, Exposure), KeyFault> {
        if href.len() > LONGEST_TEXT {
            return Err(KeyFault::TooLarge);
        }
        let data = strip_prefix_of_any_case(href.trim(), "data:").ok_or(KeyFault::Elsewhere)?;
        let key = ["application/magic-public-key", "application/magic-key"]
            .iter()
            .find_map(|media_type| strip_prefix_of_any_case(data, media_type)?.strip_prefix([',', ';']))
            .ok_or(KeyFault::OtherType)?;
        // Some writer of addresses may have found `=` worth encoding.
        Self::parse(&key.replace("%3D", "=").replace("%3d", "="), sizes)
    }

    /// Bounds are checked before there is any arithmetic.
    pub(super) fn new(modulus: &[u8], exponent: &[u8], sizes: KeySizes) -> Result<Self, KeyFault> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let zero_bits = modulus.first().map_or(0, |first| first.leading_zeros());
        let zero_bits = usize::try_from(zero_bits).unwrap_or(0);
        let bits = modulus.len().saturating_mul(8).saturating_sub(zero_bits);
        if bits > MOST_BITS {
            return Err(KeyFault::TooLarge);
        }
        if bits < sizes.least_bits() {
            return Err(KeyFault::TooSmall(bits));
        }
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyFault::Modulus);
        }
        let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if exponent.len() > 5 || !is_odd || exponent == [1] {
            return Err(KeyFault::Exponent);
        }
        let modulus = BoxedUint::from_be_slice_vartime(modulus);
        let exponent = BoxedUint::from_be_slice_vartime(exponent);
        let key = rsa::PublicKey::new_with_size_limits(modulus, exponent, sizes.least_bits()..=MOST_BITS);
        Ok(Self { key: key.map_err(|error| fault(&error))? })
    }

    /// Whether the signature is one of this key over something with this SHA-256: RSASSA-PKCS1-v1_5, the block compared
    /// whole. One that lost its leading zero octets, as one in 256 of the reference did, counts.
    pub fn verifies(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        let size = self.key.size();
        let Some(missing) = size.checked_sub(signature.len()) else { return false };
        let mut whole = vec![0; missing];
        whole.extend_from_slice(signature);
        // Refuses what is not below the modulus as well: s and s + n are roots of the same block.
        self.key.verify(Pkcs1v15Sign::new::<Sha256>(), digest, &whole).is_ok()
    }

    pub fn bits(&self) -> usize {
        let zero_bits = self.modulus().first().map_or(0, |first| first.leading_zeros());
        self.key.size().saturating_mul(8).saturating_sub(usize::try_from(zero_bits).unwrap_or(0))
    }

    /// What is put into the `href` of a link with rel `magic-public-key`.
    pub fn to_href(&self) -> String {
        format!("data:application/magic-public-key,{self}")
    }

    /// The draft's id of a key without one: base64url of the SHA-256 of its text. A hint at most, since three spellings of
    /// a key give three ids.
    pub fn id(&self) -> String {
        armor::padded(&Sha256::digest(self.to_string()))
    }

    pub(super) fn modulus(&self) -> Box<[u8]> {
        self.key.n_bytes()
    }
}

impl From<rsa::PublicKey> for PublicKey {
    fn from(key: rsa::PublicKey) -> Self {
        Self { key }
    }
}

/// `RSA.n.e`, padded and without leading zeros: what every peer reads.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RSA.{}.{}", armor::padded(&self.modulus()), armor::padded(&self.key.e_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} bits, id {})", self.bits(), self.id())
    }
}

fn fault(error: &rsa::Error) -> KeyFault {
    match error {
        rsa::Error::ModulusTooLarge => KeyFault::TooLarge,
        rsa::Error::PublicExponentTooLarge
        | rsa::Error::PublicExponentTooSmall
        | rsa::Error::InvalidExponent => KeyFault::Exponent,
        _ => KeyFault::Modulus,
    }
}

pub(super) fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&octet| octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn strip_prefix_of_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salmon::fixture;

    const EVERY_KEY: [&str; 11] = [
        "friendica-512",
        "gnusocial-1024",
        "go-2048",
        "indep-1000",
        "indep-2048",
        "indep-4096",
        "indep-e3-2048",
        "mallory-2048",
        "mastodon-2048",
        "pyref-1024",
        "statusnet-1024",
    ];

    #[test]
    fn every_producers_key_is_read_and_written_padded() {
        let facts: serde_json::Value = serde_json::from_str(&fixture("keys/keys.json")).unwrap();
        for name in EVERY_KEY {
            let (key, exposure) =
                PublicKey::parse(&fixture(&format!("keys/{name}.magic")), KeySizes::Weak).unwrap();
            let facts = &facts[name];
            assert_eq!(exposure, Exposure::None);
            assert_eq!(
                Some(key.bits()),
                facts["bits"].as_u64().and_then(|bits| bits.try_into().ok()),
                "{name}"
            );
            assert_eq!(Some(key.to_string().as_str()), facts["magic_key_padded"].as_str(), "{name}");
            for (spelling, text) in [
                ("padded", &facts["magic_key_padded"]),
                ("not", &facts["magic_key_unpadded"]),
                ("own", &facts["published_as"]),
            ] {
                let read = PublicKey::parse(text.as_str().unwrap(), KeySizes::Weak);
                assert_eq!(read, Ok((key.clone(), Exposure::None)), "{name} {spelling}");
            }
            let id = &facts["key_ids"]["sha256_b64url_padded_key_padded_id"];
            assert_eq!(Some(key.id().as_str()), id.as_str(), "{name}");
            let href = facts["href"].as_str().unwrap();
            assert_eq!(
                PublicKey::from_href(href, KeySizes::Weak),
                Ok((key.clone(), Exposure::None)),
                "{name}"
            );
            assert_eq!(
                PublicKey::from_href(&key.to_href(), KeySizes::Weak),
                Ok((key, Exposure::None)),
                "{name}"
            );
        }
    }

    #[test]
    fn links_to_keys_are_read_in_every_form_seen() {
        let text = fixture("keys/indep-2048.magic");
        let key = PublicKey::parse(&text, KeySizes::Usual).unwrap().0;
        let text = key.to_string();
        let encoded = text.replace('=', "%3D");
        assert_ne!(encoded, text);
        for href in [
            format!("data:application/magic-public-key,{text}"),
            format!("data:application/magic-public-key;{text}"),
            format!(" DATA:Application/Magic-Key,{text}\n"),
            format!("data:application/magic-public-key,{encoded}"),
            format!("data:application/magic-public-key,{}", text.replace('.', " . ")),
        ] {
            assert_eq!(
                PublicKey::from_href(&href, KeySizes::Usual),
                Ok((key.clone(), Exposure::None)),
                "{href}"
            );
        }
        let leaked = fixture("keys/indep-2048.keypair");
        assert_eq!(PublicKey::parse(&leaked, KeySizes::Usual), Ok((key, Exposure::PrivatePart)));
        let refused = [
            ("https://a/key", KeyFault::Elsewhere),
            ("data:text/plain,RSA.AQAB.AQAB", KeyFault::OtherType),
            ("data:application/magic-public-keys,RSA.AQAB.AQAB", KeyFault::OtherType),
            ("data:application/magic-public-key,", KeyFault::Form),
            ("data:application/magic-public-key,rsa.AQAB.AQAB", KeyFault::Form),
            ("data:application/magic-public-key,RSA.AQAB.AQAB.AQAB.AQAB", KeyFault::Form),
            ("data:application/magic-public-key,RSA.AQ+B.AQAB", KeyFault::Armor),
            ("data:application/magic-public-key,RSA.AQAB.AQAB", KeyFault::TooSmall(17)),
        ];
        for (href, fault) in refused {
            assert_eq!(PublicKey::from_href(href, KeySizes::Weak), Err(fault), "{href}");
        }
    }

    #[test]
    fn keys_out_of_bounds_are_refused_before_anything_is_computed() {
        let (odd, e) = ([0xFF; 256], [1, 0, 1]);
        let with = |modulus: &[u8], exponent: &[u8]| PublicKey::new(modulus, exponent, KeySizes::Usual).err();
        assert_eq!(with(&odd, &e), None);
        assert_eq!(with(&[0xFF; 1024], &e), None);
        assert_eq!(with(&[0xFF; 1025], &e), Some(KeyFault::TooLarge));
        assert_eq!(with(&[0xFF; 64], &e), Some(KeyFault::TooSmall(512)));
        assert_eq!(PublicKey::new(&[0xFF; 64], &e, KeySizes::Weak).err(), None);
        assert_eq!(PublicKey::new(&[0xFF; 63], &e, KeySizes::Weak).err(), Some(KeyFault::TooSmall(504)));
        assert_eq!(with(&[], &e), Some(KeyFault::TooSmall(0)));
        let mut even = odd;
        even[255] = 0xFE;
        assert_eq!(with(&even, &e), Some(KeyFault::Modulus));
        for exponent in
            [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 0, 0, 0, 0, 1], &[2, 0, 0, 0, 1], &[1, 0, 0]]
        {
            assert_eq!(with(&odd, exponent), Some(KeyFault::Exponent), "{exponent:?}");
        }
        assert_eq!(with(&odd, &[0, 3]), None);
        let long = format!("RSA.{}.AQAB", "A".repeat(LONGEST_TEXT));
        assert_eq!(PublicKey::parse(&long, KeySizes::Usual).err(), Some(KeyFault::TooLarge));
    }
}
