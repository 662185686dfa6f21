//! How often, for whom, how many at a time and for how long is asked.

use super::*;

#[tokio::test]
async fn a_failure_is_remembered_for_a_minute_and_named_for_what_it_is() {
    let later = [SendError::Connect, SendError::Timeout, SendError::Resolve, SendError::Tls];
    let later = later.map(Err).into_iter().chain([500, 503, 429, 408].map(|status| Ok(answer(status, ""))));
    for given in later {
        let scene = Scene::usual();
        scene.gives(FINGER, given);
        assert_eq!(scene.find(BOB).await, Err(LookupError::Later));
    }
    let refused = SendError::Refused(Refusal::Port);
    for given in [Err(refused), Err(SendError::TooLarge), Ok(answer(410, "")), Ok(answer(200, "<"))] {
        let scene = Scene::usual();
        scene.gives(FINGER, given);
        assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
        scene.says(FINGER, &jrd(&[BOB]));
        scene.clock.advance(Duration::from_secs(59));
        assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
        scene.clock.advance(Duration::from_secs(1));
        assert!(scene.find(BOB).await.is_ok());
    }
}

#[tokio::test]
async fn a_name_is_asked_after_out_of_turn_once_in_ten_minutes() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    let bob = name(BOB);
    let fresh = scene.find(BOB).await.unwrap();
    assert_eq!(scene.lookup.refresh(&bob, &fresh, "a").await, None, "nothing newer than that");
    let outdated = scene.find(BOB).await.unwrap();
    scene.says(FINGER, &jrd(&[BOB, PAGE]));
    scene.clock.advance(Duration::from_secs(1));
    let newer = scene.lookup.refresh(&bob, &outdated, "a").await.unwrap().unwrap();
    assert_eq!(newer.descriptor.aliases, [PAGE]);
    scene.asked();
    let known = scene.lookup.refresh(&bob, &outdated, "a").await.unwrap().unwrap();
    assert_eq!((known.descriptor, scene.asked().len()), (newer.descriptor, 0), "somebody else asked already");
    let current = scene.find(BOB).await.unwrap();
    scene.clock.advance(Duration::from_secs(599));
    assert_eq!(scene.lookup.refresh(&bob, &current, "a").await, None);
    scene.clock.advance(Duration::from_secs(1));
    assert!(scene.lookup.refresh(&bob, &current, "a").await.is_some());
}

#[tokio::test]
async fn many_who_want_the_same_are_one_request_even_if_the_first_gives_up() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    scene.world.is_held.store(true, Ordering::SeqCst);
    let mut first = Box::pin(scene.find(BOB));
    tokio::select! {
        biased;
        _ = &mut first => panic!("it is held"),
        () = async { while scene.world.asked.lock().unwrap().is_empty() { tokio::task::yield_now().await } } => {}
    }
    let open = async {
        tokio::task::yield_now().await;
        scene.world.is_held.store(false, Ordering::SeqCst);
        scene.world.gate.add_permits(1);
    };
    let (one, two, three, ()) = tokio::join!(first, scene.find(BOB), scene.find(BOB), open);
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(scene.asked(), [FINGER]);
    assert!(!scene.lookup.under_way.is_any(name(BOB).id()), "nothing is left of it");
}

#[tokio::test]
async fn look_ups_a_minute_are_bounded_for_who_asks_and_for_who_is_asked() {
    let two = NonZeroU32::new(2).unwrap();
    let scene = Scene::set(Rules { lookups_per_minute: two, ..Rules::default() });
    let ask = |nick: &str, host: &str, asking| {
        let name = name(&format!("{nick}@{host}"));
        let lookup = Arc::clone(&scene.lookup);
        async move { lookup.find(&name, asking).await }
    };
    assert_eq!(ask("a", "one.example", "x").await, Err(LookupError::Nothing));
    assert_eq!(ask("b", "two.example", "x").await, Err(LookupError::Nothing));
    scene.asked();
    assert_eq!(ask("c", "three.example", "x").await, Err(LookupError::Busy));
    assert_eq!(ask("d", "one.example", "y").await, Err(LookupError::Nothing));
    scene.asked();
    assert_eq!(
        ask("e", "one.example:8443", "z").await,
        Err(LookupError::Crowded),
        "one machine, whatever port"
    );
    assert!(scene.asked().is_empty());
}

#[tokio::test]
async fn the_one_look_out_of_turn_is_not_spent_where_nobody_is_asked() {
    let one = NonZeroU32::MIN;
    let scene = Scene::set(Rules { lookups_per_minute: one, ..Rules::default() });
    scene.says(FINGER, &jrd(&[BOB]));
    let bob = name(BOB);
    scene.lookup.find(&bob, "x").await.unwrap();
    let outdated = scene.lookup.find(&bob, "y").await.unwrap();
    assert!(outdated.is_cached);
    assert_eq!(
        scene.lookup.refresh(&bob, &outdated, "x").await,
        Some(Err(LookupError::Busy)),
        "over its limit"
    );
    let next = scene.lookup.refresh(&bob, &outdated, "y").await;
    assert_eq!(next, Some(Err(LookupError::Crowded)), "it is asked, and its host's limit stands in the way");
}

#[tokio::test]
async fn an_author_whose_host_is_down_may_have_a_new_key_until_it_says_otherwise() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    let bob = name(BOB);
    scene.find(BOB).await.unwrap();
    let outdated = scene.find(BOB).await.unwrap();
    scene.gives(FINGER, Err(SendError::Connect));
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.lookup.refresh(&bob, &outdated, "a").await, Some(Err(LookupError::Later)));
    scene.asked();
    scene.clock.advance(Duration::from_mins(9));
    assert_eq!(scene.lookup.refresh(&bob, &outdated, "a").await, Some(Err(LookupError::Later)));
    assert!(scene.asked().is_empty(), "once in ten minutes");
    scene.says(FINGER, &jrd(&[BOB, PAGE]));
    scene.clock.advance(Duration::from_mins(1));
    let newer = scene.lookup.refresh(&bob, &outdated, "a").await.unwrap().unwrap();
    assert_eq!(newer.descriptor.aliases, [PAGE]);
}

/// Has a look-up begin that nobody answers.
async fn begins<T>(scene: &Scene, looking: &mut (impl Future<Output = T> + Unpin)) {
    let asked = || scene.world.asked.lock().unwrap().len();
    let before = asked();
    tokio::select! {
        biased;
        _ = looking => panic!("it is held"),
        () = async { while asked() == before { tokio::task::yield_now().await } } => {}
    }
}

#[tokio::test]
async fn one_client_has_its_share_of_the_look_ups_at_a_time_and_our_own_sites_have_theirs() {
    let scene = Scene::set(Rules { concurrency: 4, ..Rules::default() });
    scene.world.is_held.store(true, Ordering::SeqCst);
    let names = [name("a@one.example"), name("b@two.example"), name("c@three.example")];
    let mut first = Box::pin(scene.lookup.find(&names[0], "x"));
    begins(&scene, &mut first).await;
    let mut second = Box::pin(scene.lookup.find(&names[1], "x"));
    let mut third = Box::pin(scene.lookup.find(&names[2], "y"));
    tokio::select! {
        biased;
        _ = &mut second => panic!("it has to wait"),
        () = begins(&scene, &mut third) => {}
    }
    assert!(scene.asked().iter().all(|url| !url.contains("two.example")));
    let mut own = Box::pin(scene.lookup.endpoint("d@four.example", false));
    begins(&scene, &mut own).await;
    scene.world.is_held.store(false, Ordering::SeqCst);
    scene.world.gate.add_permits(3);
    assert_eq!(tokio::join!(first, second, third).1, Err(LookupError::Nothing));
}

#[tokio::test(start_paused = true)]
async fn a_look_up_ends_in_time_whether_it_waits_for_an_answer_or_for_its_turn() {
    let scene = Scene::set(Rules { concurrency: 1, ..Rules::default() });
    scene.world.is_held.store(true, Ordering::SeqCst);
    let feed = "https://group.example/7.atom";
    let begun = Instant::now();
    let in_the_way = (scene.lookup.inward.enter("x").await, scene.lookup.outward.enter("").await);
    assert_eq!(scene.find(BOB).await, Err(LookupError::Busy));
    assert_eq!(scene.lookup.by_feed(&name(feed), None).await, Err(LookupError::Busy));
    assert_eq!((begun.elapsed().as_secs(), scene.asked().len()), (10, 0));
    drop(in_the_way);
    assert_eq!(scene.find(BOB).await, Err(LookupError::Later));
    assert_eq!(scene.lookup.by_feed(&name(feed), None).await, Err(LookupError::Later));
    assert_eq!((begun.elapsed().as_secs(), scene.asked().len()), (30, 2));
}

#[tokio::test]
async fn nobody_waits_for_the_turn_of_a_client_that_has_its_share_under_way() {
    let scene = Scene::set(Rules { concurrency: 4, ..Rules::default() });
    scene.says(FINGER, &jrd(&[BOB]));
    let (bob, slow) = (name(BOB), name("a@one.example"));
    let in_the_way = scene.lookup.inward.enter("x").await;
    let mut first = Box::pin(scene.lookup.find(&bob, "x"));
    tokio::select! {
        biased;
        _ = &mut first => panic!("it has its share"),
        () = tokio::task::yield_now() => {}
    }
    assert!(scene.lookup.find(&bob, "y").await.is_ok());
    scene.lookup.find(&slow, "y").await.unwrap_err();
    drop(in_the_way);
    assert!(first.await.unwrap().is_cached, "and it need not ask again");
    let asked = scene.asked();
    assert_eq!(asked.iter().filter(|url| *url == FINGER).count(), 1, "{asked:?}");
}

#[tokio::test]
async fn strangers_do_not_use_up_what_our_own_sites_may_ask_of_a_host() {
    let scene = Scene::set(Rules { lookups_per_minute: NonZeroU32::MIN, ..Rules::default() });
    scene.says(FINGER, &jrd(&[BOB]));
    scene.lookup.find(&name("a@bob.example"), "x").await.unwrap_err();
    assert_eq!(scene.lookup.find(&name(BOB), "y").await, Err(LookupError::Crowded));
    assert!(scene.lookup.endpoint(BOB, false).await.is_ok());
    // Nor the use of what is known, old as it is.
    scene.clock.advance(Duration::from_hours(25));
    scene.lookup.find(&name("b@bob.example"), "z").await.unwrap_err();
    assert!(scene.lookup.find(&name(BOB), "w").await.unwrap().is_stale);
}

#[tokio::test]
async fn what_is_too_old_to_be_of_use_is_forgotten() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    scene.find(BOB).await.unwrap();
    scene.clock.advance(Duration::from_hours(24));
    let finger = "https://one.example/.well-known/webfinger?resource=acct%3Aa%40one.example";
    scene.says(finger, &jrd(&["acct:a@one.example"]));
    scene.find("a@one.example").await.unwrap();
    scene.lookup.known.forget(scene.clock.now().before(Duration::from_hours(1))).await;
    assert_eq!(scene.store.descriptor(name(BOB).id()).unwrap(), None);
    assert!(scene.store.descriptor(name("a@one.example").id()).unwrap().is_some());
}

#[tokio::test]
async fn a_host_that_is_not_there_is_left_alone_whoever_is_named_and_one_that_answers_is_not() {
    let page = |number: u32| {
        format!("https://bob.example/.well-known/webfinger?resource=acct%3A{number}%40bob.example")
    };
    let find = async |scene: &Scene, number: u32| scene.find(&format!("acct:{number}@bob.example")).await;
    for given in [Ok(answer(500, "")), Ok(answer(404, "")), Ok(answer(200, "<")), Err(SendError::TooLarge)] {
        let scene = Scene::usual();
        for number in 0..25 {
            scene.gives(&page(number), given.clone());
            assert!(find(&scene, number).await.is_err());
        }
        scene.asked();
        assert!(find(&scene, 99).await.is_err());
        assert!(!scene.asked().is_empty(), "{given:?}");
    }
    let scene = Scene::usual();
    for number in 0..20 {
        scene.gives(&page(number), Err(SendError::Timeout));
        assert_eq!(find(&scene, number).await, Err(LookupError::Later));
    }
    scene.asked();
    scene.says(FINGER, &jrd(&[BOB]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Later));
    assert_eq!(scene.asked(), [""; 0]);
    // Others are asked, and it is as well when its pause is over.
    let alice = "https://alice.example/.well-known/webfinger?resource=acct%3Aalice%40alice.example";
    scene.says(alice, &jrd(&["acct:alice@alice.example"]));
    assert!(scene.find("acct:alice@alice.example").await.is_ok());
    scene.clock.advance(Duration::from_mins(1));
    assert!(scene.find(BOB).await.is_ok());
}
