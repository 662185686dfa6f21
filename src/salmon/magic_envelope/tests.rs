//! The envelope's own rules; what others made and broke is in `salmon::vectors`.

use super::*;
use crate::salmon::{KeySizes, PrivateKey, PublicKey, fixture, seal};

fn key(name: &str) -> PublicKey {
    PublicKey::parse(&fixture(&format!("keys/{name}.magic")), KeySizes::Usual).unwrap().0
}

#[test]
fn what_is_sent_is_read_and_fits_in_the_padded_form_alone() {
    let text = fixture("keys/indep-2048.keypair");
    let private = PrivateKey::import(&text).unwrap();
    for name in ["reply-m0", "reply-m1", "reply-m2", "follow"] {
        let payload = fixture(&format!("entries/{name}.atom.xml"));
        let sealed = seal(payload.as_bytes(), &private).unwrap();
        let written = sealed.to_xml();
        let read = Envelope::read(written.as_bytes()).unwrap();
        assert_eq!(read, sealed);
        assert_eq!(read.payload(), payload.as_bytes());
        let keys = [key("mallory-2048"), key("indep-2048")];
        let verified = read.verify(&keys, LegacyForm::Refused);
        assert_eq!(verified, Some(Verified { form: Form::Padded, key: 1 }));
        assert_eq!(read.verify(&keys[..1], LegacyForm::Accepted), None);
        let around =
            format!("<entry xmlns='http://www.w3.org/2005/Atom'><id>x</id>{}</entry>", read.to_provenance());
        assert_eq!(Envelope::read(around.as_bytes()), Ok(sealed));
    }
}

#[test]
fn every_form_has_the_base_string_of_the_vectors() {
    let vectors: serde_json::Value = serde_json::from_str(&fixture("base-strings.json")).unwrap();
    let mut checked = 0;
    for vector in vectors.as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let payload = fixture(text("entry"));
        let envelope = Envelope {
            data: String::new(),
            payload: payload.into_bytes(),
            media_type: ATOM.to_owned(),
            signatures: vec![EnvelopeSignature {
                octets: armor::decode(text("sig_padded")).unwrap(),
                key_id: None,
            }],
        };
        let verified = envelope.verify(&[key(text("key"))], LegacyForm::Accepted).unwrap();
        let expected = match text("form") {
            "P" | "R" => vec![Form::Padded],
            "U" => vec![Form::Unpadded],
            "D" => vec![Form::Draft],
            _ => vec![Form::DataOnly],
        };
        assert!(expected.contains(&verified.form), "{vector}: {verified:?}");
        let is_legacy = verified.form == Form::DataOnly;
        assert_eq!(envelope.verify(&[key(text("key"))], LegacyForm::Refused).is_none(), is_legacy);
        checked += 1;
    }
    assert_eq!(checked, 24);
}

/// An envelope of these parts, in XML.
fn written(children: &str) -> String {
    format!("<me:env xmlns:me='{NAMESPACE}'>{children}</me:env>")
}

const DATA: &str = "<me:data type='application/atom+xml;type=entry'>PGEv Pg==</me:data>";
const ENCODING_AND_ALG: &str = "<me:encoding> base64url\n</me:encoding><me:alg>RSA-SHA256</me:alg>";
const SIG: &str = "<me:sig keyhash='k'>AA</me:sig>";

#[test]
fn what_is_wrong_has_a_name() {
    let sound = format!("{DATA}{ENCODING_AND_ALG}{SIG}<other/>");
    let envelope = Envelope::read(written(&sound).as_bytes()).unwrap();
    assert_eq!((envelope.payload(), envelope.signatures()[0].key_id.as_deref()), (&b"<a/>"[..], Some("k")));

    let replaced = |from: &str, to: &str| written(&sound.replace(from, to));
    let five = replaced(SIG, &SIG.repeat(5));
    let cases = [
        (replaced(DATA, ""), EnvelopeFault::Missing(Part::Data)),
        (replaced("PGEv Pg==", " "), EnvelopeFault::Missing(Part::Data)),
        (replaced(" type='application/atom+xml;type=entry'", ""), EnvelopeFault::Missing(Part::Type)),
        (replaced("me:alg", "alg"), EnvelopeFault::Missing(Part::Algorithm)),
        (replaced("me:encoding", "encoding"), EnvelopeFault::Missing(Part::Encoding)),
        (replaced(SIG, ""), EnvelopeFault::Missing(Part::Signature)),
        (replaced(">AA<", "><"), EnvelopeFault::Missing(Part::Signature)),
        (replaced(DATA, &DATA.repeat(2)), EnvelopeFault::Doubled(Part::Data)),
        (replaced("PGEv", "PG<me:data/>Ev"), EnvelopeFault::Elements(Part::Data)),
        (replaced(">AA<", ">A<b/>A<"), EnvelopeFault::Elements(Part::Signature)),
        (five, EnvelopeFault::TooManySignatures),
        (replaced("Pg==", "Ph=="), EnvelopeFault::Armor(Part::Data)),
        (replaced(">AA<", ">A<"), EnvelopeFault::Armor(Part::Signature)),
        (replaced("application/atom+xml", "application/xml"), EnvelopeFault::Type),
        (replaced("base64url", "base64"), EnvelopeFault::Encoding),
        (replaced("RSA-SHA256", "rsa-sha256"), EnvelopeFault::Algorithm),
        (written(&sound).replace(NAMESPACE, "http://other/"), EnvelopeFault::Root),
        (format!("<a>{}</a>", written(&sound)), EnvelopeFault::Root),
        (format!("<!DOCTYPE a>{}", written(&sound)), EnvelopeFault::Doctype),
        (
            format!(
                "<entry xmlns='http://www.w3.org/2005/Atom'>{}</entry>",
                written(&sound).replace("me:env", "me:provenance").repeat(2)
            ),
            EnvelopeFault::Root,
        ),
        ("text".to_owned(), EnvelopeFault::NoXml),
        ("{".to_owned(), EnvelopeFault::NoJson),
        (r#"{"data":"AA","data":"AA"}"#.to_owned(), EnvelopeFault::NoJson),
        (
            r#"{"data":"AA","data_type":"a","encoding":"b"}"#.to_owned(),
            EnvelopeFault::Missing(Part::Algorithm),
        ),
        (" ".repeat(MOST_BYTES + 1), EnvelopeFault::TooLarge),
    ];
    for (body, fault) in cases {
        assert_eq!(Envelope::read(body.as_bytes()), Err(fault), "{}", body.get(..400).unwrap_or(&body));
    }
}
