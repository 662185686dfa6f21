//! An entry, and the three fingerprints this room speaks in.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::fingerprint::{self, Fingerprint};

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

/// Where a part of a body lies in it; the part is a slice of that body.
pub(super) fn range_within(body: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start.saturating_add(part.len())
}

macro_rules! fingerprint {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "crate::octets::hex")] [u8; 16]);

        impl $name {
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
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

impl EntryId {
    /// Of an id as it means, without references and the white space around it.
    pub fn of(id: &[u8]) -> Self {
        Self(fingerprint::name(id))
    }
}

impl From<EntryDigest> for EntryId {
    /// An entry without any id is identified by what it says (F14).
    fn from(digest: EntryDigest) -> Self {
        Self(digest.0)
    }
}

impl From<Fingerprint> for EntryDigest {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint.finish())
    }
}

impl From<Fingerprint> for BodyDigest {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint.finish())
    }
}

impl BodyDigest {
    /// Of these bytes alone.
    pub fn of(bytes: &[u8]) -> Self {
        Self(fingerprint::digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_shows_as_hex_and_comes_back_from_its_bytes() {
        let id = EntryId::of(b"abc");
        assert_eq!(format!("{id:?}"), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(EntryId::from_bytes(*id.as_bytes()), id);
    }
}
