//! A fingerprint of some bytes without the parts that do not count.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// Hashes a stretch of a body as it is read, leaving out what it is told to. Ranges come in document order.
#[derive(Debug)]
pub(super) struct Remainder<'b> {
    body: &'b [u8],
    hasher: Sha256,
    /// Everything before this is hashed or left out.
    done: usize,
}

impl<'b> Remainder<'b> {
    pub(super) fn new(body: &'b [u8], start: usize) -> Self {
        Self { body, hasher: Sha256::new(), done: start }
    }

    /// What lies before the range counts, the range itself does not.
    pub(super) fn leave_out(&mut self, range: Range<usize>) {
        self.hash_up_to(range.start);
        self.done = self.done.max(range.end);
    }

    /// The hasher, having seen all that counts up to `end`.
    pub(super) fn finish(mut self, end: usize) -> Sha256 {
        self.hash_up_to(end);
        self.hasher
    }

    fn hash_up_to(&mut self, end: usize) {
        self.hasher.update(self.body.get(self.done..end).unwrap_or_default());
        self.done = self.done.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_does_not_count_and_all_else_does() {
        let finish = |body: &[u8], left_out: &[Range<usize>]| {
            let mut remainder = Remainder::new(body, 1);
            for range in left_out {
                remainder.leave_out(range.clone());
            }
            remainder.finish(body.len().saturating_sub(1)).finalize()
        };
        assert_eq!(finish(b"[ab--cd-]", &[3..5, 7..8]), Sha256::digest(b"abcd"));
        assert_eq!(finish(b"[abcd]", &[]), Sha256::digest(b"abcd"));
    }
}
