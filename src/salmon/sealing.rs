//! The envelope of a payload, signed: padded throughout, the one form that every live peer accepts.

use super::{
    armor,
    magic_envelope::{self, Envelope},
    private_key::{PrivateKey, PrivateKeyFault},
};

/// Signs the very octets of the payload, an Atom entry. Without a key id, as GNU social sends it: nobody reads ours.
pub fn seal(payload: &[u8], key: &PrivateKey) -> Result<Envelope, PrivateKeyFault> {
    let signature = key.sign(magic_envelope::to_be_signed(payload).as_bytes())?;
    Ok(Envelope::signed(payload, signature))
}

/// The same with a signature over the data alone, which only StatusNet before 0.9.7 reads.
pub fn seal_data_only(payload: &[u8], key: &PrivateKey) -> Result<Envelope, PrivateKeyFault> {
    Ok(Envelope::signed(payload, key.sign(armor::padded(payload).as_bytes())?))
}
