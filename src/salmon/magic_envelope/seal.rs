//! The envelope of a payload, signed: padded throughout, the one form that every live peer accepts.

use super::{ATOM, Envelope, EnvelopeSignature, armor, base_string};
use crate::salmon::private_key::{PrivateKey, PrivateKeyFault};

/// Signs the very octets of the payload, an Atom entry. Without a key id, as GNU social sends it: nobody reads ours.
pub fn seal(payload: &[u8], key: &PrivateKey) -> Result<Envelope, PrivateKeyFault> {
    let octets = key.sign(base_string::padded(payload, ATOM).as_bytes())?;
    Ok(Envelope {
        data: armor::padded(payload),
        payload: payload.to_vec(),
        media_type: ATOM.to_owned(),
        signatures: vec![EnvelopeSignature { octets, key_id: None }],
    })
}
