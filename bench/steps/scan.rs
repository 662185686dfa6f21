//! The scan of a topic's subscriptions, page by page as a fan-out reads them.

use std::hint::black_box;

use anyhow::{Result, ensure};

use super::{Step, hub::Hub};

/// What a fan-out reads at once.
const PAGE: usize = 512;

pub(super) fn step() -> Result<Box<dyn Step>> {
    Ok(Box::new(Scan(Hub::with_subscriptions()?)))
}

struct Scan(Hub);

impl Step for Scan {
    fn round(&mut self) -> Result<()> {
        let Self(Hub { store, topic, pairs, .. }) = self;
        let (topic, mut after, mut found) = (topic.id(), None, 0);
        loop {
            let page = black_box(store.subscriptions(topic, after, PAGE)?);
            found += page.len();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
        }
        ensure!(found == pairs.len(), "{found} subscriptions instead of {}", pairs.len());
        Ok(())
    }
}
