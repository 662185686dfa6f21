//! What need not be remembered any longer is forgotten, and what a crash left of a removed account goes.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Relay;
use crate::store::{Commit, RelayRecord, StoreError};

const AUTHORS: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Rows that are read at a time, and forgotten in one commit.
const PAGE: usize = 512;

impl Relay {
    /// Until the stop: authors who have not been heard of each minute, posts that are too old each hour.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) -> Result<(), StoreError> {
        self.finish_removals().await?;
        let mut swept_at = self.parts.clock.now();
        while stop.run_until_cancelled(tokio::time::sleep(AUTHORS)).await.is_some() {
            self.limits.forget();
            let now = self.parts.clock.now();
            if now.since(swept_at) >= HOUR {
                swept_at = now;
                self.finish_removals().await?;
                self.forget_posts().await?;
                self.forget_sent().await?;
            }
        }
        Ok(())
    }

    pub(super) async fn forget_posts(&self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let oldest = self.parts.clock.now().before(self.parts.salmon.remember_posts);
        let mut after = None;
        loop {
            let page = store.read(move |store| store.all_seen(after, PAGE)).await?;
            let mut commit = Commit::new();
            for ((account, replay), _) in page.iter().filter(|(_, seen)| !seen.for_good && seen.at < oldest) {
                commit.push(RelayRecord::SeenForgotten { account: *account, replay: *replay });
            }
            store.commit(commit).await?;
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(*key),
                _ => return Ok(()),
            }
        }
    }
}
