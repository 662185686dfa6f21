//! hubbub's rooms of ring 0, built from their own files: they use nothing of the rest, so neither does this package.
//! That leaves the store, TLS and both ends of HTTP out of an instrumented build, which takes half a minute so.

#[path = "../../src/feed/mod.rs"]
pub mod feed;
#[path = "../../src/protocol/mod.rs"]
pub mod protocol;
