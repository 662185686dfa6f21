//! What a fan-out sends: its publication, or where that cannot be had what makes up for it.

use super::Distribution;
use crate::store::{FanOutId, Publication, StoreError};

impl Distribution {
    /// The publication of a fan-out and its body. Where either is lost the newest whole document goes in its place, if it is
    /// no older: whoever is told twice is better off than whoever is not told.
    pub(super) fn material(&self, id: FanOutId) -> Result<Option<(Publication, Vec<u8>)>, StoreError> {
        let store = &self.parts.store;
        let publication = store.readable(store.publication(id.topic, id.seq))?;
        let content = store.content(id.topic, id.seq)?;
        if let Some(found) = publication.zip(content) {
            return Ok(Some(found));
        }
        let document = store.readable(store.document(id.topic))?.filter(|document| document.seq >= id.seq);
        Ok(document.map(|document| (document.publication, document.body)))
    }
}
