//! The work of the agenda of fetches: look, diff, commit, wake the fan-out.

use std::{sync::Arc, time::Duration};

use tokio::{sync::SemaphorePermit, time::timeout};
use tracing::warn;

use super::{
    Publishing,
    fetch::{Asking, Failure, Look, Room},
    keep::{Brought, Kept},
    news::{self, Known},
    ping::spelling,
};
use crate::{
    agenda::Work,
    clock::Timestamp,
    config::FetchConfig,
    feed::{BodyDigest, Format},
    outbound::{Permit, SendError},
    protocol::{TopicId, TopicUrl},
    store::{Commit, Due, PendingFetch, Record, Store, StoreError, Topic, Validators},
    telemetry::Fetched,
};

/// Subscriptions are counted up to here for the publisher's log: more would put a walk over all of them, 10 ms for
/// 10,000, between a ping and its first delivery.
const READERS: usize = 1000;
/// So many subscriptions are counted where others wait, and a body of such a size is read there: a thread for it would
/// cost more.
const FEW: usize = 32;
const SMALL: usize = 16 << 10;
/// What is larger takes a processor for a while.
const LARGE: usize = 256 << 10;
/// The pauses of a fetch whose host is busy with others. The shortest is about what a few fetches take.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The work of the agenda of fetches.
#[derive(Debug)]
pub struct Looking(pub Arc<Publishing>);

impl Work for Looking {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        let Some(topic) = due.topic() else { return self.0.parts.store.drop_due(due).await };
        let looked = self.0.look_at(topic, due).await;
        self.0.under_way().remove(&topic);
        looked
    }
}

/// How many read a topic: its subscriptions as far as they are quickly counted, beyond that as the last fan-out counted
/// them, and those that subscribers stand for besides (F04, D19).
fn readers(store: &Store, topic: TopicId, counted: usize) -> Result<u64, StoreError> {
    let counted = u64::try_from(counted).unwrap_or(u64::MAX);
    let told = store.readers(topic)?.unwrap_or_default();
    let all = if counted < u64::try_from(READERS).unwrap_or(u64::MAX) {
        counted
    } else {
        counted.max(told.subscriptions)
    };
    Ok(all.saturating_add(told.more))
}

/// How a look ended, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Answered,
    Failed,
    /// A host on the way had no room.
    Crowded,
    Dropped,
}

impl Publishing {
    async fn look_at(self: &Arc<Self>, topic: TopicId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let found = store.pending_fetch(topic);
        if matches!(found, Err(StoreError::Damaged { .. })) {
            return self.fetch_anew(topic, due).await;
        }
        let Some(fetch) = found?.filter(|fetch| fetch.due_at == due.at) else {
            return store.drop_due(due).await;
        };
        if !store.has_subscriptions(topic)? {
            let _held = store.topic_locks().write(topic.as_bytes()).await;
            let Some(current) = self.pending(topic)? else { return Ok(()) };
            // Somebody subscribed, and a ping counted on this row, since the first look.
            if store.has_subscriptions(topic)? {
                return Ok(());
            }
            return store.commit(Record::FetchDone { topic, was: current.due_at }.into()).await;
        }
        let Some(permit) = self.room_at(&fetch.url).await else {
            return self.stand_aside(topic, &fetch).await;
        };
        let began = self.parts.clock.now().max(fetch.pinged_at);
        self.began(topic, began);
        let known = self.known(topic, &fetch.url)?;
        let counted = match store.count_subscriptions(topic, FEW)? {
            FEW.. => store.read(move |store| store.count_subscriptions(topic, READERS)).await?,
            few => few,
        };
        let readers = readers(store, topic, counted)?;
        let asking = Asking { readers, is_pinged: !fetch.is_poll };
        let validators = known.as_ref().map(|topic| &topic.validators);
        let (look, mut room) = self.look_in_time(&fetch.url, asking, validators, permit).await;
        self.took(topic, self.octets(&look));
        let look = self.take_turn(look, &mut room).await;
        let (ended, brought) = self.read(topic, &fetch, known.clone(), look).await?;
        drop(room);
        let held = store.topic_locks().write(topic.as_bytes()).await;
        let Some(current) = self.pending(topic)? else { return Ok(()) };
        let mut commit = Commit::new();
        let now = self.parts.clock.now();
        let kept = match brought {
            Some(brought) => {
                // Nobody said that any of this is new: the first poll only learns what there is (F17).
                let is_baseline = fetch.is_poll && known.is_none() && current.pinged_at <= began;
                self.keep(topic, &fetch, known.as_ref(), is_baseline, *brought, &mut commit)?
            }
            None => Kept::default(),
        };
        let next = if current.pinged_at > began {
            // Pinged while it was fetched: that ping is not answered yet. The window of this fetch is no longer where the
            // clock was set back.
            let window = self.window(topic).map_or(self.parts.fetch.coalesce, |window| window.span);
            let due_at = now.max(began.after(window)).min(now.after(window));
            Some(PendingFetch { due_at, ..current.clone() })
        } else {
            again(&self.parts.fetch, &current, ended, kept.is_news, now)
                .or_else(|| self.next_poll(&current.url, now))
        };
        let was = current.due_at;
        let next_due = next.as_ref().map(|fetch| fetch.due_at);
        commit.push(match next {
            Some(fetch) => Record::FetchPut { topic, fetch, was: Some(was) },
            None => Record::FetchDone { topic, was },
        });
        store.commit(commit).await?;
        drop(held);
        if let Some(due_at) = next_due {
            self.poke.due(due_at);
        }
        if kept.is_news {
            self.parts.distribution.wake();
        }
        self.trim(topic, kept).await
    }

    /// A fetch that cannot be read is one all the same: somebody was told that the topic would be looked at.
    async fn fetch_anew(&self, topic: TopicId, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        if self.pending(topic)?.is_some() {
            return Ok(());
        }
        let Some(subscription) = store.a_subscription(topic)? else { return store.drop_due(due).await };
        let url = spelling(store, topic, subscription.topic)?;
        let now = self.parts.clock.now();
        let fetch = PendingFetch { url, pinged_at: now, due_at: now, attempts: 0, looks: 0, is_poll: false };
        store.commit(Record::FetchPut { topic, fetch, was: Some(due.at) }.into()).await?;
        self.poke.due(now);
        Ok(())
    }

    /// What is known of a topic. Of one that cannot be read that is how far its publications go; the rest is found out by
    /// the look that is about to be made.
    fn known(&self, topic: TopicId, url: &TopicUrl) -> Result<Option<Topic>, StoreError> {
        let store = &self.parts.store;
        match store.topic(topic) {
            Err(StoreError::Damaged { .. }) => Ok(Some(Topic {
                url: url.as_str().to_owned(),
                head: store.head(topic)?,
                format: Format::Opaque,
                envelope: BodyDigest::of(b""),
                validators: Validators::default(),
                fetched_at: Timestamp::EPOCH,
            })),
            known => known,
        }
    }

    /// Waits for room at a topic's host, as long as a few fetches take: a site pings fifty topics at once, and a turn on
    /// disk for each of them costs more than all the fetches. No longer, and not if many wait already: topics that queue for
    /// one slow host would come to hold every slot of the agenda (X05).
    async fn room_at(&self, topic: &TopicUrl) -> Option<Permit> {
        let host = topic.host_key();
        if let Some(permit) = self.parts.lanes.try_enter(host.as_str()) {
            return Some(permit);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        timeout(SHORTEST_PAUSE, self.parts.lanes.enter(host.as_str())).await.ok()
    }

    /// Puts a fetch off because its host is busy with others: nobody was asked, so it counts for no try. The longer it has
    /// waited, the longer the pause, so that a long queue for one host costs little while it stands.
    async fn stand_aside(&self, topic: TopicId, fetch: &PendingFetch) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let Some(current) = self.pending(topic)?.filter(|other| other.due_at == fetch.due_at) else {
            return Ok(());
        };
        let now = self.parts.clock.now();
        let pause = now.since(current.pinged_at).div_f64(2.0).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let due_at = now.after(self.parts.random.jitter(pause, 0.5));
        let was = Some(current.due_at);
        let fetch = PendingFetch { due_at, ..current };
        store.commit(Record::FetchPut { topic, fetch, was }.into()).await?;
        self.poke.due(due_at);
        Ok(())
    }

    /// What is large is read when there is room for it, which leaves half of the machine to all others. Whoever has no turn
    /// and no room to wait for it comes again.
    async fn take_turn<'a>(&'a self, look: Look, room: &mut Room) -> (Look, Option<SemaphorePermit<'a>>) {
        if !matches!(&look, Look::Body(page) if page.body.len() > LARGE) {
            return (look, None);
        }
        match room.wait(self.large.acquire()).await {
            Some(turn) => (look, turn.ok()),
            None => (Look::Failed(Failure::Slow), None),
        }
    }

    /// How much a look took from the site.
    fn octets(&self, look: &Look) -> usize {
        match look {
            Look::Body(page) => page.body.len(),
            Look::TooLarge => self.parts.fetch.max_bytes,
            Look::Unchanged | Look::Failed(_) => 0,
        }
    }

    /// Diffs what was fetched, on a thread that may take its time.
    async fn read(
        self: &Arc<Self>,
        topic: TopicId,
        fetch: &PendingFetch,
        known: Option<Topic>,
        (look, _turn): (Look, Option<SemaphorePermit<'_>>),
    ) -> Result<(Ended, Option<Box<Brought>>), StoreError> {
        let count = |fetched| self.parts.metrics.fetches.add(fetched);
        let url = fetch.url.clone();
        match look {
            Look::Body(page) => {
                let publishing = Arc::clone(self);
                let now = self.parts.clock.now();
                let is_small = page.body.len() <= SMALL;
                let find = move |store: &Store| {
                    let known = Known {
                        topic: known.as_ref(),
                        url: &url,
                        hub_url: &publishing.parts.hub_url,
                        volatile: &publishing.parts.feed,
                        json_feed: publishing.json_feed(&url),
                        max_entries: publishing.parts.max_entries,
                        now,
                    };
                    let (mut failed, mut shown) = (Ok(()), Vec::new());
                    let news = news::find(&page, &known, &mut |entry| match store.last_sight(
                        topic,
                        entry.id,
                        entry.digest,
                    ) {
                        Ok(seen) => {
                            shown.push((entry.id, entry.digest, seen));
                            seen.is_some()
                        }
                        Err(error) => {
                            failed = Err(error);
                            true
                        }
                    });
                    failed.map(|()| Box::new(Brought { news, page, shown }))
                };
                let store = &self.parts.store;
                let found = if is_small { find(store)? } else { store.read(find).await? };
                count(if found.news.made.is_empty() { Fetched::Unchanged } else { Fetched::New });
                Ok((Ended::Answered, Some(found)))
            }
            Look::Unchanged => {
                count(Fetched::Unchanged);
                Ok((Ended::Answered, None))
            }
            Look::TooLarge => {
                count(Fetched::TooLarge);
                warn!(
                    topic = fetch.url.as_str(),
                    limit = self.parts.fetch.max_bytes,
                    "topic is over [fetch] max_bytes and was dropped; what was known of it stays"
                );
                Ok((Ended::Dropped, None))
            }
            Look::Failed(reason) => {
                let is_refused = matches!(reason, Failure::Send(SendError::Refused(_)));
                count(if is_refused { Fetched::Refused } else { Fetched::Failed });
                warn!(topic = fetch.url.as_str(), %reason, attempts = fetch.attempts, "fetch failed");
                let is_crowded = matches!(reason, Failure::Crowded | Failure::Slow);
                Ok((if is_crowded { Ended::Crowded } else { Ended::Failed }, None))
            }
        }
    }
}

/// Whether and when a topic is looked at again although nobody pinged since. Pure.
fn again(
    rules: &FetchConfig,
    current: &PendingFetch,
    ended: Ended,
    has_news: bool,
    now: Timestamp,
) -> Option<PendingFetch> {
    let nth = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    match ended {
        Ended::Dropped => None,
        Ended::Failed | Ended::Crowded => {
            let pause = rules.retry.get(nth(current.attempts));
            // That there was no room is no fault of the topic's, and no end of a ping that was acknowledged.
            let pause = pause.or_else(|| rules.retry.last().filter(|_| ended == Ended::Crowded))?;
            Some(PendingFetch {
                due_at: now.after(*pause),
                attempts: current.attempts.saturating_add(1),
                ..current.clone()
            })
        }
        // Nobody said that there is anything to see.
        Ended::Answered if has_news || current.is_poll => None,
        // The ping may have beaten the publisher's cache (P12). After a first answer that came late, by retries, the steps
        // are as far apart as after one that came at once, or all that are left would be taken in a row.
        Ended::Answered => {
            let looks = nth(current.looks);
            let after = rules.look_again.get(looks)?;
            let before = looks.checked_sub(1).and_then(|last| rules.look_again.get(last)).copied();
            let step = after.saturating_sub(before.unwrap_or_default());
            Some(PendingFetch {
                due_at: current.pinged_at.after(*after).max(now.after(step)),
                attempts: 0,
                looks: current.looks.saturating_add(1),
                ..current.clone()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::TopicUrl;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds.saturating_mul(1000))
    }

    fn dues(mut now: Timestamp) -> Vec<u64> {
        let url = TopicUrl::parse("http://site.example/feed").unwrap();
        let rules = FetchConfig::default();
        let mut current =
            PendingFetch { url, pinged_at: at(0), due_at: now, attempts: 4, looks: 0, is_poll: false };
        let mut dues = Vec::new();
        while let Some(next) = again(&rules, &current, Ended::Answered, false, now) {
            now = next.due_at;
            dues.push(now.as_millis() / 1000);
            current = next;
        }
        dues
    }

    #[test]
    fn f10_what_found_no_room_is_repeated_for_as_long_as_it_takes() {
        let url = TopicUrl::parse("http://site.example/feed").unwrap();
        let rules = FetchConfig::default();
        let fetch =
            PendingFetch { url, pinged_at: at(0), due_at: at(0), attempts: 3, looks: 0, is_poll: false };
        let due = |attempts: u32, ended: Ended| {
            let fetch = PendingFetch { attempts, ..fetch.clone() };
            again(&rules, &fetch, ended, false, at(0)).map(|next| next.due_at)
        };
        assert_eq!((due(3, Ended::Failed), due(3, Ended::Crowded)), (Some(at(240)), Some(at(240))));
        assert_eq!((due(4, Ended::Failed), due(4, Ended::Crowded)), (None, Some(at(240))));
        assert_eq!(due(1000, Ended::Crowded), Some(at(240)));
    }

    #[test]
    fn p12_further_looks_keep_their_distance_however_late_the_first_answer_was() {
        assert_eq!(dues(at(0)), [5, 30, 120]);
        assert_eq!(dues(at(1)), [6, 31, 121]);
        assert_eq!(dues(at(450)), [455, 480, 570]);
    }
}
