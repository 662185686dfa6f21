//! What waits for a site that has as many requests as it may have.

use super::*;
use crate::{
    agenda::Agenda,
    store::{Due, InboxSlap, LaneId, LaneState},
};
use tokio_util::sync::CancellationToken;

/// Requests to one site at a time.
const WIDTH: u8 = 4;
const LANES: u8 = 30;

fn lane(number: u8) -> LaneId {
    [number; 16]
}

/// One slap in each lane, all of them due.
async fn waiting(scene: &Scene) {
    for number in 0..LANES {
        let (account, lane) = (id(ALICE), lane(number));
        let slap = InboxSlap {
            envelope: b"<env/>".to_vec(),
            media_type: "application/magic-envelope+xml".to_owned(),
            signer: "acct:bob@bob.example".to_owned(),
            form: "padded".to_owned(),
            id: lane,
            received_at: START,
        };
        let put = RelayRecord::InboxPut { account, lane, seq: 1, slap };
        scene
            .commit([put, RelayRecord::LanePut { account, lane, state: LaneState::due(START), was: None }])
            .await;
    }
}

fn due(scene: &Scene) -> Vec<Due> {
    scene.store.due(DueKind::Forward, Timestamp::MAX, 1000).unwrap().0
}

#[tokio::test]
async fn what_waits_for_a_full_site_is_put_off_once_and_then_costs_no_commit() {
    let scene = Scene::set().await;
    waiting(&scene).await;
    let gate = scene.world.hold("alice.example");
    let work = Arc::new(Forwarding(Arc::clone(&scene.relay)));
    let mut under_way = JoinSet::new();
    for due in due(&scene).into_iter().take(usize::from(WIDTH)) {
        under_way.spawn(Arc::clone(&work).run(due));
    }
    scene.world.holds(usize::from(WIDTH)).await;
    let crowd = || due(&scene).split_off(usize::from(WIDTH));
    for due in crowd() {
        Arc::clone(&work).run(due).await.unwrap();
    }
    let put_off = crowd();
    assert!(put_off.iter().all(|due| due.at > START && due.at == put_off[0].at), "{put_off:?}");
    // As when there was room and somebody else has taken it.
    scene.clock.advance(Duration::from_secs(10));
    for due in &put_off {
        // Whoever writes waits for this.
        let _held = scene.store.lane_locks().write(&due.lane().unwrap().1).await;
        tokio::select! {
            biased;
            done = Arc::clone(&work).run(due.clone()) => done.unwrap(),
            () = std::future::ready(()) => panic!("it is about to write"),
        }
    }
    assert_eq!(crowd(), put_off);
    gate.add_permits(usize::from(WIDTH));
    for done in under_way.join_all().await {
        done.unwrap();
    }
    assert_eq!(scene.store.count_inbox().unwrap(), u64::from(LANES - WIDTH));
}

/// The clock stands still: nothing becomes due.
#[tokio::test]
async fn what_waits_for_a_full_site_is_sent_as_soon_as_there_is_room() {
    let scene = Scene::set().await;
    waiting(&scene).await;
    let gate = scene.world.hold("alice.example");
    let (_, slap) = scene.store.inbox(id(ALICE), lane(0), 1).unwrap().pop().unwrap();
    let mut under_way = JoinSet::new();
    for _ in 0..WIDTH {
        let (relay, slap) = (Arc::clone(&scene.relay), slap.clone());
        under_way.spawn(async move { relay.tell(&alice(), &slap).await });
    }
    scene.world.holds(usize::from(WIDTH)).await;
    let work = Arc::new(Forwarding(Arc::clone(&scene.relay)));
    for due in due(&scene) {
        Arc::clone(&work).run(due).await.unwrap();
    }
    scene.world.asked();
    let agenda = Agenda {
        kind: DueKind::Forward,
        store: scene.store.clone(),
        clock: scene.clock.clone(),
        poke: scene.relay.forward_poke(),
        limit: 8,
    };
    let stop = CancellationToken::new();
    let until = async {
        gate.add_permits(usize::from(WIDTH + LANES));
        while scene.store.count_inbox().unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(agenda.run(work, stop.clone()), until);
    ran.unwrap();
    assert_eq!(scene.world.asked().len(), usize::from(LANES), "each once");
}
