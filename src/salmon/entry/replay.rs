//! Whether an activity was here before.
//!
//! The id alone does not say so: a delete has the id of the post, and Mastodon gives the follow and the unfollow of one
//! day the same. Nor does the signature: StatusNet and Friendica send one activity again under another form.

use sha2::{Digest as _, Sha256};

use super::Entry;
use crate::salmon::Identity;

/// 128 bits that are the same for the same activity, however often and in whatever envelope it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayKey(pub [u8; 16]);

impl Entry {
    /// The key of this activity at an account, signed for by the subject of a descriptor. A post that was changed is another
    /// one, by its `updated`.
    pub fn replay_key(&self, account: &str, signer: &Identity) -> ReplayKey {
        let object = self.object.as_ref().and_then(|object| object.person.names().next());
        let parts = [
            account,
            signer.canonical(),
            self.verb.as_str(),
            &self.id,
            object.unwrap_or_default(),
            self.updated.as_deref().unwrap_or_default(),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            // With its length before it, so that no part can be a piece of its neighbour.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(octet, from)| *octet = from);
        ReplayKey(key)
    }
}
