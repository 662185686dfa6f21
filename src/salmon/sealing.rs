//! The envelope of a payload, signed: padded throughout, the one form that every live peer accepts.

use super::{
    magic_envelope::{self, Envelope},
    private_key::{PrivateKey, PrivateKeyFault},
};

/// Signs the very octets of the payload, an Atom entry. Without a key id, as GNU social sends it: nobody reads ours.
pub fn seal(payload: &[u8], key: &PrivateKey) -> Result<Envelope, PrivateKeyFault> {
    let signature = key.sign(magic_envelope::to_be_signed(payload).as_bytes())?;
    Ok(Envelope::signed(payload, signature))
}
