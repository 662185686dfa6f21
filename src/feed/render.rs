//! A feed cut down to some of its entries, from the original bytes (F21).

use std::ops::Range;

use super::{Document, Entry, Format};

/// A body, and where its entries lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub format: Format,
    pub body: Vec<u8>,
    /// In document order, with ranges into this body.
    pub entries: Vec<Entry>,
    /// Where older entries are appended to this body.
    pub insert_at: usize,
}

/// Cuts out every entry that `keep` refuses and leaves every other byte; of JSON, the comma that is one too many and the
/// white space at it go as well.
///
/// Keeping all gives the input back; so does an opaque document. Keeping none leaves a feed without entries: the
/// envelope, for a change that concerns nothing else (F13). `keep` is asked about each entry once, in document order.
pub fn render(body: &[u8], document: &Document, keep: &mut dyn FnMut(&Entry) -> bool) -> Rendered {
    // Asked for first, so that the room is what is needed: of a large feed mostly a small part is new.
    let keeps: Vec<bool> = document.entries.iter().map(keep).collect();
    let cut = document.entries.iter().zip(&keeps).filter(|(_, keeps)| !**keeps);
    let cut: usize = cut.map(|(entry, _)| entry.range.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_sub(cut));
    let mut entries = Vec::new();
    let mut insert_at = None;
    // Everything before this is copied or cut.
    let mut done: usize = 0;
    let mut left = document.entries.iter().zip(&keeps).peekable();
    while let Some((entry, &keeps)) = left.next() {
        let Range { start, end } = entry.range;
        if keeps {
            out.extend_from_slice(body.get(done..start).unwrap_or_default());
            let start = out.len();
            out.extend_from_slice(body.get(entry.range.clone()).unwrap_or_default());
            entries.push(Entry { range: start..out.len(), ..entry.clone() });
            insert_at = Some(out.len());
            done = end;
            continue;
        }
        let cut = match document.format {
            // What separates it from the next one, up to the first that is kept; then, from the one before.
            Format::JsonFeed if entries.is_empty() => {
                start..left.peek().map_or(end, |(next, _)| next.range.start)
            }
            Format::JsonFeed => done..end,
            Format::Atom | Format::Rss | Format::Rdf | Format::Opaque => start..end,
        };
        out.extend_from_slice(body.get(done..cut.start).unwrap_or_default());
        done = cut.end;
    }
    // Where all are cut, the last one's place is as good as any, and the same as for a body that never had one.
    let insert_at =
        insert_at.unwrap_or_else(|| out.len().saturating_add(document.insert_at.saturating_sub(done)));
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    Rendered { format: document.format, body: out, entries, insert_at }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

    use super::*;
    use crate::feed::{Reading, Volatile, generated, read};

    fn kept(document: &Document, mask: u32) -> Vec<Entry> {
        let entries = document.entries.iter().enumerate();
        entries.filter(|(at, _)| mask & (1 << at) != 0).map(|(_, entry)| entry.clone()).collect()
    }

    /// What every rendering promises, whatever the body is.
    fn check_rendering(body: &[u8], mask: u32) {
        let volatile = Volatile::default();
        let reading = Reading::untyped(&volatile);
        let document = read(body, &reading);
        assert_eq!(render(body, &document, &mut |_| true).body, body, "keeping all gives the input back");
        let kept = kept(&document, mask);
        let rendered = render(body, &document, &mut |entry| kept.contains(entry));
        let again = read(&rendered.body, &reading);
        assert_eq!(again.format, document.format);
        if document.format == Format::Opaque {
            assert_eq!(rendered.body, body);
            return;
        }
        assert_eq!(again.entries, rendered.entries, "it reads back with the entries it claims");
        assert_eq!(again.envelope, document.envelope);
        assert_eq!(again.context, document.context);
        assert_eq!(again.hub_links, document.hub_links);
        let bytes = |body: &[u8], entries: &[Entry]| -> Vec<Vec<u8>> {
            entries.iter().map(|entry| body[entry.range.clone()].to_vec()).collect()
        };
        assert_eq!(
            bytes(&rendered.body, &rendered.entries),
            bytes(body, &kept),
            "each byte for byte, in order"
        );
        let ids =
            |entries: &[Entry]| -> Vec<_> { entries.iter().map(|entry| (entry.id, entry.digest)).collect() };
        assert_eq!(ids(&again.entries), ids(&kept));
        if !again.entries.is_empty() {
            assert_eq!(again.insert_at, rendered.insert_at);
        }
    }

    proptest! {
        /// F21, F24
        #[test]
        fn what_is_rendered_reads_back_with_exactly_the_entries_kept(feed in generated::any_feed(), mask: u32) {
            let body = feed.body();
            let document = read(&body, &Reading::untyped(&Volatile::default()));
            prop_assert_eq!(document.format, feed.format);
            let found: Vec<_> = document.entries.iter().map(|e| body[e.range.clone()].to_vec()).collect();
            prop_assert_eq!(found, feed.written());
            check_rendering(&body, mask);
        }

        /// X08: the promises hold for whatever a mutilated feed is taken for.
        #[test]
        fn no_mutation_of_a_feed_breaks_a_promise(
            feed in generated::any_feed(),
            mutations in proptest::collection::vec((any::<prop::sample::Index>(), select_bytes(), any::<bool>()), 1..6),
            mask: u32,
        ) {
            let mut body = feed.body();
            for (at, bytes, insert) in mutations {
                let at = at.index(body.len());
                let until = if insert { at } else { body.len().min(at + bytes.len()) };
                body.splice(at..until, bytes);
            }
            check_rendering(&body, mask);
        }
    }

    /// X08: pieces of markup in any order, often enough in one that makes a feed.
    #[test]
    fn no_heap_of_markup_breaks_a_promise() {
        const XML: [&str; 23] = [
            "]",
            "]]",
            "]>",
            "<item><guid>1</guid></item>",
            "<item>words &amp;</item>",
            "<item>",
            "</item>",
            "<item/>",
            "<item",
            "<guid>1</guid>",
            "<title>",
            "</title>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&amp;",
            "&",
            "<?p?>",
            " x='1'",
            ">",
            "words",
            " ",
        ];
        const JSON: [&str; 14] = [
            "{\"id\":1}",
            "{\"id\":\"a\"}",
            "{}",
            ",",
            ",",
            "[",
            "]",
            "\"",
            "\\",
            "1",
            "null",
            " ",
            "\"a\":",
            "{",
        ];
        let (mut with_entries, mut opaque) = (0, 0);
        let heap = |pieces: &'static [&'static str]| {
            proptest::collection::vec(prop::sample::select(pieces), 0..6).prop_map(|pieces| pieces.concat())
        };
        let mut runner = TestRunner::deterministic();
        for _ in 0..2000 {
            let mut draw = |pieces| heap(pieces).new_tree(&mut runner).unwrap().current();
            let (xml, json) = (draw(&XML[..]), draw(&JSON[..]));
            for body in [
                format!("<rss><channel>{xml}</channel></rss>"),
                format!("{{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{json}]}}"),
                xml,
                json,
            ] {
                check_rendering(body.as_bytes(), 0b101);
                let document = read(body.as_bytes(), &Reading::untyped(&Volatile::default()));
                with_entries += usize::from(!document.entries.is_empty());
                opaque += usize::from(document.format == Format::Opaque);
            }
        }
        assert!(with_entries > 200 && opaque > 1000, "{with_entries} with entries, {opaque} opaque");
    }

    fn select_bytes() -> impl Strategy<Value = Vec<u8>> {
        let pieces = [
            "<", ">", "&", "\"", "]", "]]>", "-->", "<!--", "/", "<entry>", "</entry>", "<item/>", "\0", "é",
            ";", ",", "[", "{", "}", ":", "\\", "{},", " ", "\n", "1",
        ];
        prop::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec())
    }

    /// F13: an envelope-only change sends the feed with zero entries.
    #[test]
    fn keeping_none_leaves_the_feed_around_the_entries() {
        let body = b"<rss><channel><title>t</title>\n<item>1</item>\n<item>2</item>\n</channel></rss>";
        let document = read(body, &Reading::untyped(&Volatile::default()));
        let rendered = render(body, &document, &mut |_| false);
        assert_eq!(rendered.body, b"<rss><channel><title>t</title>\n\n\n</channel></rss>");
        assert_eq!(rendered.entries, []);
        assert_eq!(rendered.body.capacity(), rendered.body.len(), "no room for what was cut");
        assert_eq!(rendered.insert_at, rendered.body.len() - "\n</channel></rss>".len());
    }
}
