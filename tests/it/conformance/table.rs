//! The table of requirements in the documentation, made from the list of them and from the names of the tests here.
//!
//! An id without a test fails, a test with an id that is not on the list fails, and so does a table that says something
//! else than the two. `HUBBUB_WRITE_TABLE=1` writes it anew.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The sections in the order of the table: file, letter, how many requirements, title.
const SECTIONS: [(&str, char, usize, &str); 7] = [
    ("subscribe", 'S', 39, "Subscribe and unsubscribe requests"),
    ("verification", 'V', 25, "Verification of intent"),
    ("publish", 'P', 16, "Publish"),
    ("fetch", 'F', 26, "Content fetch and change detection"),
    ("distribution", 'D', 28, "Distribution"),
    ("discovery", 'L', 11, "Discovery"),
    ("security", 'X', 13, "Security"),
];

/// Where a requirement comes from, and what is done about it.
#[derive(Debug)]
struct Requirement {
    id: String,
    level: String,
    source: String,
    decision: String,
    /// Why it is not what a text asks for; empty where it is.
    deviation: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn requirements(section: &str) -> Vec<Requirement> {
    let file = root().join(format!("tests/it/conformance/requirements/{section}.tsv"));
    let text = fs::read_to_string(&file).unwrap();
    text.lines()
        .map(|line| {
            let columns: Vec<_> = line.split('\t').map(|column| column.trim().to_owned()).collect();
            let [id, level, source, decision, deviation @ ..] = &columns[..] else {
                panic!("{section}.tsv: {line}");
            };
            assert!(!level.is_empty() && !source.is_empty() && !decision.is_empty(), "{section}.tsv: {line}");
            assert!(
                ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "practice"].contains(&level.as_str()),
                "{line}"
            );
            let [id, level, source, decision] = [id, level, source, decision].map(Clone::clone);
            Requirement { id, level, source, decision, deviation: deviation.concat() }
        })
        .collect()
}

/// The tests of this folder: the path of each as it is given to the runner.
fn tests(folder: &Path, module: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            tests(&path, &format!("{module}::{name}"), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if name == "mod" { module.to_owned() } else { format!("{module}::{name}") };
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
                if let Some(function) = function.filter(|_| is_test) {
                    found.push(format!("{module}::{}", function.split('(').next().unwrap()));
                }
                is_test = matches!(line, "#[test]" | "#[tokio::test]") || (is_test && line.starts_with("#["));
            }
        }
    }
}

/// The ids that a test's name begins with: `s06_s07_...` holds two.
fn ids(test: &str) -> impl Iterator<Item = String> {
    let name = test.rsplit("::").next().unwrap();
    let is_id = |part: &&str| {
        part.len() == 3
            && part.starts_with(|c| SECTIONS.iter().any(|(_, id, ..)| id.eq_ignore_ascii_case(&c)))
            && part.chars().skip(1).all(|c| c.is_ascii_digit())
    };
    name.split('_').take_while(is_id).map(str::to_uppercase)
}

/// Every id with its tests.
fn by_id() -> BTreeMap<String, Vec<String>> {
    let mut found = Vec::new();
    tests(&root().join("tests/it/conformance"), "conformance", &mut found);
    found.sort();
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for test in &found {
        for id in ids(test) {
            by_id.entry(id).or_default().push(test.clone());
        }
    }
    by_id
}

fn table() -> String {
    let by_id = by_id();
    let mut text = String::from(
        "What `PubSubHubbub` 0.3, 0.4 and `WebSub` ask of a hub, what is done here, and which test of the built program\n\
         holds it. Made by `tests/it/conformance/table.rs`; `practice` is what no text says and the field or a test suite\n\
         needs.\n",
    );
    let mut deviations = String::new();
    for (section, _, _, title) in SECTIONS {
        write!(
            text,
            "\n# {title}\n\n| Id | Level | Source | What hubbub does | Held by |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for Requirement { id, level, source, decision, deviation } in requirements(section) {
            let tests = by_id.get(&id).into_iter().flatten();
            let tests: Vec<_> =
                tests.map(|test| format!("`{}`", test.trim_start_matches("conformance::"))).collect();
            let decision = decision.replace('|', "\\|");
            writeln!(text, "| {id} | {level} | {source} | {decision} | {} |", tests.join(" ")).unwrap();
            if !deviation.is_empty() {
                writeln!(deviations, "| {id} | {} |", deviation.replace('|', "\\|")).unwrap();
            }
        }
    }
    write!(text, "\n# Deliberate deviations\n\n| Id | Reason |\n|---|---|\n{deviations}").unwrap();
    text
}

#[test]
fn the_list_is_complete() {
    for (section, letter, count, _) in SECTIONS {
        let listed: Vec<_> = requirements(section).into_iter().map(|requirement| requirement.id).collect();
        let expected: Vec<_> = (1..=count).map(|number| format!("{letter}{number:02}")).collect();
        assert_eq!(listed, expected, "{section}.tsv");
    }
}

#[test]
fn every_requirement_has_a_test_and_every_test_a_requirement() {
    let by_id = by_id();
    let listed: Vec<_> =
        SECTIONS.iter().flat_map(|(section, ..)| requirements(section)).map(|listed| listed.id).collect();
    let untested: Vec<_> = listed.iter().filter(|id| !by_id.contains_key(*id)).collect();
    assert!(untested.is_empty(), "no test holds {untested:?}");
    let unlisted: Vec<_> = by_id.iter().filter(|(id, _)| !listed.contains(id)).collect();
    assert!(unlisted.is_empty(), "not on the list: {unlisted:?}");
}

#[test]
fn the_documentation_says_which_test_holds_what() {
    let file = root().join("src/conformance.md");
    let made = table();
    if env::var_os("HUBBUB_WRITE_TABLE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == made,
        "src/conformance.md is not what the tests say: run this with HUBBUB_WRITE_TABLE=1"
    );
}
