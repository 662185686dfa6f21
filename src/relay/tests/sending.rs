//! When a target is tried, given up, spared, and sent one slap instead of two.

use std::time::Duration;

use super::*;
use crate::store::LaneState;

const BOB: &str = "acct:bob@bob.example";
const USER: &str = "https://bob.example/user/1";
const PAGE: &str = "https://bob.example/bob";
const ENDPOINT: &str = "https://bob.example/salmon/1";

fn queued(tries: usize) -> (String, usize) {
    ("queued".to_owned(), tries)
}

#[tokio::test]
async fn a_target_is_given_up_a_week_after_it_was_named_and_whoever_waited_behind_it_is_tried() {
    let scene = Scene::set().await;
    scene.world.gives("dead.example", status(503));
    let to = ["salmon:https://dead.example/1"];
    let first = scene.send(1, &to).await;
    scene.turn().await;
    scene.clock.advance(DAY);
    let second = scene.send(2, &to).await;
    scene.clock.advance(2 * DAY);
    let third = scene.send(3, &to).await;
    let mut given_up = Vec::new();
    for slap in [first, second, third] {
        while scene.states(slap).await[0].0 == "queued" {
            assert_eq!(scene.next_turn().await, 1);
        }
        assert!(scene.states(slap).await[0].1 > 0, "not without a try");
        given_up.push(scene.clock.now().since(START));
    }
    let named = [Duration::ZERO, DAY, 3 * DAY];
    for (at, named) in given_up.iter().zip(named) {
        // The daily tries are spread by a tenth.
        let week = named + WEEK..named + WEEK + DAY + DAY / 5;
        assert!(week.contains(at), "{given_up:?}");
    }
    assert_eq!(scene.store.count_out_queue().unwrap(), 0);
}

#[tokio::test]
async fn a_site_is_told_of_a_slap_for_a_week_from_when_it_came() {
    let scene = Scene::set().await;
    scene.world.gives("alice.example", status(503));
    let (account, lane) = (id(ALICE), [7; 16]);
    let mut commit = Vec::new();
    for (seq, days) in [(1, 0), (2, 1), (3, 3)] {
        let slap = inbox_slap(START.after(days * DAY));
        commit.push(RelayRecord::InboxPut { account, lane, seq, slap });
    }
    let state = LaneState::due(START);
    commit.push(RelayRecord::LanePut { account, lane, state, was: None });
    scene.commit(commit).await;
    let mut over = Vec::new();
    for left in [2, 1, 0] {
        while scene.store.count_inbox().unwrap() > left {
            let (due, next) = scene.store.due(DueKind::Forward, scene.clock.now(), 9).unwrap();
            if let Some(next) = next {
                scene.clock.advance(next.since(scene.clock.now()));
            }
            for due in due {
                Arc::new(Forwarding(Arc::clone(&scene.relay))).run(due).await.unwrap();
            }
        }
        over.push(scene.clock.now().since(START));
    }
    for (at, days) in over.iter().zip([0, 1, 3]) {
        let week = days * DAY + WEEK..days * DAY + WEEK + DAY + DAY / 5;
        assert!(week.contains(at), "{over:?}");
    }
    let told = scene.world.asked().len();
    assert!(told >= 10, "{told}");
}

/// A thousand targets at a dead host cost it a few connections, and a row each for each pause.
#[tokio::test(start_paused = true)]
async fn a_dead_host_is_left_alone_and_told_all_when_it_is_back() {
    let scene = Scene::set().await;
    scene.world.gives("dead.example", Err(SendError::Connect));
    let to: Vec<_> = (0..60).map(|number| format!("salmon:https://dead.example/{number}")).collect();
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let slap = scene.send(1, &to).await;
    let other = scene.send(2, &["salmon:https://alive.example/1"]).await;
    scene.turn().await;
    assert_eq!(scene.states(other).await, [("delivered".to_owned(), 1)]);
    let first = scene.world.asked().len();
    assert!(first < 30, "{first}: the breaker opens at twenty, and those under way are few");
    let (mut asked, mut rows) = (0, 0);
    while scene.clock.now().since(START) < Duration::from_hours(1) {
        rows += scene.next_turn().await;
        asked += scene.world.asked().len();
    }
    let states = scene.states(slap).await;
    let tries: usize = states.iter().map(|(_, tries)| tries).sum();
    assert!(states.iter().all(|(state, _)| state == "queued"), "{states:?}");
    assert!((5..15).contains(&asked), "one for each pause, and those grow to ten minutes: {asked}");
    assert!(tries < 45 && states.contains(&queued(0)), "what was put off is no try: {states:?}");
    assert!(rows < 60 * 20, "{rows} rows were written in an hour");

    scene.world.gives("dead.example", status(200));
    while !scene.states(slap).await.iter().all(|(state, _)| state == "delivered") {
        scene.next_turn().await;
        assert!(scene.clock.now().since(START) < Duration::from_hours(14));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_verdict_on_a_host_that_is_left_alone_for_longer() {
    let scene = Scene::set().await;
    scene.world.gives("dead.example", Err(SendError::Connect));
    let to: Vec<_> = (0..40).map(|number| format!("salmon:https://dead.example/{number}")).collect();
    scene.send(1, &to.iter().map(String::as_str).collect::<Vec<_>>()).await;
    scene.turn().await;
    let slap = scene.send(2, &["salmon:https://dead.example/new", "salmon:https://alive.example/1"]).await;
    scene.turn().await;
    assert_eq!(scene.states(slap).await, [queued(0), ("delivered".to_owned(), 1)]);
    let waited = async |within: u64| {
        let before = tokio::time::Instant::now();
        assert!(
            !scene.relay.verdicts(slap, Duration::from_secs(within)).await.unwrap().unwrap().is_answered()
        );
        before.elapsed().as_secs()
    };
    // It is left alone for thirty seconds.
    assert_eq!((waited(10).await, waited(40).await), (0, 40));
}

#[tokio::test]
async fn what_waits_for_a_full_host_waits_in_memory_for_a_while() {
    let scene = Scene::set().await;
    let gate = scene.world.hold("busy.example");
    let to: Vec<_> = (0..6).map(|number| format!("salmon:https://busy.example/{number}")).collect();
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let slap = scene.send(1, &to).await;
    let opened = async {
        scene.world.holds(4).await;
        gate.add_permits(6);
    };
    tokio::join!(scene.turn(), opened);
    let states = scene.states(slap).await;
    assert!(states.iter().all(|state| *state == ("delivered".to_owned(), 1)), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_before_a_full_host_is_not_forgotten() {
    let scene = Scene::set().await;
    scene.knows(BOB, BOB, &[], "https://old.example/salmon").await;
    scene.world.gives("old.example", status(404));
    let finger = "https://bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example";
    scene.world.says(finger, &jrd(BOB, &[], "https://busy.example/salmon"));
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(scene.relay.peers.enter("https://busy.example:443").await.unwrap());
    }
    let slap = scene.send(1, &[BOB]).await;
    scene.turn().await;
    assert_eq!(scene.states(slap).await, [queued(1)]);
    assert_eq!(scene.world.asked(), ["https://old.example/salmon"]);
    drop(permits);
    scene.next_turn().await;
    assert_eq!(scene.states(slap).await, [("delivered".to_owned(), 2)]);
    assert_eq!(scene.world.asked(), ["https://busy.example/salmon"], "and is not tried again");
}

#[tokio::test]
async fn somebody_who_is_named_twice_is_sent_one_slap_and_both_names_are_told_of() {
    let scene = Scene::set().await;
    let all = [BOB, USER, PAGE];
    for name in all {
        scene.knows(name, BOB, &all, ENDPOINT).await;
    }
    let mallory = "https://mallory.example/";
    scene.knows(mallory, BOB, &all, ENDPOINT).await;
    let slap = scene.send(1, &[USER, "bob@bob.example", PAGE, BOB, mallory]).await;
    assert_eq!(scene.store.count_out_queue().unwrap(), 2);
    scene.turn().await;
    assert_eq!(scene.world.asked(), [ENDPOINT, ENDPOINT], "of mallory bob's host knows nothing");
    let view = scene.view(slap).await;
    let targets = view["targets"].as_array().unwrap();
    let named: Vec<_> = targets.iter().map(|target| target["to"].as_str().unwrap()).collect();
    assert_eq!(named, [USER, "bob@bob.example", PAGE, BOB, mallory]);
    for target in targets {
        assert_eq!((&target["state"], &target["endpoint"]), (&"delivered".into(), &ENDPOINT.into()));
    }
    let same: Vec<_> = targets.iter().map(|target| target["same_as"].as_str()).collect();
    assert_eq!(same, [None, Some(USER), Some(USER), Some(USER), None]);
}

#[tokio::test]
async fn what_goes_to_one_account_stays_in_order_under_all_of_its_names() {
    let scene = Scene::set().await;
    scene.world.gives("bob.example", status(503));
    // Before it is known who that is.
    let follow = scene.send(1, &[USER]).await;
    for name in [BOB, USER] {
        scene.knows(name, BOB, &[USER], ENDPOINT).await;
    }
    let again = scene.send(2, &[USER]).await;
    scene.turn().await;
    assert_eq!((scene.states(follow).await, scene.states(again).await), (vec![queued(1)], vec![queued(0)]));
    scene.world.gives("bob.example", status(200));
    while scene.states(again).await != [("delivered".to_owned(), 1)] {
        scene.next_turn().await;
    }
    // Now under one and the other.
    scene.world.gives("bob.example", status(503));
    let follow = scene.send(3, &[USER]).await;
    let unfollow = scene.send(4, &[BOB]).await;
    scene.turn().await;
    assert_eq!(
        (scene.states(follow).await, scene.states(unfollow).await),
        (vec![queued(1)], vec![queued(0)])
    );
}

#[tokio::test]
async fn who_turns_out_to_be_somebody_else_of_the_same_entry_is_not_sent_it_again() {
    let scene = Scene::set().await;
    let all = jrd(BOB, &[USER, PAGE], ENDPOINT);
    let at = |path: &str| format!("https://bob.example/{path}");
    let template = r#"{"links":[{"rel":"lrdd","template":"https://bob.example/xrd?uri={uri}"}]}"#;
    scene.world.says(&at(".well-known/host-meta"), template);
    scene.world.says(&at(".well-known/webfinger?resource=acct%3Abob%40bob.example"), &all);
    for path in ["user%2F1", "bob"] {
        scene.world.says(&at(&format!("xrd?uri=https%3A%2F%2Fbob.example%2F{path}")), &all);
    }
    let slap = scene.send(1, &[BOB, USER, PAGE]).await;
    assert_eq!(scene.store.count_out_queue().unwrap(), 3, "nobody is known yet");
    scene.turn().await;
    assert_eq!(scene.world.asked(), [ENDPOINT]);
    assert_eq!(scene.store.count_out_queue().unwrap(), 0);
    let states = scene.states(slap).await;
    assert!(states.iter().all(|state| *state == ("delivered".to_owned(), 1)), "{states:?}");
}

#[tokio::test]
async fn nor_is_who_could_not_be_looked_up_before_the_other_was_sent_it() {
    let scene = Scene::set().await;
    let all = jrd(BOB, &[USER], ENDPOINT);
    let finger = "https://bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example";
    scene.world.says(finger, &all);
    let meta = "https://bob.example/.well-known/host-meta";
    scene.world.gives(meta, Err(SendError::Connect));
    let slap = scene.send(1, &[USER, BOB]).await;
    scene.turn().await;
    assert_eq!(scene.states(slap).await, [queued(1), ("delivered".to_owned(), 1)]);
    scene.world.says(meta, r#"{"links":[{"rel":"lrdd","template":"https://bob.example/xrd?uri={uri}"}]}"#);
    scene.world.says("https://bob.example/xrd?uri=https%3A%2F%2Fbob.example%2Fuser%2F1", &all);
    scene.clock.advance(Duration::from_mins(10));
    scene.turn().await;
    let view = scene.view(slap).await;
    assert_eq!(
        (&view["targets"][0]["state"], &view["targets"][0]["same_as"]),
        (&"delivered".into(), &BOB.into())
    );
    assert_eq!(scene.world.asked(), [ENDPOINT]);
}

fn inbox_slap(received_at: Timestamp) -> crate::store::InboxSlap {
    crate::store::InboxSlap {
        envelope: b"<env/>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        signer: BOB.to_owned(),
        form: "padded".to_owned(),
        id: [9; 16],
        received_at,
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_host_that_is_never_up_has_an_end_as_well() {
    let give_up = Duration::from_hours(1);
    let scene = Scene::set_with(SalmonConfig { give_up, ..SalmonConfig::default() }).await;
    scene.world.gives("dead.example", Err(SendError::Connect));
    let to: Vec<_> = (0..60).map(|number| format!("salmon:https://dead.example/{number}")).collect();
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let slap = scene.send(1, &to).await;
    while scene.store.count_out_queue().unwrap() > 0 {
        scene.next_turn().await;
        // One probe each ten minutes: for sixty that would be ten hours.
        assert!(scene.clock.now().since(START) < give_up * 3, "{:?}", scene.states(slap).await);
    }
    let states = scene.states(slap).await;
    assert!(states.iter().all(|(state, _)| state == "gave-up"), "{states:?}");
}

#[tokio::test]
async fn that_its_host_was_asked_too_often_is_no_try_of_a_target() {
    let scene = Scene::set().await;
    let to: Vec<_> = (0..80).map(|number| format!("acct:n{number}@bob.example")).collect();
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let slap = scene.send(1, &to).await;
    scene.turn().await;
    let states = scene.states(slap).await;
    let queued_yet: Vec<_> = states.iter().filter(|(state, _)| state == "queued").collect();
    assert!((1..=20).contains(&queued_yet.len()), "sixty a minute: {states:?}");
    assert!(queued_yet.iter().all(|(_, tries)| *tries == 0), "{states:?}");
}
