//! An entry means what its surroundings make of it: prefixes, `xml:base`, `xml:lang`. They are read here by another
//! reader, without a line of this room's own code, and must be the same in what a subscriber gets as in what the publisher
//! wrote.

use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::Encoding;
use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use super::{Entry, Reading, Volatile, generated, news, read, render};

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// What is in force for an element and, with its own name last, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Surroundings {
    /// By prefix.
    namespaces: BTreeMap<String, String>,
    /// Outermost first.
    bases: Vec<String>,
    language: Option<String>,
    /// Namespaces and local names.
    path: Vec<(String, String)>,
}

impl Surroundings {
    fn of(element: Node<'_, '_>) -> Self {
        let outwards = || element.ancestors().filter(Node::is_element);
        let said = |name: &'static str| {
            outwards().filter_map(move |node| node.attribute((XML, name))).map(str::to_owned)
        };
        let mut bases: Vec<_> = said("base").collect();
        bases.reverse();
        let mut path: Vec<_> = outwards()
            .map(|node| {
                let name = node.tag_name();
                (name.namespace().unwrap_or_default().to_owned(), name.name().to_owned())
            })
            .collect();
        path.reverse();
        let namespaces = element.namespaces();
        let namespaces = namespaces.map(|ns| (ns.name().unwrap_or_default().to_owned(), ns.uri().to_owned()));
        Self { namespaces: namespaces.collect(), bases, language: said("lang").next(), path }
    }
}

/// Of each element of a document, by where it begins; fails if it is not well-formed.
fn surroundings(text: &str) -> BTreeMap<usize, Surroundings> {
    let document = text.trim_start_matches('\u{feff}');
    let mark = text.len() - document.len();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(document, options).unwrap();
    let elements = document.descendants().filter(Node::is_element);
    elements.map(|element| (mark + element.range().start, Surroundings::of(element))).collect()
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
