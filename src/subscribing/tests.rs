//! The lease work against a clock that is moved by hand, since what it puts off it puts off by an hour: a refresh stays
//! owed whoever gets in its way (V19), and stretches no lease that ended (V18).

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    agenda::Work,
    clock::{ManualClock, Timestamp},
    config::Config,
    distribution,
    outbound::{Answer, BreakerRules, Breakers, GuardRules, LaneRules, Outgoing, Sending},
    protocol::{self, IntentRequest, PairId, Request},
    publishing,
    store::{DueKind, Record, StoreOptions, Subscription, keys::Table},
    supervise::Tasks,
};

const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

/// A callback that answers everything with this status and the challenge, and counts what it was asked.
#[derive(Debug)]
struct Asked {
    status: AtomicU16,
    times: AtomicU16,
}

impl Transport for Asked {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        self.times.fetch_add(1, Ordering::SeqCst);
        let query = request.uri.query().unwrap();
        let challenge = query.split('&').find_map(|pair| pair.strip_prefix("hub.challenge=")).unwrap();
        let body = Bytes::copy_from_slice(challenge.as_bytes());
        let status = StatusCode::from_u16(self.status.load(Ordering::SeqCst)).unwrap();
        Box::pin(async move { Ok(Answer { status, headers: HeaderMap::new(), body }) })
    }
}

struct Scene {
    _home: tempfile::TempDir,
    store: Store,
    clock: Arc<ManualClock>,
    callback: Arc<Asked>,
    room: Arc<Subscribing>,
    pair: PairId,
}

impl Scene {
    /// With a 0.3 subscription, whose lease is so many seconds.
    async fn set(lease: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let gather = std::time::Duration::ZERO;
        let options = StoreOptions { path: home.path().join("data"), cache_bytes: 16 << 20, gather };
        let store = Store::open(&options).unwrap();
        let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
        let callback = Arc::new(Asked { status: AtomicU16::new(200), times: AtomicU16::new(0) });
        let config = Config::default();
        let random = Arc::new(Random::seeded(7));
        let distribution = Distribution::new(distribution::Parts {
            store: store.clone(),
            transport: callback.clone(),
            lanes: Lanes::new(LaneRules::default()),
            breakers: Arc::new(Breakers::new(BreakerRules::default())),
            clock: clock.clone(),
            random: Arc::clone(&random),
            tasks: Tasks::new(),
            metrics: Arc::default(),
            delivery: config.delivery,
            publications: config.publications,
            feed: Arc::default(),
            readers_per_host: 0,
            remember_for: HOUR,
        });
        let publishing = Publishing::alone(store.clone(), callback.clone(), clock.clone());
        let parts = Parts {
            store: store.clone(),
            transport: callback.clone(),
            lanes: Lanes::new(LaneRules::default()),
            topics_must_name_this_hub: false,
            publishing,
            distribution,
            guard: Arc::new(Guard::new(GuardRules::default())),
            clock: clock.clone(),
            random,
            metrics: Arc::default(),
            lease: LeaseConfig::default(),
            verification: VerificationConfig::default(),
            per_callback_host: 10,
            subscriptions_per_callback_host: 10,
            hub_url: "http://hub.example/".to_owned(),
        };
        let room = Subscribing::new(parts).await.unwrap();
        let request = request(&format!("hub.verify=sync&hub.verify_token=t&hub.lease_seconds={lease}"));
        let pair = request.pair();
        assert_eq!(room.accept(request).await.unwrap(), Accepted::Verified);
        Self { _home: home, store, clock, callback, room, pair }
    }

    fn answer(&self, status: u16) {
        self.callback.status.store(status, Ordering::SeqCst);
    }

    fn asked(&self) -> u16 {
        self.callback.times.load(Ordering::SeqCst)
    }

    /// Somebody's request for the same pair, which is to be verified in a moment.
    async fn a_strangers_request(&self) {
        assert_eq!(self.room.accept(request("hub.secret=theirs")).await.unwrap(), Accepted::Pending);
    }

    fn subscription(&self) -> Option<Subscription> {
        self.store.subscription(self.pair).unwrap()
    }

    /// Moves the clock to when the lease needs attention, and gives it.
    async fn attend(&self) {
        let due_at = self.subscription().unwrap().lease_due();
        self.clock.advance(due_at.since(self.clock.now()));
        let (rows, _) = self.store.due(DueKind::Lease, self.clock.now(), 10).unwrap();
        assert!(!rows.is_empty(), "the lease has a due row");
        for due in rows {
            Arc::new(Leases(Arc::clone(&self.room))).run(due).await.unwrap();
        }
    }

    /// Asks whatever is to be asked by now, or in a moment.
    async fn verify(&self) {
        self.clock.advance(VerificationConfig::default().delay);
        let (rows, _) = self.store.due(DueKind::Intent, self.clock.now(), 10).unwrap();
        for due in rows {
            Arc::new(Verifying(Arc::clone(&self.room))).run(due).await.unwrap();
        }
    }
}

fn request(more: &str) -> IntentRequest {
    request_for("http://site.example/feed", "http://reader.example/cb", more)
}

fn request_for(topic: &str, callback: &str, more: &str) -> IntentRequest {
    let form = format!("hub.mode=subscribe&hub.topic={topic}&hub.callback={callback}&{more}");
    match protocol::request::parse(form.as_bytes()).unwrap() {
        Request::Intent(intent) => intent,
        Request::Publish(_) => panic!("it subscribes"),
    }
}

#[tokio::test]
async fn v19_a_refresh_that_finds_another_request_under_way_is_asked_an_hour_later() {
    let scene = Scene::set(864_000).await;
    let granted = scene.subscription().unwrap();
    scene.clock.advance(granted.lease_due().since(scene.clock.now()));
    scene.a_strangers_request().await;
    scene.attend().await;
    let put_off = scene.subscription().unwrap();
    assert_eq!(put_off.refresh_at, Some(scene.clock.now().after(HOUR)));
    assert_eq!(put_off.expires_at, granted.expires_at);
    scene.answer(404);
    scene.verify().await;
    assert_eq!(scene.asked(), 2, "the stranger's was asked about");

    scene.answer(200);
    scene.attend().await;
    scene.verify().await;
    let refreshed = scene.subscription().unwrap();
    assert!(refreshed.expires_at > granted.expires_at && refreshed.refresh_at.is_some());
    assert_eq!((refreshed.verify_token, refreshed.secret), (granted.verify_token, None), "as it was");
}

#[tokio::test]
async fn v19_a_refresh_that_another_request_displaced_is_still_owed() {
    let scene = Scene::set(864_000).await;
    let granted = scene.subscription().unwrap();
    scene.attend().await;
    assert_eq!(scene.subscription().unwrap().refresh_at, None, "it is under way");
    scene.a_strangers_request().await;
    scene.answer(403);
    scene.verify().await;
    assert_eq!(scene.asked(), 2, "only the newer one was asked about (V17)");
    assert!(scene.store.intent(scene.pair).unwrap().is_none());
    let owed = scene.subscription().unwrap();
    assert_eq!(owed.refresh_at, Some(scene.clock.now().after(HOUR)));
    assert_eq!(owed.expires_at, granted.expires_at);

    scene.answer(200);
    scene.attend().await;
    scene.verify().await;
    assert!(scene.subscription().unwrap().expires_at > granted.expires_at);
    assert_eq!(scene.asked(), 3);
}

/// The clock of the machine was set back by an hour after the subscription was made.
#[tokio::test]
async fn v17_s20_what_is_confirmed_counts_after_the_clock_was_set_back() {
    for verify in ["sync", "async"] {
        let scene = Scene::set(864_000).await;
        let made = scene.subscription().unwrap();
        let was = Some(made.lease_due());
        let subscription = Subscription { accepted_at: made.accepted_at.after(HOUR), ..made };
        let later = Record::SubscriptionPut { pair: scene.pair, subscription, was };
        scene.store.commit(later.into()).await.unwrap();
        // A newer one than the first, which is not asked about any more.
        for secret in ["second", "third"] {
            let renewal = request(&format!("hub.secret={secret}&hub.verify={verify}"));
            scene.room.accept(renewal).await.unwrap();
        }
        scene.verify().await;
        let renewed = scene.subscription().unwrap();
        assert_eq!(renewed.secret, request("hub.secret=third").secret, "{verify}");
        assert!(scene.store.intent(scene.pair).unwrap().is_none());
    }
}

/// The time went before the callback was asked: here to another request for the pair.
#[tokio::test]
async fn v14_s30_a_callback_that_there_is_no_time_to_ask_has_not_failed() {
    let scene = Scene::set(864_000).await;
    let held = scene.store.pair_locks().write(scene.pair.callback.as_bytes()).await;
    tokio::time::pause();
    let nearly_all = VerificationConfig::default().timeout.mul_f64(0.95);
    let (answer, ()) = tokio::join!(scene.room.accept(request("hub.verify=sync")), async {
        tokio::time::sleep(nearly_all).await;
        drop(held);
    });
    assert!(matches!(answer, Err(Unaccepted::Busy)), "{answer:?}");
    assert_eq!(scene.asked(), 1, "and was not asked");
}

#[tokio::test]
async fn x02_the_hub_is_itself_also_with_a_dot_behind_its_name() {
    let scene = Scene::set(864_000).await;
    for ours in ["http://hub.example/", "http://hub.example./", "https://HUB.example./subscribe"] {
        let ask = async |request| scene.room.accept(request).await.unwrap_err().to_string();
        let refusal = ask(request_for(ours, "http://reader.example/cb", "")).await;
        assert_eq!(refusal, "hub.topic: this URL is not allowed: it is the hub itself", "{ours}");
        let refusal = ask(request_for("http://site.example/feed", ours, "")).await;
        assert_eq!(refusal, "hub.callback: this URL is not allowed: it is the hub itself", "{ours}");
    }
    let another = request_for("http://hub.example.org/", "http://reader.example/cb", "");
    assert_eq!(scene.room.accept(another).await.unwrap(), Accepted::Pending);
}

/// Whoever proved nothing for two of the longest leases is a stranger again, and no row is left of it.
#[tokio::test]
async fn v13_hosts_that_are_long_gone_are_forgotten() {
    let scene = Scene::set(864_000).await;
    let known = || scene.store.hosts(None, 10).unwrap().len();
    // Proved anew within a day, it keeps the record of the day before.
    scene.clock.advance(HOUR * 24);
    assert_eq!(scene.room.accept(request("hub.verify=sync")).await.unwrap(), Accepted::Verified);
    scene.clock.advance(LeaseConfig::default().max * 2);
    scene.room.forget_hosts_once().await.unwrap();
    assert_eq!(known(), 1);
    scene.clock.advance(std::time::Duration::from_millis(1));
    scene.room.forget_hosts_once().await.unwrap();
    assert_eq!(known(), 0);
    assert_eq!(scene.room.accept(request("hub.verify=sync")).await.unwrap(), Accepted::Verified);
    assert_eq!(known(), 1);
}

/// Or failing requests, which anybody can make, would keep a subscription for ever.
#[tokio::test]
async fn v18_a_refresh_that_was_put_off_past_the_end_stretches_nothing() {
    let scene = Scene::set(1800).await;
    let granted = scene.subscription().unwrap();
    scene.attend().await;
    scene.a_strangers_request().await;
    scene.answer(403);
    scene.verify().await;
    assert!(scene.subscription().unwrap().refresh_at.unwrap() > granted.expires_at);
    scene.attend().await;
    assert_eq!(scene.clock.now(), granted.expires_at);
    assert!(scene.subscription().is_none());
    assert!(scene.store.due(DueKind::Lease, Timestamp::MAX, 10).unwrap().0.is_empty());
    scene.verify().await;
    assert_eq!(scene.asked(), 2);
}

/// The hub was down from before the refresh until long after the end: the question is owed, and then the answer counts.
#[tokio::test]
async fn v19_who_was_never_asked_is_asked_before_the_lease_ends() {
    for (status, is_kept) in [(200, true), (404, false)] {
        let scene = Scene::set(864_000).await;
        scene.clock.advance(HOUR * 24 * 60);
        assert!(!scene.subscription().unwrap().is_active_at(scene.clock.now()));
        scene.attend().await;
        assert!(scene.subscription().unwrap().is_active_at(scene.clock.now()), "until the answer is there");
        scene.answer(status);
        scene.verify().await;
        assert_eq!(scene.asked(), 2);
        assert_eq!(scene.subscription().is_some(), is_kept);
    }
}

/// A disk that hangs for longer than anybody waits, and then writes: what was given up is counted, as it is there.
#[tokio::test]
async fn x03_what_is_written_after_it_was_given_up_counts() {
    let scene = Scene::set(864_000).await;
    let other = request_for("http://site.example/other", "http://reader.example/cb", "");
    let (pair, host) = (other.pair(), other.callback.host_key());
    let stop = CancellationToken::new();
    let counting = Tasks::new().spawn(Arc::clone(&scene.room).count_pending(stop.clone()));
    let until = async |count: usize| {
        while scene.room.pending.of(&host) != count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let disk = scene.store.hang();
    let (given_up, ()) = tokio::join!(scene.room.accept(other), disk.for_long());
    assert!(matches!(given_up, Err(Unaccepted::Store(StoreError::Stalled))), "{given_up:?}");
    assert_eq!(scene.room.pending.of(&host), 0);
    drop(disk);
    until(1).await;

    // The other way about: it is gone, and counted no longer.
    let intent = scene.store.intent(pair).unwrap().unwrap();
    let disk = scene.store.hang();
    let (ended, ()) = tokio::join!(scene.room.give_up(pair, &intent, false), disk.for_long());
    assert!(matches!(ended, Err(StoreError::Stalled)), "{ended:?}");
    assert_eq!(scene.room.pending.of(&host), 1);
    drop(disk);
    until(0).await;
    assert!(scene.store.intent(pair).unwrap().is_none());
    stop.cancel();
    counting.await.unwrap().unwrap();
}

/// Strangers had the host's share of what may wait.
#[tokio::test]
async fn x03_who_subscribes_already_renews_whatever_waits_for_its_host() {
    let scene = Scene::set(864_000).await;
    let ask = async |topic: usize| {
        let topic = format!("http://site.example/{topic}");
        scene.room.accept(request_for(&topic, "http://reader.example/cb", "")).await
    };
    // With the one subscription these are as many as may be; the host's pending ones are bounded likewise.
    for topic in 0..9 {
        assert_eq!(ask(topic).await.unwrap(), Accepted::Pending);
    }
    let host = request("").callback.host_key();
    let place = scene.room.pending.count(&host, 10).unwrap();
    assert!(scene.room.pending.count(&host, 10).is_none());
    for verify in ["async", "sync"] {
        scene.room.accept(request(&format!("hub.verify={verify}"))).await.unwrap();
    }
    drop(place);
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_keeps_no_other_from_being_counted_and_gives_way() {
    let scene = Scene::set(86_400).await;
    scene.a_strangers_request().await;
    let other = request_for("http://site.example/other", "http://reader.example/cb", "");
    assert_eq!(scene.room.accept(other).await.unwrap(), Accepted::Pending);
    scene.store.spoil(Table::Intents, &scene.pair.octets());
    // As a start does.
    let counted = PendingCounts::load(&scene.store).await.unwrap();
    let host = scene.subscription().unwrap().callback.host_key();
    assert_eq!(counted.of(&host), 1);
    let asked = scene.asked();
    scene.verify().await;
    assert_eq!(scene.asked() - asked, 1, "the other");
    assert!(scene.store.due(DueKind::Intent, scene.clock.now(), 9).unwrap().0.is_empty());
    scene.a_strangers_request().await;
    scene.verify().await;
    assert!(scene.subscription().unwrap().secret.is_some(), "who asks again is heard");
}

#[tokio::test]
async fn the_lease_of_a_subscription_that_cannot_be_read_is_over_and_who_subscribes_again_has_one() {
    let scene = Scene::set(86_400).await;
    let due_at = scene.subscription().unwrap().lease_due();
    scene.store.spoil_subscription(scene.pair);
    scene.clock.advance(due_at.since(scene.clock.now()));
    let (due, _) = scene.store.due(DueKind::Lease, scene.clock.now(), 9).unwrap();
    let due = due.into_iter().next().unwrap();
    Arc::new(Leases(Arc::clone(&scene.room))).run(due).await.unwrap();
    assert!(scene.store.due(DueKind::Lease, scene.clock.now(), 9).unwrap().0.is_empty());
    let again = request("hub.verify=sync&hub.verify_token=t");
    assert_eq!(scene.room.accept(again).await.unwrap(), Accepted::Verified);
    assert!(scene.subscription().is_some());
}

/// Whoever pinged was told that the topic would be looked at.
#[tokio::test]
async fn a_fetch_that_cannot_be_read_is_made_all_the_same() {
    let scene = Scene::set(86_400).await;
    let topic = scene.pair.topic;
    let url = scene.subscription().unwrap().topic;
    let publishing = &scene.room.parts.publishing;
    publishing.ping(vec![url.clone()]).await.unwrap();
    let due = || scene.store.due(DueKind::Fetch, scene.clock.now(), 9).unwrap().0;
    scene.store.spoil(Table::Fetches, topic.as_bytes());
    let [was] = due().try_into().unwrap();
    Arc::new(publishing::Looking(Arc::clone(publishing))).run(was).await.unwrap();
    let [_again] = due().try_into().unwrap();
    assert_eq!(scene.store.pending_fetch(topic).unwrap().map(|fetch| fetch.url), Some(url.clone()));
    // Nor does it keep the next ping from being noted.
    scene.store.spoil(Table::Fetches, topic.as_bytes());
    publishing.ping(vec![url]).await.unwrap();
    assert!(scene.store.pending_fetch(topic).unwrap().is_some());
}
