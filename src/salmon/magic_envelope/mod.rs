//! Magic Envelopes: a payload, armored, with signatures (draft-panzer-magicsig-01).
//!
//! | File | What |
//! |---|---|
//! | `xml` | `application/magic-envelope+xml`, and the same below an Atom entry as `me:provenance` |
//! | `json` | `application/magic-envelope+json` |
//! | `base_string` | what exactly is signed: the forms that are accepted, and the one that is sent |
//!
//! # Promises
//!
//! - What is wrong has a name ([`EnvelopeFault`]), and all of it is found before a key is looked for.
//! - The payload that [`Envelope::payload`] gives is the very bytes that a signature covers; nothing outside them, no
//!   entry around a provenance for one, is ever given out.
//! - Constants are constants: one encoding, one algorithm, one type. Nothing of what a peer says selects code.

mod base_string;
mod json;
mod xml;

use std::fmt;

use thiserror::Error;

pub use base_string::{Form, LegacyForm, Verified};

use super::armor;

/// Ten times the largest slap seen. In any serialization.
pub const MOST_BYTES: usize = 1 << 20;
/// One signature is what everybody sends; each may cost an exponentiation for each key and form.
const MOST_SIGNATURES: usize = 4;
/// Of a media type, with parameters.
const LONGEST_TYPE: usize = 256;

const NAMESPACE: &str = "http://salmon-protocol.org/ns/magic-env";
const ENCODING: &str = "base64url";
const ALGORITHM: &str = "RSA-SHA256";
const ATOM: &str = "application/atom+xml";

/// The media type we send, without a parameter: StatusNet and GNU social compare the whole header.
pub const MEDIA_TYPE: &str = "application/magic-envelope+xml";

/// A part of an envelope, for its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Data,
    Type,
    Encoding,
    Algorithm,
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Type => "type of data",
            Self::Encoding => "encoding",
            Self::Algorithm => "alg",
            Self::Signature => "sig",
        })
    }
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvelopeFault {
    #[error("the envelope has more than a mebibyte")]
    TooLarge,
    #[error("the envelope has too many elements or too long a namespace")]
    TooMuch,
    #[error("the envelope has a DOCTYPE")]
    Doctype,
    #[error("the envelope is no well-formed XML in UTF-8")]
    NoXml,
    #[error("the envelope is no JSON object of the right form")]
    NoJson,
    #[error("the root is no magic envelope and no entry with one provenance")]
    Root,
    #[error("the envelope has no {0}")]
    Missing(Part),
    #[error("the envelope has more than one {0}")]
    Doubled(Part),
    #[error("the envelope has elements inside its {0}")]
    Elements(Part),
    #[error("the envelope has too many signatures")]
    TooManySignatures,
    #[error("the {0} is no base64url")]
    Armor(Part),
    #[error("the payload is not application/atom+xml")]
    Type,
    #[error("the encoding is not base64url")]
    Encoding,
    #[error("the alg is not RSA-SHA256")]
    Algorithm,
}

/// How far a fault goes, for the answer: each of these has its own status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeFaultClass {
    TooLarge,
    Malformed,
    Doctype,
    Type,
    Encoding,
    Algorithm,
}

impl EnvelopeFault {
    pub const fn class(self) -> EnvelopeFaultClass {
        match self {
            Self::TooLarge => EnvelopeFaultClass::TooLarge,
            Self::Doctype => EnvelopeFaultClass::Doctype,
            Self::Type => EnvelopeFaultClass::Type,
            Self::Encoding => EnvelopeFaultClass::Encoding,
            Self::Algorithm => EnvelopeFaultClass::Algorithm,
            Self::TooMuch
            | Self::NoXml
            | Self::NoJson
            | Self::Root
            | Self::Missing(_)
            | Self::Doubled(_)
            | Self::Elements(_)
            | Self::TooManySignatures
            | Self::Armor(_) => EnvelopeFaultClass::Malformed,
        }
    }
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    octets: Vec<u8>,
    /// At most a hint which key to try first: every implementation computes another one.
    pub key_id: Option<String>,
}

/// An envelope that is sound in form. Whether a signature fits is for [`Envelope::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// As sent, without white space.
    data: String,
    payload: Vec<u8>,
    /// As sent, since it is signed as sent.
    media_type: String,
    signatures: Vec<EnvelopeSignature>,
}

/// What a serialization says, before any of it was judged.
#[derive(Debug, Default)]
struct Parts {
    data: String,
    media_type: String,
    encoding: String,
    algorithm: String,
    signatures: Vec<(String, Option<String>)>,
}

impl Envelope {
    /// Reads the body of a slap. What it is shows in the body itself: headers in the field say anything.
    pub fn read(body: &[u8]) -> Result<Self, EnvelopeFault> {
        if body.len() > MOST_BYTES {
            return Err(EnvelopeFault::TooLarge);
        }
        let parts =
            if body.trim_ascii_start().starts_with(b"{") { json::read(body) } else { xml::read(body) };
        Self::judge(parts?)
    }

    fn judge(parts: Parts) -> Result<Self, EnvelopeFault> {
        if parts.encoding.trim_ascii() != ENCODING {
            return Err(EnvelopeFault::Encoding);
        }
        if parts.algorithm.trim_ascii() != ALGORITHM {
            return Err(EnvelopeFault::Algorithm);
        }
        // Before the signature, since the oldest form does not cover it.
        let essence = parts.media_type.split(';').next().unwrap_or_default().trim_ascii();
        if !essence.eq_ignore_ascii_case(ATOM) || parts.media_type.len() > LONGEST_TYPE {
            return Err(EnvelopeFault::Type);
        }
        let data = armor::stripped(&parts.data);
        let payload = armor::decode(&data).ok_or(EnvelopeFault::Armor(Part::Data))?;
        if payload.is_empty() {
            return Err(EnvelopeFault::Missing(Part::Data));
        }
        if parts.signatures.len() > MOST_SIGNATURES {
            return Err(EnvelopeFault::TooManySignatures);
        }
        let mut signatures = Vec::new();
        for (text, key_id) in parts.signatures {
            let octets =
                armor::decode(&armor::stripped(&text)).ok_or(EnvelopeFault::Armor(Part::Signature))?;
            if octets.is_empty() {
                return Err(EnvelopeFault::Missing(Part::Signature));
            }
            signatures.push(EnvelopeSignature { octets, key_id: key_id.filter(|id| !id.is_empty()) });
        }
        if signatures.is_empty() {
            return Err(EnvelopeFault::Missing(Part::Signature));
        }
        Ok(Self { data, payload, media_type: parts.media_type, signatures })
    }

    /// The envelope of an entry with a signature over what is [to be signed](to_be_signed).
    pub fn signed(payload: &[u8], signature: Vec<u8>) -> Self {
        Self {
            data: armor::padded(payload),
            payload: payload.to_vec(),
            media_type: ATOM.to_owned(),
            signatures: vec![EnvelopeSignature { octets: signature, key_id: None }],
        }
    }

    /// The signed entry, byte for byte.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// The one form we send, [`MEDIA_TYPE`]; what was received in another is the same envelope in it.
    pub fn to_xml(&self) -> String {
        xml::write(self, xml::Root::Envelope)
    }

    /// The element that carries the proof below an Atom entry.
    pub fn to_provenance(&self) -> String {
        xml::write(self, xml::Root::Provenance)
    }
}

/// What is signed of an entry in the form that is sent, [`Form::Padded`].
pub fn to_be_signed(payload: &[u8]) -> String {
    base_string::padded(payload, ATOM)
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, signatures) = (self.payload.len(), self.signatures.len());
        write!(f, "Envelope({bytes} bytes of {}, {signatures} signatures)", self.media_type)
    }
}

#[cfg(test)]
mod tests;
