//! What a subscriber missed, in one document: the newest body with older entries behind its own (D20).

use std::ops::Range;

use super::{Format, Rendered};

/// A body with older entries appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub body: Vec<u8>,
    /// Where each entry lies in it: those of the base, then the older ones, each in the order given.
    pub ranges: Vec<Range<usize>>,
}

/// Appends `older`, the bytes of entries, behind the last entry of `base`, each on a line of its own; where the base says
/// if it has none. Nothing else changes; without older entries the base comes back.
///
/// The caller answers for two things: that the entries come from documents with the same format and
/// [`context`](super::Document::context), and that none is another version of one in the base.
pub fn merge(base: &Rendered, older: &[&[u8]]) -> Merged {
    let at = base.entries.last().map_or(base.insert_at, |last| last.range.end).min(base.body.len());
    let (before, after) = base.body.split_at_checked(at).unwrap_or((&base.body, &[]));
    let more: usize = older.iter().map(|entry| entry.len().saturating_add(b",\n".len())).sum();
    let mut body = Vec::with_capacity(base.body.len().saturating_add(more));
    let mut ranges: Vec<_> = base.entries.iter().map(|entry| entry.range.clone()).collect();
    body.extend_from_slice(before);
    for entry in older {
        if base.format == Format::JsonFeed && !ranges.is_empty() {
            body.push(b',');
        }
        body.push(b'\n');
        let start = body.len();
        body.extend_from_slice(entry);
        ranges.push(start..body.len());
    }
    body.extend_from_slice(after);
    Merged { body, ranges }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::{Document, Reading, Volatile, generated, read, render};

    fn doc(body: &[u8]) -> Document {
        read(body, &Reading::untyped(&Volatile::default()))
    }

    fn whole(body: &[u8]) -> Rendered {
        render(body, &doc(body), &mut |_| true)
    }

    proptest! {
        /// D20: whichever entries were split off, merged they read back, and the envelope does not notice.
        #[test]
        fn entries_cut_out_of_a_feed_can_be_appended_to_it(feed in generated::any_feed(), mask: u32) {
            let body = feed.body();
            let document = doc(&body);
            let mut at = 0;
            let mut older = Vec::new();
            let base = render(&body, &document, &mut |entry| {
                at += 1;
                let keep = mask & (1 << (at - 1)) != 0;
                if !keep {
                    older.push(entry.clone());
                }
                keep
            });
            let bytes: Vec<&[u8]> = older.iter().map(|entry| &body[entry.range.clone()]).collect();
            let merged = merge(&base, &bytes);
            let again = doc(&merged.body);
            prop_assert_eq!(again.format, document.format);
            prop_assert_eq!(again.envelope, document.envelope);
            prop_assert_eq!(again.context, document.context);
            let expected: Vec<_> = base.entries.iter().chain(&older).map(|entry| (entry.id, entry.digest)).collect();
            let found: Vec<_> = again.entries.iter().map(|entry| (entry.id, entry.digest)).collect();
            prop_assert_eq!(found, expected);
            let ranges: Vec<_> = again.entries.iter().map(|entry| entry.range.clone()).collect();
            prop_assert_eq!(ranges, merged.ranges);
        }
    }

    #[test]
    fn older_entries_go_behind_the_last_one_or_where_the_first_would_stand() {
        let base = b"<rss><channel><title/>\n<item>3</item> </channel></rss>";
        let merged = merge(&whole(base), &[b"<item>1</item>", b"<item>2</item>"]);
        let expected =
            b"<rss><channel><title/>\n<item>3</item>\n<item>1</item>\n<item>2</item> </channel></rss>";
        assert_eq!(merged.body, expected);

        let empty = whole(b"<feed xmlns='http://purl.org/atom/ns#'><id/></feed>");
        assert_eq!((empty.format, empty.entries.len()), (Format::Atom, 0));
        let merged = merge(&empty, &[b"<entry/>"]);
        assert_eq!(merged.body, b"<feed xmlns='http://purl.org/atom/ns#'><id/>\n<entry/></feed>");
        assert_eq!(merge(&empty, &[]).body, empty.body);
        let lost = Rendered { insert_at: 100, ..whole(b"ab") };
        assert_eq!(merge(&lost, &[b"c"]).body, b"ab\nc", "a position from elsewhere harms nobody");
    }
}
