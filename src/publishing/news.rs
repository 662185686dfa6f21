//! What is new in a body, as publications (F13-F25). Decides from values alone; the store is asked through a closure.

use url::Url;

use crate::{
    clock::Timestamp,
    feed::{self, Document, Entry, Format, JsonFeed, Reading, Volatile},
    protocol::{TopicUrl, is_hub},
    store::{Publication, PublishedEntry, Topic},
};

use super::fetch::{Page, absolute};

/// The parts of one fetch repeat what surrounds the entries; together no more often than makes this many bodies (X08).
const MOST_REPEATED: usize = 3;
/// To cut a part out, every entry of the body is passed by; all parts together pass no more than this, a tenth of a second.
const MOST_PASSED: usize = 1 << 24;

/// A publication and its body.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) publication: Publication,
    pub(super) content: Vec<u8>,
}

/// What the body of a topic comes to.
#[derive(Debug)]
pub(super) struct News {
    /// In the order of their sequence numbers; none where nothing changed that counts.
    pub(super) made: Vec<Made>,
    /// The description of the whole body.
    pub(super) whole: Publication,
    pub(super) format: Format,
    pub(super) envelope: feed::BodyDigest,
}

/// What the diff needs besides the body.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) topic: Option<&'a Topic>,
    pub(super) url: &'a TopicUrl,
    pub(super) hub_url: &'a str,
    pub(super) volatile: &'a Volatile,
    pub(super) json_feed: JsonFeed,
    pub(super) max_entries: usize,
    pub(super) now: Timestamp,
}

/// Diffs a body against what is known. `seen` says whether this version of an entry was seen before, and is asked once of
/// each.
pub(super) fn find(page: &Page, known: &Known<'_>, seen: &mut dyn FnMut(&Entry) -> bool) -> News {
    let document = read(page, known.volatile, known.json_feed);
    let head = known.topic.map_or(0, |topic| topic.head);
    let first_of_fetch = head.saturating_add(1);
    let whole = Publication {
        at: known.now,
        format: document.format,
        content_type: page.content_type.clone(),
        self_url: self_url(page, &document, known.url),
        hub_url: hub_url(page, &document, known.hub_url),
        context: document.context,
        entries: Vec::new(),
        insert_at: 0,
        length: length(page.body.len()),
        document_length: length(page.body.len()),
        first_of_fetch,
    };
    let new = feed::news(&document, seen);
    let made = if !new.is_empty() {
        // Parts of one fetch in document order (F24, F25).
        let size = part_size(&page.body, &document, new.len(), known.max_entries);
        new.chunks(size).map(|part| cut(page, &document, &whole, part)).collect()
    } else if is_same(known.topic, &document) {
        Vec::new()
    } else if document.format == Format::Opaque {
        vec![Made { publication: whole.clone(), content: page.body.to_vec() }]
    } else {
        // The feed itself changed and no entry did: the feed with none of its old entries (F13).
        vec![cut(page, &document, &whole, &[])]
    };
    News { made, whole, format: document.format, envelope: document.envelope }
}

/// How many new entries go into one part: as many as the operator says (F25), unless what surrounds the entries is so
/// large that all parts together would be a multiple of the body, or the entries are a hundred thousand. Then there are
/// fewer parts, with more in each.
fn part_size(body: &[u8], document: &Document, new: usize, max_entries: usize) -> usize {
    let entries = document.entries.iter().fold(0_usize, |sum, entry| sum.saturating_add(entry.range.len()));
    let surrounding = body.len().saturating_sub(entries).max(1);
    let by_size = body.len().saturating_mul(MOST_REPEATED).div_euclid(surrounding);
    let by_number = MOST_PASSED.div_euclid(document.entries.len().max(1));
    let most_parts = by_size.min(by_number).max(1);
    max_entries.max(new.div_ceil(most_parts)).max(1)
}

fn is_same(topic: Option<&Topic>, document: &Document) -> bool {
    topic.is_some_and(|topic| topic.format == document.format && topic.envelope == document.envelope)
}

/// The body with only these entries, by their place in the document, left in it.
fn cut(page: &Page, document: &Document, whole: &Publication, kept: &[usize]) -> Made {
    let mut at = 0_usize;
    let mut wanted = kept.iter().peekable();
    let rendered = feed::render(&page.body, document, &mut |_entry| {
        let is_kept = wanted.peek().is_some_and(|next| **next == at);
        if is_kept {
            wanted.next();
        }
        at = at.saturating_add(1);
        is_kept
    });
    let publication = Publication {
        entries: rendered.entries.iter().map(PublishedEntry::from).collect(),
        insert_at: length(rendered.insert_at),
        length: length(rendered.body.len()),
        ..whole.clone()
    };
    Made { publication, content: rendered.body }
}

fn length(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// What a body says, its links absolute.
pub(super) fn read(page: &Page, volatile: &Volatile, json_feed: JsonFeed) -> Document {
    let content_type = page.content_type.as_deref();
    let mut document = feed::read(&page.body, &Reading { content_type, volatile, json_feed });
    complete_links(&mut document, &page.validators.url);
    document
}

/// Relative links of a page or a JSON Feed become absolute, as those of headers are (L03); `from` is where the body came
/// from.
fn complete_links(document: &mut Document, from: &str) {
    let (Some(base), Ok(from)) = (&document.link_base, Url::parse(from)) else { return };
    let base = from.join(base).unwrap_or(from);
    for link in document.self_link.iter_mut().chain(&mut document.hub_links) {
        *link = absolute(&base, link);
    }
}

/// The topic's own name for itself where it is a usable one, headers before elements (L02, D07).
fn self_url(page: &Page, document: &Document, url: &TopicUrl) -> String {
    let usable = |link: &&String| TopicUrl::parse(link).is_ok();
    let declared = [&page.self_link, &document.self_link].into_iter().flatten().find(usable);
    declared.cloned().unwrap_or_else(|| url.as_str().to_owned())
}

/// The hubs that a topic names: in its headers, and only where those name none in its elements (L02).
pub(super) fn hub_links<'a>(page: &'a Page, document: &'a Document) -> &'a [String] {
    if page.hub_links.is_empty() { &document.hub_links } else { &page.hub_links }
}

/// Our address as the topic spells it, under either scheme (L11), else as the operator does (D06).
fn hub_url(page: &Page, document: &Document, configured: &str) -> String {
    let spelled = hub_links(page, document).iter().find(|link| is_hub(configured, link));
    spelled.map_or(configured, String::as_str).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Validators;

    fn page(body: String) -> Page {
        Page {
            body: body.into(),
            content_type: Some(b"application/atom+xml".to_vec()),
            validators: Validators {
                url: "http://site.example/feed".to_owned(),
                etag: None,
                last_modified: None,
            },
            self_link: None,
            hub_links: Vec::new(),
        }
    }

    fn found(page: &Page) -> News {
        found_by("http://hub.example/", page)
    }

    fn found_by(hub_url: &str, page: &Page) -> News {
        let url = TopicUrl::parse("http://site.example/feed").unwrap();
        let known = Known {
            topic: None,
            url: &url,
            hub_url,
            volatile: &Volatile::default(),
            json_feed: JsonFeed::Whole,
            max_entries: 200,
            now: Timestamp::EPOCH,
        };
        find(page, &known, &mut |_| false)
    }

    fn feed(subtitle: usize, entries: usize) -> Page {
        let subtitle = "s".repeat(subtitle);
        let entries: Vec<_> = (0..entries).map(|n| format!("<entry><id>{n}</id></entry>")).collect();
        let entries = entries.concat();
        page(format!(
            "<feed xmlns='http://www.w3.org/2005/Atom'><subtitle>{subtitle}</subtitle>{entries}</feed>"
        ))
    }

    #[test]
    fn d06_a_hub_that_is_a_path_of_a_site_is_called_what_the_topic_calls_it() {
        let own = "https://h.example/sub";
        for (link, spelled) in [
            ("https://h.example/sub/", "https://h.example/sub/"),
            ("http://h.example/sub", "http://h.example/sub"),
            ("https://h.example./sub", "https://h.example./sub"),
            ("https://h.example/", own),
        ] {
            let mut page = feed(0, 1);
            page.hub_links = vec!["https://other.example/".to_owned(), link.to_owned()];
            assert_eq!(found_by(own, &page).whole.hub_url, spelled);
        }
    }

    #[test]
    fn f25_a_change_is_split_at_the_operators_number_of_entries() {
        let sizes = |page| -> Vec<_> {
            found(&page).made.iter().map(|made| made.publication.entries.len()).collect()
        };
        assert_eq!(sizes(feed(0, 401)), [200, 200, 1]);
        assert_eq!(sizes(feed(0, 200)), [200]);
    }

    #[test]
    fn x08_the_parts_of_a_feed_that_is_mostly_frame_do_not_multiply_it() {
        let page = feed(500_000, 20_000);
        let made = found(&page).made;
        let octets: usize = made.iter().map(|made| made.content.len()).sum();
        assert!(octets <= 4 * page.body.len(), "{octets} octets of {}", page.body.len());
        let entries: usize = made.iter().map(|made| made.publication.entries.len()).sum();
        assert_eq!(entries, 20_000, "in {} parts", made.len());
        assert!(made.len() > 1);
    }

    #[test]
    fn x08_a_feed_of_very_many_entries_is_not_passed_through_for_each_few_of_them() {
        let count = 100_000;
        let made = found(&feed(0, count)).made;
        assert!((2..=MOST_PASSED / count).contains(&made.len()), "{} parts", made.len());
        let entries: usize = made.iter().map(|made| made.publication.entries.len()).sum();
        assert_eq!(entries, count);
    }
}
