//! A topic: an Atom feed whose entries all have one size, each the news of a publication.
//!
//! A feed of one entry makes delta and document the same, so that all deliveries have the same size, the first ones
//! included. Each entry tells when its publication was asked for, so that whoever gets it can tell how long it took.

use std::fmt::Write;

use bytes::Bytes;

/// What stands before the number of a publication, and its moment, in the id of its entry.
const MARK: &[u8] = b"urn:load:";
/// Digits of the number and of the moment.
const NUMBER: usize = 8;
const MOMENT: usize = 17;
/// Where the mark of the first entry is looked for.
const HEAD: usize = 1024;
/// Words of the entry, over and over.
const FILLER: &str = "Every subscriber gets this sentence, signed with the secret of its own and sent once. ";
const END: &str = "</feed>\n";

/// The document of one publication, of `size` octets unless that is too few for any feed.
pub(crate) fn document(publication: u32, moment: u64, size: usize, topic_url: &str, hub_url: &str) -> Bytes {
    let entry = entry(publication, moment, size, topic_url, hub_url);
    feed(publication, [entry.as_str()], topic_url, hub_url)
}

/// The feed after a publication, with these entries.
pub(crate) fn feed<'a>(
    publication: u32,
    entries: impl IntoIterator<Item = &'a str>,
    topic_url: &str,
    hub_url: &str,
) -> Bytes {
    let mut text = head(publication, topic_url, hub_url);
    text.extend(entries);
    text.push_str(END);
    Bytes::from(text)
}

/// The entry with which a feed of one entry has `size` octets.
pub(crate) fn entry(publication: u32, moment: u64, size: usize, topic_url: &str, hub_url: &str) -> String {
    let frame = head(publication, topic_url, hub_url).len().saturating_add(END.len());
    let minutes = publication % 60;
    let mut text = String::with_capacity(size);
    // Writing into a String cannot fail.
    let _infallible = write!(
        text,
        "<entry>\n<id>urn:load:{publication:08}:{moment:017}</id>\n<title>Publication {publication}</title>\n\
         <updated>2026-01-01T00:{minutes:02}:00Z</updated>\n<content type=\"text\">"
    );
    let end = "</content>\n</entry>\n";
    let room = size.saturating_sub(frame).saturating_sub(text.len()).saturating_sub(end.len());
    text.push_str(&FILLER.repeat(room / FILLER.len()));
    text.push_str(FILLER.get(..room % FILLER.len()).unwrap_or_default());
    text.push_str(end);
    text
}

fn head(publication: u32, topic_url: &str, hub_url: &str) -> String {
    let minutes = publication % 60;
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>{topic_url}</id>\n<title>Load</title>\n<updated>2026-01-01T00:{minutes:02}:00Z</updated>\n\
         <link rel=\"self\" href=\"{topic_url}\"/>\n<link rel=\"hub\" href=\"{hub_url}\"/>\n"
    )
}

/// The publications whose entries are in a body, each with its moment: one, and more in the merged document of a
/// catch-up, which is larger than `size`.
pub(crate) fn publications(body: &[u8], size: usize) -> impl Iterator<Item = (u32, u64)> + '_ {
    let is_merged = body.len() > size.saturating_add(size / 2);
    let looked_at = if is_merged { body } else { body.get(..HEAD).unwrap_or(body) };
    looked_at
        .windows(MARK.len().saturating_add(NUMBER).saturating_add(1).saturating_add(MOMENT))
        .filter_map(|window| window.strip_prefix(MARK))
        .filter_map(|id| {
            let (number, moment) = std::str::from_utf8(id).ok()?.split_once(':')?;
            Some((number.parse().ok()?, moment.parse().ok()?))
        })
        .take(if is_merged { usize::MAX } else { 1 })
}
