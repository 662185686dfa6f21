//! Which of the three texts a subscription is held to (conformance section 0).

use serde::{Deserialize, Serialize};

/// Stored with a subscription, by position: add at the end. 0.4 and `WebSub` requests are alike byte for byte, so there are two.
///
/// It decides the answer to a synchronous request (S13, S27), how long a verification is retried (V11), whether the hub
/// renews by itself (V19), the media type of feeds (D02) and how complete a first delivery is (D03). Nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// `PubSubHubbub` 0.3: the request named `hub.verify` or `hub.verify_token`, even without a value.
    P03,
    /// `PubSubHubbub` 0.4 or `WebSub`.
    Websub,
}

impl Profile {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P03 => "0.3",
            Self::Websub => "websub",
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
