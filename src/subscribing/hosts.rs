//! Callback hosts that proved an intent before: only those are asked for hours (V13, X04).

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Subscribing;
use crate::{
    clock::Timestamp,
    protocol::CallbackUrl,
    store::{Commit, Record, StoreError},
};

/// A host's record is renewed when it is this old, and forgotten at most twice this long after its time.
const AGE: Duration = Duration::from_hours(24);
/// Records that are looked at in one go.
const PAGE: usize = 1024;

impl Subscribing {
    pub(super) fn is_known_host(&self, callback: &CallbackUrl) -> Result<bool, StoreError> {
        Ok(self.parts.store.host_verified(host_id(callback))?.is_some())
    }

    /// Notes that the host proved an intent.
    pub(super) fn note_host(
        &self,
        callback: &CallbackUrl,
        now: Timestamp,
        commit: &mut Commit,
    ) -> Result<(), StoreError> {
        let host = host_id(callback);
        // Once a day: a row that every verification of a large host rewrites makes the file grow.
        if self.parts.store.host_verified(host)?.is_none_or(|seen| seen < now.before(AGE)) {
            commit.push(Record::HostVerified(host, now));
        }
        Ok(())
    }

    /// Forgets, until the stop, the hosts that have proved nothing for as long as two leases may last: whoever
    /// subscribes there proves it anew with every renewal. Else the table would keep every host there ever was.
    pub async fn forget_hosts(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.forget_hosts_once().await {
                warn!(%error, "callback hosts that are long gone were not forgotten");
            }
            if stop.run_until_cancelled(sleep(AGE)).await.is_none() {
                return;
            }
        }
    }

    /// A host that proves something in this very moment may be forgotten with it, and is then a stranger until its next
    /// proof.
    pub(super) async fn forget_hosts_once(&self) -> Result<(), StoreError> {
        // A proof within the age of the record did not renew it.
        let keep = self.parts.lease.max.saturating_mul(2).saturating_add(AGE);
        let oldest = self.parts.clock.now().before(keep);
        let mut after = None;
        loop {
            let page = self.parts.store.read(move |store| store.hosts(after, PAGE)).await?;
            let forgotten = page.iter().filter(|(_, seen)| *seen < oldest);
            let commit: Commit = forgotten.map(|(host, _)| Record::HostForgotten(*host)).collect();
            if !commit.is_empty() {
                self.parts.store.commit(commit).await?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|(host, _)| *host);
        }
    }
}

/// The callback's host as a key.
pub(super) fn host_id(callback: &CallbackUrl) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(callback.host_key().as_str()).into();
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    id
}
