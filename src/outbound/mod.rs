//! The way out: every HTTP request that leaves this process.
//!
//! Fetches of topics, verifications of intent, deliveries and what Salmon has to ask for all go through one
//! [`Transport`], and every transport goes through one [`Guard`]. (`PubSubHubbub` 0.3 §6.2, §7; `WebSub` §5.3, §7, §8.)
//!
//! Invariants:
//! - No connection is opened to an address the [`Guard`] did not judge, whoever named it: literal hosts are judged as
//!   they stand, names are resolved once and the connection goes to an address of that very answer (X01).
//! - Redirects are never followed here. Who wants to follow one sends a new request, which is judged anew (F02, D14).
//! - One deadline covers a request from the look-up of the name to the last byte of the body, and no body is read
//!   past its cap (X10, F09, D13).
//! - Nothing is sent to our own listeners, whatever is allowed (X02).
//! - A connection that was opened under the allow-list for fetches never carries a callback, nor the other way round.
//! - Errors, labels and `Debug` hold no address, URL or body: a callback's URL is a capability (X06).
//!
//! [`Breakers`], [`Outcome`] and the guard's tables are pure; [`Lanes`] waits, but does no I/O. What is not here: when
//! to try again, and what to do with a body.

mod blame;
mod body;
mod breaker;
mod breakers;
mod callback;
mod connection;
mod decode;
mod dial;
mod fetch;
mod guard;
mod host;
mod kept;
mod lanes;
mod outcome;
mod own;
mod ports;
mod purposes;
mod ranges;
mod resolver;
#[cfg(test)]
mod scripted_peer;
mod settings;
mod tls;
mod transport;

pub use breaker::{BreakerRules, Change, Gate, PutOff};
pub use breakers::Breakers;
pub use callback::CallbackClient;
pub use fetch::FetchClient;
pub use guard::{Guard, GuardRules, Refusal};
pub use lanes::{LaneRules, Lanes, Permit};
pub use outcome::{Outcome, Why};
pub use ports::{PortRules, PortRulesError};
pub use ranges::RangeName;
pub use resolver::{JudgedResolver, Resolve, Resolving, SystemResolver};
pub use settings::{ClientError, ClientSettings};
pub use transport::{Answer, Outgoing, Overflow, Purpose, SendError, Sending, Transport};
