//! A second opinion: what another reader makes of a feed, it makes of each part of it too.

use feed_rs::{
    model::{Entry, Feed},
    parser,
};

use super::{
    Format, Reading, Volatile, read, render,
    wild::{FEEDS, fixture},
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
        let document = read(&body, &Reading::untyped(&Volatile::default()));
        for (name, choice) in choices(*entries) {
            let mut next = choice.iter();
            let part = render(&body, &document, &mut |_| *next.next().unwrap());
            let mut part = parse(&part.body).unwrap_or_else(|| panic!("{file}, {name}, cannot be read"));
            let kept = whole.entries.iter().zip(&choice).filter(|(_, keep)| **keep).map(|(entry, _)| entry);
            check_entries(&part.entries, &kept.cloned().collect::<Vec<_>>(), &format!("{file}, {name}"));
            // The feed around the entries is the same too.
            part.entries.clone_from(&whole.entries);
            assert!(part == whole, "{file}, {name}");
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
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
