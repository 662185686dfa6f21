//! Documents that are made to cost time, to reach out, or to hide what they say (X08).

use super::{
    Format,
    conformance::{atom, doc, id, ids, rss},
    render,
};

/// X08: each of these would take a reader minutes that is quadratic anywhere.
#[test]
fn a_hostile_document_costs_no_more_than_its_length() {
    const LOTS: usize = 100_000;
    let brackets = "]".repeat(LOTS);
    let entities: Vec<_> = (0..1000).map(|n| format!("<!ENTITY e{n} ''>")).collect();
    let references: Vec<_> = (0..LOTS).map(|n| format!("&e{};", n % 1000)).collect();
    let japanese = |inner: &str| format!("<?xml version='1.0' encoding='Shift_JIS'?>{}", atom(inner));
    let long = format!("<link rel='self' href='http://a/{}'/>", "a".repeat(8000));
    let hostile = [
        (atom(&"<entry/>".repeat(200_000)), 200_000),
        (rss(&"<item><guid>1</guid></item>\n".repeat(LOTS)), LOTS),
        (atom(&format!("<entry><id>{}</id></entry>", "&amp;".repeat(LOTS))), 1),
        (atom(&format!("<entry><id>{}</id></entry>", "<![CDATA[]]>".repeat(LOTS))), 1),
        (atom(&format!("<entry>{brackets}<![CDATA[{brackets}]]></entry>")), 1),
        (japanese(&format!("<entry>{brackets}<![CDATA[{brackets}]]></entry>")), 1),
        (format!("<!DOCTYPE feed [{}]>{}", entities.concat(), atom(&references.concat())), 0),
        (atom(&"<!---->".repeat(LOTS)), 0),
        (atom(&format!("<link rel='{} hub' href='x'/>", "a ".repeat(LOTS))), 0),
        (atom(&format!("{long}{}", "<link rel='self' href='x'/>".repeat(LOTS))), 0),
        (atom(&"<link rel='self' href='http://a b/'/>".repeat(LOTS)), 0),
    ];
    for (body, entries) in hostile {
        let document = doc(&body);
        assert!(document.format.is_feed(), "{}", body.get(..200).unwrap());
        assert_eq!(document.entries.len(), entries);
        assert_eq!(render(body.as_bytes(), &document, &mut |_| true).body, body.as_bytes());
    }
    let many_attributes: Vec<_> = (0..LOTS).map(|n| format!(" n{n}=''")).collect();
    let many_prefixes: Vec<_> = (0..100).map(|n| format!(" xmlns:n{n}='n'")).collect();
    let refused = [
        atom(&format!("<entry{}/>", many_attributes.concat())),
        atom(&format!("<entry{}/>", many_prefixes.concat())),
        atom(&"<a>".repeat(LOTS)),
        atom(&format!("{}&", "&amp;".repeat(LOTS))),
        atom(&format!("<a b='{}&'/>", "&amp;".repeat(LOTS))),
        atom(&format!("&{};", "a".repeat(LOTS))),
        atom(&format!("<entry>{}<!--", "<!---->".repeat(LOTS))),
        atom(&"<entry/>".repeat(300_000)),
        format!("<!DOCTYPE feed [{}", "<!ENTITY a ''>".repeat(LOTS)),
    ];
    for body in refused {
        assert_eq!(doc(&body).format, Format::Opaque);
    }
}

/// X08: an entity is never expanded, and where one could blow up, reach out, or hide an entry, nothing is cut.
#[test]
fn entities_are_neither_expanded_nor_loaded() {
    let with = |doctype: &str, content: &str| format!("<!DOCTYPE feed [{doctype}]>{}", atom(content));
    let plain = with("<!ENTITY x 'y'>", "<title>&x;</title><entry><id>&x;</id></entry>");
    assert_eq!(ids(&doc(&plain)), [id("\0x;")], "as what it is called, and not as text that reads the same");
    let spelled =
        with("<!ENTITY x 'y'>", "<entry><id>&amp;x;</id></entry><entry><id><![CDATA[&x;]]></id></entry>");
    assert_eq!(ids(&doc(&spelled)), [id("&x;"), id("&x;")]);
    let traps = [
        "<!ENTITY x '<entry><id>1</id></entry>'>",
        "<!ENTITY x '&#60;entry/>'>",
        "<!ENTITY a 'ha'><!ENTITY x '&a;&a;&a;'>",
        "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
        "<!ENTITY x ''><!ATTLIST entry xmlns CDATA 'urn:x'>",
        "<!ENTITY % p SYSTEM 'http://hidden.example/'>%p;<!ENTITY x ''>",
    ];
    for doctype in traps {
        let body = with(doctype, "&x;<entry><id>1</id></entry>");
        let document = doc(&body);
        assert_eq!((document.format, ids(&document)), (Format::Opaque, vec![]), "{doctype}");
        assert_eq!(render(body.as_bytes(), &document, &mut |_| false).body, body.as_bytes());
    }
    let by_entity = with("<!ENTITY a 'http://www.w3.org/2005/Atom'>", "<e:entry xmlns:e='&a;'/>");
    assert_eq!(doc(&by_entity).format, Format::Opaque);
}
