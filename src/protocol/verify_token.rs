//! What a 0.3 subscriber sends along to recognise its own request by (S14).

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::octets::{self, Octets};

/// Twice what any known subscriber sends; a token travels in a query string on each attempt.
const MAX_TOKEN_BYTES: usize = 2 * 1024;

/// Opaque, echoed byte for byte, possibly empty: empty is not the same as absent (S14, V07).
///
/// Wiped from memory with the last value that holds it, except for the copies that secrets have as well and for the query
/// that it is sent in. Not shown: it is all that keeps a stranger from confirming in the name of a `StatusNet` site (X12).
#[derive(Clone, Eq, Serialize, Deserialize)]
#[serde(try_from = "Octets")]
pub struct VerifyToken(#[serde(serialize_with = "octets::text::serialize")] Zeroizing<Box<[u8]>>);

/// Why bytes are no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyTokenFault {
    #[error("the token is longer than 2048 bytes")]
    TooLong,
}

impl VerifyToken {
    pub fn new(bytes: Vec<u8>) -> Result<Self, VerifyTokenFault> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > MAX_TOKEN_BYTES {
            return Err(VerifyTokenFault::TooLong);
        }
        Ok(Self(Zeroizing::new(bytes.as_slice().into())))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Takes as long for a guess that is nearly right as for any other of its length.
impl PartialEq for VerifyToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl TryFrom<Octets> for VerifyToken {
    type Error = VerifyTokenFault;

    fn try_from(octets: Octets) -> Result<Self, VerifyTokenFault> {
        Self::new(octets.0)
    }
}

impl fmt::Debug for VerifyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_a_token_may_be_empty_and_is_bounded() {
        assert_eq!(VerifyToken::new(Vec::new()).unwrap().as_bytes(), b"");
        assert!(VerifyToken::new(vec![0; 2048]).is_ok());
        assert_eq!(VerifyToken::new(vec![0; 2049]), Err(VerifyTokenFault::TooLong));
    }

    #[test]
    fn x12_a_token_is_not_shown() {
        assert_eq!(format!("{:?}", VerifyToken::new(b"abc".to_vec()).unwrap()), "VerifyToken(…)");
    }
}
