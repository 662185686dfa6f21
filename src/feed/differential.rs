//! A second opinion: what another reader makes of a feed, it makes of each part of it too.

use encoding_rs::Encoding;
use feed_rs::{
    model::{Entry, Feed},
    parser,
};

use super::{
    Document, Format, Reading, Volatile, read, render,
    wild::{FEEDS, doc, fixture},
};

/// What the other reader cannot read, or not all of it, and why. We read these; it has nothing to say on them.
const NOT_READ: &[(&str, &str)] = &[
    ("atom-03.xml", "it does not know the namespace of Atom 0.3, and finds no entry"),
    ("rss-090.rdf.xml", "it does not know the namespace of RSS 0.90, and finds no item"),
    ("rss-20-namespaced.xml", "it finds only the item that is in no namespace"),
];

/// How the ids begin that it gives to entries without one.
const MADE_UP: &str = "made up of ";

fn parse(body: &[u8]) -> Option<Feed> {
    // Else an entry without an id is given another one each time.
    let parser = parser::Builder::new()
        .base_uri(Some("https://topic.example/feed"))
        .id_generator(|links, title, _| format!("{MADE_UP}{:?} {:?}", links.first(), title))
        .build();
    parser.parse(body).ok()
}

/// Each choice of entries by its name.
fn choices(entries: usize) -> Vec<(String, Vec<bool>)> {
    let mut choices = vec![
        ("all".to_owned(), vec![true; entries]),
        ("none".to_owned(), vec![false; entries]),
        ("every second".to_owned(), (0..entries).map(|at| at % 2 == 1).collect()),
        ("the newer half".to_owned(), (0..entries).map(|at| at < entries.div_ceil(2)).collect()),
    ];
    for only in 0..entries {
        choices.push((format!("only {only}"), (0..entries).map(|at| at == only).collect()));
    }
    choices
}

/// F21, F22, F24
#[test]
fn another_reader_finds_in_each_part_of_a_feed_what_it_finds_in_the_whole() {
    let mut compared = 0;
    for (file, _, entries, _) in FEEDS.iter().filter(|(_, format, ..)| format.is_feed()) {
        let body = fixture(file);
        let whole = parse(&body).filter(|feed| feed.entries.len() == *entries);
        let is_read = NOT_READ.iter().all(|(unread, _)| unread != file);
        assert_eq!(whole.is_some(), is_read, "{file}: {:?}", parser::parse(&*body).err());
        let Some(whole) = whole else { continue };
        let document = doc(&body);
        for (name, choice) in choices(*entries) {
            compare(&body, &document, &whole, &choice, &format!("{file}, {name}"));
            compared += 1;
        }
    }
    assert!(compared > 250, "{compared}");
}

fn part(body: &[u8], document: &Document, choice: &[bool]) -> Vec<u8> {
    let mut next = choice.iter();
    render(body, document, &mut |_| *next.next().unwrap()).body
}

fn compare(body: &[u8], document: &Document, whole: &Feed, choice: &[bool], name: &str) {
    let part = part(body, document, choice);
    let mut part = parse(&part).unwrap_or_else(|| panic!("{name}, cannot be read"));
    let kept = whole.entries.iter().zip(choice).filter(|(_, keep)| **keep).map(|(entry, _)| entry);
    check_entries(&part.entries, &kept.cloned().collect::<Vec<_>>(), name);
    // The feed around the entries is the same too.
    part.entries.clone_from(&whole.entries);
    assert!(part == *whole, "{name}");
}

/// F21, F25: of ten thousand too.
#[test]
fn another_reader_finds_in_part_of_a_long_feed_what_it_finds_in_the_whole() {
    let entry = |n: usize| {
        format!(
            "<entry><id>urn:n:{n}</id><title>No. {n}</title><link href='https://long.example/{n}'/>\
             <updated>2026-10-25T08:{:02}:{:02}Z</updated></entry>\n",
            n / 60 % 60,
            n % 60
        )
    };
    let entries: String = (0..10_000).map(entry).collect();
    let body = format!(
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Long</title><id>urn:n</id>{entries}</feed>"
    );
    let document = doc(body.as_bytes());
    let whole = parse(body.as_bytes()).unwrap();
    assert_eq!((document.entries.len(), whole.entries.len()), (10_000, 10_000));
    for (name, is_kept) in [("every 7th", 7), ("every 999th", 999)] {
        let choice: Vec<_> = (0..10_000).map(|at| at % is_kept == 0).collect();
        compare(body.as_bytes(), &document, &whole, &choice, name);
    }
}

/// F21, F22: element by element, attribute by attribute, also where the other reader of feeds has nothing to say.
#[test]
fn a_reader_of_xml_finds_in_each_part_the_whole_without_what_was_cut() {
    let mut compared = 0;
    for (file, _, entries, _) in
        FEEDS.iter().filter(|(file, format, ..)| format.is_feed() && !file.ends_with("json"))
    {
        let body = fixture(file);
        let document = doc(&body);
        for (name, choice) in choices(*entries) {
            let cut =
                document.entries.iter().zip(&choice).filter(|(_, keep)| !**keep).map(|(entry, _)| entry);
            // Where they lie in the text: the bytes before are what they are in its encoding.
            let cut: Vec<_> = cut.map(|entry| text(&body, entry.range.start).len()).collect();
            let expected = essence(&text(&body, body.len()), &cut);
            let part = part(&body, &document, &choice);
            assert_eq!(essence(&text(&part, part.len()), &[]), expected, "{file}, {name}");
            compared += 1;
        }
    }
    assert!(compared > 250, "{compared}");
}

/// The first bytes of a document in UTF-8, without their mark.
fn text(body: &[u8], length: usize) -> String {
    let declaration = String::from_utf8_lossy(&body[..100.min(body.len())]).into_owned();
    let label = declaration.split_once("encoding=").map(|(_, rest)| rest.split(['"', '\'']).nth(1).unwrap());
    let encoding = Encoding::for_label(label.unwrap_or("utf-8").as_bytes()).unwrap();
    encoding.decode_with_bom_removal(&body[..length]).0.into_owned()
}

/// What a reader of XML sees, but for the elements that begin there and white space between feed-level elements.
fn essence(text: &str, cut: &[usize]) -> Vec<String> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = match roxmltree::Document::parse_with_options(text, options) {
        Ok(document) => document,
        // A prefix that nobody declared, on purpose.
        Err(roxmltree::Error::UnknownNamespace(prefix, _)) => {
            let declared = text.replacen(" xmlns", &format!(" xmlns:{prefix}='urn:undeclared' xmlns"), 1);
            let added = declared.len() - text.len();
            return essence(&declared, &cut.iter().map(|at| at + added).collect::<Vec<_>>());
        }
        // One that is declared in a DTD that nobody loads.
        Err(roxmltree::Error::UnknownEntityReference(name, _)) => {
            return essence(&text.replace(&format!("&{name};"), &format!("({name})")), cut);
        }
        Err(error) => panic!("{error}"),
    };
    let is_cut = |node: roxmltree::Node<'_, '_>| node.is_element() && cut.contains(&node.range().start);
    let nodes = document.descendants().filter(|node| !node.ancestors().any(is_cut));
    let seen = nodes.filter_map(|node| {
        let depth = node.ancestors().count();
        if node.is_element() {
            let attributes: Vec<_> =
                node.attributes().map(|a| (a.namespace(), a.name(), a.value())).collect();
            return Some(format!("{depth} {:?} {attributes:?}", node.tag_name()));
        }
        let text = node.text().filter(|text| depth > 4 || !text.trim().is_empty())?;
        Some(format!("{depth} {text}"))
    });
    seen.collect()
}

fn check_entries(part: &[Entry], kept: &[Entry], name: &str) {
    let essence = |entry: &Entry| {
        let title = entry.title.as_ref().map(|title| title.content.clone());
        let links: Vec<_> = entry.links.iter().map(|link| (link.rel.clone(), link.href.clone())).collect();
        (entry.id.clone(), title, links, entry.published, entry.updated)
    };
    let essences = |entries: &[Entry]| -> Vec<_> { entries.iter().map(essence).collect() };
    assert_eq!(essences(part), essences(kept), "{name}");
    assert!(part == kept, "{name}: a difference in something else");
}

/// The comparison is worth something only if both readers find the same ids.
#[test]
fn both_readers_take_the_same_for_the_id_of_an_entry() {
    use super::EntryId;
    for (file, format, ..) in FEEDS.iter().filter(|(_, format, ..)| format.is_feed()) {
        // The other one goes by neither `rdf:about`, nor the link, nor the title.
        let Some(feed) = parse(&fixture(file)).filter(|_| *format == Format::Atom) else { continue };
        let document = read(&fixture(file), &Reading::untyped(&Volatile::default()));
        for (ours, theirs) in document.entries.iter().zip(&feed.entries) {
            let theirs = theirs.id.trim();
            let has_none = theirs.is_empty() || theirs.starts_with(MADE_UP);
            assert_eq!(ours.id == EntryId::of(theirs.as_bytes()), !has_none, "{file} {theirs}");
        }
    }
}
