//! Retention: publications are kept as long as somebody waits for them, bounded by age and octets; what is known of
//! entries and topics as long after its last use as the operator says (F18).
//!
//! A fan-out that ends with nobody behind drops its publication at once; what is swept here is what backlogs held on
//! to. A backlog whose publications are gone gets the whole document with what is kept of them: its `from_seq` is no
//! longer kept, which needs no mark.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tracing::info;

use super::{
    Distribution,
    forgetting::{Forgetting, unless_damaged},
};
use crate::{
    clock::Timestamp,
    protocol::TopicId,
    store::{Commit, Record, StoreError},
};

/// Rows read, and rows removed in one commit.
const PAGE: usize = 512;
/// Time between two sweeps.
const EVERY: Duration = Duration::from_mins(1);

/// One publication as retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    topic: TopicId,
    seq: u64,
    at: Timestamp,
    octets: u64,
}

/// Sweeps until the stop.
pub async fn sweep(distribution: std::sync::Arc<Distribution>) -> Result<(), StoreError> {
    let stop = distribution.parts.tasks.stopping().clone();
    let mut sweeps: u32 = 0;
    // What came to its age while the hub was down need not wait any longer.
    unless_damaged("publications", distribution.sweep_publications().await)?;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        unless_damaged("publications", distribution.sweep_publications().await)?;
        // A walk over every known entry: once an hour is plenty for what lives a month. The first time soon, for a hub that
        // is started anew more often.
        if sweeps.is_multiple_of(60) {
            unless_damaged("topics", distribution.forget().await)?;
        }
        sweeps = sweeps.wrapping_add(1);
    }
    Ok(())
}

impl Distribution {
    async fn sweep_publications(&self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut kept = Vec::new();
        let mut after = None;
        loop {
            let page = store.read(move |store| store.all_publications(after, PAGE)).await?;
            after = page.last().map(|(id, _)| *id);
            kept.extend(page.iter().map(|((topic, seq), publication)| Kept {
                topic: *topic,
                seq: *seq,
                at: publication.at,
                octets: publication.length,
            }));
            if page.len() < PAGE {
                break;
            }
        }
        let mut needed: HashMap<TopicId, u64> = HashMap::new();
        let mut fanning_out: HashMap<TopicId, u64> = HashMap::new();
        for topic in kept.iter().map(|publication| publication.topic) {
            if needed.contains_key(&topic) {
                continue;
            }
            if let Some(id) = store.next_fanout(topic)? {
                fanning_out.insert(topic, id.seq);
            }
            let backlog = store.read(move |store| store.oldest_needed(topic, PAGE)).await?;
            needed.insert(topic, backlog.unwrap_or(u64::MAX));
        }
        // No bound bites into a fan-out: it would leave out whoever it had not come to.
        kept.retain(|publication| {
            fanning_out.get(&publication.topic).is_none_or(|from| publication.seq < *from)
        });
        let rules = &self.parts.publications;
        let limit = self.parts.clock.now().before(rules.keep_for);
        let drop = overdue(kept, &needed, limit, rules.keep_bytes);
        for page in drop.chunks(PAGE) {
            let commit: Commit =
                page.iter().map(|kept| Record::PublicationDropped(kept.topic, kept.seq)).collect();
            store.commit(commit).await?;
        }
        if !drop.is_empty() {
            info!(count = drop.len(), "publications dropped: done with, too old, or over the bound");
        }
        Ok(())
    }

    /// What has been out of use for long (F18).
    async fn forget(&self) -> Result<(), StoreError> {
        let count = AtomicUsize::new(0);
        let forgotten = |topic| {
            self.composer.forget(topic);
            count.fetch_add(1, Ordering::Relaxed);
        };
        let swept = Forgetting {
            store: &self.parts.store,
            now: self.parts.clock.now(),
            remember_for: self.parts.remember_for,
            forgotten: &forgotten,
        };
        let swept = swept.sweep().await;
        let count = count.into_inner();
        if count > 0 {
            info!(count, "topics forgotten: nobody has wanted them for long");
        }
        swept
    }
}

/// Which publications go: those nobody needs, those past the age, and then the oldest of whichever topic holds most until
/// the rest fits. A single topic, busy or with large bodies, so never takes from the others what is small.
fn overdue(kept: Vec<Kept>, needed: &HashMap<TopicId, u64>, limit: Timestamp, bound: u64) -> Vec<Kept> {
    let is_over = |publication: &Kept| {
        let is_needed = needed.get(&publication.topic).is_some_and(|oldest| publication.seq >= *oldest);
        !is_needed || publication.at < limit
    };
    let (mut drop, mut stay): (Vec<_>, Vec<_>) = kept.into_iter().partition(is_over);
    stay.sort_by_key(|publication| publication.seq);
    let mut topics: BTreeMap<TopicId, (u64, VecDeque<Kept>)> = BTreeMap::new();
    for publication in stay {
        let (octets, queue) = topics.entry(publication.topic).or_default();
        *octets = octets.saturating_add(publication.octets);
        queue.push_back(publication);
    }
    let mut by_size: BTreeSet<(u64, TopicId)> =
        topics.iter().map(|(topic, (octets, _))| (*octets, *topic)).collect();
    let mut octets = by_size.iter().fold(0_u64, |sum, (octets, _)| sum.saturating_add(*octets));
    while octets > bound {
        let Some((size, topic)) = by_size.pop_last() else { break };
        let Some(oldest) = topics.get_mut(&topic).and_then(|(_, queue)| queue.pop_front()) else { continue };
        octets = octets.saturating_sub(oldest.octets);
        by_size.insert((size.saturating_sub(oldest.octets), topic));
        drop.push(oldest);
    }
    drop
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(topic: u8, seq: u64, at: u64, octets: u64) -> Kept {
        Kept { topic: TopicId::from_bytes([topic; 16]), seq, at: Timestamp::from_millis(at), octets }
    }

    #[test]
    fn what_nobody_needs_goes_and_what_is_waited_for_stays() {
        let needed =
            HashMap::from([(TopicId::from_bytes([1; 16]), 2), (TopicId::from_bytes([2; 16]), u64::MAX)]);
        let all = vec![kept(1, 1, 10, 5), kept(1, 2, 11, 5), kept(2, 7, 12, 5)];
        let gone = overdue(all, &needed, Timestamp::EPOCH, 1000);
        assert_eq!(gone, [kept(1, 1, 10, 5), kept(2, 7, 12, 5)]);
    }

    #[test]
    fn d18_age_and_octets_bound_even_what_is_waited_for_oldest_first() {
        let needed = HashMap::from([(TopicId::from_bytes([1; 16]), 1)]);
        let all = vec![kept(1, 3, 30, 5), kept(1, 1, 10, 5), kept(1, 2, 20, 5)];
        assert_eq!(overdue(all.clone(), &needed, Timestamp::from_millis(15), 1000), [kept(1, 1, 10, 5)]);
        assert_eq!(
            overdue(all, &needed, Timestamp::EPOCH, 7),
            [kept(1, 1, 10, 5), kept(1, 2, 20, 5)],
            "the newest stays within the bound"
        );
    }

    #[test]
    fn d18_over_the_bound_it_is_the_topic_that_holds_most_that_loses() {
        let needed = [1, 2, 3].map(|topic| (TopicId::from_bytes([topic; 16]), 1)).into();
        // The large ones are the newest of all.
        let all = vec![
            kept(1, 1, 1, 3),
            kept(1, 2, 2, 3),
            kept(2, 1, 90, 50),
            kept(2, 2, 91, 40),
            kept(3, 1, 3, 9),
        ];
        let gone = |bound| overdue(all.clone(), &needed, Timestamp::EPOCH, bound);
        assert_eq!(gone(104), [kept(2, 1, 90, 50)]);
        assert_eq!(gone(54), [kept(2, 1, 90, 50), kept(2, 2, 91, 40)]);
        assert_eq!(gone(14), [kept(2, 1, 90, 50), kept(2, 2, 91, 40), kept(3, 1, 3, 9)]);
        assert_eq!(gone(0).len(), all.len());
    }
}
