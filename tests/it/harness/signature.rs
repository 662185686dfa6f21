//! The subscriber's half of `WebSub` §7.1, written here once more, so that the hub is not checked by its own code.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

/// What `X-Hub-Signature` has to say over `body` for a subscriber with `secret` (D09, D10).
pub(crate) fn sha1_signature(secret: &[u8], body: &[u8]) -> String {
    signature("sha1", secret, body)
}

/// The same by one of the four methods (D10).
pub(crate) fn signature(method: &str, secret: &[u8], body: &[u8]) -> String {
    let digest = match method {
        "sha1" => digest::<Hmac<Sha1>>(secret, body),
        "sha256" => digest::<Hmac<Sha256>>(secret, body),
        "sha384" => digest::<Hmac<Sha384>>(secret, body),
        "sha512" => digest::<Hmac<Sha512>>(secret, body),
        other => panic!("no method is called {other}"),
    };
    digest.iter().fold(format!("{method}="), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn digest<M: Mac + KeyInit>(secret: &[u8], body: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn the_harness_signs_like_rfc_2202_and_rfc_4231() {
    let (key, text) = (b"Jefe", b"what do ya want for nothing?");
    assert_eq!(sha1_signature(key, text), "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(signature("sha256", key, text), expected);
}
