//! Why a URL is no topic and no callback, in sentences that can be sent back to whoever gave it.
//!
//! None of them repeats the input: an answer that echoes is a gadget, and a callback is a capability (S29, X06).

use thiserror::Error;

/// What is wrong with a URL. Each sentence holds the word URL, because one test suite looks for it (S29).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlFault {
    #[error("the URL is longer than {} bytes", super::canonical::MAX_URL_BYTES)]
    TooLong,
    #[error("the URL contains whitespace or control characters; percent-encode them")]
    Character,
    #[error("the URL is not valid UTF-8")]
    Encoding,
    #[error("the URL must be absolute, with the scheme http or https")]
    NotHttp,
    #[error("the URL names no host")]
    NoHost,
    #[error("the URL names a host that no name service could know")]
    Host,
    #[error("the URL has a port that is not a number up to 65535")]
    Port,
    #[error("the URL must not have a fragment")]
    Fragment,
    #[error("the URL must not carry a user name or a password")]
    Userinfo,
    #[error("the URL has a user name or a password with characters that must be percent-encoded")]
    UserinfoCharacter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_says_url() {
        let all = [
            UrlFault::TooLong,
            UrlFault::Character,
            UrlFault::Encoding,
            UrlFault::NotHttp,
            UrlFault::NoHost,
            UrlFault::Host,
            UrlFault::Port,
            UrlFault::Fragment,
            UrlFault::Userinfo,
            UrlFault::UserinfoCharacter,
        ];
        for fault in all {
            assert!(fault.to_string().contains("URL"), "{fault}");
        }
        assert_eq!(UrlFault::TooLong.to_string(), "the URL is longer than 8192 bytes");
    }
}
