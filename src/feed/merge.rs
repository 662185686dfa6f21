//! What a subscriber missed, in one document: the newest body with older entries behind its own (D20).

use std::ops::Range;

use super::Entry;

/// A body with older entries appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub body: Vec<u8>,
    /// Where each entry lies in it: those of the base, then the older ones, each in the order given.
    pub ranges: Vec<Range<usize>>,
}

/// Appends `older`, the bytes of entries, behind the last entry of `base`, each on a line of its own; at `insert_at` if
/// the base has none. Nothing else changes; without older entries the base comes back.
///
/// The caller answers for two things: that the entries come from documents with the same
/// [`context`](super::Document::context), and that none is another version of one in the base.
pub fn merge(base: &[u8], base_entries: &[Entry], older: &[&[u8]], insert_at: usize) -> Merged {
    let at = base_entries.last().map_or(insert_at, |last| last.range.end).min(base.len());
    let (before, after) = base.split_at_checked(at).unwrap_or((base, &[]));
    let more: usize = older.iter().map(|entry| entry.len().saturating_add(1)).sum();
    let mut body = Vec::with_capacity(base.len().saturating_add(more));
    let mut ranges: Vec<_> = base_entries.iter().map(|entry| entry.range.clone()).collect();
    body.extend_from_slice(before);
    for entry in older {
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
    use crate::feed::{Format, Volatile, generated, read, render};

    proptest! {
        /// D20: whichever entries were split off, merged they read back, and the envelope does not notice.
        #[test]
        fn entries_cut_out_of_a_feed_can_be_appended_to_it(feed in generated::feed(), mask: u32) {
            let body = feed.body();
            let document = read(&body, None, &Volatile::default());
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
            let merged = merge(&base.body, &base.entries, &bytes, base.insert_at);
            let again = read(&merged.body, None, &Volatile::default());
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
        let volatile = Volatile::default();
        let base = b"<rss><channel><title/>\n<item>3</item> </channel></rss>";
        let document = read(base, None, &volatile);
        let merged =
            merge(base, &document.entries, &[b"<item>1</item>", b"<item>2</item>"], document.insert_at);
        let expected =
            b"<rss><channel><title/>\n<item>3</item>\n<item>1</item>\n<item>2</item> </channel></rss>";
        assert_eq!(merged.body, expected);

        let empty = b"<feed xmlns='http://purl.org/atom/ns#'><id/></feed>";
        let document = read(empty, None, &volatile);
        assert_eq!((document.format, document.entries.len()), (Format::Atom, 0));
        let merged = merge(empty, &[], &[b"<entry/>"], document.insert_at);
        assert_eq!(merged.body, b"<feed xmlns='http://purl.org/atom/ns#'><id/>\n<entry/></feed>");
        assert_eq!(merge(empty, &[], &[], document.insert_at).body, empty);
        assert_eq!(merge(b"ab", &[], &[b"c"], 100).body, b"ab\nc", "a position from elsewhere harms nobody");
    }
}
