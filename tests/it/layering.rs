//! Where a line of the program may stand: which room may use which, where each big dependency lives, how long a file
//! may be, and which names say nothing.
//!
//! A workspace would have the compiler refuse a wrong edge; one package has this table.
#![expect(clippy::string_slice, reason = "all places come from searches in the same text")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room, its ring, and the rooms of its own ring that it may use besides all of the rings below.
const ROOMS: &[(&str, u8, &[&str])] = &[
    // A timer, and nothing else of the runtime.
    ("alarm", 0, &[]),
    // Pure: no I/O, no clock but the seam, no dice but the seam.
    ("clock", 0, &[]),
    ("octets", 0, &[]),
    ("random", 0, &[]),
    ("protocol", 0, &["octets"]),
    ("feed", 0, &["octets"]),
    // Envelopes, entries and descriptors are XML, which `feed` reads; a Link header is the wire's. What goes out and comes in
    // for Salmon is for rooms further up.
    ("salmon", 0, &["clock", "feed", "protocol"]),
    // What everything else is built with.
    ("config", 1, &[]),
    ("telemetry", 1, &["config"]),
    ("supervise", 1, &["config", "telemetry"]),
    // The world outside: disk and network.
    ("store", 2, &[]),
    ("outbound", 2, &[]),
    // The loop that runs what the store says is due.
    ("agenda", 3, &[]),
    // The services.
    ("distribution", 4, &[]),
    ("publishing", 4, &["distribution"]),
    ("subscribing", 4, &["distribution", "publishing"]),
    ("relay", 4, &["publishing"]),
    // The way in.
    ("inbound", 5, &[]),
    // Putting it together.
    ("app", 6, &["lifecycle"]),
    ("lifecycle", 6, &["app"]),
    // The operator's own tool, and the command line.
    ("client", 6, &[]),
    // Two example sites, and the story that is played with them and the hub in one process.
    ("demo", 6, &["app", "client"]),
    ("cli", 7, &[]),
    ("main", 7, &["cli"]),
];

/// Dependencies that are named in some rooms only, so that each could be replaced there.
const CONFINED: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    // The sites of the demo are neighbours and strangers to the hub: they ask it and are asked by it over HTTP alone.
    ("reqwest", &["outbound", "client", "demo"]),
    ("axum", &["inbound", "client", "demo"]),
    // Entries have their fingerprints, and rows, bodies of megabytes among them, their sum.
    ("highway", &["feed", "store"]),
    ("roxmltree", &["feed"]),
    ("html5gum", &["feed"]),
    ("rsa", &["salmon"]),
    // In tests also where JSON is what comes out.
    (
        "serde_json",
        &["demo", "feed", "inbound", "octets", "protocol", "relay", "salmon", "store", "telemetry"],
    ),
];

/// Lines of a file, its tests included.
const LONGEST: usize = 500;

/// Names that tell nobody what belongs inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "constants", "misc"];

fn ring(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, ..)| *name == room).map(|(_, ring, _)| *ring)
}

fn may_use(room: &str, other: &str) -> bool {
    let Some((_, own_ring, fellows)) = ROOMS.iter().find(|(name, ..)| *name == room) else { return false };
    room == other || fellows.contains(&other) || ring(other).is_some_and(|ring| ring < *own_ring)
}

/// A file of the program.
pub(super) struct Source {
    /// Relative to `src`.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    pub(super) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut sources, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    sources.push(Self { path: path.strip_prefix(&root).unwrap().to_owned(), text });
                }
            }
        }
        assert!(sources.len() > 3, "this is not the program");
        sources.sort_by(|one, other| one.path.cmp(&other.path));
        sources
    }

    /// The room in which the file lies.
    fn room(&self) -> String {
        let first = self.path.iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The crate's root only lists the rooms.
    fn is_root(&self) -> bool {
        self.path == Path::new("lib.rs")
    }

    /// How many `super` lead from the file's module to the root.
    fn depth(&self) -> usize {
        self.path.components().count() - usize::from(self.path.ends_with("mod.rs"))
    }

    /// The rooms that the file names.
    fn rooms_used(&self) -> BTreeSet<String> {
        let code = code_of(&self.text);
        // main.rs is a crate of its own, which knows the rooms by the package's name.
        let mut used = heads(&code, if self.room() == "main" { "hubbub::" } else { "crate::" });
        // From an inner module as many `super` lead to a file of the same room, which is no room by name.
        let upwards = "super::".repeat(self.depth());
        used.extend(heads(&code, &upwards).into_iter().filter(|name| ring(name).is_some()));
        used
    }
}

/// The first name of each path that begins with `root`: one name, or those at the top of a group in braces.
fn heads(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (place, _) in code.match_indices(root) {
        let before = code[..place].chars().next_back();
        if before.is_some_and(|before| is_part_of_name(before) || before == ':') {
            continue;
        }
        let rest = code[place + root.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(name_at(rest));
            continue;
        };
        let (mut depth, mut fresh) = (0, true);
        for (index, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                _ if fresh && depth == 0 && is_part_of_name(character) => {
                    found.insert(name_at(&group[index..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    found.remove("");
    found.remove("self");
    found.remove("super");
    found
}

pub(super) fn is_part_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

pub(super) fn name_at(text: &str) -> String {
    text.chars().take_while(|character| is_part_of_name(*character)).collect()
}

/// The text without comments and without what stands in quotes.
pub(super) fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest, code.chars().next_back()) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// The length of the raw string that begins here, if one does.
fn raw_string(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|before| is_part_of_name(before) && before != 'b') {
        return None;
    }
    let inside = rest.strip_prefix('r')?;
    let hashes: String = inside.chars().take_while(|character| *character == '#').collect();
    let inside = inside[hashes.len()..].strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let length = inside.find(&end).map_or(inside.len(), |place| place + end.len());
    Some(2 + hashes.len() + length)
}

/// Whether a quote begins a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

/// The length of a quotation with its quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in rest.char_indices().skip(1) {
        if character == quote && !escaped {
            return index + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for source in Source::all().iter().filter(|source| !source.is_root()) {
        let (room, path) = (source.room(), source.path.display());
        if ring(&room).is_none() {
            wrong.push(format!("{path} lies in {room}, which the table does not know"));
            continue;
        }
        for used in source.rooms_used() {
            if !may_use(&room, &used) {
                wrong.push(format!("{path}: {room} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn big_dependencies_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        let code = code_of(&source.text);
        for (dependency, rooms) in CONFINED {
            let named = code.match_indices(dependency).any(|(place, _)| {
                let before = code[..place].chars().next_back();
                let after = &code[place + dependency.len()..];
                let stands_alone = before.is_none_or(|before| !is_part_of_name(before) && before != '.');
                stands_alone
                    && (after.starts_with("::") || after.starts_with(" as ") || after.starts_with(';'))
            });
            if named && !rooms.contains(&source.room().as_str()) {
                wrong.push(format!("{} names {dependency}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let long: Vec<_> = Source::all()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_name_says_what_lies_there() {
    let empty: Vec<_> = Source::all()
        .into_iter()
        .map(|source| source.path.with_extension(""))
        .filter(|path| path.iter().any(|part| EMPTY_NAMES.iter().any(|name| part == *name)))
        .collect();
    assert!(empty.is_empty(), "{empty:#?}");
}

#[test]
fn the_reader_of_sources_sees_code_only() {
    let text = r##"
        //! [`crate::cli`]
        use crate::{clock::{Clock, Timestamp}, store, feed as f, self as me};
        /* crate::app */ const A: &str = "crate::inbound \" crate::main"; const B: char = '"';
        const C: &str = r#"crate::outbound "quoted" crate::cli"#; fn x<'a>(y: &'a str) -> crate::protocol::Topic {}
        const D: [char; 2] = ['\'', '\\']; pub(in crate::random) use mycrate::config;
    "##;
    let found = heads(&code_of(text), "crate::");
    let expected = ["clock", "feed", "protocol", "random", "store"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
    assert!(may_use("publishing", "distribution") && may_use("publishing", "store"));
    assert!(
        !may_use("distribution", "publishing") && !may_use("store", "outbound") && !may_use("feed", "clock")
    );
}
