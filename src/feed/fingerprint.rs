//! What tells one thing from another, in 16 bytes: half the space of a whole hash on disk, and enough to tell a topic's
//! entries apart for as long as they are kept.
//!
//! An id is hashed with SHA-256: entries of several authors meet in one feed, and nobody may make up an id that is taken
//! for another's. Everything else, every byte of every feed, is hashed with `HighwayHash`: SHA-256 took a quarter of the
//! time that a feed took. Its key is no secret, so it is not for lack of it that nobody makes up two texts with one
//! digest, but because none knows how to. What it would get him: where several authors share a feed, an entry that the
//! hub takes for one it has seen, of which he would have to know every word, and the id, before it is published.

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

/// "nothing up my sleeve": the digits of pi. What is on disk depends on it.
const KEY: Key =
    Key([0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89]);

/// What goes into a digest, piece by piece.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint(HighwayHasher);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(HighwayHasher::new(KEY))
    }

    /// More bytes; where one call ends and the next begins does not count.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.append(bytes);
    }

    /// One of several parts, kept apart from the next by its length.
    pub(super) fn add_part(&mut self, part: &[u8]) {
        self.add(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.add(part);
    }

    pub(super) fn finish(self) -> [u8; 16] {
        let [high, low] = self.0.finalize128();
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

/// The digest of these bytes alone.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut fingerprint = Fingerprint::new();
    fingerprint.add(bytes);
    fingerprint.finish()
}

/// What stands for an id that reads so.
pub(super) fn name(bytes: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(bytes).into();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(whole) {
        *to = from;
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 16]) -> String {
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    /// What is stored must be found again by every version, on every processor.
    #[test]
    fn fingerprints_stay_what_they_are() {
        assert_eq!(hex(name(b"abc")), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(hex(digest(b"")), "ef8670652c03cc4906c41588bb51340b");
        assert_eq!(hex(digest(&[b'a'; 1000])), "bc75b1675aec0ce43f1bfd0cd5b21192");
    }

    #[test]
    fn pieces_do_not_count_and_parts_do() {
        let of = |pieces: &[&str]| {
            let mut fingerprint = Fingerprint::new();
            for piece in pieces {
                fingerprint.add(piece.as_bytes());
            }
            fingerprint.finish()
        };
        assert_eq!(of(&["ab", "", "c"]), digest(b"abc"));
        let of_parts = |parts: &[&str]| {
            let mut fingerprint = Fingerprint::new();
            for part in parts {
                fingerprint.add_part(part.as_bytes());
            }
            fingerprint.finish()
        };
        assert_ne!(of_parts(&["ab", "c"]), of_parts(&["a", "bc"]));
        assert_ne!(of_parts(&["a", ""]), of_parts(&["a"]));
    }
}
