//! The peers of a hub, played by the test, and the hub itself as a child process.
//!
//! - Everything is a real socket on loopback and a port that was free; time is real and configured short.
//! - Every wait is for an event and has a deadline ([`wait`]).
//! - Only children started here are ever killed.

mod client;
mod feeds;
mod hub;
mod program;
mod publisher;
mod server;
mod signature;
mod stage;
mod subscriber;
mod wait;
mod wanted;

pub(crate) use client::{Answer, Client, Form, Wire, status_of};
pub(crate) use feeds::{Feed, Flavour};
pub(crate) use hub::Settings;
pub(crate) use program::{Ended, Program};
pub(crate) use publisher::{Page, Publisher, Topic};
pub(crate) use signature::{sha1_signature, signature};
pub(crate) use stage::Stage;
pub(crate) use subscriber::{Callback, Delivery, Reply, Subscriber, Verdict, Verification};
pub(crate) use wait::{Board, Gate, soon};
pub(crate) use wanted::wanted;
