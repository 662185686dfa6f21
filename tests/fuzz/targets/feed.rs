//! Any bytes, read as a topic's body: every promise of the feed room is held to, not only that nothing panics.
#![no_main]

use std::{borrow::Cow, collections::BTreeSet, sync::LazyLock};

use encoding_rs::{Encoding, UTF_8};
use hubbub_fuzz::feed::{
    self, BodyDigest, Document, Entry, EntryDigest, EntryId, Format, JsonFeed, Reading, Rendered, Volatile,
};
use libfuzzer_sys::fuzz_target;
use roxmltree::{Error, Node, ParsingOptions};

static VOLATILE: LazyLock<Volatile> = LazyLock::new(Volatile::default);

fuzz_target!(|body: &[u8]| {
    let dice = Dice::of(body);
    let first_line = body.split(|&b| b == b'\n').next().unwrap_or_default();
    // Of the header, the charset is looked at and whether it says HTML: sane ones mostly, and whatever the body begins with.
    let headers: [&[u8]; 8] = [
        b"text/xml; charset=iso-8859-1",
        b"application/rss+xml;charset=\"UTF-8\"",
        b"text/xml; charset=utf-16",
        b"text/html; charset=utf-8",
        b"text/xml; charset=euc-jp",
        b"application/feed+json",
        b"application/xhtml+xml",
        first_line,
    ];
    let header = headers[usize::try_from(dice.0 >> 61).unwrap()];
    check(body, None, dice);
    check(body, Some(header), dice);
});

/// Which entries are known and kept: any of them, but the same ones for the same input.
#[derive(Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn of(bytes: &[u8]) -> Self {
        Self(
            bytes
                .iter()
                .fold(0xCBF2_9CE4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)),
        )
    }

    fn throw(self, at: usize) -> bool {
        self.0.rotate_left(u32::try_from(at % 61).unwrap()) & 1 == 1
    }
}

/// A JSON Feed is taken apart too: that is what can go wrong.
fn read(body: &[u8], content_type: Option<&[u8]>) -> Document {
    feed::read(body, &Reading { content_type, volatile: &VOLATILE, json_feed: JsonFeed::Split })
}

fn check(body: &[u8], content_type: Option<&[u8]>, dice: Dice) {
    let document = read(body, content_type);
    places_are_sound(body, &document);
    let whole = feed::render(body, &document, &mut |_| true);
    assert!(whole.body == body, "keeping all gives the input back");
    assert_eq!(whole.entries, document.entries);
    if !document.format.is_feed() {
        assert!(feed::render(body, &document, &mut |_| false).body == body, "what is opaque stays whole");
        assert!(document.entries.is_empty() && document.envelope == BodyDigest::of(body));
        return;
    }

    let known: BTreeSet<_> =
        document.entries.iter().enumerate().filter(|(at, _)| dice.throw(*at)).map(|(_, e)| pair(e)).collect();
    let new = feed::news(&document, &mut |entry| known.contains(&pair(entry)));
    assert!(new.is_sorted_by(|a, b| a < b), "in document order, each once");
    let told: BTreeSet<_> = new.iter().map(|&at| pair(&document.entries[at])).collect();
    let all: BTreeSet<_> = document.entries.iter().map(pair).collect();
    assert_eq!(told.len(), new.len(), "nothing is told twice");
    assert!(told == all.difference(&known).copied().collect(), "what is not known is new, and nothing else");

    let is_kept = |at: usize| new.binary_search(&at).is_ok();
    let mut asked = 0..;
    let rendered = feed::render(body, &document, &mut |_| asked.next().is_some_and(is_kept));
    let part = |kept: bool| {
        document.entries.iter().enumerate().filter(move |(at, _)| is_kept(*at) == kept).map(|(_, e)| e)
    };
    let (kept, older): (Vec<&Entry>, Vec<&Entry>) = (part(true).collect(), part(false).collect());
    reads_back(body, &document, &rendered, &kept, content_type);

    let bytes: Vec<&[u8]> = older.iter().map(|entry| &body[entry.range.clone()]).collect();
    let merged = feed::merge(&rendered, &bytes);
    let entries = merged.ranges.iter().zip(kept.iter().chain(&older));
    let entries = entries.map(|(range, entry)| Entry { range: range.clone(), ..(*entry).clone() }).collect();
    let merged = Rendered { format: document.format, body: merged.body, entries, insert_at: usize::MAX };
    let both: Vec<&Entry> = kept.into_iter().chain(older).collect();
    reads_back(body, &document, &merged, &both, content_type);
}

fn pair(entry: &Entry) -> (EntryId, EntryDigest) {
    (entry.id, entry.digest)
}

fn places_are_sound(body: &[u8], document: &Document) {
    let mut done = 0;
    for entry in &document.entries {
        assert!(done <= entry.range.start, "entries lie in order, none in another");
        let bytes = &body[entry.range.clone()];
        let (first, last) = if document.format == Format::JsonFeed { (b"{", b"}") } else { (b"<", b">") };
        assert!(bytes.starts_with(first) && bytes.ends_with(last));
        done = entry.range.end;
    }
    assert!(done <= document.insert_at && document.insert_at <= body.len());
}

/// What was made of `document` is a feed with exactly these entries, and otherwise the same.
fn reads_back(
    body: &[u8],
    document: &Document,
    made: &Rendered,
    entries: &[&Entry],
    content_type: Option<&[u8]>,
) {
    let again = read(&made.body, content_type);
    assert_eq!(again.format, document.format);
    assert_eq!(again.entries, made.entries, "it reads back with the entries it claims");
    assert!(again.entries.iter().map(pair).eq(entries.iter().copied().map(pair)));
    for (made_of, entry) in made.entries.iter().zip(entries) {
        assert!(made.body[made_of.range.clone()] == body[entry.range.clone()], "byte for byte");
    }
    assert_eq!(again.envelope, document.envelope);
    assert_eq!(again.context, document.context);
    assert_eq!((&again.self_link, &again.hub_links), (&document.self_link, &document.hub_links));
    if made.insert_at != usize::MAX && !again.entries.is_empty() {
        assert_eq!(again.insert_at, made.insert_at);
    }
    if content_type.is_none() {
        another_reader_agrees(body, document, made);
    }
}

/// Subscribers have readers of their own. Another one must take what we take for a feed, find as many entries as we said
/// there are, and do the same with what was made of it.
fn another_reader_agrees(body: &[u8], document: &Document, made: &Rendered) {
    let Some(before) = count(body, document.format) else { return };
    assert_eq!(before, document.entries.len(), "entries of the input");
    assert_eq!(
        count(&made.body, document.format),
        Some(made.entries.len()),
        "entries of what was made of it"
    );
}

/// The entries that the other reader finds; `None` if it refuses for a reason that is not ours.
fn count(body: &[u8], format: Format) -> Option<usize> {
    if format == Format::JsonFeed {
        // It holds no number beyond those of a machine; JSON does.
        let feed: serde_json::Value = serde_json::from_slice(body).ok()?;
        return feed["items"].as_array().map(Vec::len);
    }
    let text = text(body)?;
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    match roxmltree::Document::parse_with_options(&text, options) {
        Ok(document) => Some(count_in(&document, format)),
        // XML has nothing against the first two. The third may be declared where neither of us looks.
        Err(Error::UnknownNamespace(..) | Error::DuplicatedAttribute(..)) => None,
        Err(Error::UnknownEntityReference(..)) if is_elsewhere(&text) => None,
        Err(error) => panic!("another reader refuses it: {error}"),
    }
}

/// Whether a part of the DTD is in another file, and needed.
fn is_elsewhere(text: &str) -> bool {
    let declaration = text.split('>').next().unwrap_or_default();
    let stands_alone = declaration.starts_with("<?xml") && declaration.contains("yes");
    text.contains("<!DOCTYPE") && (text.contains("SYSTEM") || text.contains("PUBLIC")) && !stands_alone
}

/// The body in UTF-8; `None` if only we know its encoding by that name.
fn text(body: &[u8]) -> Option<Cow<'_, str>> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let declaration = body.split(|&b| b == b'>').next().filter(|first| first.starts_with(b"<?xml"));
    let declaration = String::from_utf8_lossy(declaration.unwrap_or_default());
    let label = declaration.split_once("encoding").map_or("utf-8", |(_, rest)| {
        rest.trim_start_matches([' ', '\t', '\r', '\n', '=', '"', '\'']).split(['"', '\'']).next().unwrap()
    });
    let encoding =
        if label == "utf8" { UTF_8 } else { Encoding::for_label_no_replacement(label.as_bytes())? };
    Some(
        encoding
            .decode_without_bom_handling_and_without_replacement(body)
            .expect("it is in its own encoding"),
    )
}

fn count_in(document: &roxmltree::Document<'_>, format: Format) -> usize {
    const RDF_BASED: [&str; 3] = [
        "http://purl.org/rss/1.0/",
        "http://my.netscape.com/rdf/simple/0.9/",
        "http://channel.netscape.com/rdf/simple/0.9/",
    ];
    let root = document.root_element();
    let own = root.tag_name().namespace();
    let atom =
        |ns: Option<&str>| matches!(ns, Some("http://www.w3.org/2005/Atom" | "http://purl.org/atom/ns#"));
    // Items of RSS may have no namespace where the root has one.
    let rss = |ns: Option<&str>| ns.is_none_or(|ns| Some(ns) == own || ns.is_empty());
    let rdf = |ns: Option<&str>| ns.is_none_or(|ns| RDF_BASED.contains(&ns) || ns.is_empty());
    let named = |local: &'static str, is_own: &dyn Fn(Option<&str>) -> bool, parent: Node<'_, '_>| {
        let is = |node: &Node<'_, '_>| node.tag_name().name() == local && is_own(node.tag_name().namespace());
        parent.children().filter(is).count()
    };
    match format {
        Format::Atom => named("entry", &atom, root),
        Format::Rdf => named("item", &rdf, root),
        Format::Rss => {
            let is_channel =
                |node: &Node<'_, '_>| node.tag_name().name() == "channel" && rss(node.tag_name().namespace());
            root.children().filter(is_channel).map(|channel| named("item", &rss, channel)).sum()
        }
        Format::JsonFeed | Format::Opaque => 0,
    }
}
