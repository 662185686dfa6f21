//! A store on disk with a topic and its subscribers, and a hub's distribution over it whose requests go nowhere.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use hubbub::{
    clock::{ManualClock, Timestamp},
    config::Config,
    distribution::{self, Distribution},
    feed::{BodyDigest, Format},
    outbound::{Answer, BreakerRules, Breakers, LaneRules, Lanes, Outgoing, Sending, Transport},
    protocol::{CallbackUrl, PairId, Profile, TopicUrl},
    random::Random,
    store::{Commit, Publication, Record, Store, StoreOptions, Subscription, Topic, Validators},
    supervise::Tasks,
};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

/// Octets of a body.
pub(super) const BODY: usize = 4096;
/// Subscriptions of the topic, and the hosts that they are spread over.
pub(super) const SUBSCRIPTIONS: u32 = 10_000;
const HOSTS: u32 = 100;
/// What the clock says all the time.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Subscriptions put at once.
const PUT: usize = 1000;

pub(super) fn topic() -> Result<TopicUrl> {
    Ok(TopicUrl::parse("http://site.example/news/feed.atom")?)
}

/// Of a WebSub subscriber who has had the whole document, and has no secret.
pub(super) fn subscription(topic: &TopicUrl, number: u32) -> Result<Subscription> {
    let host = number % HOSTS;
    let callback = format!("http://reader-{host}.example/websub/callback/{number:08x}?feed={number}");
    Ok(Subscription {
        topic: topic.clone(),
        callback: CallbackUrl::parse(&callback)?,
        profile: Profile::Websub,
        secret: None,
        verify_token: None,
        signature: None,
        asked_lease: None,
        granted_at: Timestamp::EPOCH,
        expires_at: Timestamp::MAX,
        refresh_at: None,
        accepted_at: Timestamp::EPOCH,
        since_seq: 0,
        stands_for: 1,
    })
}

/// One new entry of a feed.
pub(super) fn publication(topic: &TopicUrl, seq: u64) -> Publication {
    let octets = u64::try_from(BODY).unwrap_or(u64::MAX);
    Publication {
        at: NOW,
        format: Format::Atom,
        content_type: Some(b"application/atom+xml".to_vec()),
        self_url: topic.as_str().to_owned(),
        hub_url: "http://hub.example/".to_owned(),
        context: BodyDigest::of(b"the same each time"),
        entries: Vec::new(),
        insert_at: 0,
        length: octets,
        document_length: octets,
        first_of_fetch: seq,
    }
}

/// Everything on one thread, but for what the store does on its own.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) topic: TopicUrl,
    pub(super) pairs: Vec<PairId>,
    /// The last publication. Nobody missed the first: who is new to the topic would get a whole document instead.
    head: u64,
    pub(super) store: Store,
    pub(super) runtime: Runtime,
    _home: TempDir,
}

impl Hub {
    pub(super) fn with_subscriptions() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let storage = Config::default().storage;
        let options = StoreOptions {
            path: home.path().join("store"),
            cache_bytes: storage.cache_bytes,
            gather: storage.flush,
        };
        let store = Store::open(&options)?;
        let mut hub = Self { topic: topic()?, pairs: Vec::new(), head: 1, store, runtime, _home: home };
        hub.subscribe()?;
        Ok(hub)
    }

    fn subscribe(&mut self) -> Result<()> {
        let topic = self.topic.id();
        let mut records = Vec::new();
        for number in 0..SUBSCRIPTIONS {
            let subscription = subscription(&self.topic, number)?;
            let pair = PairId { topic, callback: subscription.callback.id() };
            self.pairs.push(pair);
            records.push(Record::SubscriptionPut { pair, subscription, was: None });
        }
        for some in records.chunks(PUT) {
            self.commit(some.iter().cloned().collect())?;
        }
        Ok(())
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<()> {
        Ok(self.runtime.block_on(self.store.commit(commit))?)
    }

    /// The next publication; the caller says who hears of it.
    pub(super) fn publish(&mut self) -> (u64, Commit) {
        self.head = self.head.saturating_add(1);
        let (topic, seq) = (self.topic.id(), self.head);
        let record = Topic {
            url: self.topic.as_str().to_owned(),
            head: seq,
            format: Format::Atom,
            envelope: BodyDigest::of(b"the same each time"),
            validators: Validators::default(),
            fetched_at: NOW,
        };
        let publication = publication(&self.topic, seq);
        let added = Record::PublicationAdded { topic, seq, publication, content: vec![b'x'; BODY] };
        (seq, Commit::from(Record::TopicPut(topic, record)).with(added))
    }

    /// Runs the work of a distribution until it has sent so many requests, and then lets it end.
    pub(super) fn distribute<W, F>(&self, requests: u32, work: W) -> Result<()>
    where
        W: FnOnce(Arc<Distribution>, Tasks) -> F,
        F: Future<Output = Result<()>>,
    {
        let config = Config::default();
        let tasks = Tasks::new();
        let answering = Arc::new(Answering { left: requests.into(), all: Notify::new() });
        let distribution = Distribution::new(distribution::Parts {
            store: self.store.clone(),
            transport: answering.clone(),
            lanes: Lanes::new(LaneRules {
                per_host: config.hosts.connections,
                total: config.delivery.concurrency,
            }),
            breakers: Arc::new(Breakers::new(BreakerRules::default())),
            clock: ManualClock::at(NOW),
            random: Arc::new(Random::seeded(1)),
            tasks: tasks.clone(),
            metrics: Arc::default(),
            delivery: config.delivery,
            publications: config.publications,
            feed: Arc::default(),
            readers_per_host: config.fetch.readers_per_host,
            remember_for: config.feed.remember_for,
        });
        let stop = async {
            answering.all.notified().await;
            tasks.stop();
        };
        self.runtime.block_on(async {
            let (done, ()) = tokio::join!(work(distribution, tasks.clone()), stop);
            ensure!(tasks.finish(Duration::from_mins(1)).await, "some deliveries did not end");
            done
        })?;
        // One too many would have gone round.
        let left = answering.left.load(Ordering::Relaxed);
        ensure!(left == 0, "of {requests} requests {left} are left");
        Ok(())
    }
}

/// Subscribers that accept everything at once.
#[derive(Debug)]
struct Answering {
    /// Requests that are still to come.
    left: AtomicU32,
    /// There are none left.
    all: Notify,
}

impl Transport for Answering {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        drop(request);
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.all.notify_one();
        }
        let answer = Answer { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Bytes::new() };
        Box::pin(ready(Ok(answer)))
    }
}
