//! Salmon: replies, follows and the like that swim back up to where a feed came from, signed by their authors.
//!
//! Pure: the whole of what is read, judged and written, and nothing of how it comes and goes. Who holds a connection or a
//! store calls this room.
//!
//! | File | What |
//! |---|---|
//! | `armor` | base64url as Salmon has it |
//! | `magic_key`, `private_key` | keys of accounts: `RSA.n.e`, made, taken over, used |
//! | `magic_envelope` | the envelope: read, verified, written |
//! | `sealing` | the envelope of what we send, signed |
//! | `entry` | the activity in it: who did what to whom, for whom it is, whether it was here before |
//! | `identity` | names of accounts, and whether those in an entry are one account's |
//! | `discovery` | from a name to a key and an endpoint, as documents; and our own |
//! | `moment` | moments as Atom writes them |
//! | `markup` | text put into XML |
//!
//! # The way of a slap
//! [`Envelope::read`] → [`Entry::read`] on its payload → the names of the author ([`Claims`]) → a [`Descriptor`] from the
//! network → [`Claims::judge`] → [`Envelope::verify`] with its keys → [`Entry::addressed_to`] → [`Entry::replay_key`].

mod armor;
pub mod discovery;
pub mod entry;
pub mod identity;
pub mod magic_envelope;
pub mod magic_key;
pub mod markup;
pub mod moment;
pub mod private_key;
mod sealing;

pub use discovery::{Descriptor, DescriptorFault};
pub use entry::{Addressed, Entry, EntryFault, Person, ReplayKey, Verb};
pub use identity::{Claims, Identity, Judgement};
pub use magic_envelope::{Envelope, EnvelopeFault, EnvelopeFaultClass, Form, LegacyForm, Verified};
pub use magic_key::{Exposure, KeyFault, KeySizes, PublicKey};
pub use private_key::{NewKey, PrivateKey, PrivateKeyFault};
pub use sealing::{seal, seal_data_only};

#[cfg(test)]
mod vectors;

/// A file of the test vectors.
#[cfg(test)]
pub(crate) fn fixture(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salmon/");
    std::fs::read_to_string(format!("{root}{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}
