//! Which entry an entry is: the best of what its publisher wrote to tell it from others (F14).

use std::borrow::Cow;

use super::{
    entry::{EntryDigest, EntryId},
    text,
};

/// What one entry offers as its id, by rank. Filled while the entry is read; what is written as it means is not copied.
#[derive(Debug, Default)]
pub(super) struct Identity<'b> {
    /// The text of the best one so far that says anything, and its rank.
    best: Option<(usize, Cow<'b, [u8]>)>,
    /// The one being read.
    reading: Option<(usize, Cow<'b, [u8]>)>,
}

impl<'b> Identity<'b> {
    /// An element of that rank begins; of two alike the first counts.
    pub(super) fn begin(&mut self, rank: usize) {
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.reading = Some((rank, Cow::Borrowed(&[])));
        }
    }

    /// Some of its text: as written, or with no references in it at all.
    pub(super) fn text(&mut self, written: &'b [u8], may_refer: bool) {
        if let Some((_, text)) = &mut self.reading {
            let refers = may_refer && written.contains(&b'&');
            if text.is_empty() && !refers {
                *text = Cow::Borrowed(written);
            } else if refers {
                text::decode_into(text.to_mut(), written);
            } else {
                text.to_mut().extend_from_slice(written);
            }
        }
    }

    /// The element ends.
    pub(super) fn end(&mut self) {
        if let Some((rank, text)) = self.reading.take() {
            self.offer(rank, text);
        }
    }

    /// A complete value of that rank.
    pub(super) fn offer(&mut self, rank: usize, value: Cow<'b, [u8]>) {
        let says_nothing = value.trim_ascii().is_empty();
        if !says_nothing && self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.best = Some((rank, value));
        }
    }

    /// The id; an entry that offers nothing is known by its content.
    pub(super) fn settle(self, digest: EntryDigest) -> EntryId {
        self.best.map_or_else(|| digest.into(), |(_, text)| EntryId::of(text.trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_id_that_says_anything_counts() {
        let digest = EntryDigest::from_bytes([7; 16]);
        let mut identity = Identity::default();
        identity.offer(3, b" title ".into());
        identity.begin(2);
        identity.text(b"a&amp;", true);
        identity.text(b"&amp;b", false);
        identity.end();
        identity.begin(0);
        identity.text(b" \n", true);
        identity.end();
        identity.offer(4, b"description".into());
        assert_eq!(identity.settle(digest), EntryId::of(b"a&&amp;b"));
        assert_eq!(Identity::default().settle(digest), EntryId::from(digest));
    }
}
