//! An entry means what its surroundings make of it: prefixes, `xml:base`, `xml:lang`. They are read here without a line
//! of this room's own code, and must be the same in what a subscriber gets as in what the publisher wrote.

use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::Encoding;
use proptest::prelude::*;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Entry, Reading, Volatile, generated, news, read, render};

/// What is in force for an element and, with its own name last, where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Surroundings {
    /// By prefix.
    namespaces: BTreeMap<String, String>,
    bases: Vec<String>,
    language: Option<String>,
    /// Namespaces and local names.
    path: Vec<(String, String)>,
}

impl Surroundings {
    /// Those of an element in these.
    fn with(&self, element: &BytesStart<'_>) -> Self {
        let mut own = self.clone();
        for attribute in element.attributes() {
            let attribute = attribute.unwrap();
            let value = attribute.value.as_ref().to_owned();
            match attribute.key.as_ref() {
                "xmlns" => drop(own.namespaces.insert(String::new(), value)),
                "xml:base" => own.bases.push(value),
                "xml:lang" => own.language = Some(value),
                name => {
                    if let Some(prefix) = name.strip_prefix("xmlns:") {
                        own.namespaces.insert(prefix.to_owned(), value);
                    }
                }
            }
        }
        let name = element.name();
        let (prefix, local) = name.as_ref().split_once(':').unwrap_or(("", name.as_ref()));
        let namespace = own.namespaces.get(prefix).cloned().unwrap_or_default();
        own.path.push((namespace, local.to_owned()));
        own
    }
}

/// Of each element of a well-formed document, by where it begins.
fn surroundings(text: &str) -> BTreeMap<usize, Surroundings> {
    let document = text.trim_start_matches('\u{feff}');
    let mark = text.len() - document.len();
    let mut reader = Reader::from_str(document);
    let mut found = BTreeMap::new();
    let mut open = vec![Surroundings::default()];
    let mut roots = 0;
    loop {
        let at = mark + usize::try_from(reader.buffer_position()).unwrap();
        let event = reader.read_event().unwrap();
        let outer = open.last().unwrap().clone();
        match event {
            Event::Start(element) => {
                roots += usize::from(open.len() == 1);
                open.push(outer.with(&element));
                found.insert(at, outer.with(&element));
            }
            Event::Empty(element) => {
                roots += usize::from(open.len() == 1);
                found.insert(at, outer.with(&element));
            }
            Event::End(_) => drop(open.pop()),
            Event::Text(text) => assert!(open.len() > 1 || text.chars().all(char::is_whitespace)),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((open.len(), roots), (1, 1), "one root, and closed");
    found
}

fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).unwrap().into_owned()
}

/// Those of these entries in a body, and the number of elements that stand where they stand.
fn of_entries(
    encoding: &'static Encoding,
    body: &[u8],
    entries: &[Entry],
    paths: &mut BTreeSet<Vec<(String, String)>>,
) -> (Vec<Surroundings>, usize) {
    let all = surroundings(&decoded(encoding, body));
    let place = |entry: &Entry| decoded(encoding, &body[..entry.range.start]).len();
    let found: Vec<_> = entries.iter().map(|entry| all[&place(entry)].clone()).collect();
    paths.extend(found.iter().map(|surroundings| surroundings.path.clone()));
    (found, all.values().filter(|surroundings| paths.contains(&surroundings.path)).count())
}

proptest! {
    /// F15, F21, F24
    #[test]
    fn what_is_new_is_sent_as_it_was_written_in_the_surroundings_it_was_written_for(
        feed in generated::xml_feed(),
        seen: u32,
    ) {
        let body = feed.body();
        let document = read(&body, &Reading::untyped(&Volatile::default()));
        let written = feed.written();
        prop_assert_eq!(document.entries.len(), written.len());
        let mut paths = BTreeSet::new();
        let (before, count) = of_entries(feed.encoding, &body, &document.entries, &mut paths);
        prop_assert_eq!(count, document.entries.len(), "nothing else is where entries are");

        let version = |entry: &Entry| (entry.id, entry.digest);
        let entries = document.entries.iter().enumerate();
        let known: BTreeSet<_> = entries.filter(|(at, _)| seen & (1 << at) != 0).map(|(_, e)| version(e)).collect();
        let new = news(&document, &mut |entry| known.contains(&version(entry)));
        let mut at = 0;
        let rendered = render(&body, &document, &mut |_| {
            at += 1;
            new.contains(&(at - 1))
        });
        let (after, count) = of_entries(feed.encoding, &rendered.body, &rendered.entries, &mut paths);
        prop_assert_eq!(count, new.len());
        prop_assert_eq!(after, new.iter().map(|at| before[*at].clone()).collect::<Vec<_>>());
        let sent: Vec<_> = rendered.entries.iter().map(|entry| rendered.body[entry.range.clone()].to_vec()).collect();
        prop_assert_eq!(sent, new.iter().map(|at| written[*at].clone()).collect::<Vec<_>>());
        // Each version that was not known is there, and none that was.
        let versions: BTreeSet<_> = rendered.entries.iter().map(version).collect();
        let all: BTreeSet<_> = document.entries.iter().map(version).collect();
        prop_assert_eq!(versions, all.difference(&known).copied().collect::<BTreeSet<_>>());
        let whole = render(&body, &document, &mut |_| true);
        prop_assert_eq!(whole.body, body);
    }
}
