//! Rows that cannot be read: passed over, told once, and nobody else's concern.

use super::*;
use crate::store::keys::Table;

/// Runs the agenda of backlogs until nobody is behind.
async fn catch_up(scene: &Scene) {
    let agenda = Agenda {
        kind: DueKind::Backlog,
        store: scene.store.clone(),
        clock: Arc::clone(&scene.room.parts.clock),
        poke: scene.room.poke(),
        limit: 4,
    };
    let stop = scene.room.parts.tasks.stopping().clone();
    let watch = async {
        let is_behind = || scene.store.has_backlog(scene.pair).unwrap();
        eventually("the catch-up", || !is_behind()).await;
        stop.cancel();
    };
    let work = Arc::new(CatchUp(Arc::clone(&scene.room)));
    let (ended, ()) = tokio::join!(agenda.run(work, stop.clone()), watch);
    ended.unwrap();
}

fn passed_over(scene: &Scene) -> u64 {
    scene.room.parts.metrics.unreadable_rows.get()
}

/// Puts down the newest body of the topic.
async fn put_document(scene: &Scene, seq: u64) {
    let publication = scene.store.publication(scene.pair.topic, seq).unwrap().unwrap();
    let document = crate::store::TopicDocument { seq, publication, body: b"news".to_vec() };
    scene.store.commit(Record::DocumentPut(scene.pair.topic, document).into()).await.unwrap();
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_keeps_nobody_from_the_news() {
    let scene = Scene::set().await;
    let mut pairs = scene.put_more(40).await;
    pairs.push(scene.pair);
    pairs.sort_by_key(|pair| pair.callback);
    // The last of the first page and the first of the second, one that was under way before, and one that is behind.
    for index in [31, 32, 5, 38] {
        scene.store.spoil_subscription(pairs[index]);
    }
    scene.fall_behind_as(pairs[38], 1).await;
    scene.fan_out(1, Vec::new()).await;
    scene.run_fanouts(async {}).await;
    assert_eq!(scene.callback.0.lock().unwrap().len(), pairs.len() - 4);
    assert_eq!(scene.room.parts.metrics.unreadable_rows.get(), 4);
    // Its catch-up, which would else be tried for ever.
    let (due, _) = scene.store.due(DueKind::Backlog, NOW, 1).unwrap();
    Arc::new(CatchUp(Arc::clone(&scene.room))).run(due.into_iter().next().unwrap()).await.unwrap();
    assert_eq!(scene.store.backlog(pairs[38]).unwrap(), None);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_and_that_a_checkpoint_names_is_passed_over() {
    let scene = Scene::set().await;
    scene.fan_out(1, vec![scene.pair.callback]).await;
    scene.store.spoil_subscription(scene.pair);
    scene.run_fanouts(async {}).await;
    assert_eq!(scene.room.parts.metrics.unreadable_rows.get(), 1);
}

#[tokio::test]
async fn who_has_a_backlog_that_cannot_be_read_is_sent_the_whole() {
    let scene = Scene::set().await;
    put_document(&scene, 1).await;
    scene.fall_behind(1).await;
    scene.store.spoil(Table::Backlogs, &scene.pair.octets());
    assert_eq!(scene.store.oldest_needed(scene.pair.topic, 9).unwrap(), Some(u64::MAX));
    catch_up(&scene).await;
    scene.assert_signed("whole", Some("old"));
    assert!(passed_over(&scene) > 0);
}

#[tokio::test]
async fn a_backlog_that_cannot_be_read_goes_with_its_subscription() {
    let scene = Scene::set().await;
    scene.fall_behind(1).await;
    scene.store.spoil(Table::Backlogs, &scene.pair.octets());
    assert!(scene.room.end(scene.pair, &scene.subscription).await.unwrap());
    assert!(!scene.store.has_backlog(scene.pair).unwrap());
    let (due, _) = scene.store.due(DueKind::Backlog, NOW, 9).unwrap();
    let due = due.into_iter().next().unwrap();
    Arc::new(CatchUp(Arc::clone(&scene.room))).run(due).await.unwrap();
    assert!(scene.store.due(DueKind::Backlog, NOW, 9).unwrap().0.is_empty(), "nor does its turn stay");
}

#[tokio::test]
async fn a_fan_out_that_cannot_be_read_begins_anew() {
    let scene = Scene::set().await;
    scene.fan_out(1, Vec::new()).await;
    scene.store.spoil(Table::FanOuts, scene.pair.topic.as_bytes());
    scene.run_fanouts(async {}).await;
    scene.assert_signed("from the first on", Some("old"));
    assert!(passed_over(&scene) > 0);
}

#[tokio::test]
async fn a_fan_out_whose_publication_cannot_be_read_sends_the_whole_or_ends() {
    for has_whole in [true, false] {
        let scene = Scene::set().await;
        if has_whole {
            put_document(&scene, 1).await;
        }
        scene.fan_out(1, Vec::new()).await;
        scene.store.spoil(Table::Publications, scene.pair.topic.as_bytes());
        scene.run_fanouts(async {}).await;
        scene.assert_signed("whole", has_whole.then_some("old"));
        assert_eq!(passed_over(&scene), 1);
    }
}

/// The numbers of the topic go on where they were, by what else is there.
#[tokio::test]
async fn a_topic_that_cannot_be_read_keeps_nobody_from_what_was_published() {
    let scene = Scene::set().await;
    scene.publish(2).await;
    put_document(&scene, 2).await;
    scene.fall_behind(1).await;
    scene.store.spoil_topic(scene.pair.topic);
    assert_eq!(scene.store.head(scene.pair.topic).unwrap(), 2);
    catch_up(&scene).await;
    scene.assert_signed("the last", Some("old"));
}

/// Else whoever missed it would never hear that there was something between.
#[tokio::test]
async fn who_missed_a_publication_that_cannot_be_read_is_sent_the_whole() {
    let scene = Scene::set().await;
    for seq in [2, 3] {
        scene.publish(seq).await;
    }
    put_document(&scene, 3).await;
    let second = [scene.pair.topic.as_bytes().as_slice(), &2_u64.to_be_bytes()].concat();
    scene.store.spoil(Table::Publications, &second);
    let composed = scene.room.composer.compose(scene.pair.topic, 1, NeedsFull::No).await.unwrap().unwrap();
    assert!(composed.reach.is_full && composed.reach.through == 3);
}
