//! Where slaps for somebody go (`salmon.md` 2.2).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout_at;
use url::Url;

use super::{
    Found, Lookup, LookupError, Miss, Turn,
    errand::Errand,
    steps::{FEED, MOST_POINTERS, PAGE, pointers},
};
use crate::{
    clock::Timestamp,
    salmon::{Identity, discovery},
};

/// Endpoints that were found on pages.
const MOST: usize = 4096;
const LONGEST: usize = 2048;

/// Endpoints of those who have no descriptor, in memory only.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Mutex<HashMap<String, (String, Timestamp)>>);

impl Endpoints {
    fn get(&self, target: &str, now: Timestamp, keep: Duration) -> Option<String> {
        let all = self.lock();
        let (endpoint, at) = all.get(target)?;
        (now.since(*at) < keep).then(|| endpoint.clone())
    }

    fn put(&self, target: &str, endpoint: &str, now: Timestamp) {
        let mut all = self.lock();
        if all.len() < MOST || all.contains_key(target) {
            all.insert(target.to_owned(), (endpoint.to_owned(), now));
        }
    }

    pub(super) fn forget(&self, now: Timestamp, keep: Duration) {
        self.lock().retain(|_, (_, at)| now.since(*at) < keep);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (String, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup {
    /// Where slaps for a target go: an account, its URI, its page, its feed; or `salmon:` and the endpoint itself. Another
    /// look, whatever is known, if it has to be `fresh`.
    pub async fn endpoint(&self, target: &str, fresh: bool) -> Result<String, LookupError> {
        let target = target.trim();
        if let Some(endpoint) = target.strip_prefix("salmon:") {
            return self.usable(endpoint).ok_or(LookupError::Nothing);
        }
        let name = Identity::parse(target).ok_or(LookupError::Nothing)?;
        let (now, keep) = (self.parts.clock.now(), self.parts.rules.keep_descriptor);
        if !fresh && let Some(known) = self.endpoints.get(name.canonical(), now, keep) {
            return Ok(known);
        }
        let found = if fresh {
            let known = self.known.get(&name).await;
            self.ask(&name, None, known.as_ref(), Turn::Out).await.map_err(LookupError::from)
        } else {
            self.find_for(&name, None).await
        };
        match found {
            Ok(found) => match found.descriptor.salmon().and_then(|endpoint| self.usable(endpoint)) {
                Some(endpoint) => Ok(endpoint),
                None => self.by_feed(&name, Some(&found)).await,
            },
            Err(LookupError::Nothing) => self.by_feed(&name, None).await,
            Err(error) => Err(error),
        }
    }

    /// The link in a feed: that of the descriptor, that of the page, or the target itself.
    pub(super) async fn by_feed(
        &self,
        name: &Identity,
        found: Option<&Found>,
    ) -> Result<String, LookupError> {
        let Some(_permit) = self.enter(None).await else { return Err(LookupError::Busy) };
        let before = self.deadline();
        let rules = &self.parts.rules;
        let start = match found.and_then(|found| found.descriptor.feed()) {
            Some(feed) => Url::parse(feed).ok(),
            None if name.is_account() => None,
            None => rules.page(name.as_str()),
        };
        let start = start.ok_or(LookupError::Nothing)?;
        let search = timeout_at(before, Errand::new(self, true).salmon_link(start));
        let endpoint = search.await.unwrap_or(Err(Miss::Later))?;
        self.endpoints.put(name.canonical(), &endpoint, self.parts.clock.now());
        Ok(endpoint)
    }

    /// An endpoint to which something may be sent, or so it looks.
    pub(in crate::relay) fn usable(&self, endpoint: &str) -> Option<String> {
        let endpoint = endpoint.trim();
        let url = Url::parse(endpoint).ok().filter(|_| endpoint.len() <= LONGEST)?;
        self.parts.rules.may_reach(&url).then(|| String::from(url))
    }
}

impl Errand<'_> {
    async fn salmon_link(mut self, start: Url) -> Result<String, Miss> {
        let Ok(page) = self.get(start, PAGE).await else { return Err(self.miss()) };
        if let Some(feed) = discovery::feed(&page.body) {
            return feed.salmon.and_then(|link| self.endpoint_at(&page.url, &link)).ok_or(Miss::Nothing);
        }
        for address in pointers(&page).feeds.iter().take(MOST_POINTERS) {
            let Ok(url) = Url::parse(address) else { continue };
            let Ok(page) = self.get(url, FEED).await else { continue };
            let link = discovery::feed(&page.body).and_then(|feed| feed.salmon);
            if let Some(endpoint) = link.and_then(|link| self.endpoint_at(&page.url, &link)) {
                return Ok(endpoint);
            }
        }
        Err(self.miss())
    }

    fn endpoint_at(&self, base: &Url, link: &str) -> Option<String> {
        self.lookup.usable(base.join(link).ok()?.as_str())
    }
}
