//! The one integration binary: it drives the built program over real sockets on loopback, and knows nothing of it but
//! the surface that `design.md` fixes and the texts that `conformance.md` cites.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by failing there; the exception for tests does not reach its helpers"
)]

mod admin;
mod campaign;
mod cli;
mod comparisons;
mod conformance;
mod delivery;
mod demo;
mod faults;
mod hardening;
mod harness;
mod isolation;
mod json_feed;
mod keys;
mod layering;
mod lifecycle;
mod recovery;
mod requests;
mod salmon;
mod store;
