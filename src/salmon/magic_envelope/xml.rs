//! The envelope in XML: `me:env`, or `me:provenance` below an entry, whose unsigned words are not listened to.

use std::borrow::Cow;

use super::{ALGORITHM, ENCODING, Envelope, EnvelopeFault, NAMESPACE, Part, Parts, armor};
use crate::{
    feed::{Element, Tree, TreeFault},
    salmon::markup,
};

const ATOM_NAMESPACE: &str = "http://www.w3.org/2005/Atom";

pub(super) fn read(body: &[u8]) -> Result<Parts, EnvelopeFault> {
    let tree = Tree::parse(body).map_err(|fault| match fault {
        TreeFault::Doctype => EnvelopeFault::Doctype,
        TreeFault::Malformed => EnvelopeFault::NoXml,
        TreeFault::TooMuch => EnvelopeFault::TooMuch,
    })?;
    let root = tree.root().ok_or(EnvelopeFault::NoXml)?;
    if root.is(NAMESPACE, "env") {
        return parts(root);
    }
    if root.is(ATOM_NAMESPACE, "entry") {
        let mut provenances = root.all(NAMESPACE, "provenance");
        if let (Some(only), None) = (provenances.next(), provenances.next()) {
            return parts(only);
        }
    }
    Err(EnvelopeFault::Root)
}

/// Direct children only; one of each, in any order. What is unknown is passed over.
fn parts(envelope: Element<'_>) -> Result<Parts, EnvelopeFault> {
    let data = one(envelope, "data", Part::Data)?;
    let mut signatures = Vec::new();
    for signature in envelope.all(NAMESPACE, "sig") {
        if !signature.is_plain() {
            return Err(EnvelopeFault::Elements(Part::Signature));
        }
        let key_id = signature.attribute("key_id").or_else(|| signature.attribute("keyhash"));
        signatures.push((signature.text().to_owned(), key_id.map(Cow::into_owned)));
    }
    Ok(Parts {
        data: data.text().to_owned(),
        media_type: data.attribute("type").ok_or(EnvelopeFault::Missing(Part::Type))?.into_owned(),
        encoding: one(envelope, "encoding", Part::Encoding)?.text().to_owned(),
        algorithm: one(envelope, "alg", Part::Algorithm)?.text().to_owned(),
        signatures,
    })
}

fn one<'t>(envelope: Element<'t>, local: &str, part: Part) -> Result<Element<'t>, EnvelopeFault> {
    let mut found = envelope.all(NAMESPACE, local);
    let first = found.next().ok_or(EnvelopeFault::Missing(part))?;
    if found.next().is_some() {
        return Err(EnvelopeFault::Doubled(part));
    }
    if first.is_plain() { Ok(first) } else { Err(EnvelopeFault::Elements(part)) }
}

/// Where the parts of an envelope stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A document of its own.
    Envelope,
    /// Within an entry.
    Provenance,
}

pub(super) fn write(envelope: &Envelope, root: Root) -> String {
    let (declaration, name) = match root {
        Root::Envelope => ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "me:env"),
        Root::Provenance => ("", "me:provenance"),
    };
    let mut out = format!("{declaration}<{name} xmlns:me=\"{NAMESPACE}\"><me:data type=\"");
    markup::push_escaped(&mut out, &envelope.media_type);
    out.push_str("\">");
    out.push_str(&envelope.data);
    out.push_str("</me:data><me:encoding>");
    out.push_str(ENCODING);
    out.push_str("</me:encoding><me:alg>");
    out.push_str(ALGORITHM);
    out.push_str("</me:alg>");
    for signature in &envelope.signatures {
        out.push_str("<me:sig");
        if let Some(key_id) = &signature.key_id {
            out.push_str(" key_id=\"");
            markup::push_escaped(&mut out, key_id);
            out.push('"');
        }
        out.push('>');
        out.push_str(&armor::padded(&signature.octets));
        out.push_str("</me:sig>");
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    out
}
