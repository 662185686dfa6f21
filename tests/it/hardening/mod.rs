//! A hostile internet: whatever a peer does, others get their news meanwhile, the program's memory stays within a bound
//! that is stated, and nothing in it panics.
//!
//! Each test drives the built program. Peers that misbehave below HTTP are a [`rogue::Rogue`], the others those of the
//! harness; the [`scene::Scene`] has the hub under siege, and the healthy ones who must not notice.

mod hosts;
