//! Discovery over the network: what the host of a name says of it (`salmon.md` 2.1 to 2.4).
//!
//! Anybody can make us ask by naming somebody, so every word of this is bounded, and nothing of it is believed that the
//! host of the name has not said itself.
//!
//! # Invariants
//! - A descriptor speaks for a name only if it came from the name's host: from its own address there after all redirects,
//!   from where the host has its own well-known documents, or from a template that its host-meta names. It has to have the
//!   name in it.
//! - What a *page* leads to speaks for that page alone: its neighbours on the host may be other people.
//! - One name is asked after once at a time, however many want to know; once a day if it is there, once a minute if not,
//!   and out of turn once in ten minutes.
//! - Neither those who make us ask nor those who are asked can be the occasion of more than so many look-ups a minute, and
//!   of those at a time a client has its share. What our own sites send waits behind none of them, and is counted apart.
//! - A host that is not there is left alone for a while. Whether it is, only its own well-known address says, which is asked
//!   first, and any answer will do: else anybody could have a host left alone by naming what is slow there or fails.
//! - Errors and logs have no body, no address and no path in them.
//!
//! | File | What |
//! |---|---|
//! | `errand` | one look-up's requests: redirects, sizes, times, whom it may ask |
//! | `steps` | the order in which a name is looked up |
//! | `known` | what was found, on disk; what was not, for a minute |
//! | `joined` | many who want the same |
//! | `limits` | look-ups a minute |
//! | `confirm` | whether the names in an entry are one account's |
//! | `endpoint` | where slaps for somebody go |

mod confirm;
mod endpoint;
mod errand;
mod joined;
mod known;
mod limits;
mod steps;
#[cfg(test)]
mod tests;

pub use confirm::{Confirmed, Unconfirmed};

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Timestamp},
    outbound::{BreakerRules, Breakers, Gate, LaneRules, Lanes, Permit, Transport},
    salmon::{Descriptor, Identity},
    store::{KnownDescriptor, Store},
};
use endpoint::Endpoints;
use errand::Errand;
use joined::Joined;
use known::Known;
use limits::Limits;

/// How soon a name may be asked after out of turn again.
const REFRESH_AFTER: Duration = Duration::from_mins(10);
/// Part of the look-ups at a time that one client may occasion.
const SHARE: usize = 4;
/// How often what is too old is forgotten.
const SWEEP: Duration = Duration::from_mins(1);

/// What the operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// For one request.
    pub lookup_timeout: Duration,
    /// For a look-up with all its requests.
    pub lookup_within: Duration,
    /// How long a descriptor is good.
    pub keep_descriptor: Duration,
    /// How long it has to do while its host is down.
    pub keep_stale: Duration,
    /// Hosts, with their port or for all of their ports, that may be asked without TLS, and are asked so.
    pub http_hosts: Vec<String>,
    /// For whom they are, and whom they ask.
    pub lookups_per_minute: NonZeroU32,
    /// Look-ups at a time for others, and as many for the sites beside us.
    pub concurrency: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lookup_timeout: Duration::from_secs(5),
            lookup_within: Duration::from_secs(10),
            keep_descriptor: Duration::from_hours(24),
            keep_stale: Duration::from_hours(7 * 24),
            http_hosts: Vec::new(),
            lookups_per_minute: NonZeroU32::MIN.saturating_add(59),
            concurrency: 16,
        }
    }
}

/// What it is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    /// With the guard for fetches in it.
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    /// When a host is left alone.
    pub breaker: BreakerRules,
    pub rules: Rules,
}

/// Looks names up, and remembers.
#[derive(Debug)]
pub struct Lookup {
    parts: Parts,
    limits: Limits,
    breakers: Breakers,
    known: Known,
    endpoints: Endpoints,
    under_way: Joined<Result<KnownDescriptor, Miss>>,
    /// Look-ups under way because of others, by client.
    inward: Lanes,
    /// Those for the sites beside us.
    outward: Lanes,
}

/// What an identity's own host says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub descriptor: Descriptor,
    pub fetched_at: Timestamp,
    /// The host is down, and this is what it said when it was not.
    pub is_stale: bool,
    /// It was known before it was asked for: another look may bring something else.
    pub is_cached: bool,
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum LookupError {
    /// May pass: no connection, too late, or an error of the server.
    #[error("the host of that name cannot be asked right now")]
    Later,
    /// It was asked too often of late.
    #[error("the host of that name was asked too often of late")]
    Crowded,
    /// Whoever wants to know has too much looked up already, or all do.
    #[error("too much is looked up already")]
    Busy,
    /// There is no descriptor of the name at its host, or none that may be asked for.
    #[error("the host of that name says nothing of it")]
    Nothing,
}

/// Why a look-up brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Miss {
    Nothing,
    Later,
    /// The host may not be asked again so soon: says nothing of the name.
    Crowded,
    /// Nobody was asked, because too much is asked already: says nothing of the name or its host.
    Busy,
}

/// Why a name is asked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing is known that is good.
    Due,
    /// What is known did not fit.
    Out,
}

impl From<Miss> for LookupError {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Nothing => Self::Nothing,
            Miss::Later => Self::Later,
            Miss::Crowded => Self::Crowded,
            Miss::Busy => Self::Busy,
        }
    }
}

impl Lookup {
    pub fn new(parts: Parts) -> Arc<Self> {
        let total = parts.rules.concurrency;
        Arc::new(Self {
            limits: Limits::new(parts.rules.lookups_per_minute),
            breakers: Breakers::new(parts.breaker),
            known: Known::new(parts.store.clone()),
            endpoints: Endpoints::default(),
            under_way: Joined::default(),
            inward: Lanes::new(LaneRules { per_host: total.div_ceil(SHARE), total }),
            outward: Lanes::new(LaneRules { per_host: total, total }),
            parts,
        })
    }

    /// What its host says of a name. `client` is on whose behalf: its address, as it is counted for other limits too.
    pub async fn find(&self, identity: &Identity, client: &str) -> Result<Found, LookupError> {
        self.find_for(identity, Some(client)).await
    }

    async fn find_for(&self, identity: &Identity, asking: Option<&str>) -> Result<Found, LookupError> {
        let known = self.known.get(identity).await;
        let now = self.parts.clock.now();
        let age = |known: &KnownDescriptor| now.since(known.fetched_at);
        let good = known.as_ref().filter(|known| age(known) < self.parts.rules.keep_descriptor);
        if let Some(good) = good {
            return Ok(cached(good.clone(), false));
        }
        match self.ask(identity, asking, known.as_ref(), Turn::Due).await {
            Ok(found) => Ok(found),
            // Strangers may ask so much about a host that there is nothing left for others.
            Err(miss @ (Miss::Later | Miss::Crowded)) => known
                .filter(|known| age(known) < self.parts.rules.keep_stale)
                .map(|known| cached(known, true))
                .ok_or(miss.into()),
            Err(miss) => Err(miss.into()),
        }
    }

    /// Once more, after a signature did not fit the key in `outdated`. `None` if that is no use: it was no older than the
    /// question, or its host said the same out of turn within the last ten minutes.
    pub async fn refresh(
        &self,
        identity: &Identity,
        outdated: &Found,
        client: &str,
    ) -> Option<Result<Found, LookupError>> {
        if !outdated.is_cached {
            return None;
        }
        let known = self.known.get(identity).await;
        if let Some(newer) = known.as_ref().filter(|known| known.fetched_at > outdated.fetched_at) {
            return Some(Ok(cached(newer.clone(), false)));
        }
        // Whoever else found the signature wrong in the meantime waits for the same answer.
        if !self.under_way.is_any(identity.id())
            && let Some(known) = &known
            && let Some(last) = known.refreshed_at
            && self.parts.clock.now().since(last) < REFRESH_AFTER
        {
            // A host that was asked and has not answered may still have another key for us.
            let has_answered = known.fetched_at >= last;
            return if has_answered { None } else { Some(Err(LookupError::Later)) };
        }
        Some(self.ask(identity, Some(client), known.as_ref(), Turn::Out).await.map_err(LookupError::from))
    }

    /// Asks, unless it was tried within the last minute, together with all others who want to know.
    async fn ask(
        &self,
        identity: &Identity,
        asking: Option<&str>,
        known: Option<&KnownDescriptor>,
        turn: Turn,
    ) -> Result<Found, Miss> {
        if let Some(miss) = self.known.failure(identity.id(), self.parts.clock.now()) {
            return Err(miss);
        }
        if asking.is_some_and(|asking| !self.limits.may_ask(asking)) {
            return Err(Miss::Busy);
        }
        // Before the others who want to know are joined: nobody waits for the turn of a client that has too much under way.
        let Some(_permit) = self.enter(asking).await else { return Err(Miss::Busy) };
        let now_known = self.known.get(identity).await;
        if let Some(newer) =
            now_known.filter(|newer| known.is_none_or(|was| was.fetched_at < newer.fetched_at))
        {
            return Ok(cached(newer, false));
        }
        if let Some(miss) = self.known.failure(identity.id(), self.parts.clock.now()) {
            return Err(miss);
        }
        let fetch = || Box::pin(self.fetch(identity, asking, known, turn));
        let fetched = self.under_way.once(identity.id(), fetch).await?;
        Ok(Found {
            descriptor: fetched.descriptor,
            fetched_at: fetched.fetched_at,
            is_stale: false,
            is_cached: false,
        })
    }

    async fn fetch(
        &self,
        identity: &Identity,
        asking: Option<&str>,
        known: Option<&KnownDescriptor>,
        turn: Turn,
    ) -> Result<KnownDescriptor, Miss> {
        let (before, now) = (self.deadline(), self.parts.clock.now());
        if matches!(self.breakers.ask(identity.host(), now), Gate::Wait(_)) {
            self.known.failed(identity.id(), Miss::Later, now);
            return Err(Miss::Later);
        }
        let refreshed_at = match turn {
            Turn::Due => known.and_then(|known| known.refreshed_at),
            Turn::Out => Some(now),
        };
        // Before its host is asked, or one that does not answer would be asked for every slap; and not before it is sure to
        // be asked, or the one look of ten minutes would be spent on nothing.
        if let Some(known) = known.filter(|known| known.refreshed_at != refreshed_at) {
            self.known.put(identity, KnownDescriptor { refreshed_at, ..known.clone() }).await;
        }
        let mut errand = Errand::new(self, asking.is_none());
        let found = timeout_at(before, errand.descriptor(identity)).await;
        let now = self.parts.clock.now();
        if let Some(is_there) = errand.is_there {
            self.breakers.report(identity.host(), now, is_there);
        }
        match found.unwrap_or(Err(Miss::Later)) {
            Ok(descriptor) => {
                let fetched = KnownDescriptor { descriptor, fetched_at: now, refreshed_at };
                self.known.replace(identity, known, fetched.clone()).await;
                Ok(fetched)
            }
            Err(miss) => {
                self.known.failed(identity.id(), miss, now);
                Err(miss)
            }
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.parts.rules.lookup_within).unwrap_or(now)
    }

    /// Waits for room, as long as a request takes; `None` if there is none in time.
    async fn enter(&self, asking: Option<&str>) -> Option<Permit> {
        let (lanes, client) = match asking {
            Some(client) => (&self.inward, client),
            None => (&self.outward, ""),
        };
        timeout(self.parts.rules.lookup_timeout, lanes.enter(client)).await.ok()
    }

    /// Forgets, until the stop, what is too old to be of use.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let keep = self.parts.rules.keep_stale.max(self.parts.rules.keep_descriptor);
        let mut rows_due = Instant::now();
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.limits.forget();
            let now = self.parts.clock.now();
            self.endpoints.forget(now, self.parts.rules.keep_descriptor);
            if rows_due.elapsed() >= known::SWEEP {
                rows_due = Instant::now();
                self.known.forget(now.before(keep)).await;
            }
        }
    }
}

fn cached(known: KnownDescriptor, is_stale: bool) -> Found {
    Found { descriptor: known.descriptor, fetched_at: known.fetched_at, is_stale, is_cached: true }
}
