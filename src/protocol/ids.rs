//! Names that follow from content: the first 16 octets of SHA-256 over a canonical URL.
//!
//! Every node that sees a URL gives it the same id, so no counter is shared and a key in the store has a fixed length.
//! 128 bits of a cryptographic hash: nobody finds two callbacks with one id, which would let one take the other's place.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "crate::octets::hex")] [u8; 16]);

        impl $name {
            /// An id read back from where it was stored.
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
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// Which topic, whatever way its URL was spelled (S22).
    TopicId
}

id! {
    /// Which callback, whatever way its URL was spelled (S22). Says nothing about the URL, so it may be logged (X06).
    CallbackId
}

id! {
    /// Which account, by one of its names in the one spelling of that name.
    NameId
}

id! {
    /// A slap on its way out: made of chance, and given to the site to ask after it.
    SlapId
}

impl TopicId {
    pub(super) fn of_canonical(url: &str) -> Self {
        Self(first_half(url))
    }
}

impl CallbackId {
    pub(super) fn of_canonical(url: &str) -> Self {
        Self(first_half(url))
    }
}

impl NameId {
    /// The id of a name that has one spelling already.
    pub fn of(canonical: &str) -> Self {
        Self(first_half(canonical))
    }
}

fn first_half(text: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// The key of a subscription (S21): subscribing twice with the same pair is one subscription.
///
/// Ordered by topic first, so a fan-out walks one range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PairId {
    pub topic: TopicId,
    pub callback: CallbackId,
}

impl PairId {
    /// Topic, then callback: 32 octets in the order of the pair.
    pub fn octets(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        let both = self.topic.as_bytes().iter().chain(self.callback.as_bytes());
        for (to, from) in octets.iter_mut().zip(both) {
            *to = *from;
        }
        octets
    }

    /// A pair from its octets; `None` unless there are exactly 32.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (topic, callback) = octets.split_first_chunk::<16>()?;
        Some(Self { topic: TopicId(*topic), callback: CallbackId(callback.try_into().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_first_half_of_the_digest() {
        // SHA-256("abc"), FIPS 180-4.
        let id = TopicId::of_canonical("abc");
        assert_eq!(id.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(format!("{id:?}"), "TopicId(ba7816bf8f01cfea414140de5dae2223)");
        assert_eq!(TopicId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn pairs_sort_by_topic_before_callback() {
        let pair = |topic, callback| PairId {
            topic: TopicId::from_bytes([topic; 16]),
            callback: CallbackId::from_bytes([callback; 16]),
        };
        assert!(pair(1, 9) < pair(2, 0));
        assert!(pair(1, 1) < pair(1, 2));
    }

    #[test]
    fn a_pair_survives_its_octets() {
        let pair = PairId { topic: TopicId::from_bytes([1; 16]), callback: CallbackId::from_bytes([2; 16]) };
        assert_eq!(PairId::from_octets(&pair.octets()), Some(pair));
        assert_eq!(PairId::from_octets(&pair.octets()[1..]), None);
    }

    #[test]
    fn ids_survive_the_store() {
        let id = CallbackId::of_canonical("x");
        let bytes = postcard::to_stdvec(&id).unwrap();
        assert_eq!(bytes.len(), 16);
        assert_eq!(postcard::from_bytes::<CallbackId>(&bytes).unwrap(), id);
    }
}
