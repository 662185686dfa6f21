//! What a breaker that closes makes due at once.

use super::*;

/// A host that is back gets what it missed at once, and not when a doubled pause is over. No time goes by in this.
#[tokio::test]
async fn d17_what_an_open_breaker_put_off_is_done_when_it_closes() {
    let scene = Scene::set().await;
    let host = scene.subscription.callback.host_key();
    let breakers = &scene.room.parts.breakers;
    for _ in 0..20 {
        breakers.report(host.as_str(), NOW, false);
    }
    scene.fall_behind(1).await;
    let is_put_off = || {
        let backlog = scene.store.backlog(scene.pair).unwrap();
        backlog.is_some_and(|backlog| backlog.last == LastOutcome::BreakerOpen && backlog.due_at > NOW)
    };
    let agenda = Agenda {
        kind: DueKind::Backlog,
        store: scene.store.clone(),
        clock: Arc::clone(&scene.room.parts.clock),
        poke: scene.room.poke(),
        limit: 4,
    };
    let stop = scene.room.parts.tasks.stopping().clone();
    let close = || {
        breakers.report(host.as_str(), NOW, true);
        assert_eq!(breakers.ask(host.as_str(), NOW), Gate::Probe, "a sign of life");
        scene.room.tell_breaker(&scene.subscription, &Outcome::Accepted);
    };
    let watch = async {
        eventually("the backlog to be put off", is_put_off).await;
        assert!(scene.callback.0.lock().unwrap().is_empty());
        close();
        eventually("the catch-up", || scene.store.backlog(scene.pair).unwrap().is_none()).await;
        // One that asked while it was open, and was on disk only after it had closed.
        scene.publish(2).await;
        let until = NOW.after(HOUR);
        let setback = Setback { last: LastOutcome::BreakerOpen, due_at: until, counts: false };
        scene.room.fall_behind(scene.pair, 2, NeedsFull::No, setback).await.unwrap();
        scene.room.was_put_off(&scene.subscription, until);
        eventually("the second", || scene.store.backlog(scene.pair).unwrap().is_none()).await;
        stop.cancel();
    };
    let work = Arc::new(CatchUp(Arc::clone(&scene.room)));
    let (ended, ()) = tokio::join!(agenda.run(work, stop.clone()), watch);
    ended.unwrap();
    assert_eq!(scene.callback.0.lock().unwrap().len(), 2, "each once");
}

/// Whoever failed for another reason, and is due at the same moment by chance, waits until then.
#[tokio::test]
async fn d17_what_no_breaker_put_off_does_not_come_early() {
    let scene = Scene::set().await;
    let until = NOW.after(HOUR);
    let pairs = scene.put_more(2).await;
    for (pair, last) in pairs.iter().zip([LastOutcome::BreakerOpen, LastOutcome::Status(500)]) {
        let setback = Setback { last, due_at: until, counts: true };
        scene.room.fall_behind(*pair, 1, NeedsFull::No, setback).await.unwrap();
    }
    let (due, _) = scene.store.due(DueKind::Backlog, until, 9).unwrap();
    assert_eq!(due.len(), 2);
    for due in due {
        Arc::new(CatchUp(Arc::clone(&scene.room))).run(due).await.unwrap();
    }
    let is_behind = |pair: &PairId| scene.store.backlog(*pair).unwrap().is_some();
    assert_eq!(pairs.iter().map(is_behind).collect::<Vec<_>>(), [false, true]);
    assert_eq!(scene.store.due(DueKind::Backlog, until, 9).unwrap().0.len(), 1, "it stays due then");
}
