//! The wire: what subscribers, publishers and the hub say to each other, in `PubSubHubbub` 0.3, 0.4 and `WebSub`.
//!
//! Pure. Nothing here connects, waits, reads a clock, rolls dice or knows a setting: bytes and values in, values out.
//! One endpoint serves the three texts; where they differ, a [`Profile`] that is stored with each subscription decides.
//!
//! | File | What it says | Conformance |
//! |---|---|---|
//! | `profile` | which text a subscription is held to | section 0 |
//! | `request` | the form on the hub URL; scalars | S01, S02, S05, S08, S19, S34 |
//! | `intent` | subscribe and unsubscribe | S06-S08, S11-S17, S19, S21, D10 |
//! | `ping` | publish | P01, P03, P10, P14 |
//! | `rejection` | the answer to what cannot be taken | S29, section 8 |
//! | `form` | form encoding, in bytes | S04, S08 |
//! | `topic` | the topic's URL | S07, S09, S22, S38, V03 |
//! | `topic_pattern` | which topics a setting is for | D10, P15 |
//! | `callback` | the callback's URL, request target and credentials | S06, S09, S22, S24, S25, S38, V01, D01, X06 |
//! | `endpoint` | which URLs are the hub's own | D06, L10, L11, X02 |
//! | `canonical` | one spelling for all spellings | S09, S22, S23 |
//! | `fault` | what is wrong with a URL | S29 |
//! | `ids`, `host_key` | keys that follow from URLs | S21, S22 |
//! | `percent` | percent-encoding | S22, V02 |
//! | `secret` | the shared key | S04, S17, X07 |
//! | `verify_token` | the token of 0.3 | S14, V07, X12 |
//! | `lease` | granted time, refresh | S15, V05, V18, V19 |
//! | `verification` | verification of intent, asked and judged | V01-V07, V09-V12, V14 |
//! | `denial` | the hub's own no | V21 |
//! | `signature` | `X-Hub-Signature` | D08-D10 |
//! | `link` | the Link header, written and read | D04-D07, L03, X09 |
//! | `notification` | the media type of a delivery | D02 |
//!
//! Invariants:
//!
//! - Nothing a peer sends panics, recurses, or allocates more than a small multiple of what it sent.
//! - URLs, tokens and secrets are kept as received. What is compared is their id; what is sent is themselves.
//! - No `Debug`, `Display` or error shows a callback's path, a token or a secret, and no error repeats a value (S29, X06).
//!
//! # Decisions
//!
//! - A URL is parsed by our own strict grammar, and only its host by the client's parser. Whatever the WHATWG parser
//!   would repair is refused, so that the guard, the client and the key never see three different hosts.
//! - A stray `%` counts as `%25` in an id: else decoding could join it with what follows, and the canonical form of a
//!   canonical form would be another one.
//! - The token of an empty `hub.verify_token` is kept, and makes the request one of 0.3 (S14, section 0).
//! - In 0.3, a feed under any media type but that of a feed counts as generic and is renamed (D02).

#![deny(clippy::arithmetic_side_effects)]

mod callback;
mod canonical;
mod endpoint;
mod fault;
mod form;
mod host_key;
mod ids;
mod intent;
mod lease;
mod percent;
mod ping;
mod profile;
mod rejection;
mod secret;
mod stored;
mod topic;
mod topic_pattern;
mod verify_token;

pub mod denial;
pub mod link;
pub mod notification;
pub mod request;
pub mod signature;
pub mod verification;

pub use callback::CallbackUrl;
pub use endpoint::is_hub;
pub use fault::UrlFault;
pub use form::{Form, FormFault};
pub use host_key::HostKey;
pub use ids::{CallbackId, NameId, PairId, SlapId, TopicId};
pub use intent::{IntentRequest, Mode, VerifyMode};
pub use lease::LeaseRules;
pub use link::Link;
pub use notification::SourceFormat;
pub use profile::Profile;
pub use rejection::Rejection;
pub use request::Request;
pub use secret::{Secret, SecretFault};
pub use signature::Algorithm;
pub use topic::TopicUrl;
pub use topic_pattern::{BadPattern, TopicPattern};
pub use verification::{Reply, Situation, Verdict};
pub use verify_token::{VerifyToken, VerifyTokenFault};
