//! The private key of an account: made here, or taken over from the site that had it.
//!
//! A site's followers keep its key for good, so that a relay has to go on with the one the site had. StatusNet and GNU
//! social made keys of 1024 bits, which the library of TLS will not sign with; `rsa` does. All others sign with the
//! former, whose private arithmetic is the better guarded.
//!
//! Nothing here shows a private part by accident: there is no `Display`, `Debug` names the public part, and what is handed
//! out to be stored is wiped when dropped, as is the key itself.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::RSA_PKCS1_SHA256,
};
use rsa::{
    BoxedUint, Pkcs1v15Sign,
    pkcs1::DecodeRsaPrivateKey as _,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding},
    traits::PrivateKeyParts as _,
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    armor,
    magic_key::{self, KeyFault, KeySizes, PublicKey},
};

/// From here on the library of TLS signs.
const LEAST_BITS_OF_TLS: usize = 2048;
/// What is imported at least: the key of StatusNet and GNU social.
const LEAST_BITS: usize = 1024;
/// Of what is imported; a PEM of 8192 bits has 6.4 KiB.
const LONGEST_IMPORT: usize = 16 * 1024;

/// How large a key is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewKey {
    /// What all peers verify, and the least one makes today.
    #[default]
    Bits2048,
    Bits3072,
    Bits4096,
}

/// Why there is no private key. Says nothing of what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PrivateKeyFault {
    #[error("a private key is a PEM (PKCS#1 or PKCS#8), or written RSA.n.e.d")]
    Form,
    #[error("the PEM is encrypted: decrypt it first")]
    Encrypted,
    #[error("that is a public key")]
    Public,
    #[error("a part of the key is no base64url")]
    Armor,
    #[error("the parts of the key do not belong together")]
    Broken,
    #[error("the key has {0} bits; 1024 to 8192 can sign")]
    Size(usize),
    #[error("the key could not be made or used")]
    Library,
}

impl From<KeyFault> for PrivateKeyFault {
    fn from(fault: KeyFault) -> Self {
        match fault {
            KeyFault::Armor => Self::Armor,
            KeyFault::TooSmall(bits) => Self::Size(bits),
            KeyFault::TooLarge => Self::Size(usize::MAX),
            KeyFault::Elsewhere | KeyFault::OtherType | KeyFault::Form => Self::Form,
            KeyFault::Modulus | KeyFault::Exponent => Self::Broken,
        }
    }
}

/// A key that signs.
pub struct PrivateKey {
    public: PublicKey,
    key: rsa::PrivateKey,
    /// Signs in its place where it can.
    tls: Option<KeyPair>,
}

impl PrivateKey {
    /// Makes a key. Its randomness is the library's own: a key that a seed could make again is none.
    pub fn generate(size: NewKey) -> Result<Self, PrivateKeyFault> {
        let size = match size {
            NewKey::Bits2048 => KeySize::Rsa2048,
            NewKey::Bits3072 => KeySize::Rsa3072,
            NewKey::Bits4096 => KeySize::Rsa4096,
        };
        let pair = KeyPair::generate(size).ok().ok_or(PrivateKeyFault::Library)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().ok().ok_or(PrivateKeyFault::Library)?;
        Self::from_pkcs8(der.as_ref())
    }

    /// Takes over a key: a PEM of PKCS#1 or PKCS#8, or `RSA.n.e.d`.
    pub fn import(text: &str) -> Result<Self, PrivateKeyFault> {
        let text = text.trim();
        if text.len() > LONGEST_IMPORT {
            return Err(PrivateKeyFault::Form);
        }
        if text.starts_with("RSA.") {
            return Self::from_magic(text);
        }
        let begins = |label: &str| text.starts_with(&format!("-----BEGIN {label}-----"));
        let key = if begins("RSA PRIVATE KEY") {
            if text.contains("Proc-Type:") {
                return Err(PrivateKeyFault::Encrypted);
            }
            rsa::PrivateKey::from_pkcs1_pem(text).ok()
        } else if begins("PRIVATE KEY") {
            rsa::PrivateKey::from_pkcs8_pem(text).ok()
        } else if begins("ENCRYPTED PRIVATE KEY") {
            return Err(PrivateKeyFault::Encrypted);
        } else if begins("PUBLIC KEY") || begins("RSA PUBLIC KEY") {
            return Err(PrivateKeyFault::Public);
        } else {
            return Err(PrivateKeyFault::Form);
        };
        Self::new(key.ok_or(PrivateKeyFault::Broken)?)
    }

    /// Reads what [`to_pkcs8`](Self::to_pkcs8) gave to the store.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyFault> {
        Self::new(rsa::PrivateKey::from_pkcs8_der(der).ok().ok_or(PrivateKeyFault::Broken)?)
    }

    /// `RSA.n.e.d`, from which StatusNet and GNU social never kept the primes; they follow from the rest.
    fn from_magic(text: &str) -> Result<Self, PrivateKeyFault> {
        let text = Zeroizing::new(armor::stripped(text));
        let parts: Vec<&str> = text.split('.').collect();
        let (modulus, exponent, private) = match parts.as_slice() {
            ["RSA", n, e, d] => (n, e, d),
            ["RSA", _, _] => return Err(PrivateKeyFault::Public),
            _ => return Err(PrivateKeyFault::Form),
        };
        let modulus = armor::decode(modulus).ok_or(PrivateKeyFault::Armor)?;
        let exponent = armor::decode(exponent).ok_or(PrivateKeyFault::Armor)?;
        let private = Zeroizing::new(armor::decode(private).ok_or(PrivateKeyFault::Armor)?);
        // For its bounds.
        let public = PublicKey::new(&modulus, &exponent, KeySizes::Usual)?;
        let private = magic_key::without_zeros(&private);
        if private.len() > public.modulus().len() {
            return Err(PrivateKeyFault::Broken);
        }
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let modulus = number(magic_key::without_zeros(&modulus));
        let exponent = number(magic_key::without_zeros(&exponent));
        let key = rsa::PrivateKey::from_components(modulus, exponent, number(private), Vec::new());
        Self::new(key.ok().ok_or(PrivateKeyFault::Broken)?)
    }

    fn new(key: rsa::PrivateKey) -> Result<Self, PrivateKeyFault> {
        let public = PublicKey::from(key.to_public_key());
        let bits = public.bits();
        if !(LEAST_BITS..=8192).contains(&bits) {
            return Err(PrivateKeyFault::Size(bits));
        }
        let tls = if bits >= LEAST_BITS_OF_TLS {
            let der = key.to_pkcs8_der().ok().ok_or(PrivateKeyFault::Library)?;
            Some(KeyPair::from_pkcs8(der.as_bytes()).ok().ok_or(PrivateKeyFault::Broken)?)
        } else {
            None
        };
        Ok(Self { public, key, tls })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// For the store: PKCS#8 in DER, with the primes, so that nothing has to be recovered at the next start.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyFault> {
        self.key.to_pkcs8_der().map(|der| der.to_bytes()).ok().ok_or(PrivateKeyFault::Library)
    }

    /// For a file: PKCS#8 as a PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, PrivateKeyFault> {
        self.key.to_pkcs8_pem(LineEnding::LF).ok().ok_or(PrivateKeyFault::Library)
    }

    /// `RSA.n.e.d`, for a site that takes its key back. The name is long enough to be seen in a review.
    pub fn expose_magic(&self) -> Zeroizing<String> {
        let private = Zeroizing::new(self.key.d().to_be_bytes());
        let private = Zeroizing::new(armor::padded(magic_key::without_zeros(&private)));
        Zeroizing::new(format!("{}.{}", self.public, *private))
    }

    /// The signature over a message: RSASSA-PKCS1-v1_5 with SHA-256, as long as the modulus. The same each time: the
    /// dice that the libraries roll are for blinding.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrivateKeyFault> {
        let signature = if let Some(tls) = &self.tls {
            let mut signature = vec![0; tls.public_modulus_len()];
            let signed = tls.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
            signed.ok().map(|()| signature)
        } else {
            self.key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).ok()
        };
        signature.ok_or(PrivateKeyFault::Library)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(… of {:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use rsa::pkcs1::EncodeRsaPrivateKey as _;

    use super::*;
    use crate::salmon::fixture;

    fn signs(key: &PrivateKey) {
        let signature = key.sign(b"message").unwrap();
        let digest = Sha256::digest(b"message").into();
        assert!(key.public().verifies(&digest, &signature));
        assert!(!key.public().verifies(&Sha256::digest(b"another").into(), &signature));
        assert_eq!(key.sign(b"message").unwrap(), signature, "always the same");
    }

    #[test]
    fn keys_of_every_producer_are_taken_over_and_sign() {
        for (name, by_tls) in [
            ("gnusocial-1024", false),
            ("statusnet-1024", false),
            ("pyref-1024", false),
            ("indep-2048", true),
            ("mastodon-2048", true),
        ] {
            let text = fixture(&format!("keys/{name}.keypair"));
            let key = PrivateKey::import(&text).unwrap();
            assert_eq!(key.expose_magic().as_str(), text.trim(), "{name}");
            assert_eq!(key.tls.is_some(), by_tls);
            signs(&key);
            let again = PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.expose_magic(), key.expose_magic(), "{name}");
            for pem in [key.to_pem().unwrap(), key.key.to_pkcs1_pem(LineEnding::CRLF).unwrap()] {
                assert_eq!(PrivateKey::import(&pem).unwrap().public(), key.public(), "{name}");
            }
        }
    }

    #[test]
    fn a_signature_that_lost_its_leading_zeros_counts() {
        let key = PrivateKey::import(&fixture("keys/indep-2048.keypair")).unwrap();
        let (message, signature) = (0..5000_u32)
            .map(u32::to_be_bytes)
            .map(|message| (message, key.sign(&message).unwrap()))
            .find(|(_, signature)| signature[0] == 0)
            .unwrap();
        let digest = Sha256::digest(message).into();
        assert!(key.public().verifies(&digest, &signature));
        assert!(key.public().verifies(&digest, magic_key::without_zeros(&signature)));
        for other in [&signature[..255], &signature[2..], &[], &[&[0], signature.as_slice()].concat()] {
            assert!(!key.public().verifies(&digest, other));
        }
    }

    #[test]
    fn a_new_key_signs() {
        let key = PrivateKey::generate(NewKey::default()).unwrap();
        assert_eq!(key.public().bits(), 2048);
        signs(&key);
        let other = PrivateKey::generate(NewKey::Bits2048).unwrap();
        assert_ne!(other.public(), key.public());
        assert_eq!(PrivateKey::import(&key.expose_magic()).unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_private_key_is_refused_by_name() {
        let mut broken = fixture("keys/indep-2048.keypair");
        broken = broken.trim().replacen("AQAB.O", "AQAB.P", 1);
        let refused = [
            (fixture("keys/indep-2048.magic"), PrivateKeyFault::Public),
            (fixture("keys/indep-2048.public.pem"), PrivateKeyFault::Public),
            (fixture("keys/friendica-512.keypair"), PrivateKeyFault::Size(512)),
            (fixture("keys/indep-1000.keypair"), PrivateKeyFault::Size(1000)),
            (broken, PrivateKeyFault::Broken),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), PrivateKeyFault::Encrypted),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED".to_owned(),
                PrivateKeyFault::Encrypted,
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(),
                PrivateKeyFault::Broken,
            ),
            ("-----BEGIN EC PRIVATE KEY-----".to_owned(), PrivateKeyFault::Form),
            ("RSA.a.b.c.d".to_owned(), PrivateKeyFault::Form),
            (String::new(), PrivateKeyFault::Form),
        ];
        for (text, fault) in refused {
            assert_eq!(PrivateKey::import(&text).err(), Some(fault), "{text}");
        }
    }

    /// X07
    #[test]
    fn nothing_shows_a_private_part() {
        let text = fixture("keys/gnusocial-1024.keypair");
        let key = PrivateKey::import(&text).unwrap();
        let shown = format!("{key:?}");
        let private = text.trim().rsplit('.').next().unwrap();
        assert!(!shown.contains(private.get(..20).unwrap()) && shown.contains("1024 bits"), "{shown}");
    }
}
