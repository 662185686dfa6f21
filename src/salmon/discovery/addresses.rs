//! Where a descriptor is asked for.

use std::fmt::Write as _;

/// The address of `WebFinger` for a name, at its host (RFC 7033, 4.1).
pub fn webfinger(host: &str, name: &str) -> String {
    format!("https://{host}/.well-known/webfinger?resource={}", encoded(name))
}

/// The address of the host-meta of a host.
pub fn host_meta(host: &str) -> String {
    format!("https://{host}/.well-known/host-meta")
}

/// A template with the name put in, percent-encoded; `None` if it has no place for it.
pub fn expand(template: &str, name: &str) -> Option<String> {
    template.contains("{uri}").then(|| template.replace("{uri}", &encoded(name)))
}

/// All but what RFC 3986 calls unreserved.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_put_in_whole() {
        assert_eq!(
            webfinger("bob.example", "acct:bob@bob.example"),
            "https://bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example"
        );
        assert_eq!(host_meta("b:1"), "https://b:1/.well-known/host-meta");
        let name = "https://b/?a=1&b=ü#{uri}";
        let expected = "https://b/x?uri=https%3A%2F%2Fb%2F%3Fa%3D1%26b%3D%C3%BC%23%7Buri%7D";
        assert_eq!(expand("https://b/x?uri={uri}", name).as_deref(), Some(expected));
        assert_eq!(expand("https://b/x", name), None);
    }
}
