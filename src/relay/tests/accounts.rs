//! An account that is removed leaves nothing to the next of its name but what was seen.

use std::time::Duration;

use super::*;
use tokio_util::sync::CancellationToken;

use crate::{
    salmon::seal,
    store::{Doubt, GroupPost, InboxSlap, LaneState, Member, Seen},
};

const PUT: &str = r#"{"uri":"https://alice.example/user/7","feed":"https://alice.example/feed","callback":"https://alice.example/slaps"}"#;
const TO: &str = "salmon:https://bob.example/salmon/1";

/// Something of alice in each table, on its way in.
fn waiting(now: Timestamp) -> Vec<RelayRecord> {
    let (account, lane) = (id(ALICE), [7; 16]);
    let slap = InboxSlap {
        envelope: b"<env/>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        signer: "acct:bob@bob.example".to_owned(),
        form: "padded".to_owned(),
        id: [9; 16],
        received_at: now,
    };
    let doubt = Doubt {
        account,
        lane,
        envelope: b"<env/>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        from: "192.0.2.1".to_owned(),
        received_at: now,
        due_at: now,
        attempts: 1,
    };
    let member = Member {
        subject: "acct:bob@bob.example".to_owned(),
        uri: "https://bob.example/".to_owned(),
        since: now,
    };
    let post = GroupPost {
        id: "tag:bob.example,2026:1".to_owned(),
        signer: "acct:bob@bob.example".to_owned(),
        entry: b"<entry/>".to_vec(),
        added_at: now,
    };
    let seen = Seen { at: now, for_good: true };
    let mut all = vec![
        RelayRecord::LanePut { account, lane, state: LaneState::due(now), was: None },
        RelayRecord::DoubtPut { id: [3; 16], doubt, was: None },
        RelayRecord::MemberPut { group: account, id: id("bob@bob.example"), member },
        RelayRecord::GroupPostPut { group: account, seq: 1, post },
        RelayRecord::SlapSeen { account, replay: [4; 16], seen },
        RelayRecord::SlapApplied { account, of: [5; 16], updated: now },
    ];
    // More than are read at a time.
    let slaps = (1..=70).map(|seq| RelayRecord::InboxPut { account, lane, seq, slap: slap.clone() });
    all.extend(slaps);
    all
}

/// What is left of alice besides her row.
fn left(store: &Store) -> Vec<&'static str> {
    let account = id(ALICE);
    let rows = [
        ("inbox", store.count_inbox().unwrap() > 0),
        ("lanes", !store.lanes(account, 1).unwrap().is_empty()),
        ("doubts", store.count_doubts().unwrap() > 0),
        ("members", !store.members(account, None, 1).unwrap().is_empty()),
        ("posts", !store.group_posts(account, 1).unwrap().is_empty()),
        ("outgoing", !store.all_outgoing(None, 1).unwrap().is_empty()),
        ("queue", store.count_out_queue().unwrap() > 0),
        ("key", store.account_key(account).unwrap().is_some()),
    ];
    let dues = [(DueKind::Forward, "forward"), (DueKind::Doubt, "doubt"), (DueKind::Slap, "slap")];
    let due = dues.map(|(kind, name)| (name, !store.due(kind, Timestamp::MAX, 1).unwrap().0.is_empty()));
    rows.into_iter().chain(due).filter(|(_, is_left)| *is_left).map(|(name, _)| name).collect()
}

async fn filled() -> Scene {
    let scene = Scene::set().await;
    scene.commit(waiting(scene.clock.now())).await;
    scene.relay.parts.metrics.slaps_waiting.set(70);
    scene.world.gives("bob.example", status(503));
    for number in 0..40 {
        scene.send(number, &[TO, "salmon:https://other.example/"]).await;
    }
    scene
}

#[tokio::test]
async fn nothing_of_a_removed_account_is_there_for_the_next_but_what_was_seen() {
    let scene = filled().await;
    scene.turn().await;
    assert_eq!(left(&scene.store).len(), 11);
    scene.relay.remove_account(ALICE).await.unwrap();
    assert_eq!(left(&scene.store), [""; 0]);
    assert!(matches!(scene.relay.remove_account(ALICE).await, Err(SiteFault::Gone)));
    // Whoever has a copy of a follow of the old one could make its author follow the new one.
    assert!(scene.store.seen(id(ALICE), [4; 16]).unwrap().is_some());
    assert!(scene.store.applied(id(ALICE), [5; 16]).unwrap().is_some());

    let (_, is_new) = scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
    assert!(is_new && left(&scene.store) == ["key"]);
    assert!(!scene.relay.doubts.waits(id(ALICE), [7; 16]));
    assert_eq!(scene.relay.parts.metrics.slaps_waiting.get(), 0);
    let (_, is_new) = scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
    let made = scene.store.account(id(ALICE)).unwrap().unwrap().life;
    assert!(!is_new && made.made_at > START && !made.is_cleared, "{made:?}");
}

/// As a crash leaves it: the account is marked as gone, and all else is there.
async fn cut_off(scene: &Scene) {
    let removed_at = Some(scene.clock.now());
    let account = scene.store.account(id(ALICE)).unwrap().unwrap();
    scene.put(Account { callback: None, secret: None, removed_at, ..account }).await;
    scene.commit([RelayRecord::AccountKeyDropped(id(ALICE))]).await;
}

#[tokio::test]
async fn a_removal_that_was_cut_off_is_finished_by_whoever_comes_first() {
    let scene = filled().await;
    cut_off(&scene).await;
    scene.relay.finish_removals().await.unwrap();
    assert_eq!(left(&scene.store), [""; 0]);
    assert!(scene.store.account(id(ALICE)).unwrap().unwrap().life.is_cleared);

    let scene = filled().await;
    cut_off(&scene).await;
    scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
    assert_eq!(left(&scene.store), ["key"]);

    let scene = filled().await;
    cut_off(&scene).await;
    scene.relay.remove_account(ALICE).await.unwrap();
    assert_eq!(left(&scene.store), [""; 0]);

    let scene = filled().await;
    cut_off(&scene).await;
    let (stop, relay) = (CancellationToken::new(), Arc::clone(&scene.relay));
    stop.cancel();
    relay.sweep(stop).await.unwrap();
    assert_eq!(left(&scene.store), [""; 0], "at the start, before anything is swept");
}

#[tokio::test]
async fn nothing_is_sent_for_an_account_that_is_gone_nor_signed_with_the_key_of_the_next() {
    let scene = Scene::set().await;
    let slap = scene.send(1, &[TO]).await;
    cut_off(&scene).await;
    scene.turn().await;
    assert_eq!(scene.states(slap).await, [("gave-up".to_owned(), 1)]);

    let scene = Scene::set().await;
    let slap = scene.send(1, &[TO]).await;
    let next = Life { made_at: scene.clock.now().after(Duration::from_millis(1)), is_cleared: false };
    scene.put(Account { life: next, ..alice() }).await;
    scene.turn().await;
    assert_eq!(scene.states(slap).await, [("gave-up".to_owned(), 1)]);
    assert_eq!(scene.world.asked(), [""; 0]);
}

#[tokio::test]
async fn what_is_under_way_while_its_account_goes_does_not_come_back() {
    let scene = Scene::set().await;
    scene.commit(waiting(scene.clock.now())).await;
    scene.send(1, &[TO]).await;
    let (outward, inward) = (scene.world.hold("bob.example"), DueKind::Forward);
    let removed = async {
        scene.world.holds(1).await;
        scene.relay.remove_account(ALICE).await.unwrap();
        scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
        // The next of that name says something to the same, which is first in the same lane.
        let next = scene.send(2, &[TO]).await;
        outward.add_permits(9);
        next
    };
    let (_, next) = tokio::join!(scene.turn(), removed);
    assert_eq!(scene.states(next).await, [("queued".to_owned(), 0)]);
    scene.turn().await;
    assert_eq!(scene.states(next).await, [("delivered".to_owned(), 1)]);
    assert_eq!(scene.world.asked().len(), 2);
    assert_eq!(scene.store.targets(next).unwrap().len(), 1);
    assert_eq!(scene.store.all_outgoing(None, 9).unwrap().len(), 1);

    let scene = Scene::set().await;
    scene.commit(waiting(scene.clock.now())).await;
    let gate = scene.world.hold("alice.example");
    let (due, _) = scene.store.due(inward, scene.clock.now(), 9).unwrap();
    let told = Arc::new(Forwarding(Arc::clone(&scene.relay))).run(due[0].clone());
    let removed = async {
        scene.world.holds(1).await;
        scene.relay.remove_account(ALICE).await.unwrap();
        scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
        let (account, lane) = (id(ALICE), [7; 16]);
        let mut next = waiting(scene.clock.now().after(DAY));
        next.retain(|record| matches!(record, RelayRecord::InboxPut { seq: 1, .. }));
        next.push(RelayRecord::LanePut { account, lane, state: LaneState::due(START.after(DAY)), was: None });
        scene.commit(next).await;
        gate.add_permits(9);
    };
    tokio::join!(told, removed).0.unwrap();
    assert_eq!(scene.store.count_inbox().unwrap(), 1);
}

/// Its author is being looked up while its account goes and another one comes.
#[tokio::test]
async fn a_slap_for_the_old_account_is_none_for_the_new() {
    for is_made_again in [false, true] {
        let scene = Scene::set().await;
        let key = PrivateKey::import(&fixture("keys/indep-2048.keypair")).unwrap();
        let (bob, href) = ("acct:bob@bob.example", key.public().to_href());
        let entry = format!(
            "<entry xmlns='http://www.w3.org/2005/Atom'><id>tag:bob.example,2026:1</id><title>t</title>\
             <author><email>bob@bob.example</email><name>bob</name></author><content>c</content>\
             <link rel='mentioned' href='{}'/></entry>",
            alice().uri
        );
        let body = seal(entry.as_bytes(), &key).unwrap().to_xml();
        let links = serde_json::json!([{"rel": "magic-public-key", "href": href}]);
        let jrd = serde_json::json!({"subject": bob, "links": links}).to_string();
        let finger = "https://bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example";
        scene.world.says(finger, &jrd);
        let gate = scene.world.hold("bob.example");
        let media_type = "application/magic-envelope+xml".to_owned();
        let from = [192, 0, 2, 1].into();
        let slap = || {
            let (body, room) = (body.clone().into(), scene.relay.room_for(from).unwrap());
            Slap { body, media_type: media_type.clone(), from, room }
        };
        let removed = async {
            scene.world.holds(1).await;
            scene.relay.remove_account(ALICE).await.unwrap();
            if is_made_again {
                scene.relay.put_account(ALICE, PUT.as_bytes()).await.unwrap();
            }
            gate.add_permits(9);
        };
        let (answer, ()) = tokio::join!(scene.relay.receive(ALICE, slap()), removed);
        assert_eq!(answer, Answer::Gone);
        assert_eq!(scene.store.count_inbox().unwrap(), 0);
        if is_made_again {
            assert_eq!(scene.relay.receive(ALICE, slap()).await, Answer::Taken, "it is for whoever is there");
        }
    }
}
