//! Secrets are compared in a time that does not tell how much of a guess was right.
//!
//! No test measures such a time well enough to fail when it should. This one reads the sources: each type that holds a
//! secret is compared by `subtle` or not at all, and what such a type holds is compared nowhere outside of it. What comes
//! with a request as a MAC is compared where `hmac` verifies it, and nowhere else.
#![expect(clippy::string_slice, reason = "all places come from searches in the same text")]

use std::collections::BTreeSet;

use crate::layering::{Source, code_of, is_part_of_name, name_at};

/// Types that hold what is wiped from memory are found by that; those that hold digests of secrets are named.
const DIGESTS: &[&str] = &["Token", "Credentials"];
/// How the octets of a secret are got at.
const EXPOSING: &[&str] = &[".expose()"];
/// Where a MAC is made that could be compared with another.
const MACS: &str = "protocol/signature.rs";

/// The definition of a structure: its attributes, its name and what it holds.
struct Structure {
    attributes: String,
    name: String,
    holds: String,
}

fn structures(code: &str) -> Vec<Structure> {
    let mut found = Vec::new();
    for (place, keyword) in code.match_indices("struct ") {
        if code[..place].chars().next_back().is_some_and(is_part_of_name) {
            continue;
        }
        let rest = &code[place + keyword.len()..];
        let name = name_at(rest);
        let rest = &rest[name.len()..];
        let end = match rest.find([';', '{']) {
            Some(brace) if rest[brace..].starts_with('{') => {
                brace + rest[brace..].find('}').unwrap_or_default()
            }
            end => end.unwrap_or_default(),
        };
        // From the end of what stands before: attributes have neither braces nor semicolons here.
        let before = &code[..place];
        let attributes = &before[before.rfind([';', '}', '{']).map_or(0, |end| end + 1)..];
        found.push(Structure { attributes: attributes.to_owned(), name, holds: rest[..end].to_owned() });
    }
    found
}

/// The bodies of what is implemented of `PartialEq` for it.
fn equalities<'a>(code: &'a str, name: &str) -> Vec<&'a str> {
    let of = |(place, _): (usize, &str)| {
        let rest = &code[place..];
        let (head, body) = rest.split_once('{')?;
        let (_, target) = head.split_once(" for ")?;
        (target.trim() == name).then(|| body.split_once("\n}").map_or(body, |(body, _)| body))
    };
    code.match_indices("impl PartialEq").filter_map(of).collect()
}

/// What is wrong in a file with how its secrets are compared, and the names of those that it defines.
fn faults(code: &str, types: &mut BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Structure { attributes, name, holds } in structures(code) {
        // By itself, not among other things: those compare it as it compares itself.
        let is_secret = holds.trim_start().starts_with('(') && holds.contains("Zeroizing<");
        if !is_secret && !DIGESTS.contains(&name.as_str()) {
            continue;
        }
        if attributes.contains("PartialEq") {
            wrong.push(format!("{name} derives how it is compared"));
        }
        if equalities(code, &name).iter().any(|body| !body.contains(".ct_eq(") || body.contains("==")) {
            wrong.push(format!("{name} is compared without ct_eq"));
        }
        types.insert(name);
    }
    for line in code.lines().filter(|line| line.contains("==") || line.contains("!=")) {
        if EXPOSING.iter().any(|exposing| line.contains(exposing)) {
            wrong.push(format!("a secret is laid open to be compared: {}", line.trim()));
        }
    }
    wrong
}

#[test]
fn secrets_are_compared_in_constant_time() {
    let (mut wrong, mut types) = (Vec::new(), BTreeSet::new());
    for source in Source::all() {
        let code = code_of(&source.text);
        let path = source.path.display();
        wrong.extend(faults(&code, &mut types).into_iter().map(|fault| format!("{path}: {fault}")));
        if code.contains("Hmac<") && !source.path.ends_with(MACS) {
            wrong.push(format!("{path} makes a MAC"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for expected in ["Secret", "VerifyToken", "SecretText"].iter().chain(DIGESTS) {
        assert!(types.contains(*expected), "{expected} is gone, or this looks for it in vain: {types:?}");
    }
}

#[test]
fn the_reader_of_comparisons_finds_what_is_wrong() {
    let found = |code: &str| faults(&code_of(code), &mut BTreeSet::new()).len();
    let derived =
        "use a::b;\n#[derive(Clone, PartialEq, Eq)]\npub struct Key(#[serde(x)] Zeroizing<Vec<u8>>);";
    assert_eq!(found(derived), 1);
    assert_eq!(found(&derived.replace("PartialEq, ", "")), 0);
    assert_eq!(found("#[derive(Clone, PartialEq)]\nstruct Token([u8; 32]);"), 1);
    let by_hand = "struct Token([u8; 32]);\nimpl PartialEq for Token {\n    fn eq(&self, other: &Self) -> bool {\n        \
                   self.0 == other.0\n    }\n}\n";
    assert_eq!(found(by_hand), 1);
    assert_eq!(found(&by_hand.replace(" == other.0", ".ct_eq(&other.0).into()")), 0);
    assert_eq!(found("fn f(a: &Key, b: &[u8]) -> bool { a.expose() == b }"), 1);
    assert_eq!(found("#[derive(PartialEq)]\nstruct Held { key: Zeroizing<Vec<u8>>, at: u8 }"), 0);
}
