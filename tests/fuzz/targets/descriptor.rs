//! Any bytes, read as a descriptor, a page, a feed and a Link header. What is taken is bounded, names and keys have one
//! spelling, and what we write of an account with such names says the same in XML and JSON.
#![no_main]

use hubbub_fuzz::salmon::{
    Descriptor, Identity, KeySizes, PublicKey,
    discovery::{self, Account, AccountKind},
};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|body: &[u8]| {
    let at = Url::parse("https://bob.example/people/bob").unwrap();
    let page = discovery::page(body, None, &at).unwrap_or_default();
    let header = discovery::link_header([body], &at);
    for address in page.descriptors.iter().chain(&page.feeds).chain(&header.descriptors) {
        let url = Url::parse(address).unwrap();
        assert!(matches!(url.scheme(), "http" | "https"));
    }
    assert!(page.descriptors.len() <= 4 && page.feeds.len() <= 4 && header.descriptors.len() <= 4);
    if let Some(source) = discovery::feed(body) {
        let _ = source.account(&at);
    }
    if let Ok(descriptor) = Descriptor::read(body) {
        described(&descriptor);
    }
});

fn described(descriptor: &Descriptor) {
    assert!(descriptor.links.len() <= 128 && descriptor.aliases.len() <= 64);
    let keys = descriptor.keys(KeySizes::Weak);
    assert!(keys.len() <= 2);
    for (key, _) in keys.iter().flatten() {
        assert_eq!(PublicKey::parse(&key.to_string(), KeySizes::Weak).unwrap().0, *key);
        assert_eq!(PublicKey::from_href(&key.to_href(), KeySizes::Weak).unwrap().0, *key);
        assert!((512..=8192).contains(&key.bits()));
    }
    for template in descriptor.templates() {
        let expanded = discovery::expand(template, "acct:a{uri}@b");
        assert!(expanded.is_none_or(|address| !address.contains("{uri}")));
    }
    let names = descriptor.identities();
    for name in &names {
        let again = Identity::parse(name.canonical()).unwrap();
        assert!(again.is_same(name) && again.host() == name.host() && !name.host().is_empty());
    }
    let (Some(subject), Some(salmon)) = (names.first(), descriptor.salmon()) else { return };
    let key = keys.iter().flatten().map(|(key, _)| key).next();
    let account = Account {
        subject,
        uri: descriptor.aliases.first().map_or("https://a/1", String::as_str),
        profile: descriptor.profile().unwrap_or("https://a/"),
        feed: descriptor.feed().unwrap_or("https://a/feed"),
        aliases: descriptor.aliases.get(..20).unwrap_or(&descriptor.aliases),
        salmon,
        hub: None,
        subscribe: None,
        kind: AccountKind::Person,
        key,
    };
    let (xrd, jrd) = (account.to_xrd(&[]), account.to_jrd(&[]));
    let (Ok(xrd), Ok(jrd)) = (Descriptor::read(xrd.as_bytes()), Descriptor::read(jrd.as_bytes())) else {
        panic!("we write what we read");
    };
    assert_eq!(jrd.salmon(), Some(salmon));
    assert_eq!(jrd.keys(KeySizes::Weak).len(), usize::from(key.is_some()));
    // XML has no control characters, and white space around a name is nothing.
    let has_odd = |text: &String| {
        text.trim() != text || text.is_empty() || text.contains(|c: char| c.is_control() || c >= '\u{fffe}')
    };
    let written = jrd.aliases.iter().chain(jrd.links.iter().filter_map(|link| link.href.as_ref()));
    if !written.chain(&jrd.subject).any(has_odd) {
        assert_eq!(xrd, jrd);
    }
}
