//! The store on a real disk: what a commit leaves, what an end leaves, what a look at the due rows finds.

use super::{
    transfer_tests::{at, options},
    *,
};
use crate::{
    clock::Timestamp,
    protocol::{PairId, TopicId},
};

fn open(home: &tempfile::TempDir) -> Store {
    Store::open(&options(&home.path().join("data"))).unwrap()
}

fn subscription(name: &str) -> (PairId, Subscription) {
    let (pair, subscription) = transfer_tests::subscription(name, Some(b"key"));
    (pair, Subscription { signature: None, ..subscription })
}

fn backlog(due: u64) -> Backlog {
    Backlog {
        from_seq: 8,
        passed: 8,
        attempts: 1,
        due_at: at(due),
        since: at(1),
        last: LastOutcome::Status(503),
        needs_full: NeedsFull::No,
    }
}

fn rows(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = Table::ALL.iter().flat_map(|table| store.kv.scan(&[table.byte()], None, 1000).unwrap());
    found.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_reopening() {
    let home = tempfile::tempdir().unwrap();
    let (pair, subscription) = subscription("a");
    {
        let store = open(&home);
        store.commit(Record::SubscriptionPut { pair, subscription, was: None }.into()).await.unwrap();
        store.close().await;
        let refused = store.commit(Record::HostVerified([0; 16], at(1)).into()).await;
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    }
    let found = open(&home).subscription(pair).unwrap().unwrap();
    assert_eq!(found.since_seq, 7);
    assert_eq!(found.callback.as_str(), "http://reader.example/a");
    assert_eq!(found.secret.unwrap().expose(), b"key");
}

#[tokio::test]
async fn applying_a_commit_twice_is_the_same_as_once() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let (pair, subscription) = subscription("a");
    let first = Commit::from(Record::SubscriptionPut { pair, subscription: subscription.clone(), was: None })
        .with(Record::BacklogPut { pair, backlog: backlog(50), was: None });
    store.commit(first).await.unwrap();
    let renewed = Subscription { expires_at: at(900_000), ..subscription };
    let second =
        Commit::from(Record::SubscriptionPut { pair, subscription: renewed, was: Some(at(601_000)) })
            .with(Record::BacklogPut { pair, backlog: backlog(70), was: Some(at(50)) });
    store.commit(second.clone()).await.unwrap();
    let once = rows(&store);
    store.commit(second).await.unwrap();
    assert_eq!(rows(&store), once);
    let (due, _) = store.due(DueKind::Backlog, at(1000), 10).unwrap();
    assert_eq!(due.iter().map(|due| due.at).collect::<Vec<_>>(), [at(70)], "the old due row went");
}

/// P09: a topic has the names that it has now, those of its own host are found first, and a topic that goes takes them.
#[tokio::test]
async fn names_are_replaced_and_go_with_their_topic() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let before = rows(&store);
    let id = |octet: u8| TopicId::from_bytes([octet; 16]);
    let name = |octet, is_near| Name { id: id(octet), is_near };
    let put = |topic, names: &[Name], was: &[Name]| Record::NamesPut {
        topic: id(topic),
        names: names.to_vec(),
        was: was.to_vec(),
    };
    // A stranger whose key is smaller claims the name first.
    store.commit(put(1, &[name(9, false)], &[]).into()).await.unwrap();
    let old = [name(8, true), name(9, true)];
    store.commit(put(2, &old, &[]).into()).await.unwrap();
    assert_eq!(store.topics_named(id(9), 10).unwrap(), [name(2, true), name(1, false)]);
    let new = [name(9, true), name(7, false)];
    let commit = Commit::from(put(2, &new, &old));
    store.commit(commit.clone()).await.unwrap();
    let once = rows(&store);
    store.commit(commit).await.unwrap();
    assert_eq!(rows(&store), once);
    assert_eq!(store.names(id(2)).unwrap(), new);
    assert_eq!(store.topics_named(id(8), 10).unwrap(), []);
    for (topic, names) in [(1, vec![name(9, false)]), (2, new.to_vec())] {
        let forgotten = Commit::from(Record::TopicForgotten { topic: id(topic), names });
        store.commit(forgotten.clone()).await.unwrap();
        store.commit(forgotten).await.unwrap();
    }
    assert_eq!(rows(&store), before);
}

#[tokio::test]
async fn the_end_of_a_subscription_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let before = rows(&store);
    let (pair, subscription) = subscription("a");
    let lease_due = Some(subscription.lease_due());
    let commit = Commit::from(Record::SubscriptionPut { pair, subscription, was: None })
        .with(Record::BacklogPut { pair, backlog: backlog(50), was: None });
    store.commit(commit).await.unwrap();
    assert_eq!(rows(&store).len(), before.len() + 4);
    let backlog_due = Some(at(50));
    store.commit(Record::SubscriptionEnded { pair, lease_due, backlog_due }.into()).await.unwrap();
    assert_eq!(rows(&store), before);
}

#[tokio::test]
async fn what_is_due_comes_in_order_however_much_it_is_and_with_the_next_moment() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let mut commit = Commit::new();
    for number in 0..100_u64 {
        let (pair, _) = subscription(&number.to_string());
        commit.push(Record::BacklogPut { pair, backlog: backlog((number * 37) % 100), was: None });
    }
    store.commit(commit).await.unwrap();
    let (due, next) = store.due(DueKind::Backlog, at(59), 1000).unwrap();
    assert_eq!(due.iter().map(|due| due.at.as_millis()).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    assert_eq!(next, Some(at(60)));
    let (some, next) = store.due(DueKind::Backlog, at(59), 20).unwrap();
    assert_eq!((some.len(), next), (20, None));
    assert!(store.due(DueKind::Fetch, Timestamp::MAX, 10).unwrap().0.is_empty(), "kinds do not mix");
}

#[tokio::test]
async fn pages_of_subscriptions_go_on_where_the_last_ended_and_backlogs_are_found_beside_them() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let mut pairs = Vec::new();
    let mut commit = Commit::new();
    for number in 0..10 {
        let (pair, subscription) = subscription(&number.to_string());
        commit.push(Record::SubscriptionPut { pair, subscription, was: None });
        pairs.push(pair);
    }
    pairs.sort();
    commit.push(Record::BacklogPut { pair: pairs[1], backlog: backlog(5), was: None });
    commit.push(Record::BacklogPut { pair: pairs[6], backlog: backlog(5), was: None });
    store.commit(commit).await.unwrap();
    let topic = pairs[0].topic;
    let page: Vec<_> = store.subscriptions(topic, None, 4).unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(page, pairs[..4].iter().map(|pair| pair.callback).collect::<Vec<_>>());
    let behind = store.backlogged(topic, None, page[3], 4).unwrap();
    assert_eq!(behind, [pairs[1].callback].into());
    let rest = store.subscriptions(topic, Some(page[3]), 100).unwrap();
    assert_eq!(rest.len(), 6);
    assert_eq!(store.backlogged(topic, Some(page[3]), rest[5].0, 100).unwrap(), [pairs[6].callback].into());
    assert_eq!(store.oldest_needed(topic, 100).unwrap(), Some(8));
}

/// Whoever waits for the first commit must not find that the one which made the store has taken for ever.
#[tokio::test]
async fn a_new_store_in_which_nothing_happens_stays_writable() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    assert!(store.kv.health().since().is_none());
    store
        .commit(Record::BacklogPut { pair: subscription("a").0, backlog: backlog(1), was: None }.into())
        .await
        .unwrap();
    // What the writer does of its own accord after a commit is a write as well.
    store.close().await;
    assert!(store.kv.health().since().is_none());
}
