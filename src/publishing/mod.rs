//! Publishing: learns that a topic changed, looks, and makes what is new a publication (WebSub §6, 0.3 §7.1-7.2).
//!
//! # Invariants
//! - A ping that was answered 204 is a pending fetch on disk; there is one a topic, however often it is pinged (P08).
//! - A fetch that began before the newest ping does not answer it: the topic is looked at again.
//! - What a fetch found becomes durable in one commit: publications, digests, the topic's head, the fan-outs, and the
//!   end of the pending fetch. A crash leaves all of it or none.
//! - A ping for a topic that nobody subscribes to is answered and forgotten (P07).
//! - What a stranger can say of a topic (a ping's spelling, a claim to its name) changes neither what is requested nor what
//!   the topic is called (P09, D07).
//! - A fetch waits for no host while it holds a slot of the agenda: it stands aside, and comes again (X05).

mod advertised;
#[cfg(test)]
mod alone;
mod fetch;
mod keep;
mod news;
mod ping;
mod polling;
mod work;

pub use advertised::Advertised;
pub use work::Looking;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use std::thread::available_parallelism;

use keep::PutDown;
use tokio::sync::Semaphore;

use crate::{
    agenda::Poke,
    clock::{Clock, Timestamp},
    config::{FetchConfig, PollingConfig},
    distribution::Distribution,
    feed::{JsonFeed, Volatile},
    outbound::{Lanes, Transport},
    protocol::{TopicId, TopicPattern, TopicUrl},
    random::Random,
    store::Store,
    telemetry::Metrics,
};

/// What the room is built from.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub transport: Arc<dyn Transport>,
    pub lanes: Lanes,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
    pub metrics: Arc<Metrics>,
    pub fetch: FetchConfig,
    pub polling: PollingConfig,
    /// Entries of one publication (F25).
    pub max_entries: usize,
    pub feed: Arc<Volatile>,
    /// How long entry digests are remembered after their last sight (F18).
    pub remember_for: Duration,
    /// What becomes of JSON Feeds, unless a topic has its own rule.
    pub json_feed: JsonFeed,
    /// The same for some topics.
    pub json_feed_for_topics: BTreeMap<TopicPattern, JsonFeed>,
    /// Our own address, for topics that do not spell it themselves (D06).
    pub hub_url: String,
    /// What we call ourselves; ends in the hub's address in brackets.
    pub user_agent: String,
    pub distribution: Arc<Distribution>,
}

/// The service behind `hub.mode=publish`.
#[derive(Debug)]
pub struct Publishing {
    parts: Parts,
    /// When the fetch under way of a topic began.
    under_way: Mutex<HashMap<TopicId, Timestamp>>,
    /// The windows of the last fetches, as long as they are open.
    looked: Mutex<HashMap<TopicId, Window>>,
    put_down: Mutex<PutDown>,
    /// Room for fetches that wait for their host.
    waiting: Semaphore,
    /// Large bodies that are read at once.
    large: Semaphore,
    poke: Poke,
}

/// The time from the beginning of a fetch in which pings of its topic wait for each other (P05).
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    span: Duration,
}

impl Window {
    fn ends(self) -> Timestamp {
        self.began.after(self.span)
    }
}

/// What a topic may bring in a second, on average: else whoever has a feed of ten megabytes and pings without end would have
/// a processor read it all the time.
const OCTETS_A_SECOND: usize = 2 << 20;
/// The longest window that comes of that.
const LONGEST_WINDOW: Duration = Duration::from_mins(1);

impl Publishing {
    pub fn new(parts: Parts) -> Arc<Self> {
        let waiting = parts.fetch.concurrency.saturating_mul(3);
        Arc::new(Self {
            parts,
            waiting: Semaphore::new(waiting.min(Semaphore::MAX_PERMITS)),
            large: Semaphore::new(available_parallelism().map_or(1, usize::from).div_euclid(2).max(1)),
            under_way: Mutex::default(),
            looked: Mutex::default(),
            put_down: Mutex::default(),
            poke: Poke::new(),
        })
    }

    /// Fetches that the agenda may have started: those under way, as many that are slow, and three times as many that wait
    /// for their host.
    pub fn concurrency(fetch: &FetchConfig) -> usize {
        fetch.concurrency.saturating_mul(5)
    }

    /// What wakes the agenda of fetches.
    pub fn poke(&self) -> Poke {
        self.poke.clone()
    }

    /// Whether this topic, if it is a JSON Feed, is cut down to what is new.
    fn json_feed(&self, topic: &TopicUrl) -> JsonFeed {
        let of_topic = TopicPattern::narrowest(&self.parts.json_feed_for_topics, topic);
        of_topic.copied().unwrap_or(self.parts.json_feed)
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, HashMap<TopicId, Window>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fetch of this topic begins. Those whose window is over are forgotten, so that as many are kept as there are
    /// fetches within one window.
    fn began(&self, topic: TopicId, at: Timestamp) {
        self.under_way().insert(topic, at);
        let mut looked = self.looked();
        looked.retain(|_, window| window.ends() > at);
        looked.insert(topic, Window { began: at, span: self.parts.fetch.coalesce });
    }

    /// The fetch that began last brought so many octets.
    fn took(&self, topic: TopicId, octets: usize) {
        if let Some(window) = self.looked().get_mut(&topic) {
            window.span = window.span.max(worth(octets));
        }
    }

    fn window(&self, topic: TopicId) -> Option<Window> {
        self.looked().get(&topic).copied()
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<TopicId, Timestamp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a topic rests after so many octets.
fn worth(octets: usize) -> Duration {
    let millis = octets.saturating_mul(1000).div_euclid(OCTETS_A_SECOND);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(LONGEST_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p05_who_brings_much_rests_for_long() {
        let seconds = |octets: usize| worth(octets).as_secs_f64();
        assert!((seconds(10 << 20) - 5.0).abs() < f64::EPSILON);
        assert!(worth(64 << 10) < FetchConfig::default().coalesce, "most feeds");
        assert_eq!(worth(usize::MAX), LONGEST_WINDOW);
    }
}
