//! The bodies that are measured: the feeds of the tests, and large ones made of the same entries.

use std::fmt::Write as _;

use super::steps::feed_split::{BLOG, BLOG_ENTRIES};

/// A feed whose every entry is told from the others.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) entries: usize,
}

const PODCAST: &str = include_str!("../../tests/fixtures/feeds/rss-podcast.xml");
const GNU_SOCIAL: &str = include_str!("../../tests/fixtures/feeds/gnu-social.atom.xml");
/// Of the large ones.
const LARGE: usize = 10 << 20;

pub(crate) fn all() -> Vec<Document> {
    let fixture = |name, text: &str, entry| Document {
        name,
        body: text.as_bytes().to_vec(),
        entries: text.matches(entry).count(),
    };
    vec![
        Document { entries: BLOG_ENTRIES, ..fixture("blog", BLOG, "<entry>") },
        fixture("podcast", PODCAST, "<item>"),
        fixture("gnu-social", GNU_SOCIAL, "<entry>"),
        large("blog-10M", BLOG, "entry", false),
        large("podcast-10M", PODCAST, "item", false),
        large("latin1-10M", PODCAST, "item", true),
    ]
}

/// The entries of a feed over and over, each with an id of its own.
fn large(name: &'static str, text: &str, element: &str, is_latin1: bool) -> Document {
    let (open, close) = (format!("\n\t<{element}>"), format!("</{element}>"));
    let text = text.replace("\n  <entry>", "\n\t<entry>");
    let (head, rest) = text.split_once(&open).unwrap_or((&text, ""));
    let (all, tail) = rest.rsplit_once(&close).unwrap_or((rest, ""));
    let each: Vec<&str> = all.split(&open).map(|entry| entry.trim_end().trim_end_matches(&close)).collect();
    let mut body = head.to_owned();
    let mut entries = 0;
    while body.len() < LARGE {
        let entry = each.get(entries % each.len()).copied().unwrap_or_default();
        let is_atom = element == "entry";
        let (id, end) = if is_atom { ("<id>", "</id>") } else { ("<guid isPermaLink=\"false\">", "</guid>") };
        let (before, after) = entry.split_once(id).unwrap_or((entry, ""));
        let after = after.split_once(end).map_or(after, |(_, after)| after);
        let written = write!(body, "{open}{before}{id}tag:{entries}{end}{after}{close}");
        debug_assert!(written.is_ok());
        entries += 1;
    }
    body.push_str(tail);
    let body = if is_latin1 {
        let body =
            body.replacen("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"", 1).replace("Episode", "Épisode");
        body.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
    } else {
        body.into_bytes()
    };
    Document { name, body, entries }
}
