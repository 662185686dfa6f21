//! hubbub's rooms of ring 0, built from their own files: they use nothing of the rest, so neither does this package.
//! That leaves the store, TLS and both ends of HTTP out of an instrumented build, which takes half a minute so.

#[path = "../../src/clock.rs"]
pub mod clock;
#[path = "../../src/feed/mod.rs"]
pub mod feed;
#[path = "../../src/octets.rs"]
pub mod octets;
#[path = "../../src/protocol/mod.rs"]
pub mod protocol;
/// Without the private keys, which only the operator brings and whose library is C.
#[path = "../../src/salmon"]
pub mod salmon {
    mod armor;
    pub mod discovery;
    pub mod entry;
    pub mod identity;
    pub mod magic_envelope;
    pub mod magic_key;
    mod markup;
    pub mod moment;

    pub use discovery::Descriptor;
    pub use entry::{Entry, Person};
    pub use identity::{Claims, Identity};
    pub use magic_envelope::Envelope;
    pub use magic_key::{Exposure, KeyFault, KeySizes, PublicKey};
}
