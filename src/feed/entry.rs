//! An entry, and the three fingerprints this room speaks in. All are the first 128 bits of a SHA-256, which is enough
//! to tell a topic's entries apart for as long as they are kept, and half the space on disk.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One entry or item, as it lies in the body it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Which entry this is.
    pub id: EntryId,
    /// Which version of it.
    pub digest: EntryDigest,
    /// From the `<` of its start tag to just behind the `>` of its end tag, or from brace to brace; in bytes.
    pub range: Range<usize>,
}

/// Adds one of several parts to a fingerprint, kept apart from the next by its length.
pub(super) fn add_part(hasher: &mut Sha256, part: &[u8]) {
    hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(part);
}

macro_rules! fingerprint {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// What the hasher has seen, cut to 128 bits.
            pub(super) fn finish(hasher: Sha256) -> Self {
                let whole: [u8; 32] = hasher.finalize().into();
                let mut half = [0; 16];
                for (to, from) in half.iter_mut().zip(whole) {
                    *to = from;
                }
                Self(half)
            }

            /// The fingerprint of these bytes alone.
            pub fn of(bytes: &[u8]) -> Self {
                Self::finish(Sha256::new_with_prefix(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

fingerprint! {
    /// Which entry: of the publisher's own id where there is one, else of the entry's digest (F14).
    EntryId
}
fingerprint! {
    /// Which version of an entry: of its bytes without what is volatile (F16).
    EntryDigest
}
fingerprint! {
    /// Of a part of a body that is no entry, or of a whole body (F13, F19).
    BodyDigest
}

impl From<EntryDigest> for EntryId {
    /// An entry without any id is identified by what it says (F14).
    fn from(digest: EntryDigest) -> Self {
        Self(digest.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_first_half_of_a_sha256_and_shows_as_hex() {
        let digest = BodyDigest::of(b"abc");
        assert_eq!(format!("{digest:?}"), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(BodyDigest::from_bytes(*digest.as_bytes()), digest);
    }
}
