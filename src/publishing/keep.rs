//! What stays of a look that brought a body: publications and their fan-outs, the memory of entries, the topic's other
//! names, and the topic itself.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

use tracing::{debug, info};

use super::{
    Publishing,
    fetch::Page,
    news::{Made, News},
};
use crate::{
    clock::Timestamp,
    distribution::sight_age,
    feed::{EntryDigest, EntryId},
    protocol::{TopicId, TopicUrl},
    store::{Commit, FanOut, FanOutId, Name, PendingFetch, Record, Store, StoreError, Topic, TopicDocument},
};

/// Entries remembered of a topic besides those that it shows (F18): years of most feeds. A site that shows other entries
/// each time would else fill the disk.
const MOST_REMEMBERED: usize = 50_000;
/// Entries read in one go.
const PAGE: usize = 4096;
/// Entries forgotten in one commit: few, for each costs memory until the commit ends.
const FORGOTTEN: usize = 256;
/// So many entries may be put down of a topic before it is looked whether they are too many: that is a walk over all.
const UNCOUNTED: usize = 4096;
/// Topics whose entries are counted. When there are more the counting begins anew, which costs each as many once more.
const MOST_COUNTED: usize = 16_384;

type Version = (EntryId, EntryDigest);

/// A version of an entry that a body shows, and when it was seen before.
pub(super) type Shown = (EntryId, EntryDigest, Option<Timestamp>);

/// What is new in a body, the body, and each version of an entry that it shows, once.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) news: News,
    pub(super) page: Page,
    pub(super) shown: Vec<Shown>,
}

/// What was decided to stay.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// There is something to fan out.
    pub(super) is_news: bool,
    shown: Vec<Shown>,
}

/// How many entries were put down of each topic since what is remembered of it was last bounded.
#[derive(Debug, Default)]
pub(super) struct PutDown(HashMap<TopicId, usize>);

impl PutDown {
    /// Counts these, and says whether it is time to bound what is remembered.
    fn is_much(&mut self, topic: TopicId, new: usize) -> bool {
        if new == 0 {
            return false;
        }
        if self.0.len() >= MOST_COUNTED {
            // Who puts down little is far from the bound.
            self.0.retain(|_, count| *count >= UNCOUNTED.div_euclid(64));
        }
        if self.0.len() >= MOST_COUNTED {
            self.0.clear();
        }
        let count = self.0.entry(topic).or_default();
        *count = count.saturating_add(new);
        let is_much = *count > UNCOUNTED;
        if is_much {
            self.0.remove(&topic);
        }
        is_much
    }
}

impl Publishing {
    /// The records of a look that brought a body.
    pub(super) fn keep(
        &self,
        topic: TopicId,
        fetch: &PendingFetch,
        known: Option<&Topic>,
        is_baseline: bool,
        Brought { news, page, shown }: Brought,
        commit: &mut Commit,
    ) -> Result<Kept, StoreError> {
        let now = self.parts.clock.now();
        let sight_age = sight_age(self.parts.remember_for);
        let (names, was) = (
            other_names(&fetch.url, &page.validators.url, &news.whole.self_url),
            self.parts.store.names(topic)?,
        );
        if names != was {
            commit.push(Record::NamesPut { topic, names, was });
        }
        let limit = now.before(sight_age);
        let unnoted = shown.iter().filter(|(_, _, seen)| seen.is_none_or(|seen| seen < limit));
        let unnoted: Vec<Version> = unnoted.map(|(id, digest, _)| (*id, *digest)).collect();
        if !unnoted.is_empty() {
            commit.push(Record::EntriesSeen(topic, unnoted, now));
        }
        let head = known.map_or(0, |topic| topic.head);
        let made = if is_baseline { Vec::new() } else { news.made };
        let is_news = !made.is_empty();
        let head = self.publish(topic, &fetch.url, head, made, commit);
        let Page { body, validators, .. } = page;
        if is_news {
            let document = TopicDocument { seq: head, publication: news.whole, body: body.into() };
            commit.push(Record::DocumentPut(topic, document));
        }
        // By the age of the last look it is known how old a sighting may be of what is still shown.
        let is_current =
            known.is_some_and(|known| known.validators == validators && known.fetched_at >= limit);
        if is_news || !is_current {
            let url = fetch.url.as_str().to_owned();
            let (format, envelope) = (news.format, news.envelope);
            let record = Topic { url, head, format, envelope, validators, fetched_at: now };
            commit.push(Record::TopicPut(topic, record));
        } else {
            debug!(topic = fetch.url.as_str(), "nothing new");
        }
        Ok(Kept { is_news, shown })
    }

    /// Publications after this head, each with its fan-out. Returns the new head.
    fn publish(
        &self,
        topic: TopicId,
        url: &TopicUrl,
        mut head: u64,
        made: Vec<Made>,
        commit: &mut Commit,
    ) -> u64 {
        let since = self.parts.clock.now();
        for Made { publication, content } in made {
            head = head.saturating_add(1);
            self.parts.metrics.publications.inc();
            let (entries, octets) = (publication.entries.len(), publication.length);
            info!(topic = url.as_str(), seq = head, entries, octets, "published");
            commit.push(Record::PublicationAdded { topic, seq: head, publication, content });
            commit.push(Record::FanOutPut(FanOutId::whole(topic, head), FanOut::whole(since)));
        }
        head
    }

    /// Forgets what is over the bound, when much was put down. Apart from that commit, so that a delivery does not wait
    /// for it: should it be lost, a later one does it.
    pub(super) async fn trim(&self, topic: TopicId, Kept { shown, .. }: Kept) -> Result<(), StoreError> {
        let new = shown.iter().filter(|(_, _, seen)| seen.is_none()).count();
        if !self.put_down.lock().unwrap_or_else(PoisonError::into_inner).is_much(topic, new) {
            return Ok(());
        }
        let shown = shown.into_iter().map(|(id, digest, _)| (id, digest)).collect();
        let store = &self.parts.store;
        let surplus = store.read(move |store| surplus(store, topic, &shown, MOST_REMEMBERED)).await?;
        for page in surplus.chunks(FORGOTTEN) {
            let forgotten = page.iter().map(|(id, digest)| Record::EntryForgotten(topic, *id, *digest));
            store.commit(forgotten.collect()).await?;
        }
        Ok(())
    }
}

/// The further names by which publishers may ping a topic: where its redirects end and what it calls itself, each under
/// both schemes (P09). These and no others: what it was called before is no concern of a publisher who changed it.
fn other_names(topic: &TopicUrl, end: &str, own: &str) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    let found = [end, own].into_iter().filter_map(|url| TopicUrl::parse(url).ok());
    for url in found.filter(|url| url.id() != topic.id()) {
        let is_near = url.url().host_str() == topic.url().host_str();
        for url in std::iter::once(url.clone()).chain(url.twin()) {
            let name = Name { id: url.id(), is_near };
            if url.id() != topic.id() && !names.iter().any(|other| other.id == name.id) {
                names.push(name);
            }
        }
    }
    names
}

/// What is remembered beyond what is shown and `most` others: those that were seen longest ago.
fn surplus(
    store: &Store,
    topic: TopicId,
    shown: &HashSet<Version>,
    most: usize,
) -> Result<Vec<Version>, StoreError> {
    let mut others = Vec::new();
    let mut after = None;
    loop {
        let page = store.sightings(topic, after, PAGE)?;
        after = page.last().map(|(id, digest, _)| (*id, *digest));
        let is_last = page.len() < PAGE;
        let gone = page.into_iter().filter(|(id, digest, _)| !shown.contains(&(*id, *digest)));
        others.extend(gone.map(|(id, digest, seen)| (seen, id, digest)));
        if is_last {
            break;
        }
    }
    let many = others.len().saturating_sub(most);
    others.sort_unstable();
    others.truncate(many);
    Ok(others.into_iter().map(|(_, id, digest)| (id, digest)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::StoreOptions;

    fn version(number: u8) -> Version {
        (EntryId::from_bytes([number; 16]), EntryDigest::from_bytes([number; 16]))
    }

    #[tokio::test]
    async fn f18_of_what_is_no_longer_shown_the_newest_are_remembered_and_no_more_than_so_many() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let options = StoreOptions { path, cache_bytes: 16 << 20, gather: Duration::ZERO };
        let store = Store::open(&options).unwrap();
        let topic = TopicUrl::parse("http://site.example/feed").unwrap().id();
        // In another order than that of the keys: 9 was seen first.
        for number in 1..10 {
            let (id, digest) = version(number);
            let seen = Timestamp::from_millis(u64::from(100 - number));
            store.commit(Record::EntrySeen(topic, id, digest, seen).into()).await.unwrap();
        }
        let shown = HashSet::from([version(9), version(1)]);
        assert_eq!(surplus(&store, topic, &shown, 4).unwrap(), [version(8), version(7), version(6)]);
        assert_eq!(surplus(&store, topic, &shown, 7).unwrap(), []);
    }

    /// To see whether there is more than that, all of it is walked over.
    #[test]
    fn f18_what_is_remembered_is_not_counted_for_every_few_new_entries() {
        let topic = |number: usize| {
            let [.., high, low] = number.to_be_bytes();
            TopicId::from_bytes([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        };
        let mut put_down = PutDown::default();
        let walks = (0..5000).filter(|_| put_down.is_much(topic(1), 1)).count();
        assert_eq!(walks, 1);
        assert!(put_down.is_much(topic(2), UNCOUNTED + 1), "many at once");
        assert!(!put_down.is_much(topic(2), UNCOUNTED), "it begins anew");
        for number in 10..60_000 {
            assert!(!put_down.is_much(topic(number), 0) && !put_down.is_much(topic(number), 1));
            assert!(put_down.0.len() <= MOST_COUNTED);
        }
    }

    #[test]
    fn p09_a_topic_has_the_names_of_its_last_look_under_both_schemes() {
        let topic = TopicUrl::parse("http://site.example/feed").unwrap();
        let found = |end: &str, own: &str| -> Vec<(TopicId, bool)> {
            let names = other_names(&topic, end, own);
            names.iter().map(|name| (name.id, name.is_near)).collect()
        };
        let id = |url: &str| TopicUrl::parse(url).unwrap().id();
        assert_eq!(found("http://site.example/feed", "http://SITE.example/%66eed"), []);
        let twin = (id("https://site.example/feed"), true);
        assert_eq!(found("https://site.example/feed", "https://site.example/feed"), [twin]);
        assert_eq!(
            found("https://site.example/new", "http://other.example/feed"),
            [
                (id("https://site.example/new"), true),
                (id("http://site.example/new"), true),
                (id("http://other.example/feed"), false),
                (id("https://other.example/feed"), false),
            ]
        );
        assert_eq!(found("http://site.example/feed", "#{@content_url}"), []);
    }
}
