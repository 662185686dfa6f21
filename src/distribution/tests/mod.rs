//! Who is sent a document is asked last: what changed while one was composed, or while a lane was full, counts (V16, D22).
//! And what a fan-out leaves behind (D18).

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    settle::{Reach, Setback},
    *,
};
use crate::{
    agenda::{Agenda, Work as _},
    clock::{ManualClock, Timestamp},
    config::Config,
    feed::{BodyDigest, Format},
    outbound::{Answer, BreakerRules, Gate, LaneRules, Outcome, Outgoing, Sending},
    protocol::{Algorithm, CallbackId, CallbackUrl, PairId, Profile, Secret, TopicUrl, signature},
    store::{
        Backlog, Commit, Due, DueKind, FanOut, FanOutId, LastOutcome, NeedsFull, Publication, Record,
        StoreOptions, Subscription, Topic, Validators,
    },
};

mod early;
mod unreadable;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const HOUR: Duration = Duration::from_hours(1);

/// A callback that accepts everything and remembers how it was signed.
#[derive(Debug, Default)]
struct Accepting(Mutex<Vec<String>>, Habits);

/// What some hosts do instead.
#[derive(Debug, Default)]
struct Habits {
    /// Its first request brings the hub's task down.
    panics: Mutex<Option<&'static str>>,
    /// Never answers.
    is_silent: Mutex<Option<&'static str>>,
    /// Who was asked.
    asked: Mutex<Vec<String>>,
}

impl Transport for Accepting {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        let Self(_, habits) = self;
        let host = request.uri.host().unwrap().to_owned();
        let is_first = habits.panics.lock().unwrap().take_if(|panics| *panics == host).is_some();
        assert!(!is_first, "the test wants it");
        let is_silent = habits.is_silent.lock().unwrap().is_some_and(|silent| silent == host);
        habits.asked.lock().unwrap().push(host);
        if is_silent {
            return Box::pin(std::future::pending());
        }
        let signature = request.headers.get("x-hub-signature").unwrap().to_str().unwrap().to_owned();
        self.0.lock().unwrap().push(signature);
        let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
        Box::pin(async move { Ok(answer) })
    }
}

/// One subscription, signed with "old", and one publication that it has not been sent.
struct Scene {
    _home: tempfile::TempDir,
    store: Store,
    lanes: Lanes,
    callback: Arc<Accepting>,
    room: Arc<Distribution>,
    pair: PairId,
    subscription: Subscription,
}

impl Scene {
    async fn set() -> Self {
        Self::set_with(Duration::ZERO, Config::default().delivery.batch).await
    }

    /// With a disk that takes so long for each flush.
    async fn set_with(gather: Duration, batch: usize) -> Self {
        // Whoever waits here waits for the test.
        let delivery = DeliveryConfig { patience: HOUR, batch, ..Config::default().delivery };
        Self::built(gather, delivery, LaneRules { per_host: 1, ..LaneRules::default() }).await
    }

    async fn built(gather: Duration, delivery: DeliveryConfig, rules: LaneRules) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let store = Store::open(&StoreOptions { path, cache_bytes: 1 << 20, gather }).unwrap();
        let callback = Arc::new(Accepting::default());
        let metrics = Arc::new(Metrics::default());
        store.count_unreadable_in(metrics.unreadable_rows.clone());
        let lanes = Lanes::new(rules);
        let config = Config::default();
        let room = Distribution::new(Parts {
            store: store.clone(),
            transport: callback.clone(),
            lanes: lanes.clone(),
            breakers: Arc::new(Breakers::new(BreakerRules::default())),
            clock: ManualClock::at(NOW),
            random: Arc::new(Random::seeded(7)),
            tasks: Tasks::new(),
            metrics,
            delivery,
            publications: config.publications,
            feed: Arc::default(),
            readers_per_host: 0,
            remember_for: HOUR,
        });
        let topic = TopicUrl::parse("http://site.example/text").unwrap();
        let to = CallbackUrl::parse("http://reader.example/cb").unwrap();
        let pair = PairId { topic: topic.id(), callback: to.id() };
        let subscription = Subscription {
            topic,
            callback: to,
            profile: Profile::P03,
            secret: Some(Secret::new(b"old".to_vec()).unwrap()),
            verify_token: None,
            signature: None,
            asked_lease: None,
            granted_at: Timestamp::EPOCH,
            expires_at: NOW.after(HOUR),
            refresh_at: None,
            accepted_at: Timestamp::EPOCH,
            since_seq: 0,
            stands_for: 1,
        };
        let scene = Self { _home: home, store, lanes, callback, room, pair, subscription };
        scene.publish(1).await;
        scene.put(scene.subscription.clone()).await;
        scene
    }

    async fn publish(&self, seq: u64) {
        let (topic, url) = (self.pair.topic, self.subscription.topic.as_str().to_owned());
        let publication = Publication {
            at: NOW,
            self_url: url.clone(),
            context: BodyDigest::of(b"news"),
            ..Publication::of(Format::Opaque, 4, seq)
        };
        let record = Topic {
            url,
            head: seq,
            format: Format::Opaque,
            envelope: BodyDigest::of(b"news"),
            validators: Validators::default(),
            fetched_at: NOW,
        };
        let content = b"news".to_vec();
        let added = Record::PublicationAdded { topic, seq, publication, content };
        self.store.commit(Commit::from(Record::TopicPut(topic, record)).with(added)).await.unwrap();
    }

    async fn put(&self, subscription: Subscription) {
        let record = Record::SubscriptionPut { pair: self.pair, subscription, was: None };
        self.store.commit(record.into()).await.unwrap();
    }

    /// Subscriptions on as many hosts.
    async fn put_more(&self, more: usize) -> Vec<PairId> {
        let (mut all, mut pairs) = (Commit::new(), Vec::new());
        for number in 0..more {
            let callback = CallbackUrl::parse(&format!("http://{number}.example/cb")).unwrap();
            let pair = PairId { callback: callback.id(), ..self.pair };
            let subscription = Subscription { callback, ..self.subscription.clone() };
            all.push(Record::SubscriptionPut { pair, subscription, was: None });
            pairs.push(pair);
        }
        self.store.commit(all).await.unwrap();
        pairs
    }

    /// What happens while it waits, and with which secret it is signed after that, if at all.
    async fn meanwhile(&self, what: &str) -> Option<&'static str> {
        let old = self.subscription.clone();
        match what {
            "nothing" => return Some("old"),
            "renewed" => {
                let secret = Some(Secret::new(b"new".to_vec()).unwrap());
                self.put(Subscription { secret, ..old }).await;
                return Some("new");
            }
            "left and back" => {
                let backlog_due = self.store.backlog(self.pair).unwrap().map(|backlog| backlog.due_at);
                let ended = Record::SubscriptionEnded { pair: self.pair, lease_due: None, backlog_due };
                self.store.commit(ended.into()).await.unwrap();
                self.put(Subscription { since_seq: 1, ..old }).await;
            }
            "left, back and behind" => {
                let last = self.store.backlog(self.pair).unwrap().unwrap();
                let ended = Record::SubscriptionEnded {
                    pair: self.pair,
                    lease_due: None,
                    backlog_due: Some(last.due_at),
                };
                self.store.commit(ended.into()).await.unwrap();
                self.publish(2).await;
                self.put(Subscription { since_seq: 1, ..old }).await;
                self.fall_behind(2).await;
            }
            "out of its lease" => self.put(Subscription { expires_at: NOW, ..old }).await,
            other => panic!("{other}"),
        }
        None
    }

    fn assert_signed(&self, what: &str, secret: Option<&str>) {
        let sign = |secret: &str| {
            let secret = Secret::new(secret.as_bytes().to_vec()).unwrap();
            signature::sign(Algorithm::Sha1, &secret, b"news").to_str().unwrap().to_owned()
        };
        let expected: Vec<_> = secret.map(sign).into_iter().collect();
        assert_eq!(*self.callback.0.lock().unwrap(), expected, "{what}");
    }

    /// A backlog that is due.
    async fn fall_behind(&self, from_seq: u64) {
        self.fall_behind_as(self.pair, from_seq).await;
    }

    async fn fall_behind_as(&self, pair: PairId, from_seq: u64) {
        let backlog = Backlog {
            from_seq,
            passed: from_seq,
            attempts: 0,
            due_at: NOW,
            since: NOW,
            last: LastOutcome::LaneFull,
            needs_full: NeedsFull::No,
        };
        let record = Record::BacklogPut { pair, backlog, was: None };
        self.store.commit(record.into()).await.unwrap();
    }

    /// A fan-out of the publication, with a checkpoint from before a restart if one is given.
    async fn fan_out(&self, seq: u64, open: Vec<CallbackId>) {
        let cursor = open.last().copied();
        let fanout = FanOut { cursor, open, end: None, since: NOW };
        let record = Record::FanOutPut(FanOutId::whole(self.pair.topic, seq), fanout);
        self.store.commit(record.into()).await.unwrap();
    }

    /// Runs fan-outs until none is left, and does something in the meantime.
    async fn run_fanouts(&self, meanwhile: impl Future<Output = ()>) {
        let room = Arc::clone(&self.room);
        let stop = room.parts.tasks.stopping().clone();
        let watch = async {
            meanwhile.await;
            eventually("the end of the fan-out", || self.store.fanouts(None, 1).unwrap().is_empty()).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(room.run_fanouts(), watch);
        ended.unwrap();
    }
}

/// All of it is on this thread and on the store's: letting others run is all the waiting that is needed.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "{what}");
}

const MEANWHILE: [&str; 4] = ["nothing", "renewed", "left and back", "out of its lease"];

#[tokio::test]
async fn v16_d22_what_changed_while_a_document_was_composed_counts() {
    for what in MEANWHILE.into_iter().chain(["left, back and behind"]) {
        let scene = Scene::set().await;
        let pair = scene.pair;
        scene.fall_behind(1).await;
        let (due, _) = scene.store.due(DueKind::Backlog, NOW, 1).unwrap();
        let due: Due = due.into_iter().next().unwrap();
        let composing = scene.room.composer.held().await;
        let change = async {
            eventually("the catch-up to compose", || scene.room.in_flight.contains(&pair)).await;
            let secret = scene.meanwhile(what).await;
            drop(composing);
            secret
        };
        let (ran, secret) = tokio::join!(Arc::new(CatchUp(Arc::clone(&scene.room))).run(due), change);
        ran.unwrap();
        scene.assert_signed(what, secret);
        let owed = scene.store.backlog(pair).unwrap().map(|backlog| backlog.from_seq);
        let expected = match what {
            // The end of the lease takes it along.
            "out of its lease" => Some(1),
            // It has a turn of its own.
            "left, back and behind" => Some(2),
            _ => None,
        };
        assert_eq!(owed, expected, "{what}");
    }
}

#[tokio::test]
async fn v16_d22_what_changed_while_the_lane_of_the_host_was_full_counts() {
    for what in MEANWHILE {
        let scene = Scene::set().await;
        scene.fan_out(1, Vec::new()).await;
        let only = scene.lanes.enter(scene.subscription.callback.host_key().as_str()).await;
        let secret = std::cell::Cell::new(None);
        let change = async {
            eventually("the delivery to wait", || scene.room.parts.metrics.deliveries_in_flight.get() == 1)
                .await;
            secret.set(scene.meanwhile(what).await);
            drop(only);
        };
        scene.run_fanouts(change).await;
        scene.assert_signed(what, secret.get());
        assert_eq!(scene.store.backlog(scene.pair).unwrap(), None);
    }
}

/// A checkpoint names those that were under way when the program was killed.
#[tokio::test]
async fn d22_what_changed_while_the_program_was_down_counts() {
    for what in MEANWHILE {
        let scene = Scene::set().await;
        scene.fan_out(1, vec![scene.pair.callback]).await;
        let secret = scene.meanwhile(what).await;
        scene.run_fanouts(async {}).await;
        scene.assert_signed(what, secret);
    }
}

#[tokio::test]
async fn d22_what_becomes_of_a_request_from_before_is_nothing_to_who_came_back() {
    let scene = Scene::set().await;
    let (room, pair) = (&scene.room, scene.pair);
    scene.put(Subscription { since_seq: 6, ..scene.subscription.clone() }).await;
    let setback = Setback { last: LastOutcome::Slow, due_at: NOW.after(HOUR), counts: true };
    room.fall_behind(pair, 5, NeedsFull::No, setback).await.unwrap();
    assert_eq!(scene.store.backlog(pair).unwrap(), None, "slow");

    scene.fall_behind(7).await;
    let owed = scene.store.backlog(pair).unwrap();
    room.put_off(pair, 5, setback).await.unwrap();
    assert_eq!(scene.store.backlog(pair).unwrap(), owed, "failed");
    let reach = Reach { through: 5, is_full: true, owes_full: NeedsFull::No };
    room.caught_up(pair, reach).await.unwrap();
    assert_eq!(scene.store.backlog(pair).unwrap(), owed, "accepted");
}

/// It comes behind in the queue of the store, which is all that the topic's lock is for.
#[tokio::test]
async fn d20_a_publication_does_not_wait_until_catch_ups_are_on_disk() {
    let scene = Scene::set().await;
    scene.fall_behind(7).await;
    let disk = scene.store.hang();
    let reach = Reach { through: 7, is_full: true, owes_full: NeedsFull::No };
    let (caught_up, ()) = tokio::join!(scene.room.caught_up(scene.pair, reach), async {
        drop(scene.store.topic_locks().write(scene.pair.topic.as_bytes()).await);
        drop(disk);
    });
    caught_up.unwrap();
    assert_eq!(scene.store.backlog(scene.pair).unwrap(), None);
}

/// Only the last body of what is no feed is ever sent again, and each may be as large as a fetch may be.
#[tokio::test]
async fn d18_of_what_is_no_feed_only_the_last_body_is_kept_for_who_is_behind() {
    let scene = Scene::set().await;
    scene.fall_behind(1).await;
    for seq in 1..=3 {
        scene.publish(seq).await;
        scene.fan_out(seq, Vec::new()).await;
    }
    scene.run_fanouts(async {}).await;
    let kept = scene.store.publications(scene.pair.topic, 0, 9).unwrap();
    assert_eq!(kept.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3]);
    let contents = [1, 2, 3].map(|seq| scene.store.content(scene.pair.topic, seq).unwrap().is_some());
    assert_eq!(contents, [false, false, true]);
    scene.assert_signed("it is behind", None);
}

/// It is not cut short where its window is full of what no checkpoint has saved yet, and begun again.
#[tokio::test]
async fn a_fan_out_ahead_of_its_checkpoints_waits_for_them_and_goes_on() {
    let (flush, batch, more) = (Duration::from_millis(20), 8, 63);
    let scene = Scene::set_with(flush, batch).await;
    scene.put_more(more).await;
    scene.fan_out(1, Vec::new()).await;
    scene.run_fanouts(async {}).await;
    assert_eq!(scene.callback.0.lock().unwrap().len(), more + 1);
    let metrics = scene.room.parts.metrics.render();
    let figure = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<f64>().unwrap()
    };
    assert!((figure("hubbub_fan_out_seconds_count") - 1.0).abs() < f64::EPSILON);
    // No more than a batch fits between two flushes.
    let flushes = u32::try_from((more + 1) / batch).unwrap();
    let least = flush * (flushes - 1);
    let took = figure("hubbub_fan_out_seconds_sum");
    assert!(took >= least.as_secs_f64(), "{took} s, and {flushes} flushes take {least:?}");
}

/// What was settled is not sent again when something else goes wrong.
#[tokio::test]
async fn a_fan_out_that_an_error_ends_is_taken_up_where_it_was() {
    let scene = Scene::set().await;
    scene.put_more(63).await;
    *scene.callback.1.panics.lock().unwrap() = Some("30.example");
    scene.fan_out(1, Vec::new()).await;
    scene.run_fanouts(async {}).await;
    let mut asked = scene.callback.1.asked.lock().unwrap().clone();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((all, asked.len()), (64, 64), "each once");
}

/// Promise 3: it leaves its room to others, and its host alone waits for it.
#[tokio::test]
async fn x10_a_catch_up_that_is_slow_leaves_its_room_to_others() {
    let delivery = DeliveryConfig { patience: Duration::from_millis(10), ..Config::default().delivery };
    let rules = LaneRules { per_host: 1, total: 1 };
    let scene = Scene::built(Duration::ZERO, delivery, rules).await;
    let pairs = scene.put_more(2).await;
    *scene.callback.1.is_silent.lock().unwrap() = Some("0.example");
    for pair in &pairs {
        scene.fall_behind_as(*pair, 1).await;
    }
    let catch_up = async |pair: PairId| {
        let due_at = scene.store.backlog(pair).unwrap().unwrap().due_at;
        let (due, _) = scene.store.due(DueKind::Backlog, due_at, 2).unwrap();
        let due = due.into_iter().find(|due| due.pair() == Some(pair)).unwrap();
        Arc::new(CatchUp(Arc::clone(&scene.room))).run(due).await.unwrap();
    };
    let asked = |host: &str| scene.callback.1.asked.lock().unwrap().iter().any(|asked| asked == host);
    let quick = async {
        eventually("the slow one to be asked", || asked("0.example")).await;
        while !asked("1.example") {
            // Until the patience with the other is over it finds no room, and is put off.
            scene.fall_behind_as(pairs[1], 1).await;
            catch_up(pairs[1]).await;
        }
    };
    tokio::select! {
        () = catch_up(pairs[0]) => panic!("it never answers"),
        done = tokio::time::timeout(Duration::from_secs(20), quick) => done.unwrap(),
    }
}
