//! Rows that cannot be read, or that nobody knows of: each lane goes on.

use std::{
    pin::{Pin, pin},
    sync::atomic::Ordering,
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::{
    agenda::Work,
    clock::{ManualClock, Timestamp},
    config::Config,
    outbound::{Answer, Outgoing, Sending},
    protocol::{NameId, SlapId},
    store::{
        Account, AccountKind, Commit, Doubt, Due, DueKind, ForwardMode, InboxSlap, LaneId, LaneState, Life,
        OutgoingSlap, RelayRecord, SlapTarget, StoreOptions, TargetState, keys::Table,
    },
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LANE: LaneId = [7; 16];

/// Everybody else: takes what it is given, and counts it.
#[derive(Debug, Default)]
struct World(std::sync::atomic::AtomicUsize);

impl Transport for World {
    fn send(&self, _: Outgoing) -> Sending<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            Ok(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() })
        })
    }
}

struct Scene {
    _home: tempfile::TempDir,
    store: Store,
    world: Arc<World>,
    metrics: Arc<Metrics>,
}

fn alice() -> NameId {
    NameId::of("acct:alice@site.example")
}

fn inbox(seq: u64) -> RelayRecord {
    let slap = InboxSlap {
        envelope: b"<me:env/>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        signer: "acct:bob@peer.example".to_owned(),
        form: "padded".to_owned(),
        id: [0x1d; 16],
        received_at: NOW,
    };
    RelayRecord::InboxPut { account: alice(), lane: LANE, seq, slap }
}

/// One of two for the same target.
fn outgoing(slap: SlapId, seq: u64) -> [RelayRecord; 3] {
    let row = OutgoingSlap {
        account: alice(),
        account_name: "acct:alice@site.example".to_owned(),
        entry_id: "tag:site.example,2026:1".to_owned(),
        verb: "http://activitystrea.ms/schema/1.0/post".to_owned(),
        envelope: b"<me:env/>".to_vec(),
        created_at: NOW,
        targets: 1,
    };
    let target = SlapTarget {
        to: "https://peer.example/bob".to_owned(),
        lane: LANE,
        endpoint: None,
        state: TargetState::Queued,
        tries: Vec::new(),
        same_as: None,
    };
    [
        RelayRecord::OutgoingPut(slap, row),
        RelayRecord::TargetPut { slap, index: 0, target },
        RelayRecord::OutQueuePut { lane: LANE, seq, slap, index: 0 },
    ]
}

fn doubt(account: NameId, id: u8, received: u64) -> RelayRecord {
    let doubt = Doubt {
        account,
        lane: LANE,
        envelope: b"<me:env/>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        from: "192.0.2.1".to_owned(),
        received_at: Timestamp::from_millis(received),
        due_at: NOW,
        attempts: 1,
    };
    RelayRecord::DoubtPut { id: [id; 16], doubt, was: None }
}

const SLAPS: [SlapId; 2] = [SlapId::from_bytes([1; 16]), SlapId::from_bytes([2; 16])];

impl Scene {
    /// With two of everything that waits, all of it due.
    async fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            path: home.path().join("data"),
            cache_bytes: 16 << 20,
            gather: std::time::Duration::ZERO,
        };
        let store = Store::open(&options).unwrap();
        let metrics = Arc::new(Metrics::default());
        store.count_unreadable_in(metrics.unreadable_rows.clone());
        let account = Account {
            name: "acct:alice@site.example".to_owned(),
            kind: AccountKind::Person,
            uri: "https://site.example/alice".to_owned(),
            profile: "https://site.example/alice".to_owned(),
            feed: "https://site.example/alice.atom".to_owned(),
            aliases: Vec::new(),
            display_name: "Alice".to_owned(),
            callback: Some("http://site.example/salmon".to_owned()),
            secret: None,
            mode: ForwardMode::Envelope,
            posts: Vec::new(),
            accept_unaddressed: false,
            blocked: Vec::new(),
            members: None,
            removed_at: None,
            life: Life::default(),
        };
        let state = LaneState::due(NOW);
        let mut commit = Commit::new();
        commit.push(RelayRecord::AccountPut(alice(), account));
        for record in [inbox(1), inbox(2), doubt(alice(), 1, 1), doubt(alice(), 2, 2)] {
            commit.push(record);
        }
        for record in SLAPS.into_iter().zip(1..).flat_map(|(slap, seq)| outgoing(slap, seq)) {
            commit.push(record);
        }
        commit.push(RelayRecord::LanePut { account: alice(), lane: LANE, state: state.clone(), was: None });
        commit.push(RelayRecord::OutLanePut { lane: LANE, state, was: None });
        store.commit(commit).await.unwrap();
        Self { _home: home, store, world: Arc::default(), metrics }
    }

    async fn relay(&self) -> Arc<Relay> {
        let config = Config::default();
        let (store, clock) = (self.store.clone(), ManualClock::at(NOW));
        let random = Arc::new(Random::seeded(7));
        let publishing = Publishing::alone(store.clone(), self.world.clone(), clock.clone());
        let lookup = Lookup::new(lookup::Parts {
            store: store.clone(),
            transport: self.world.clone(),
            clock: clock.clone(),
            breaker: BreakerRules::default(),
            rules: lookup::Rules::default(),
        });
        let parts = Parts {
            store: store.clone(),
            lookup,
            callbacks: self.world.clone(),
            breaker: BreakerRules::default(),
            clock,
            random,
            metrics: Arc::clone(&self.metrics),
            salmon: config.salmon,
            feeds: GroupFeeds::new(store, "http://hub.example/".to_owned()),
            publishing,
            hub_url: "http://hub.example/".to_owned(),
        };
        Relay::new(parts).await.unwrap()
    }

    fn due(&self, kind: DueKind) -> Vec<Due> {
        self.store.due(kind, NOW, 10).unwrap().0
    }

    /// Does what is due, as it is due after the last of it, so often.
    async fn run<W: Work>(&self, kind: DueKind, work: W, times: usize) {
        let work = Arc::new(work);
        for _ in 0..times {
            let due = self.due(kind).into_iter().next().unwrap();
            Arc::clone(&work).run(due).await.unwrap();
        }
    }

    fn passed_over(&self) -> u64 {
        self.metrics.unreadable_rows.get()
    }
}

#[tokio::test]
async fn what_waits_in_a_lane_whose_row_cannot_be_read_is_told_to_the_site() {
    let scene = Scene::set().await;
    scene.store.spoil(Table::Lanes, &[]);
    scene.run(DueKind::Forward, Forwarding(scene.relay().await), 3).await;
    assert_eq!(scene.world.0.load(Ordering::SeqCst), 2);
    assert!(scene.due(DueKind::Forward).is_empty());
    assert_eq!(scene.passed_over(), 1);
}

#[tokio::test]
async fn a_slap_that_cannot_be_read_keeps_no_other_of_its_lane_from_the_site() {
    let scene = Scene::set().await;
    let first = [&alice().as_bytes()[..], &LANE, &1_u64.to_be_bytes()].concat();
    scene.store.spoil(Table::Inbox, &first);
    scene.run(DueKind::Forward, Forwarding(scene.relay().await), 1).await;
    assert_eq!(scene.world.0.load(Ordering::SeqCst), 1);
    assert!(scene.due(DueKind::Forward).is_empty());
    assert!(scene.passed_over() > 0);
}

#[tokio::test]
async fn a_slap_on_its_way_out_that_cannot_be_read_keeps_no_other_waiting() {
    for table in [Table::Outgoing, Table::Targets] {
        let scene = Scene::set().await;
        scene.store.spoil(table, SLAPS[0].as_bytes());
        scene.run(DueKind::Slap, Slapping(scene.relay().await), 1).await;
        let waiting = scene.store.out_queue(LANE, 9).unwrap();
        assert_eq!(waiting.iter().map(|(_, (slap, _))| *slap).collect::<Vec<_>>(), [SLAPS[1]]);
        assert_eq!(scene.due(DueKind::Slap).len(), 1);
        assert_eq!(scene.passed_over(), 1);
    }
}

#[tokio::test]
async fn a_lane_to_a_target_whose_row_cannot_be_read_begins_anew() {
    let scene = Scene::set().await;
    scene.store.spoil(Table::OutLanes, &[]);
    scene.run(DueKind::Slap, Slapping(scene.relay().await), 1).await;
    assert_eq!(scene.store.out_lane(LANE).unwrap(), Some(LaneState::due(NOW)));
    assert_eq!(scene.due(DueKind::Slap).len(), 1);
    assert_eq!(scene.passed_over(), 1);
}

#[tokio::test]
async fn a_doubt_that_cannot_be_read_keeps_neither_the_relay_from_its_start_nor_others_of_its_lane_waiting() {
    for is_at_the_start in [true, false] {
        let scene = Scene::set().await;
        let mut relay = scene.relay().await;
        scene.store.spoil(Table::Doubts, &[1; 16]);
        if is_at_the_start {
            relay = scene.relay().await;
        }
        let work = Arc::new(LookingAgain(Arc::clone(&relay)));
        for due in scene.due(DueKind::Doubt) {
            let is_spoilt = due.id() == Some([1; 16]);
            let ran = Arc::clone(&work).run(due).await;
            assert_eq!(ran.is_err(), is_spoilt, "the agenda leaves it alone");
        }
        // It had its turn: it is no slap, and so it is over.
        assert_eq!(scene.store.doubt([2; 16]).unwrap(), None);
    }
}

#[tokio::test]
async fn a_doubt_that_has_a_row_and_no_place_is_looked_at_all_the_same() {
    let scene = Scene::set().await;
    let relay = scene.relay().await;
    // As when the disk hung while it was written, and nobody could tell whether it would be.
    scene.store.commit(doubt(alice(), 3, 3).into()).await.unwrap();
    let work = Arc::new(LookingAgain(relay));
    for due in scene.due(DueKind::Doubt) {
        Arc::clone(&work).run(due).await.unwrap();
    }
    assert_eq!(scene.store.count_doubts().unwrap(), 0);
}

async fn is_waiting<F: Future>(future: &mut Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn a_doubt_whose_turn_comes_while_it_is_put_off_has_its_turn() {
    let scene = Scene::set().await;
    let work = Arc::new(LookingAgain(scene.relay().await));
    let due = |id: u8| scene.due(DueKind::Doubt).into_iter().find(|due| due.id() == Some([id; 16]));
    let (first, second) = (due(1).unwrap(), due(2).unwrap());
    let store = &scene.store;
    let held = store.lane_locks().write(&[2; 16]).await;
    let mut looks = pin!(Arc::clone(&work).run(second));
    assert!(is_waiting(&mut looks).await, "for its place to be looked at");
    let mut next = pin!(store.lane_locks().write(&[2; 16]));
    assert!(is_waiting(&mut next).await);
    drop(held);
    assert!(is_waiting(&mut looks).await, "it has seen that it is not the first, and is to be put off");
    let held = next.await;
    Arc::clone(&work).run(first).await.unwrap();
    drop(held);
    looks.await.unwrap();
    assert!(due(1).is_none() && due(2).is_some());
}
