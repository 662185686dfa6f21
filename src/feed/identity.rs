//! Which entry an entry is: the best of what its publisher wrote to tell it from others (F14).

use super::{
    entry::{EntryDigest, EntryId},
    text,
};

/// What one entry offers as its id, by rank. Filled while the entry is read.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The text of the best one so far that says anything, and its rank.
    best: Option<(usize, Vec<u8>)>,
    /// The one being read.
    reading: Option<(usize, Vec<u8>)>,
}

impl Identity {
    /// An element of that rank begins; of two alike the first counts.
    pub(super) fn begin(&mut self, rank: usize) {
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.reading = Some((rank, Vec::new()));
        }
    }

    /// Some of its text: as written, or with no references in it at all.
    pub(super) fn text(&mut self, written: &[u8], may_refer: bool) {
        if let Some((_, text)) = &mut self.reading {
            if may_refer {
                text::decode_into(text, written);
            } else {
                text.extend_from_slice(written);
            }
        }
    }

    /// The element ends.
    pub(super) fn end(&mut self) {
        if let Some((rank, text)) = self.reading.take() {
            self.offer(rank, &text);
        }
    }

    /// A complete value of that rank.
    pub(super) fn offer(&mut self, rank: usize, value: &[u8]) {
        let value = value.trim_ascii();
        if !value.is_empty() && self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.best = Some((rank, value.to_vec()));
        }
    }

    /// The id; an entry that offers nothing is known by its content.
    pub(super) fn settle(self, digest: EntryDigest) -> EntryId {
        self.best.map_or_else(|| digest.into(), |(_, text)| EntryId::of(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_id_that_says_anything_counts() {
        let digest = EntryDigest::from_bytes([7; 16]);
        let mut identity = Identity::default();
        identity.offer(3, b" title ");
        identity.begin(2);
        identity.text(b"a&amp;", true);
        identity.text(b"&amp;b", false);
        identity.end();
        identity.begin(0);
        identity.text(b" \n", true);
        identity.end();
        identity.offer(4, b"description");
        assert_eq!(identity.settle(digest), EntryId::of(b"a&&amp;b"));
        assert_eq!(Identity::default().settle(digest), EntryId::from(digest));
    }
}
