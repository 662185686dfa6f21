//! A hostile internet: whatever a peer does, others get their news meanwhile, the program's memory stays within a bound
//! that is stated, and nothing in it panics.
//!
//! Each test drives the built program. Peers that misbehave below HTTP are a [`rogue::Rogue`], the others those of the
//! harness; [`siege::Siege`] is the hub under attack with the healthy who must not notice.

mod callers;
mod crowds;
mod feeds;
mod hosts;
mod peers;
mod rogue;
mod siege;
mod sizes;
mod tls;
