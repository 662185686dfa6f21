//! The envelope in JSON, which go-ostatus alone reads and writes.

use serde::Deserialize;

use super::{EnvelopeFault, Part, Parts};

/// A name given twice is an error of the parser; an unknown one is passed over.
#[derive(Deserialize)]
struct Written {
    data: Option<String>,
    data_type: Option<String>,
    encoding: Option<String>,
    alg: Option<String>,
    #[serde(default)]
    sigs: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    value: String,
    key_id: Option<String>,
}

pub(super) fn read(body: &[u8]) -> Result<Parts, EnvelopeFault> {
    let written: Written = serde_json::from_slice(body).ok().ok_or(EnvelopeFault::NoJson)?;
    let missing = EnvelopeFault::Missing;
    Ok(Parts {
        data: written.data.ok_or(missing(Part::Data))?,
        media_type: written.data_type.ok_or(missing(Part::Type))?,
        encoding: written.encoding.ok_or(missing(Part::Encoding))?,
        algorithm: written.alg.ok_or(missing(Part::Algorithm))?,
        signatures: written.sigs.into_iter().map(|signature| (signature.value, signature.key_id)).collect(),
    })
}
