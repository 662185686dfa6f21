//! Any bytes, read as the Link headers of an answer, one a line, and written as the URLs of a delivery.
#![no_main]

use std::fmt::Write as _;

use hubbub_fuzz::protocol::link;
use libfuzzer_sys::fuzz_target;

const MOST_LINKS: usize = 64;
const LONGEST: usize = 8 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    let links = link::parse(&lines);
    assert!(links.len() <= MOST_LINKS);
    for link in &links {
        // A byte that is no UTF-8 becomes three.
        assert!(link.target.len() <= LONGEST && link.target.trim_ascii() == link.target);
        assert!(!link.target.contains(['>', '\n']));
        for rel in &link.rels {
            assert!(!rel.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_uppercase()));
            assert!(link.is(rel));
        }
    }
    let alone: usize = lines.iter().map(|line| link::parse([line]).len()).sum();
    assert_eq!(links.len(), alone.min(MOST_LINKS), "several headers are one list (L03)");

    // Whatever a publisher said, the hub repeats in the one form (D05).
    let targets: Vec<&str> = links.iter().map(|link| link.target.as_str()).collect();
    comes_back(&targets);
    let text = String::from_utf8_lossy(bytes);
    comes_back(&text.split('\n').take(MOST_LINKS).collect::<Vec<_>>());
});

/// The first as the topic, the others as hubs.
fn comes_back(urls: &[&str]) {
    let Some((topic, hubs)) = urls.split_first() else { return };
    let header = link::write(topic, hubs);
    let text = header.to_str().unwrap();

    // As a test suite reads it: comma-space, then semicolon-space.
    let split: Vec<_> = text.split(", ").map(|link| link.split_once("; ").unwrap()).collect();
    let expected: Vec<_> = urls.iter().map(|url| (format!("<{}>", encoded(url)), ())).collect();
    assert!(split.iter().map(|(target, _)| *target).eq(expected.iter().map(|(target, ())| target.as_str())));
    assert!(split.iter().skip(1).all(|(_, rel)| *rel == "rel=\"hub\"") && split[0].1 == "rel=\"self\"");

    let read = link::parse([&header]);
    let fit =
        urls.iter().enumerate().map(|(at, url)| (at, encoded(url))).filter(|(_, url)| url.len() <= LONGEST);
    let fit: Vec<_> = fit.take(MOST_LINKS).collect();
    assert_eq!(read.len(), fit.len());
    for (link, (at, url)) in read.iter().zip(&fit) {
        assert_eq!(link.target, *url);
        assert_eq!(link.rels, [if *at == 0 { "self" } else { "hub" }]);
    }
    if fit.len() == urls.len() {
        let targets: Vec<&str> = read.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(link::write(targets[0], &targets[1..]), header, "what is encoded is not encoded again");
    }
}

/// D07: angle brackets and all that is not visible ASCII.
fn encoded(url: &str) -> String {
    let mut out = String::new();
    for byte in url.bytes() {
        match byte {
            b'<' | b'>' => write!(out, "%{byte:02X}").unwrap(),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}
