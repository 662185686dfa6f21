//! A ping becomes a pending fetch, before it is answered.

use std::time::Duration;

use super::{Publishing, Window};
use crate::{
    clock::Timestamp,
    protocol::{TopicId, TopicUrl},
    store::{Commit, PendingFetch, Record, Store, StoreError},
};

/// Further topics that one ping may be about; more would let it cause any number of fetches.
const NAMESAKES: usize = 8;
/// Claims to a name that are looked at: those that nobody subscribes to must not crowd out the others.
const CLAIMS: usize = 32;
/// Topics of which it is looked up whether somebody subscribes to them, for one of up to 256 URLs in a ping.
const CANDIDATES: usize = 32;

impl Publishing {
    /// Notes that these topics may have changed. Returns when that is on disk.
    pub async fn ping(&self, topics: Vec<TopicUrl>) -> Result<(), StoreError> {
        // In one go: a ping of many topics waits for one flush or two, not for one each.
        let meant = self.parts.store.read(move |store| {
            let mut meant = Vec::new();
            topics.iter().try_for_each(|topic| meant_by(store, topic, &mut meant))?;
            Ok(meant)
        });
        let meant = meant.await?;
        let mut waiting: Vec<_> = meant
            .into_iter()
            .map(|(topic, url)| Box::pin(self.ping_one(topic, url, Commit::new())))
            .collect();
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

    /// Applies a commit that changes what is served at this address, and notes in the same that the topic may have changed
    /// if anybody is subscribed to it. What else a ping for the address is about is noted after it.
    pub async fn commit_and_ping(&self, changed: TopicUrl, commit: Commit) -> Result<(), StoreError> {
        let own = changed.id();
        let meant = self.parts.store.read(move |store| {
            let mut meant = Vec::new();
            meant_by(store, &changed, &mut meant)?;
            Ok(meant)
        });
        let (named, others): (Vec<_>, Vec<_>) =
            meant.await?.into_iter().partition(|(topic, _)| *topic == own);
        match named.into_iter().next() {
            Some((topic, url)) => self.ping_one(topic, url, commit).await?,
            None => self.parts.store.commit(commit).await?,
        }
        for (topic, url) in others {
            self.ping_one(topic, url, Commit::new()).await?;
        }
        Ok(())
    }

    /// What is noted of a topic already; what cannot be read is written over by the next ping, or by its own turn.
    pub(super) fn pending(&self, topic: TopicId) -> Result<Option<PendingFetch>, StoreError> {
        self.parts.store.readable(self.parts.store.pending_fetch(topic))
    }

    /// Together with these changes.
    async fn ping_one(&self, topic: TopicId, url: TopicUrl, commit: Commit) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.topic_locks().write(topic.as_bytes()).await;
        let now = self.parts.clock.now();
        let began = self.under_way().get(&topic).copied();
        let pending = self.pending(topic)?;
        let coalesce = self.parts.fetch.coalesce;
        let last = self.window(topic);
        let open_at = last.map_or(now, Window::ends);
        let longest = last.map_or(coalesce, |last| last.span);
        let Some(due_at) = due(now, began, open_at, pending.as_ref(), coalesce, longest) else {
            if !commit.is_empty() {
                return store.commit(commit).await;
            }
            // What a failed flush left in memory is not on disk.
            return if store.is_writable() { Ok(()) } else { Err(StoreError::ReadOnly) };
        };
        // Later than the fetch under way, even within one millisecond: it may have read the topic already.
        let pinged_at = began.map_or(now, |began| now.max(began.after(Duration::from_millis(1))));
        let fetch = PendingFetch { url, pinged_at, due_at, attempts: 0, looks: 0, is_poll: false };
        let was = pending.map(|pending| pending.due_at);
        let commit = commit.with(Record::FetchPut { topic, fetch, was });
        // The site is asked while the disk takes its time. What it brings is kept under the lock that is held here, and so
        // after the ping is on disk.
        let poke = self.poke.clone();
        store.commit_announced(commit, move || poke.due(due_at)).await
    }
}

/// The topics that a ping for this URL is about, of those that somebody subscribes to (P07): the topic itself, its
/// twin under the other scheme, what it was found to be called, and whoever was found to go by one of these names
/// (P09).
///
/// It ends there: a name that two unrelated sites claim does not make the other names of the one those of the other.
/// Only of those that claim the very URL that was pinged the other names are meant too, since that URL may be no topic
/// of ours and so have no names of its own. Whoever claims a name on another host than its own comes last, as any
/// stranger's feed may.
fn meant_by(store: &Store, url: &TopicUrl, meant: &mut Vec<(TopicId, TopicUrl)>) -> Result<(), StoreError> {
    let given: Vec<_> = std::iter::once(url.id()).chain(url.twin().map(|twin| twin.id())).collect();
    let mut names = given.clone();
    for topic in &given {
        names.extend(store.names(*topic)?.iter().map(|name| name.id));
    }
    let mut claims = Vec::new();
    for name in &names {
        let is_given = given.contains(name);
        claims.extend(store.topics_named(*name, CLAIMS)?.into_iter().map(|claim| (claim, is_given)));
    }
    claims.sort_by_key(|(claim, _)| !claim.is_near);
    claims.truncate(CLAIMS);
    let mut candidates = names;
    for (claim, is_given) in claims {
        if candidates.len() >= CANDIDATES {
            break;
        }
        candidates.push(claim.id);
        if is_given {
            candidates.extend(store.names(claim.id)?.iter().map(|name| name.id));
        }
    }
    let mut room = NAMESAKES;
    for topic in candidates {
        // Those given are the first.
        let is_given = given.contains(&topic);
        if room == 0 && !is_given {
            break;
        }
        if meant.iter().any(|(other, _)| *other == topic) {
            continue;
        }
        let Some(subscription) = store.a_subscription(topic)? else { continue };
        if !is_given {
            room = room.saturating_sub(1);
        }
        meant.push((topic, spelling(store, topic, subscription.topic)?));
    }
    Ok(())
}

/// How a topic is spelled where it is asked for: as it was first, or else as this subscriber spells it. Never as
/// whoever pings it does, or any stranger could change what is requested and what the topic is called (D07).
pub(super) fn spelling(store: &Store, topic: TopicId, subscribed: TopicUrl) -> Result<TopicUrl, StoreError> {
    let first = store.readable(store.topic(topic))?.and_then(|known| TopicUrl::parse(&known.url).ok());
    Ok(first.filter(|first| first.id() == topic).unwrap_or(subscribed))
}

/// When a topic that is pinged now is fetched, not before `open_at`, when the window of its last fetch ends, which is
/// so long at most; `None` where what is on disk answers the ping already. Pure.
fn due(
    now: Timestamp,
    began: Option<Timestamp>,
    open_at: Timestamp,
    pending: Option<&PendingFetch>,
    coalesce: Duration,
    longest: Duration,
) -> Option<Timestamp> {
    // The first ping of a burst is fetched at once; the next ones wait out the window together (P05, P08). It is the
    // window of the last fetch, whatever that found: a page that differs each time would else be fetched without end. And
    // it is one window at most: a clock that was set back would else keep the topic waiting until it is that late again.
    let latest = now.after(longest.max(coalesce));
    let due_at = now.max(open_at).min(latest);
    let Some(pending) = pending else { return Some(due_at) };
    let due_at = due_at.max(pending.pinged_at.after(coalesce)).min(latest);
    let is_noted = match began {
        Some(began) => pending.pinged_at > began,
        None => pending.attempts == 0 && pending.looks == 0 && pending.due_at <= due_at,
    };
    // A poll is no answer to a ping: what it finds first is kept quiet (F17). The next one may be noted already while the
    // last look is being cleared away.
    (pending.is_poll || !is_noted).then_some(due_at)
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
    fn p15_a_poll_that_is_noted_answers_no_ping() {
        let next = PendingFetch { is_poll: true, ..pending(1005, 3_601_005) };
        let quick = PendingFetch { is_poll: true, ..pending(1005, 1006) };
        for began in [None, Some(at(1000))] {
            for poll in [&next, &quick] {
                let due = due(at(1010), began, at(0), Some(poll), WINDOW, WINDOW);
                assert_eq!(due, Some(at(1505)), "{began:?} {poll:?}");
            }
        }
    }

    #[test]
    fn the_first_ping_is_fetched_at_once() {
        assert_eq!(due(at(1000), None, at(0), None, WINDOW, WINDOW), Some(at(1000)));
    }

    #[test]
    fn p11_a_ping_right_after_a_fetch_waits_out_the_window_of_that_fetch() {
        assert_eq!(due(at(1010), None, at(1500), None, WINDOW, WINDOW), Some(at(1500)));
        assert_eq!(due(at(1500), None, at(1500), None, WINDOW, WINDOW), Some(at(1500)));
    }

    #[test]
    fn p05_a_ping_waits_out_the_window_of_a_large_feed() {
        let (window, end) = (Duration::from_secs(10), at(11_000));
        assert_eq!(due(at(1500), None, end, None, WINDOW, window), Some(end));
        assert_eq!(due(at(1500), None, at(86_400_000), None, WINDOW, window), Some(at(11_500)), "set back");
    }

    #[test]
    fn p05_a_clock_that_was_set_back_keeps_no_ping_waiting() {
        let day = 86_400_000;
        assert_eq!(due(at(1000), None, at(day), None, WINDOW, WINDOW), Some(at(1500)));
        assert_eq!(due(at(1000), None, at(0), Some(&pending(day, day)), WINDOW, WINDOW), Some(at(1500)));
        // During a fetch, and with one that waits for it to end.
        assert_eq!(
            due(at(1000), Some(at(day)), at(day), Some(&pending(day, day)), WINDOW, WINDOW),
            Some(at(1500))
        );
    }

    #[test]
    fn a_ping_that_waits_already_needs_nothing_written() {
        assert_eq!(due(at(1000), None, at(0), Some(&pending(990, 990)), WINDOW, WINDOW), None);
    }

    #[test]
    fn a_ping_during_a_fetch_sets_one_again_flag() {
        let fetching = pending(1000, 1000);
        assert_eq!(due(at(1100), Some(at(1000)), at(0), Some(&fetching), WINDOW, WINDOW), Some(at(1500)));
        let flagged = pending(1100, 1500);
        assert_eq!(due(at(1200), Some(at(1000)), at(0), Some(&flagged), WINDOW, WINDOW), None);
    }

    #[test]
    fn f17_a_ping_is_more_than_the_poll_that_is_due() {
        let poll = PendingFetch { is_poll: true, ..pending(1000, 1000) };
        assert_eq!(due(at(9000), None, at(0), Some(&poll), WINDOW, WINDOW), Some(at(9000)));
    }

    #[test]
    fn a_ping_hastens_what_waits_for_another_look_or_for_a_retry() {
        let looking = PendingFetch { looks: 1, ..pending(1000, 31_000) };
        assert_eq!(due(at(9000), None, at(0), Some(&looking), WINDOW, WINDOW), Some(at(9000)));
        let failing = PendingFetch { attempts: 2, ..pending(1000, 61_000) };
        assert_eq!(
            due(at(1100), None, at(0), Some(&failing), WINDOW, WINDOW),
            Some(at(1500)),
            "but no faster than the window"
        );
    }
}
