//! Forgetting: entries that left their feed long ago (F18), and topics that nobody has wanted for as long.
//!
//! A topic that nobody wants is known for a while, so that a subscription which comes back is not sent everything anew;
//! its body goes at once. Each step decides under the topic's lock, which a verification holds while it reads the head
//! and puts the subscription: a topic goes either before it or not at all.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    protocol::TopicId,
    store::{Commit, Record, Store, StoreError},
};

/// Rows read, and rows removed in one commit.
const PAGE: usize = 512;
/// An unchanged feed costs one write a day and entry.
const SIGHT_AGE: Duration = Duration::from_hours(24);

/// How old a sighting of an entry may get while the entry is still shown; then it is renewed. What is forgotten must be
/// older than this besides.
pub fn sight_age(remember_for: Duration) -> Duration {
    SIGHT_AGE.min(remember_for.div_f64(2.0))
}

/// Looks at every topic. Returns those that were forgotten, whose numbers may begin anew.
pub(super) async fn sweep(
    store: &Store,
    now: Timestamp,
    remember_for: Duration,
) -> Result<Vec<TopicId>, StoreError> {
    let mut forgotten = Vec::new();
    let mut after = None;
    loop {
        let topics = store.read(move |store| store.topic_ids(after, PAGE)).await?;
        after = topics.last().copied();
        for topic in &topics {
            if store.is_wanted(*topic)? {
                if store.abandoned_since(*topic)?.is_some() {
                    store.commit(Record::TopicWanted(*topic).into()).await?;
                }
                forget_entries(store, *topic, now, remember_for).await?;
            } else if leave(store, *topic, now, remember_for).await? {
                forgotten.push(*topic);
            }
        }
        if topics.len() < PAGE {
            return Ok(forgotten);
        }
    }
}

/// Notes that nobody wants a topic, and forgets it when that has been so for long enough. Says whether it did.
async fn leave(
    store: &Store,
    topic: TopicId,
    now: Timestamp,
    remember_for: Duration,
) -> Result<bool, StoreError> {
    loop {
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let Some(known) = store.topic(topic)?.filter(|_| matches!(store.is_wanted(topic), Ok(false))) else {
            return Ok(false);
        };
        let since = store.abandoned_since(topic)?;
        // One that has a body again was wanted in between.
        let Some(since) = since.filter(|_| matches!(store.has_document(topic), Ok(false))) else {
            store.commit(Record::TopicAbandoned(topic, now).into()).await?;
            return Ok(false);
        };
        if since.max(known.fetched_at) >= now.before(remember_for) {
            return Ok(false);
        }
        // In steps, so that nobody waits long for the lock; the topic itself last, so that a crash leaves a row to find
        // the rest by.
        let page = store.read(move |store| store.sightings(topic, None, PAGE)).await?;
        if page.is_empty() {
            let names = store.names(topic)?;
            store.commit(Record::TopicForgotten { topic, names }.into()).await?;
            return Ok(true);
        }
        let commit: Commit =
            page.iter().map(|(id, digest, _)| Record::EntryForgotten(topic, *id, *digest)).collect();
        store.commit(commit).await?;
    }
}

/// Forgets the entries of a topic that it has not shown for long enough.
async fn forget_entries(
    store: &Store,
    topic: TopicId,
    now: Timestamp,
    remember_for: Duration,
) -> Result<(), StoreError> {
    let Some(known) = store.topic(topic)? else { return Ok(()) };
    // A feed that nobody looked at has not dropped its entries: age counts up to the last look that renewed what it saw.
    // It left alone what it had renewed shortly before.
    let limit = known.fetched_at.min(now).before(remember_for).before(sight_age(remember_for));
    let mut after = None;
    loop {
        let page = store.read(move |store| store.sightings(topic, after, PAGE)).await?;
        after = page.last().map(|(id, digest, _)| (*id, *digest));
        let old = page.iter().filter(|(_, _, seen)| *seen < limit);
        let commit: Commit = old.map(|(id, digest, _)| Record::EntryForgotten(topic, *id, *digest)).collect();
        store.commit(commit).await?;
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feed::{BodyDigest, EntryDigest, EntryId, Format},
        protocol::TopicUrl,
        store::{Name, PendingFetch, Publication, StoreOptions, Topic, TopicDocument, Validators},
    };

    const MONTH: Duration = Duration::from_hours(30 * 24);

    fn day(days: u64) -> Timestamp {
        Timestamp::from_millis(days * 24 * 3_600_000)
    }

    struct Scene {
        _home: tempfile::TempDir,
        store: Store,
        url: TopicUrl,
    }

    impl Scene {
        fn set() -> Self {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("data");
            let options = StoreOptions { path, cache_bytes: 16 << 20, gather: Duration::ZERO };
            let store = Store::open(&options).unwrap();
            Self { _home: home, store, url: TopicUrl::parse("http://site.example/feed").unwrap() }
        }

        fn topic(&self) -> TopicId {
            self.url.id()
        }

        async fn put(&self, record: Record) {
            self.store.commit(record.into()).await.unwrap();
        }

        /// A look that brought a body.
        async fn looked(&self, at: Timestamp) {
            let topic = Topic {
                url: self.url.to_string(),
                head: 7,
                format: Format::Atom,
                envelope: BodyDigest::of(b""),
                validators: Validators::default(),
                fetched_at: at,
            };
            self.put(Record::TopicPut(self.topic(), topic)).await;
        }

        async fn saw(&self, entry: u8, at: Timestamp) {
            let (id, digest) = (EntryId::from_bytes([entry; 16]), EntryDigest::from_bytes([entry; 16]));
            self.put(Record::EntrySeen(self.topic(), id, digest, at)).await;
        }

        async fn wait_for_a_fetch(&self, due_at: Timestamp) {
            let url = self.url.clone();
            let fetch = PendingFetch { url, pinged_at: due_at, due_at, attempts: 0, looks: 0, is_poll: true };
            self.put(Record::FetchPut { topic: self.topic(), fetch, was: None }).await;
        }

        async fn swept(&self, now: Timestamp, remember_for: Duration) -> Vec<TopicId> {
            sweep(&self.store, now, remember_for).await.unwrap()
        }

        fn entries(&self) -> usize {
            self.store.sightings(self.topic(), None, 100).unwrap().len()
        }
    }

    #[tokio::test]
    async fn f18_an_entry_is_known_for_a_month_after_it_was_last_in_its_feed() {
        let scene = Scene::set();
        scene.wait_for_a_fetch(day(100)).await;
        scene.looked(day(0)).await;
        scene.saw(1, day(0)).await;
        // Nobody looked since: who knows what is in the feed.
        scene.swept(day(90), MONTH).await;
        assert_eq!(scene.entries(), 1);
        // Its sighting may have been a day old when it was last in the feed.
        scene.looked(day(31)).await;
        scene.swept(day(31), MONTH).await;
        assert_eq!(scene.entries(), 1, "not for a month, yet");
        scene.looked(day(31).after(Duration::from_millis(1))).await;
        scene.swept(day(32), MONTH).await;
        assert_eq!(scene.entries(), 0);
    }

    /// Its sighting is renewed when half of the time is over, at the latest.
    #[tokio::test]
    async fn f18_what_is_still_in_the_feed_is_known_however_short_the_memory() {
        let half_a_day = Duration::from_hours(12);
        assert_eq!(sight_age(half_a_day), Duration::from_hours(6));
        assert_eq!(sight_age(MONTH), Duration::from_hours(24));
        let scene = Scene::set();
        scene.wait_for_a_fetch(day(9)).await;
        let now = day(1);
        scene.looked(now).await;
        scene.saw(1, now.before(sight_age(half_a_day))).await;
        scene.saw(2, now.before(half_a_day)).await;
        scene.swept(now, half_a_day).await;
        assert_eq!(scene.entries(), 2);
    }

    #[tokio::test]
    async fn f18_a_topic_that_nobody_wants_goes_with_everything_after_a_month() {
        let scene = Scene::set();
        let (store, topic) = (&scene.store, scene.topic());
        let names = vec![Name { id: TopicId::from_bytes([9; 16]), is_near: false }];
        scene.looked(day(0)).await;
        scene.saw(1, day(0)).await;
        scene.put(Record::NamesPut { topic, names: names.clone(), was: Vec::new() }).await;
        let publication = Publication {
            at: day(0),
            format: Format::Atom,
            content_type: None,
            self_url: String::new(),
            hub_url: String::new(),
            context: BodyDigest::of(b""),
            entries: Vec::new(),
            insert_at: 0,
            length: 4,
            document_length: 4,
            first_of_fetch: 7,
        };
        let document = TopicDocument { seq: 7, publication, body: b"body".to_vec() };
        scene.put(Record::DocumentPut(topic, document.clone())).await;
        scene.wait_for_a_fetch(day(9)).await;
        assert_eq!(scene.swept(day(60), MONTH).await, []);
        assert!(store.document(topic).unwrap().is_some(), "it is wanted");

        scene.put(Record::FetchDone { topic, was: day(9) }).await;
        assert_eq!(scene.swept(day(60), MONTH).await, []);
        assert_eq!(store.document(topic).unwrap(), None);
        assert_eq!((store.head(topic).unwrap(), scene.entries()), (7, 1), "what is known stays");
        assert_eq!(scene.swept(day(90), MONTH).await, [], "a month to the day");

        // Somebody came for an hour and left: it counts from then.
        scene.put(Record::DocumentPut(topic, document)).await;
        assert_eq!(scene.swept(day(91), MONTH).await, []);
        assert_eq!(scene.swept(day(121), MONTH).await, []);
        assert_eq!(scene.swept(day(122), MONTH).await, [topic]);
        assert_eq!((store.topic(topic).unwrap(), scene.entries()), (None, 0));
        assert!(store.topics_named(names[0].id, 10).unwrap().is_empty());
        assert_eq!(store.abandoned_since(topic).unwrap(), None);
        assert_eq!(scene.swept(day(200), MONTH).await, []);
    }

    #[tokio::test]
    async fn f18_a_topic_that_is_wanted_again_is_not_forgotten() {
        let scene = Scene::set();
        scene.looked(day(0)).await;
        scene.swept(day(1), MONTH).await;
        scene.wait_for_a_fetch(day(200)).await;
        assert_eq!(scene.swept(day(150), MONTH).await, []);
        scene.put(Record::FetchDone { topic: scene.topic(), was: day(200) }).await;
        assert_eq!(scene.swept(day(151), MONTH).await, [], "the month begins anew");
        assert_eq!(scene.swept(day(182), MONTH).await, [scene.topic()]);
    }
}
