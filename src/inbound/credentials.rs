//! Who may subscribe where not everybody may (S37). Old OStatus sites that use this hub as their fallback send HTTP
//! Basic; others may send a bearer token.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// The digests of what an `Authorization` header may say: not to be found in a core dump. All of them are compared, to the
/// end, so that the time tells neither how much of a guess was right nor of which.
#[derive(Debug, Clone)]
pub struct Credentials(Vec<[u8; 32]>);

impl Credentials {
    /// Credentials as a file holds them: a `name:password` or a bearer token on each line; empty lines and such that
    /// begin with `#` say nothing. `None` if nothing is said, which would shut out everybody.
    pub fn from_text(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let digests: Vec<_> = lines
            .map(|line| {
                if line.contains(':') {
                    digest("basic", &Zeroizing::new(STANDARD.encode(line)))
                } else {
                    digest("bearer", line)
                }
            })
            .collect();
        (!digests.is_empty()).then_some(Self(digests))
    }

    /// Whether a request brings some of them.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        given.is_some_and(|(scheme, value)| {
            let given = digest(&scheme.to_ascii_lowercase(), value.trim());
            self.0.iter().fold(Choice::from(0), |known, one| known | one.ct_eq(&given)).into()
        })
    }
}

fn digest(scheme: &str, value: &str) -> [u8; 32] {
    Sha256::new().chain_update(scheme).chain_update(b" ").chain_update(value).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s37_a_line_is_a_name_with_a_password_or_a_token() {
        let credentials = Credentials::from_text("# sites\nAladdin:open sesame\n\n  t0k3n \n").unwrap();
        let admits =
            |value: &str| credentials.admit(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]));
        assert!(admits("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(admits("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(admits("Bearer t0k3n"));
        for wrong in
            ["Basic dDBrM24=", "Bearer Aladdin:open sesame", "Bearer", "Bearer t0k3", "t0k3n", "Basic t0k3n"]
        {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!credentials.admit(&HeaderMap::new()));
        assert!(Credentials::from_text("# nobody\n\n").is_none());
    }
}
