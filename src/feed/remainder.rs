//! A fingerprint of some bytes without the parts that do not count.

use std::ops::Range;

use super::fingerprint::Fingerprint;

/// Hashes a stretch of a body as it is read, leaving out what it is told to. Ranges come in document order.
#[derive(Debug)]
pub(super) struct Remainder<'b> {
    body: &'b [u8],
    fingerprint: Fingerprint,
    /// Everything before this is hashed or left out.
    done: usize,
}

impl<'b> Remainder<'b> {
    pub(super) fn new(body: &'b [u8], start: usize) -> Self {
        Self { body, fingerprint: Fingerprint::new(), done: start }
    }

    /// Something that is not in the body counts too.
    pub(super) fn include(&mut self, bytes: &[u8]) {
        self.fingerprint.add_part(bytes);
    }

    /// What lies before the range counts, the range itself does not.
    pub(super) fn leave_out(&mut self, range: Range<usize>) {
        self.hash_up_to(range.start);
        self.done = self.done.max(range.end);
    }

    /// Of all that counts up to `end`.
    pub(super) fn finish(mut self, end: usize) -> Fingerprint {
        self.hash_up_to(end);
        self.fingerprint
    }

    fn hash_up_to(&mut self, end: usize) {
        self.fingerprint.add(self.body.get(self.done..end).unwrap_or_default());
        self.done = self.done.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::fingerprint::digest;

    #[test]
    fn what_is_left_out_does_not_count_and_all_else_does() {
        let finish = |body: &[u8], left_out: &[Range<usize>]| {
            let mut remainder = Remainder::new(body, 1);
            for range in left_out {
                remainder.leave_out(range.clone());
            }
            remainder.finish(body.len().saturating_sub(1)).finish()
        };
        assert_eq!(finish(b"[ab--cd-]", &[3..5, 7..8]), digest(b"abcd"));
        assert_eq!(finish(b"[abcd]", &[]), digest(b"abcd"));
    }
}
