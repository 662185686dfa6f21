//! The topic: an Atom feed of a given size with one entry, another one in each publication.
//!
//! With one entry the delta is the document, so that all deliveries have the same size, the first ones included.

use bytes::Bytes;

/// What stands before the number of a publication in the id of its entry.
const MARK: &[u8] = b"urn:load:";
/// Where the mark of the first entry is looked for.
const HEAD: usize = 1024;
/// Words of the entry, over and over.
const FILLER: &str = "Every subscriber gets this sentence, signed with the secret of its own and sent once. ";

/// The document of a publication, of `size` octets unless that is too few for any feed.
pub(crate) fn document(publication: u32, size: usize, topic_url: &str, hub_url: &str) -> Bytes {
    let minutes = publication % 60;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>{topic_url}</id>\n<title>Load</title>\n<updated>2026-01-01T00:{minutes:02}:00Z</updated>\n\
         <link rel=\"self\" href=\"{topic_url}\"/>\n<link rel=\"hub\" href=\"{hub_url}\"/>\n\
         <entry>\n<id>urn:load:{publication:08}</id>\n<title>Publication {publication}</title>\n\
         <updated>2026-01-01T00:{minutes:02}:00Z</updated>\n<content type=\"text\">"
    );
    let end = "</content>\n</entry>\n</feed>\n";
    let room = size.saturating_sub(text.len()).saturating_sub(end.len());
    text.extend(FILLER.chars().cycle().take(room));
    text.push_str(end);
    Bytes::from(text)
}

/// The publications whose entries are in a body: one, and more in the merged document of a catch-up, which is larger
/// than `size`.
pub(crate) fn publications(body: &[u8], size: usize) -> impl Iterator<Item = u32> + '_ {
    let is_merged = body.len() > size.saturating_add(size / 2);
    let looked_at = if is_merged { body } else { body.get(..HEAD).unwrap_or(body) };
    looked_at
        .windows(MARK.len().saturating_add(8))
        .filter_map(|window| window.strip_prefix(MARK))
        .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
        .take(if is_merged { usize::MAX } else { 1 })
}
