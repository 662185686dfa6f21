//! A ping becomes a pending fetch, before it is answered.

use std::time::Duration;

use super::Publishing;
use crate::{
    clock::Timestamp,
    protocol::{TopicId, TopicUrl},
    store::{PendingFetch, Record, StoreError},
};

/// Topics that one name may stand for; more would let one ping cause any number of fetches.
const NAMESAKES: usize = 8;
/// Names that all lead to each other: the two that were pinged, and those.
const MOST_NAMES: usize = 2 + NAMESAKES;

impl Publishing {
    /// Notes that these topics may have changed. Returns when that is on disk.
    pub async fn ping(&self, topics: Vec<TopicUrl>) -> Result<(), StoreError> {
        // In one go: a ping of many topics waits for one flush or two, not for one each.
        let mut meant = Vec::new();
        for topic in &topics {
            self.meant_by(topic, &mut meant)?;
        }
        let mut waiting: Vec<_> =
            meant.into_iter().map(|(topic, url)| Box::pin(self.ping_one(topic, url))).collect();
        let mut done = Ok(());
        std::future::poll_fn(|context| {
            waiting.retain_mut(|ping| match ping.as_mut().poll(context) {
                std::task::Poll::Ready(result) => {
                    if result.is_err() {
                        done = result;
                    }
                    false
                }
                std::task::Poll::Pending => true,
            });
            if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        done
    }

    /// The topics that a ping for this URL is about, of those that somebody subscribes to (P07): the topic itself, its
    /// twin under the other scheme, and whatever shares a name with one of them (P09).
    fn meant_by(&self, url: &TopicUrl, meant: &mut Vec<(TopicId, TopicUrl)>) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let given: Vec<_> = std::iter::once(url.clone()).chain(url.twin()).collect();
        let mut names: Vec<_> = given.iter().map(TopicUrl::id).collect();
        let mut followed = 0_usize;
        while let Some(name) = names.get(followed).copied() {
            followed = followed.saturating_add(1);
            for other in store.topics_named(name, NAMESAKES)? {
                if names.len() < MOST_NAMES && !names.contains(&other) {
                    names.push(other);
                }
            }
        }
        for topic in names {
            if meant.iter().any(|(other, _)| *other == topic) {
                continue;
            }
            let Some((_, subscription)) = store.subscriptions(topic, None, 1)?.pop() else { continue };
            let spelled = given.iter().find(|url| url.id() == topic).cloned();
            meant.push((topic, spelled.unwrap_or(subscription.topic)));
        }
        Ok(())
    }

    async fn ping_one(&self, topic: TopicId, url: TopicUrl) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let now = self.parts.clock.now();
        let began = self.under_way().get(&topic).copied();
        let pending = store.pending_fetch(topic)?;
        let Some(due_at) = due(now, began, pending.as_ref(), self.parts.fetch.coalesce) else {
            // What a failed flush left in memory is not on disk.
            return if store.is_writable() { Ok(()) } else { Err(StoreError::ReadOnly) };
        };
        // Later than the fetch under way, even within one millisecond: it may have read the topic already.
        let pinged_at = began.map_or(now, |began| now.max(began.after(Duration::from_millis(1))));
        let fetch = PendingFetch { url, pinged_at, due_at, attempts: 0, looks: 0, is_poll: false };
        let was = pending.map(|pending| pending.due_at);
        store.commit(Record::FetchPut { topic, fetch, was }.into()).await?;
        self.poke.due(due_at);
        Ok(())
    }
}

/// When a topic that is pinged now is fetched; `None` where what is on disk answers the ping already. Pure.
fn due(
    now: Timestamp,
    began: Option<Timestamp>,
    pending: Option<&PendingFetch>,
    coalesce: Duration,
) -> Option<Timestamp> {
    let Some(pending) = pending else { return Some(now) };
    // The first ping of a burst is fetched at once; the next ones wait out the window together (P05, P08).
    let due_at = now.max(pending.pinged_at.after(coalesce));
    let is_noted = match began {
        Some(began) => pending.pinged_at > began,
        // A poll is no answer to a ping: what it finds first is kept quiet (F17).
        None => !pending.is_poll && pending.attempts == 0 && pending.looks == 0 && pending.due_at <= due_at,
    };
    (!is_noted).then_some(due_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(500);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn pending(pinged: u64, due: u64) -> PendingFetch {
        let url = TopicUrl::parse("http://example.com/feed").unwrap();
        PendingFetch { url, pinged_at: at(pinged), due_at: at(due), attempts: 0, looks: 0, is_poll: false }
    }

    #[test]
    fn the_first_ping_is_fetched_at_once() {
        assert_eq!(due(at(1000), None, None, WINDOW), Some(at(1000)));
    }

    #[test]
    fn a_ping_that_waits_already_needs_nothing_written() {
        assert_eq!(due(at(1000), None, Some(&pending(990, 990)), WINDOW), None);
    }

    #[test]
    fn a_ping_during_a_fetch_sets_one_again_flag() {
        let fetching = pending(1000, 1000);
        assert_eq!(due(at(1100), Some(at(1000)), Some(&fetching), WINDOW), Some(at(1500)));
        let flagged = pending(1100, 1500);
        assert_eq!(due(at(1200), Some(at(1000)), Some(&flagged), WINDOW), None);
    }

    #[test]
    fn f17_a_ping_is_more_than_the_poll_that_is_due() {
        let poll = PendingFetch { is_poll: true, ..pending(1000, 1000) };
        assert_eq!(due(at(9000), None, Some(&poll), WINDOW), Some(at(9000)));
    }

    #[test]
    fn a_ping_hastens_what_waits_for_another_look_or_for_a_retry() {
        let looking = PendingFetch { looks: 1, ..pending(1000, 31_000) };
        assert_eq!(due(at(9000), None, Some(&looking), WINDOW), Some(at(9000)));
        let failing = PendingFetch { attempts: 2, ..pending(1000, 61_000) };
        assert_eq!(
            due(at(1100), None, Some(&failing), WINDOW),
            Some(at(1500)),
            "but no faster than the window"
        );
    }
}
