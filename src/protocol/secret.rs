//! The key a subscriber shares with the hub so that deliveries can be signed.
//!
//! It is wiped from memory with the last value that holds it, and so are the form that it came in and what was read from the
//! store to make it. Out of our reach are the copies that others make: the request's body as hyper read it, the engine's pages
//! and its log, what serde holds while it reads a line of an export, and the state of the HMAC while a body is signed.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::octets::{self, Octets};

/// A secret is shorter than 200 bytes in all three texts (S17).
const MAX_SECRET_BYTES: usize = 199;

/// 1 to 199 bytes, kept raw: a lossy decoder would silently change the key (S04). Never shown (X07).
#[derive(Clone, Eq, Serialize, Deserialize)]
#[serde(try_from = "Octets")]
pub struct Secret(#[serde(serialize_with = "octets::text::serialize")] Zeroizing<Box<[u8]>>);

/// Why bytes are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretFault {
    #[error("the secret is empty")]
    Empty,
    #[error("the secret must be shorter than 200 bytes")]
    TooLong,
}

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretFault> {
        // What was given is wiped, whatever it is: to shrink it would leave a copy.
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(SecretFault::Empty),
            1..=MAX_SECRET_BYTES => Ok(Self(Zeroizing::new(bytes.as_slice().into()))),
            _ => Err(SecretFault::TooLong),
        }
    }

    /// The key itself, for signing and storing. The name is long enough to be seen in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Takes as long for a guess that is nearly right as for any other of its length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl TryFrom<Octets> for Secret {
    type Error = SecretFault;

    fn try_from(octets: Octets) -> Result<Self, SecretFault> {
        Self::new(octets.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_a_secret_has_between_1_and_199_bytes() {
        assert_eq!(Secret::new(Vec::new()), Err(SecretFault::Empty));
        assert!(Secret::new(vec![0; 1]).is_ok());
        assert!(Secret::new(vec![0xFF; 199]).is_ok());
        assert_eq!(Secret::new(vec![b'x'; 200]), Err(SecretFault::TooLong));
    }

    #[test]
    fn x07_a_secret_is_never_shown() {
        let secret = Secret::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "… Secret(…)");
    }

    #[test]
    fn a_secret_is_stored_as_its_bytes_and_checked_when_read() {
        let secret = Secret::new(vec![0, 0xFF, b'a']).unwrap();
        let bytes = postcard::to_stdvec(&secret).unwrap();
        assert_eq!(bytes, [3, 0, 0xFF, b'a']);
        assert_eq!(postcard::from_bytes::<Secret>(&bytes).unwrap(), secret);
        assert!(postcard::from_bytes::<Secret>(&[0]).is_err());
    }
}
