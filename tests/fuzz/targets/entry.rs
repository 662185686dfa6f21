//! Any bytes, read as the payload of a slap. What is taken has an author with a name, says the same to another reader of
//! XML, and goes into the feed of a group unchanged.
#![no_main]

use hubbub_fuzz::{
    feed::{Element, Tree},
    salmon::{Claims, Entry, Envelope, Identity, entry},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    if let Ok(tree) = Tree::parse(payload) {
        let text = str::from_utf8(payload).unwrap();
        // Another reader minds prefixes that nobody declared. And it takes a line end beside a reference for another one,
        // and `a:xmlns` for the `xmlns` that it is not.
        let is_misread = (text.contains('\r') && text.contains('&')) || text.contains(":xmlns");
        if !is_misread && let Ok(other) = roxmltree::Document::parse(text) {
            reads_the_same(&tree, &other);
        }
    }
    let Ok(entry) = Entry::read(payload) else { return };
    assert!(!entry.id.is_empty() && entry.author.names().next().is_some());
    serde_json::to_string(&entry).unwrap();
    let bob = Identity::parse("acct:bob@bob.example").unwrap();
    assert_eq!(entry.replay_key("a", &bob), entry.replay_key("a", &bob));
    assert_ne!(entry.replay_key("a", &bob), entry.replay_key("b", &bob));
    if let Some(claims) = Claims::of(&entry) {
        for name in claims.names() {
            assert!(Identity::parse(name.as_str()).is_some_and(|again| again.is_same(name)));
        }
    }
    for mention in &entry.mentioned {
        if let Some(name) = Identity::parse(&mention.uri) {
            assert!(entry.addressed_to(&[name], |_| false).is_some());
        }
    }
    if entry.in_reply_to.as_ref().is_some_and(|reply| reply.id.is_some()) {
        assert!(entry.addressed_to(&[], |_| true).is_some());
    }
    goes_into_a_feed(payload, &entry);
});

fn goes_into_a_feed(payload: &[u8], read: &Entry) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE};
    let json = serde_json::json!({
        "data": URL_SAFE.encode(payload),
        "data_type": "application/atom+xml",
        "encoding": "base64url",
        "alg": "RSA-SHA256",
        "sigs": [{"value": "AAAA"}],
    });
    let envelope = Envelope::read(json.to_string().as_bytes()).unwrap();
    let Ok(element) = entry::for_group_feed(&envelope, Some("https://b/feed?a&b")) else { return };
    assert_eq!(Envelope::read(element.as_bytes()), Ok(envelope));
    assert_eq!(Entry::read(element.as_bytes()).as_ref(), Ok(read));
}

/// The same elements in the same order, with the same names, texts and attributes.
fn reads_the_same(tree: &Tree<'_>, other: &roxmltree::Document<'_>) {
    let mut pairs = vec![(tree.root().unwrap(), other.root_element())];
    while let Some((element, node)) = pairs.pop() {
        same(element, node);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (element.children().collect(), node.children().filter(|n| n.is_element()).collect());
        assert_eq!(ours.len(), theirs.len());
        pairs.extend(ours.into_iter().zip(theirs));
    }
}

fn same(element: Element<'_>, node: roxmltree::Node<'_, '_>) {
    assert_eq!(element.local(), node.tag_name().name());
    // One with white space in it is none that anybody looks for, however its line ends are read.
    let is_odd = |namespace: &str| namespace.contains(char::is_whitespace);
    if !is_odd(element.namespace()) {
        assert_eq!(element.namespace(), node.tag_name().namespace().unwrap_or_default());
    }
    let text: String = node.children().filter(|n| n.is_text()).filter_map(|n| n.text()).collect();
    assert_eq!(element.text(), text);
    assert_eq!(element.range(), node.range());
    for attribute in node.attributes() {
        let ours = match attribute.namespace() {
            Some("http://www.w3.org/XML/1998/namespace") => continue,
            Some(namespace) if is_odd(namespace) => continue,
            Some(namespace) => element.attribute_of(namespace, attribute.name()),
            None => element.attribute(attribute.name()),
        };
        assert_eq!(ours.as_deref(), Some(attribute.value()));
    }
}
