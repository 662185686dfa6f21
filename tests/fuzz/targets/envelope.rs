//! Any bytes, read as the body of a slap. What is taken is written in the one form and is the same again, around an entry
//! as well; and a signature never fits anything but what was signed.
#![no_main]

use std::sync::LazyLock;

use hubbub_fuzz::salmon::{
    Envelope, KeySizes, PublicKey,
    magic_envelope::{EnvelopeFaultClass, LegacyForm},
};
use libfuzzer_sys::fuzz_target;

/// The key of the seeds: a short one, to be quick.
static KEY: LazyLock<PublicKey> = LazyLock::new(|| {
    let text = include_str!("../../fixtures/salmon/keys/friendica-512.magic");
    PublicKey::parse(text, KeySizes::Weak).unwrap().0
});

/// All that was ever signed with it.
static SIGNED: [&str; 5] = [
    include_str!("../../fixtures/salmon/entries/reply-m0.atom.xml"),
    include_str!("../../fixtures/salmon/entries/reply-m1.atom.xml"),
    include_str!("../../fixtures/salmon/entries/reply-m2.atom.xml"),
    include_str!("../../fixtures/salmon/entries/reply-utf8.atom.xml"),
    include_str!("../../fixtures/salmon/entries/follow.atom.xml"),
];

fuzz_target!(|body: &[u8]| {
    let envelope = match Envelope::read(body) {
        Ok(envelope) => envelope,
        Err(fault) => {
            assert_ne!(fault.class(), EnvelopeFaultClass::TooLarge, "nothing here is");
            assert!(!fault.to_string().is_empty());
            return;
        }
    };
    assert!(!envelope.payload().is_empty() && envelope.payload().len() < body.len());
    assert!((1..=4).contains(&envelope.signatures().len()));
    assert_eq!(Envelope::read(envelope.to_xml().as_bytes()), Ok(envelope.clone()));
    let around =
        format!("<a:entry xmlns:a='http://www.w3.org/2005/Atom'>{}</a:entry>", envelope.to_provenance());
    assert_eq!(Envelope::read(around.as_bytes()), Ok(envelope.clone()));
    let octets = vec![1; 64];
    let signed = Envelope::signed(envelope.payload(), octets);
    assert_eq!(Envelope::read(signed.to_xml().as_bytes()), Ok(signed));
    if envelope.verify(&[KEY.clone()], LegacyForm::Accepted).is_some() {
        assert!(SIGNED.iter().any(|signed| signed.as_bytes() == envelope.payload()));
    }
});
