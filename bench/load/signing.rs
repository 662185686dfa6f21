//! The secret of each subscriber, and what it makes of a body. Directly on the HMAC, because this is part of the limit.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha1::Sha1;

/// A subscriber's secret follows from its number, so that every process knows it.
pub(crate) fn secret(subscriber: u32) -> String {
    format!("the secret of load subscriber {subscriber:010}")
}

/// The value of `X-Hub-Signature`.
pub(crate) fn sign(secret: &str, body: &[u8]) -> Option<HeaderValue> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?.chain_update(body).finalize();
    let mut value = Vec::with_capacity(45);
    value.extend_from_slice(b"sha1=");
    for octet in digest.into_bytes() {
        let nibbles = [octet >> 4, octet & 0x0F];
        value.extend(nibbles.iter().filter_map(|nibble| DIGITS.get(usize::from(*nibble))));
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()
}
