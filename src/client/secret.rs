//! A secret or token from the command line, which appears nowhere but in the request it is for.

use std::{convert::Infallible, fmt, str::FromStr};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Text that is not shown, and that is wiped when it is no longer needed; the arguments of the process are the system's.
#[derive(Clone, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// What a file holds, less the line end that editors append.
    pub fn from_file(content: &str) -> Self {
        let content = content.strip_suffix('\n').unwrap_or(content);
        Self::new(content.strip_suffix('\r').unwrap_or(content))
    }

    /// The text itself, to send it or to compute with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Takes as long for a guess that is nearly right as for any other of its length.
impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(...)")
    }
}

impl FromStr for SecretText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", SecretText::new("hunter2")).contains("hunter2"));
    }

    #[test]
    fn a_file_loses_one_line_end_and_nothing_else() {
        for (content, secret) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")] {
            assert_eq!(SecretText::from_file(content).expose(), secret, "{content:?}");
        }
    }
}
