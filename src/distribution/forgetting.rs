//! Forgetting: entries that left their feed long ago (F18), and topics that nobody has wanted for as long.
//!
//! A topic that nobody wants is known for a while, so that a subscription which comes back is not sent everything anew;
//! its body goes at once. Each step decides under the topic's lock, which a verification holds while it reads the head
//! and puts the subscription: a topic goes either before it or not at all.

use std::{fmt, time::Duration};

use tracing::warn;

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

/// A row that cannot be read keeps nothing else from being swept.
pub(super) fn unless_damaged(
    what: impl fmt::Display,
    swept: Result<(), StoreError>,
) -> Result<(), StoreError> {
    if let Err(error @ StoreError::Damaged { .. }) = swept {
        warn!(%what, %error, "something was left unswept");
        return Ok(());
    }
    swept
}

/// What a sweep does, and with what.
pub(super) struct Forgetting<'a> {
    pub(super) store: &'a Store,
    pub(super) now: Timestamp,
    pub(super) remember_for: Duration,
    /// Told of each topic that is forgotten, whose numbers may begin anew, before anybody can publish it again.
    pub(super) forgotten: &'a (dyn Fn(TopicId) + Send + Sync),
}

impl Forgetting<'_> {
    /// Looks at every topic.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let topics = self.store.read(move |store| store.topic_ids(after, PAGE)).await?;
            after = topics.last().copied();
            for topic in &topics {
                unless_damaged(topic, self.look_at(*topic).await)?;
            }
            if topics.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn look_at(&self, topic: TopicId) -> Result<(), StoreError> {
        let store = self.store;
        let held = store.topic_locks().write(topic.as_bytes()).await;
        if !store.is_wanted(topic)? {
            drop(held);
            return self.leave(topic).await;
        }
        if store.abandoned_since(topic)?.is_some() {
            store.commit(Record::TopicWanted(topic).into()).await?;
        }
        drop(held);
        self.forget_entries(topic).await
    }

    /// Notes that nobody wants a topic, and forgets it when that has been so for long enough.
    async fn leave(&self, topic: TopicId) -> Result<(), StoreError> {
        let store = self.store;
        loop {
            let _held = store.topic_locks().write(topic.as_bytes()).await;
            let Some(known) = store.topic(topic)? else { return Ok(()) };
            if store.is_wanted(topic)? {
                return Ok(());
            }
            let Some(since) = store.abandoned_since(topic)? else {
                return store.commit(Record::TopicAbandoned(topic, self.now).into()).await;
            };
            if since.max(known.fetched_at) >= self.now.before(self.remember_for) {
                return Ok(());
            }
            // In steps, so that nobody waits long for the lock; the topic itself last, so that a crash leaves a row to
            // find the rest by.
            let page = store.read(move |store| store.sightings(topic, None, PAGE)).await?;
            if page.is_empty() {
                let names = store.names(topic)?;
                store.commit(Record::TopicForgotten { topic, names }.into()).await?;
                (self.forgotten)(topic);
                return Ok(());
            }
            let commit: Commit =
                page.iter().map(|(id, digest, _)| Record::EntryForgotten(topic, *id, *digest)).collect();
            store.commit(commit).await?;
        }
    }

    /// Forgets the entries of a topic that it has not shown for long enough.
    async fn forget_entries(&self, topic: TopicId) -> Result<(), StoreError> {
        let store = self.store;
        let mut after = None;
        loop {
            // What a fetch sees again in between must not go for what was read before.
            let _held = store.topic_locks().write(topic.as_bytes()).await;
            let Some(known) = store.topic(topic)? else { return Ok(()) };
            // A feed that nobody looked at has not dropped its entries: age counts up to the last look that renewed what
            // it saw. It left alone what it had renewed shortly before.
            let looked = known.fetched_at.min(self.now);
            let limit = looked.before(self.remember_for).before(sight_age(self.remember_for));
            let page = store.read(move |store| store.sightings(topic, after, PAGE)).await?;
            after = page.last().map(|(id, digest, _)| (*id, *digest));
            let old = page.iter().filter(|(_, _, seen)| *seen < limit);
            let commit: Commit =
                old.map(|(id, digest, _)| Record::EntryForgotten(topic, *id, *digest)).collect();
            store.commit(commit).await?;
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
            let gone = Mutex::new(Vec::new());
            let forgotten = |topic| gone.lock().unwrap().push(topic);
            let sweep = Forgetting { store: &self.store, now, remember_for, forgotten: &forgotten };
            sweep.sweep().await.unwrap();
            gone.into_inner().unwrap()
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
        let publication = Publication { at: day(0), ..Publication::of(Format::Atom, 4, 7) };
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

    /// It may be about to put down that it saw them again.
    #[tokio::test]
    async fn f18_nothing_is_forgotten_while_a_look_is_put_down() {
        let scene = Scene::set();
        scene.wait_for_a_fetch(day(100)).await;
        scene.looked(day(60)).await;
        scene.saw(1, day(0)).await;
        let held = scene.store.topic_locks().write(scene.topic().as_bytes()).await;
        let look = async {
            // As many commits as a sweep would need, and more: they come one after the other.
            for day in 0..10 {
                scene.put(Record::HostVerified([0; 16], Timestamp::from_millis(day))).await;
            }
            assert_eq!(scene.entries(), 1);
            scene.saw(1, day(60)).await;
            drop(held);
        };
        tokio::join!(scene.swept(day(60), MONTH), look);
        assert_eq!(scene.entries(), 1);
    }

    #[tokio::test]
    async fn f18_a_topic_that_cannot_be_read_keeps_no_other_from_being_forgotten() {
        let mut scene = Scene::set();
        let mut topics = Vec::new();
        for name in ["one", "other"] {
            scene.url = TopicUrl::parse(&format!("http://site.example/{name}")).unwrap();
            scene.looked(day(0)).await;
            topics.push(scene.topic());
        }
        topics.sort();
        scene.swept(day(1), MONTH).await;
        scene.store.spoil_topic(topics[0]);
        assert_eq!(scene.swept(day(100), MONTH).await, [topics[1]]);
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
