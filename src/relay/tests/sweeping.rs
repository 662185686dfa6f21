//! What is forgotten, and when.

use std::time::Duration;

use super::*;
use tokio_util::sync::CancellationToken;

use crate::store::Seen;

fn seen(octet: u8, for_good: bool) -> RelayRecord {
    RelayRecord::SlapSeen { account: id(ALICE), replay: [octet; 16], seen: Seen { at: START, for_good } }
}

#[tokio::test]
async fn an_entry_is_forgotten_thirty_days_after_it_was_taken_unless_something_is_left_to_do() {
    let scene = Scene::set().await;
    let done = scene.send(1, &["salmon:https://bob.example/1", "salmon:https://bob.example/1"]).await;
    scene.turn().await;
    let waits = scene.send(2, &["salmon:https://bob.example/2", "salmon:https://bob.example/3"]).await;
    scene.clock.advance(29 * DAY);
    let newer = scene.send(3, &["salmon:https://bob.example/4"]).await;
    scene.relay.forget_sent().await.unwrap();
    assert!(scene.store.outgoing(done).unwrap().is_some());
    scene.clock.advance(2 * DAY);
    scene.relay.forget_sent().await.unwrap();
    assert!(scene.store.outgoing(done).unwrap().is_none() && scene.store.targets(done).unwrap().is_empty());
    assert!(scene.relay.slap(done).await.unwrap().is_none());
    assert_eq!(scene.states(waits).await.len(), 2, "nothing was sent yet");
    assert!(scene.store.outgoing(newer).unwrap().is_some());
}

/// More of them than are read at a time.
#[tokio::test]
async fn all_entries_are_looked_at_and_not_only_the_first_page() {
    let scene = Scene::set().await;
    let slap = scene.send(1, &["salmon:https://bob.example/1"]).await;
    scene.turn().await;
    let (row, target) =
        (scene.store.outgoing(slap).unwrap().unwrap(), scene.store.target(slap, 0).unwrap().unwrap());
    for number in 0..=u8::MAX {
        let slap = crate::protocol::SlapId::from_bytes([number; 16]);
        let target = RelayRecord::TargetPut { slap, index: 0, target: target.clone() };
        scene.commit([RelayRecord::OutgoingPut(slap, row.clone()), target]).await;
    }
    scene.clock.advance(31 * DAY);
    scene.relay.forget_sent().await.unwrap();
    assert!(scene.store.all_outgoing(None, 9).unwrap().is_empty());
}

#[tokio::test]
async fn posts_are_remembered_for_a_time_and_what_can_be_undone_for_good() {
    let scene = Scene::set().await;
    scene.commit([seen(1, false), seen(2, true)]).await;
    scene.clock.advance(SalmonConfig::default().remember_posts);
    scene.relay.forget_posts().await.unwrap();
    assert!(scene.store.seen(id(ALICE), [1; 16]).unwrap().is_some(), "not before the time is over");
    scene.clock.advance(Duration::from_millis(1));
    scene.relay.forget_posts().await.unwrap();
    assert!(scene.store.seen(id(ALICE), [1; 16]).unwrap().is_none());
    assert!(scene.store.seen(id(ALICE), [2; 16]).unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_sweep_goes_round_each_hour_until_the_stop() {
    let scene = Scene::set().await;
    scene.commit([seen(1, false)]).await;
    let slap = scene.send(1, &["salmon:https://bob.example/1"]).await;
    scene.turn().await;
    let stop = CancellationToken::new();
    let until = async {
        // Half an hour is not enough, however old all of it is.
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert!(scene.store.seen(id(ALICE), [1; 16]).unwrap().is_some());
        scene.clock.advance(SalmonConfig::default().remember_posts + Duration::from_hours(1));
        for _ in 0..9 {
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        stop.cancel();
    };
    let (swept, ()) = tokio::join!(Arc::clone(&scene.relay).sweep(stop.clone()), until);
    swept.unwrap();
    assert!(scene.store.outgoing(slap).unwrap().is_none());
    assert!(scene.store.seen(id(ALICE), [1; 16]).unwrap().is_none());
}
