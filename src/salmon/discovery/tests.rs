//! Documents of discovery, those of the vectors and our own.

use serde_json::Value;
use url::Url;

use super::*;
use crate::salmon::fixture;

fn read(name: &str) -> Descriptor {
    Descriptor::read(fixture(&format!("discovery/{name}")).as_bytes()).unwrap()
}

fn key(name: &str) -> PublicKey {
    PublicKey::parse(&fixture(&format!("keys/{name}.magic")), KeySizes::Usual).unwrap().0
}

#[test]
fn every_descriptor_of_the_vectors_says_what_it_should() {
    let expected: Value = serde_json::from_str(&fixture("discovery/expected.json")).unwrap();
    for name in ["bob", "alice", "mallory", "gardeners"] {
        let expected = &expected[name];
        let (xrd, jrd) = (read(&format!("{name}.xrd.xml")), read(&format!("{name}.jrd.json")));
        assert_eq!(xrd, jrd, "both forms say the same");
        assert_eq!(xrd.subject.as_deref(), expected["subject"].as_str());
        let identities: Vec<String> = xrd.identities().iter().map(ToString::to_string).collect();
        let names: Vec<&str> =
            expected["identities"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(identities, names);
        assert!(xrd.has_name(names[1]) && !xrd.has_name("acct:nobody@bob.example"));
        assert_eq!(xrd.profile(), expected["profile"].as_str());
        assert_eq!(xrd.feed(), expected["feed"].as_str());
        assert_eq!(xrd.salmon(), expected["salmon"].as_str());
        let keys: Vec<_> =
            expected["key"].as_str().into_iter().map(|name| Ok((key(name), Exposure::None))).collect();
        assert_eq!(xrd.keys(KeySizes::Usual), keys);
    }
    for host in ["bob.example", "alice.example", "mallory.example"] {
        let meta = read(&format!("host-meta-{host}.xml"));
        assert_eq!(meta.hosts, [host]);
        let xml = format!("https://{host}/xrd?uri={{uri}}");
        let json = format!("https://{host}/.well-known/webfinger?resource={{uri}}");
        assert_eq!(meta.templates(), [xml, json]);
    }
}

#[test]
fn keys_are_found_however_they_were_published() {
    let bob = || Ok((key("indep-2048"), Exposure::None));
    let keys = |name: &str| read(&format!("variant-key-{name}.xrd.xml")).keys(KeySizes::Usual);
    assert_eq!(keys("unpadded"), [bob()]);
    assert_eq!(keys("semicolon"), [bob()]);
    assert_eq!(keys("property-draft01"), [bob()]);
    assert_eq!(keys("private-leaked"), [Ok((key("indep-2048"), Exposure::PrivatePart))]);
    assert_eq!(keys("by-url"), [Err(KeyFault::Elsewhere)]);
    assert_eq!(keys("missing"), []);
    let (first, last) = (keys("two-good-first"), keys("two-good-last"));
    assert_eq!((first.len(), last.len(), &first[0], &last[1]), (2, 2, &bob(), &bob()));
    let text = key("indep-2048").to_string();
    let jrd = format!(
        r#"{{"properties":{{"{MAGIC_KEY_PROPERTY}":"{text}"}},"magic_keys":[{{"value":"{text}"}}]}}"#
    );
    assert_eq!(Descriptor::read(jrd.as_bytes()).unwrap().keys(KeySizes::Usual), [bob(), bob()]);
}

#[test]
fn what_is_no_descriptor_is_refused_by_name() {
    let large = " ".repeat(MOST_BYTES + 1);
    for (body, fault) in [
        ("", DescriptorFault::NoXml),
        ("<html/>", DescriptorFault::NoXrd),
        ("<XRD/>", DescriptorFault::NoXrd),
        ("<!DOCTYPE XRD><XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'/>", DescriptorFault::Doctype),
        ("{", DescriptorFault::NoJrd),
        (r#"{"subject":1}"#, DescriptorFault::NoJrd),
        (r#"{"subject":"a","subject":"b"}"#, DescriptorFault::NoJrd),
        (&large, DescriptorFault::TooLarge),
    ] {
        assert_eq!(Descriptor::read(body.as_bytes()), Err(fault), "{}", body.get(..99).unwrap_or(body));
    }
    let sparse =
        r#" {"links":[{"rel":" SALMON ","href":"a","titles":{}},{"href":null}],"aliases":null,"x":1}"#;
    assert_eq!(Descriptor::read(sparse.as_bytes()).unwrap().salmon(), Some("a"));
}

#[test]
fn x08_what_is_taken_from_a_descriptor_is_bounded() {
    let links = r#"{"rel":"magic-public-key","href":"a"},"#.repeat(MOST_LINKS + 1);
    let aliases = r#""acct:a@b","#.repeat(MOST_NAMES + 1);
    let body = format!(r#"{{"links":[{links}{{}}],"aliases":[{aliases}"x"]}}"#);
    let descriptor = Descriptor::read(body.as_bytes()).unwrap();
    assert_eq!((descriptor.links.len(), descriptor.aliases.len()), (MOST_LINKS, MOST_NAMES));
    assert_eq!(descriptor.keys(KeySizes::Usual).len(), MOST_KEYS);
}

#[test]
fn pages_headers_and_feeds_lead_on() {
    let at = Url::parse("https://bob.example/people/bob").unwrap();
    let pointers = page(fixture("discovery/profile-bob.html").as_bytes(), None, &at).unwrap();
    let descriptor = "https://bob.example/xrd?uri=https%3A%2F%2Fbob.example%2Fuser%2F1";
    assert_eq!(pointers.descriptors, [descriptor]);
    assert_eq!(pointers.feeds, ["https://bob.example/feed/user/1.atom"]);
    let relative = b"<html><base href='../x/'><link rel=lrdd href=a><link rel=lrdd href='data:,b'>\
        <link rel=alternate type='application/rss+xml' href=c><link rel=lrdd href=a>";
    assert_eq!(page(relative, None, &at).unwrap().descriptors, ["https://bob.example/x/a"]);
    assert_eq!(page(b"{}", Some(b"application/json"), &at), None);
    let header = link_header(["</xrd?u=1>; rel=\"lrdd\"; type=\"application/xrd+xml\", <b>; rel=hub"], &at);
    assert_eq!(header.descriptors, ["https://bob.example/xrd?u=1"]);

    let source = feed(fixture("discovery/feed-bob.atom.xml").as_bytes()).unwrap();
    assert_eq!(source.salmon.as_deref(), Some("https://bob.example/salmon/user/1"));
    assert_eq!(source.hubs, ["https://hub.bob.example/"]);
    assert_eq!(source.own.as_deref(), Some("https://bob.example/feed/user/1.atom"));
    assert_eq!(source.account(&at).unwrap().as_str(), "acct:bob@bob.example");
    let author = source.author.clone().unwrap();
    assert_eq!(
        (author.note.as_deref(), author.location.as_deref()),
        (Some("Written for a test vector"), Some("Nowhere"))
    );
    assert!(author.urls[0].primary && author.urls[0].value == "https://bob.example/bob");
    let mut without_email = source;
    without_email.author = Some(crate::salmon::Person { email: None, ..author });
    let other = Url::parse("https://other.example:444/feed").unwrap();
    assert_eq!(without_email.account(&other).unwrap().as_str(), "acct:bob@other.example:444");
    let group = feed(fixture("discovery/feed-gardeners.atom.xml").as_bytes()).unwrap();
    assert_eq!(group.author.unwrap().kind.as_deref(), Some("group"));
    assert_eq!(group.salmon.as_deref(), Some("https://alice.example/salmon/group/3"));
    assert_eq!(feed(b"<feed/>"), None);
}

#[test]
fn our_own_documents_say_all_that_peers_need_and_nothing_twice() {
    let (key, subject) = (key("indep-2048"), Identity::parse("acct:a&b@alice.example").unwrap());
    let aliases =
        ["https://alice.example/old?a=1&b=\"2\"".to_owned(), "https://alice.example/user/7".to_owned()];
    let mut account = Account {
        subject: &subject,
        uri: "https://alice.example/user/7",
        profile: "http://alice.example/alice",
        feed: "https://alice.example/feed/7.atom",
        aliases: &aliases,
        salmon: "https://alice.example/salmon/a%26b",
        hub: Some("https://hub.alice.example/"),
        subscribe: Some("https://alice.example/subscribe?uri={uri}"),
        kind: AccountKind::Person,
        key: Some(&key),
    };
    let (xrd, jrd) = (account.to_xrd(&[]), account.to_jrd(&[]));
    let (read_xml, read_json) =
        (Descriptor::read(xrd.as_bytes()).unwrap(), Descriptor::read(jrd.as_bytes()).unwrap());
    assert_eq!(read_xml, read_json);
    assert_eq!(read_xml.subject.as_deref(), Some("acct:a&b@alice.example"));
    let aliases = [
        "https://alice.example/user/7",
        "http://alice.example/user/7",
        "http://alice.example/alice",
        "https://alice.example/alice",
        "https://alice.example/old?a=1&b=\"2\"",
        "http://alice.example/old?a=1&b=\"2\"",
    ];
    assert_eq!(read_xml.aliases, aliases);
    assert_eq!(read_xml.keys(KeySizes::Usual), [Ok((key.clone(), Exposure::None))], "exactly one");
    for rel in [rel::SALMON, rel::SALMON_REPLIES, rel::SALMON_MENTION] {
        let hrefs: Vec<_> = read_xml.all(rel).filter_map(|link| link.href.as_deref()).collect();
        assert_eq!(hrefs, [account.salmon], "{rel}");
    }
    assert_eq!(read_xml.href(rel::HUB), account.hub);
    assert_eq!((read_xml.feed(), read_xml.profile()), (Some(account.feed), Some(account.profile)));
    assert!(xrd.contains("<Subject>acct:a&amp;b@alice.example</Subject>") && !xrd.contains("<xrd:"));

    let some = Descriptor::read(account.to_jrd(&[rel::SALMON, "other"]).as_bytes()).unwrap();
    assert_eq!((some.links.len(), some.aliases.len()), (1, 6));
    account.kind = AccountKind::Group;
    assert_eq!(Descriptor::read(account.to_jrd(&[]).as_bytes()).unwrap().keys(KeySizes::Usual), []);

    let meta = HostMeta {
        host: "alice.example",
        xrd_template: "https://alice.example/xrd?uri={uri}",
        jrd_template: "https://alice.example/.well-known/webfinger?resource={uri}",
    };
    let read = Descriptor::read(meta.to_xrd().as_bytes()).unwrap();
    assert_eq!(read.hosts, ["alice.example"]);
    assert_eq!(read.templates(), [meta.xrd_template, meta.jrd_template]);
    assert_eq!(Descriptor::read(meta.to_jrd().as_bytes()).unwrap().links, read.links);
}
