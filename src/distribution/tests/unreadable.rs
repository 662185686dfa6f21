//! Rows that cannot be read: passed over, told once, and nobody else's concern.

use super::*;

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
    Arc::new(CatchUp(Arc::clone(&scene.room))).run(due.into_iter().next().unwrap()).await;
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
