//! The work of the agenda of fetches: look, diff, commit, wake the fan-out.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::{
    Publishing,
    fetch::{Asking, Look, Page},
    news::{self, Known, News},
};
use crate::{
    agenda::Work,
    clock::Timestamp,
    feed::{EntryDigest, EntryId},
    outbound::SendError,
    protocol::{TopicId, TopicUrl},
    store::{Commit, Due, FanOut, FanOutId, PendingFetch, Record, Store, StoreError, Topic, TopicDocument},
    telemetry::Fetched,
};

/// A sighting is renewed when it is this old, so that an unchanged feed costs one write a day and entry (F18).
const SIGHT_AGE: Duration = Duration::from_hours(24);
/// Subscriptions are counted up to here for the publisher's log: more would put a walk over all of them, 10 ms for
/// 10,000, between a ping and its first delivery.
const READERS: usize = 1000;
/// How long a fetch waits for room in its host's lane.
const LANE_PATIENCE: Duration = Duration::from_secs(1);
/// Pause when the store fails: the row stays due.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The work of the agenda of fetches.
#[derive(Debug)]
pub struct Looking(pub Arc<Publishing>);

impl Work for Looking {
    async fn run(self: Arc<Self>, due: Due) {
        let topic = due.topic();
        let looked = match topic {
            Some(topic) => self.0.look_at(topic, due).await,
            None => self.0.parts.store.drop_due(due).await,
        };
        if let Err(error) = looked {
            warn!(%error, "a fetch met a store that fails; it stays due");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        if let Some(topic) = topic {
            self.0.under_way().remove(&topic);
        }
    }
}

/// How many read a topic: its subscriptions as far as they are quickly counted, beyond that as the last fan-out counted
/// them, and those that subscribers stand for besides (F04, D19).
fn readers(store: &Store, topic: TopicId) -> Result<u64, StoreError> {
    let counted = u64::try_from(store.count_subscriptions(topic, READERS)?).unwrap_or(u64::MAX);
    let told = store.readers(topic)?.unwrap_or_default();
    let all = if counted < u64::try_from(READERS).unwrap_or(u64::MAX) {
        counted
    } else {
        counted.max(told.subscriptions)
    };
    Ok(all.saturating_add(told.more))
}

/// What is decided about a topic before its lock is taken.
enum Found {
    News(Box<(News, Page)>),
    Unchanged,
    Failed,
    Dropped,
}

impl Publishing {
    async fn look_at(self: &Arc<Self>, topic: TopicId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(fetch) = store.pending_fetch(topic)?.filter(|fetch| fetch.due_at == due.at) else {
            return store.drop_due(due).await;
        };
        if !store.has_subscriptions(topic)? {
            let _held = store.topic_locks().write(topic.as_bytes()).await;
            let Some(current) = store.pending_fetch(topic)? else { return Ok(()) };
            // Somebody subscribed, and a ping counted on this row, since the first look.
            if store.has_subscriptions(topic)? {
                return Ok(());
            }
            return store.commit(Record::FetchDone { topic, was: current.due_at }.into()).await;
        }
        let host = fetch.url.host_key().clone();
        // Not longer: a host that lets us wait would come to hold every slot of the agenda.
        let Ok(_permit) = timeout(LANE_PATIENCE, self.parts.lanes.enter(host.as_str())).await else {
            return self.stand_aside(topic, &fetch).await;
        };
        let began = self.parts.clock.now().max(fetch.pinged_at);
        self.under_way().insert(topic, began);
        let known = store.topic(topic)?;
        let readers = store.read(move |store| readers(store, topic)).await?;
        let asking = Asking { readers, is_pinged: !fetch.is_poll };
        let look = self.look_in_time(&fetch.url, asking, known.as_ref().map(|topic| &topic.validators)).await;
        let found = self.read(topic, &fetch, known.clone(), look).await?;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let Some(current) = store.pending_fetch(topic)? else { return Ok(()) };
        let mut commit = Commit::new();
        let now = self.parts.clock.now();
        let has_news = match &found {
            Found::News(news) => {
                // Nobody said that any of this is new: the first poll only learns what there is (F17).
                let is_baseline = fetch.is_poll && known.is_none() && current.pinged_at <= began;
                let known = known.as_ref();
                self.publish(topic, &fetch, known, is_baseline, news, &mut commit).await?
            }
            _ => false,
        };
        let next = if current.pinged_at > began {
            // Pinged while it was fetched: that ping is not answered yet.
            let due_at = now.max(began.after(self.parts.fetch.coalesce));
            Some(PendingFetch { due_at, ..current.clone() })
        } else {
            self.again(&current, &found, has_news, now).or_else(|| self.next_poll(&current.url, now))
        };
        let was = current.due_at;
        let next_due = next.as_ref().map(|fetch| fetch.due_at);
        commit.push(match next {
            Some(fetch) => Record::FetchPut { topic, fetch, was: Some(was) },
            None => Record::FetchDone { topic, was },
        });
        store.commit(commit).await?;
        if let Some(due_at) = next_due {
            self.poke.due(due_at);
        }
        if has_news {
            self.parts.distribution.wake();
        }
        Ok(())
    }

    /// Puts a fetch off because its host is busy with others: no try was made.
    async fn stand_aside(&self, topic: TopicId, fetch: &PendingFetch) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let Some(current) = store.pending_fetch(topic)?.filter(|other| other.due_at == fetch.due_at) else {
            return Ok(());
        };
        let due_at = self.parts.clock.now().after(LANE_PATIENCE.saturating_mul(2));
        let was = Some(current.due_at);
        let fetch = PendingFetch { due_at, ..current };
        store.commit(Record::FetchPut { topic, fetch, was }.into()).await?;
        self.poke.due(due_at);
        Ok(())
    }

    /// Diffs what was fetched, on a thread that may take its time.
    async fn read(
        self: &Arc<Self>,
        topic: TopicId,
        fetch: &PendingFetch,
        known: Option<Topic>,
        look: Look,
    ) -> Result<Found, StoreError> {
        let count = |fetched| self.parts.metrics.fetches.add(fetched);
        let url = fetch.url.clone();
        match look {
            Look::Body(page) => {
                let publishing = Arc::clone(self);
                let now = self.parts.clock.now();
                let found = self.parts.store.read(move |store| {
                    let known = Known {
                        topic: known.as_ref(),
                        url: &url,
                        hub_url: &publishing.parts.hub_url,
                        volatile: &publishing.parts.feed,
                        json_feed: publishing.json_feed(&url),
                        max_entries: publishing.parts.max_entries,
                        now,
                    };
                    let mut failed = Ok(());
                    let news = news::find(&page, &known, &mut |entry| match store.last_sight(
                        topic,
                        entry.id,
                        entry.digest,
                    ) {
                        Ok(seen) => seen.is_some(),
                        Err(error) => {
                            failed = Err(error);
                            true
                        }
                    });
                    failed.map(|()| Box::new((news, page)))
                });
                let found = found.await?;
                count(if found.0.made.is_empty() { Fetched::Unchanged } else { Fetched::New });
                Ok(Found::News(found))
            }
            Look::Unchanged => {
                count(Fetched::Unchanged);
                Ok(Found::Unchanged)
            }
            Look::TooLarge => {
                count(Fetched::TooLarge);
                warn!(
                    topic = fetch.url.as_str(),
                    limit = self.parts.fetch.max_bytes,
                    "topic is over [fetch] max_bytes and was dropped; what was known of it stays"
                );
                Ok(Found::Dropped)
            }
            Look::Failed(reason) => {
                let is_refused = matches!(&reason, super::fetch::Failure::Send(SendError::Refused(_)));
                count(if is_refused { Fetched::Refused } else { Fetched::Failed });
                warn!(topic = fetch.url.as_str(), %reason, attempts = fetch.attempts, "fetch failed");
                Ok(Found::Failed)
            }
        }
    }

    /// The records of a look that brought a body. Says whether there is something to fan out.
    async fn publish(
        &self,
        topic: TopicId,
        fetch: &PendingFetch,
        known: Option<&Topic>,
        is_baseline: bool,
        (news, page): &(News, Page),
        commit: &mut Commit,
    ) -> Result<bool, StoreError> {
        let now = self.parts.clock.now();
        let mut head = known.map_or(0, |topic| topic.head);
        let made: &[_] = if is_baseline { &[] } else { &news.made };
        for made in made {
            head = head.saturating_add(1);
            let (publication, content) = (made.publication.clone(), made.content.clone());
            commit.push(Record::PublicationAdded { topic, seq: head, publication, content });
            let fanout = FanOut { cursor: None, open: Vec::new(), end: None, since: now };
            commit.push(Record::FanOutPut(FanOutId::whole(topic, head), fanout));
            self.parts.metrics.publications.inc();
            info!(
                topic = fetch.url.as_str(),
                seq = head,
                entries = made.publication.entries.len(),
                octets = made.publication.length,
                "published"
            );
        }
        for (id, digest) in self.stale_sightings(topic, &news.shown, now).await? {
            commit.push(Record::EntrySeen(topic, id, digest, now));
        }
        for name in self.other_names(topic, news, page)? {
            commit.push(Record::AliasPut { name, topic });
            // And what lives under that name answers to this one.
            commit.push(Record::AliasPut { name: topic, topic: name });
        }
        let validators = page.validators.clone();
        let is_new = !made.is_empty();
        if is_new {
            let publication = news.whole.clone();
            let document = TopicDocument { seq: head, publication, body: page.body.to_vec() };
            commit.push(Record::DocumentPut(topic, document));
        }
        let url = fetch.url.as_str().to_owned();
        let record =
            Topic { url, head, format: news.format, envelope: news.envelope, validators, fetched_at: now };
        if is_new || known.is_none_or(|known| known.validators != record.validators) {
            commit.push(Record::TopicPut(topic, record));
        } else {
            debug!(topic = fetch.url.as_str(), "nothing new");
        }
        Ok(is_new)
    }

    /// The names by which publishers may ping the topic that are not noted yet: where its redirects end, and what it
    /// calls itself (P09).
    fn other_names(&self, topic: TopicId, news: &News, page: &Page) -> Result<Vec<TopicId>, StoreError> {
        let mut names = Vec::new();
        for url in [&page.validators.url, &news.whole.self_url] {
            let Ok(name) = TopicUrl::parse(url).map(|url| url.id()) else { continue };
            let is_noted = name == topic
                || names.contains(&name)
                || self.parts.store.topics_named(name, usize::from(u8::MAX))?.contains(&topic);
            if !is_noted {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The shown entries whose sighting is missing or old.
    async fn stale_sightings(
        &self,
        topic: TopicId,
        shown: &[(EntryId, EntryDigest)],
        now: Timestamp,
    ) -> Result<Vec<(EntryId, EntryDigest)>, StoreError> {
        let shown = shown.to_vec();
        let limit = now.before(SIGHT_AGE);
        self.parts
            .store
            .read(move |store| {
                let mut stale = Vec::new();
                for (id, digest) in shown {
                    if store.last_sight(topic, id, digest)?.is_none_or(|seen| seen < limit) {
                        stale.push((id, digest));
                    }
                }
                Ok(stale)
            })
            .await
    }

    /// Whether and when the topic is looked at again although nobody pinged since.
    fn again(
        &self,
        current: &PendingFetch,
        found: &Found,
        has_news: bool,
        now: Timestamp,
    ) -> Option<PendingFetch> {
        let rules = &self.parts.fetch;
        let nth = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        match found {
            Found::Dropped => None,
            Found::Failed => rules.retry.get(nth(current.attempts)).map(|pause| PendingFetch {
                due_at: now.after(*pause),
                attempts: current.attempts.saturating_add(1),
                ..current.clone()
            }),
            // Nobody said that there is anything to see.
            Found::News(_) | Found::Unchanged if has_news || current.is_poll => None,
            // The ping may have beaten the publisher's cache (P12).
            Found::News(_) | Found::Unchanged => {
                rules.look_again.get(nth(current.looks)).map(|after| PendingFetch {
                    due_at: now.max(current.pinged_at.after(*after)),
                    attempts: 0,
                    looks: current.looks.saturating_add(1),
                    ..current.clone()
                })
            }
        }
    }
}
