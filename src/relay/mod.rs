//! The relay: Salmon for the sites beside us (`salmon.md`). The site knows users and posts; the relay knows keys, forms,
//! discovery and queues.
//!
//! | File | What |
//! |---|---|
//! | `lookup` | from a name to what its own host says of it: key, names, endpoint |
//! | `accounts` | the site's side: accounts, keys, members; `account_form`: how they are written; `register`: by all their names |
//! | `removal` | what goes with an account |
//! | `send`, `outbox`, `deliver` | entries of the site: signed and kept; when they are tried; one try |
//! | `targets`, `twins` | to whom they go, and who is somebody else of those under another name |
//! | `peers` | how much one host of others is sent, and whether it is there at all |
//! | `documents` | what we say of them to whoever looks them up |
//! | `receive` | a slap step by step: sound, from its author, not too much |
//! | `reading` | what can be told of it without asking anybody |
//! | `settle` | what it changes, in one commit |
//! | `doubts` | slaps whose author's host cannot be asked yet |
//! | `answer` | what a peer is answered |
//! | `forward`, `callback` | verified slaps on their way to the site; `crowds`: while there is no room for a request to it |
//! | `groups`, `feeds` | who is in a group, and its feed; `deciding`: what the site is being asked |
//! | `limits`, `sweep` | how much of one author; what is forgotten |
//!
//! # Invariants
//! - A 200 means that the slap, and what it changes, is on disk; a 202 that it is kept until its author can be asked for.
//! - Whoever is acted on has been verified under every name that the entry gives its author.
//! - What one author does with one object reaches the site in the order in which it was taken, one request at a time.
//! - What was here before changes nothing, however often, in whatever form and after whatever crash it comes; nor does
//!   what is older than what undid it, as a version of a post than its delete.
//! - Nothing that is done for an account comes after its removal, nor comes to the next of its name: who commits it asks
//!   whether the account is there while it holds a lane's lock.
//! - Locks are taken in this order: lane, feed of a group, topic.

mod account_form;
mod accounts;
mod answer;
mod callback;
mod crowds;
mod deciding;
mod deliver;
mod documents;
mod doubts;
mod feeds;
mod forward;
mod groups;
mod limits;
pub mod lookup;
mod outbox;
mod peers;
mod reading;
mod receive;
mod register;
mod removal;
mod send;
mod settle;
mod sweep;
mod targets;
#[cfg(test)]
mod tests;
mod twins;

pub use account_form::{AccountView, FieldFault};
pub use accounts::{AccountsView, MembersView, SiteFault};
pub use answer::Answer;
pub use documents::{Format, Said};
pub use doubts::LookingAgain;
pub use feeds::{GroupFeed, GroupFeeds, LocalFeeds, MEDIA_TYPE as FEED_TYPE};
pub use forward::Forwarding;
pub use lookup::{Confirmed, Found, Lookup, LookupError, Unconfirmed};
pub use outbox::Slapping;
pub use receive::{Room, Slap};
pub use send::SlapView;

use std::sync::Arc;

use tokio::sync::{Mutex, Notify, Semaphore};

use crate::{
    agenda::Poke,
    clock::Clock,
    config::SalmonConfig,
    outbound::{BreakerRules, LaneRules, Lanes, Transport},
    publishing::Publishing,
    random::Random,
    store::{Locks, Store, StoreError},
    telemetry::Metrics,
};
use crowds::Crowds;
use deciding::Deciding;
use doubts::Doubts;
use limits::Limits;
use peers::Peers;
use register::Register;
use twins::FirstTries;

/// Lanes that the agenda may have started, for each that may have a request under way: those that wait for their site stand
/// aside at once.
const LANES_PER_REQUEST: usize = 4;
/// Part of all requests to sites that one of them may have.
const SHARE: usize = 4;
/// Slaps that may be here, for each that is read or verified: most of the time of one goes by while others are asked.
const SLAPS_PER_TURN: usize = 16;
/// Part of those that may be of one client.
const CLIENT_SHARE: usize = 8;

/// What the room is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub lookup: Arc<Lookup>,
    /// To the sites beside us, and to the endpoints of others.
    pub callbacks: Arc<dyn Transport>,
    /// When a host of others is left alone.
    pub breaker: BreakerRules,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
    pub metrics: Arc<Metrics>,
    pub salmon: SalmonConfig,
    pub feeds: Arc<GroupFeeds>,
    /// Who fetches the feed of a group when there is something new in it.
    pub publishing: Arc<Publishing>,
    /// Our own address.
    pub hub_url: String,
}

/// The service behind everything of Salmon.
#[derive(Debug)]
pub struct Relay {
    parts: Parts,
    limits: Limits,
    doubts: Doubts,
    deciding: Deciding,
    /// Slaps that are here, by client.
    slaps: Lanes,
    /// Slaps that are read or verified at a moment.
    turns: Semaphore,
    /// Joins on which sites are deciding.
    asking: Semaphore,
    /// Requests to sites.
    sites: Lanes,
    /// Lanes for which there was no such request.
    crowds: Crowds,
    /// Held while the feed of a group changes.
    feed_locks: Locks,
    forward_poke: Poke,
    doubt_poke: Poke,
    /// Requests to the endpoints of others.
    peers: Peers,
    first_tries: FirstTries,
    slap_poke: Poke,
    /// Something came of a slap on its way out.
    slap_news: Notify,
    register: Register,
    /// Held while an account changes.
    account_lock: Mutex<()>,
    /// Held while what a removed account had is taken out.
    clearing: Mutex<()>,
}

impl Relay {
    /// Counts what waits; reads the store.
    pub async fn new(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let doubts = Doubts::load(&parts.store, parts.salmon.most_waiting).await?;
        let waiting = parts.store.read(Store::count_inbox).await?;
        parts.metrics.slaps_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let at_once = parts.salmon.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let slaps = at_once.saturating_mul(SLAPS_PER_TURN);
        let rules = LaneRules { per_host: at_once.div_ceil(SHARE), total: at_once };
        Ok(Arc::new(Self {
            limits: Limits::new(parts.salmon.slaps_per_author_per_minute),
            doubts,
            deciding: Deciding::default(),
            slaps: Lanes::new(LaneRules { per_host: slaps.div_ceil(CLIENT_SHARE), total: slaps }),
            turns: Semaphore::new(at_once),
            asking: Semaphore::new(at_once),
            sites: Lanes::new(rules),
            crowds: Crowds::default(),
            feed_locks: Locks::default(),
            forward_poke: Poke::new(),
            doubt_poke: Poke::new(),
            peers: Peers::new(rules, parts.breaker),
            first_tries: FirstTries::default(),
            slap_poke: Poke::new(),
            slap_news: Notify::new(),
            register: Register::new(parts.store.clone()),
            account_lock: Mutex::default(),
            clearing: Mutex::default(),
            parts,
        }))
    }

    /// Our own address.
    pub fn hub_url(&self) -> &str {
        &self.parts.hub_url
    }

    /// What wakes the agenda of lanes to targets.
    pub fn slap_poke(&self) -> Poke {
        self.slap_poke.clone()
    }

    /// Who asks others about others.
    pub fn lookup(&self) -> Arc<Lookup> {
        Arc::clone(&self.parts.lookup)
    }

    /// What wakes the agenda of lanes to the sites.
    pub fn forward_poke(&self) -> Poke {
        self.forward_poke.clone()
    }

    /// What wakes the agenda of what is kept.
    pub fn doubt_poke(&self) -> Poke {
        self.doubt_poke.clone()
    }

    /// Lanes that the agenda may have started.
    pub fn lanes(salmon: &SalmonConfig) -> usize {
        salmon.concurrency.saturating_mul(LANES_PER_REQUEST)
    }

    /// The feed of a group, by the last part of its path; `None` if the relay keeps none.
    pub async fn group_feed(&self, name: &str) -> Result<Option<GroupFeed>, StoreError> {
        match reading::account_id(name) {
            Some(id) => self.parts.feeds.of(id).await,
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod unreadable_tests;
