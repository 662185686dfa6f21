//! The subscriber's half of `WebSub` §7.1, written here once more, so that the hub is not checked by its own code.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// What `X-Hub-Signature` has to say over `body` for a subscriber with `secret` (D09, D10).
pub(crate) fn sha1_signature(secret: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().iter().fold("sha1=".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_harness_signs_like_rfc_2202() {
    let expected = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
    assert_eq!(sha1_signature(b"Jefe", b"what do ya want for nothing?"), expected);
}
