//! What a subscription that fell behind gets: one document with everything since (D18, D20).
//!
//! The union of the new entries of its publications, the newest version of each, in the order of the newest document;
//! what that no longer holds follows behind. Only the latest body of what is no feed. Split where entries, octets or the
//! context of the feed say so. The whole document instead for a subscriber that never got one, and for one of whose
//! publications some are no longer kept; with what it missed and the document lost since.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::{Parts, parcel::Parcel, settle::Reach};
use crate::{
    feed::{self, Document, Entry, EntryDigest, EntryId, Format, JsonFeed, Reading, Rendered, Volatile},
    protocol::TopicId,
    store::{NeedsFull, Publication, PublishedEntry, Store, StoreError, TopicDocument},
};

/// Documents kept for the next subscriber with the same backlog: when a thousand come back at once they mostly missed
/// the same.
const KEPT: usize = 32;
/// Octets of the kept documents together: with documents of the largest size, [`KEPT`] alone would allow ten times this.
const KEPT_OCTETS: usize = 32 << 20;
/// Above this a delta goes out instead of the whole (D26): some readers take no more than 3 MiB.
pub(super) const FULL_AT_MOST: u64 = 2 << 20;
/// Publications looked at for one document.
const LOOK: usize = 1024;

/// A document for a backlog.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) parcel: Arc<Parcel>,
    pub(super) reach: Reach,
    /// The fetch that its frame came with, by its first publication.
    pub(super) first_of_fetch: u64,
}

/// What a document is composed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Wanted {
    topic: TopicId,
    from_seq: u64,
    head: u64,
    needs_full: NeedsFull,
}

#[derive(Debug, Clone)]
struct Limits {
    entries: usize,
    octets: usize,
}

/// Composes documents, and keeps the last few.
#[derive(Debug)]
pub(super) struct Composer {
    store: Store,
    volatile: Arc<Volatile>,
    limits: Limits,
    kept: Mutex<HashMap<Wanted, Arc<Composed>>>,
    turn: Semaphore,
}

impl Composer {
    pub(super) fn new(parts: &Parts) -> Self {
        let limits =
            Limits { entries: parts.delivery.max_entries, octets: parts.delivery.max_document_bytes };
        Self {
            store: parts.store.clone(),
            volatile: Arc::clone(&parts.feed),
            limits,
            kept: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// A topic was forgotten: its numbers begin anew, and must not find what they meant before.
    pub(super) fn forget(&self, topic: TopicId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other, _| other.topic != topic);
    }

    /// The next document for a backlog; `None` where nothing was published that it could miss.
    pub(super) async fn compose(
        &self,
        topic: TopicId,
        from_seq: u64,
        needs_full: NeedsFull,
    ) -> Result<Option<Arc<Composed>>, StoreError> {
        let head = self.store.head(topic)?;
        let wanted = Wanted { topic, from_seq, head, needs_full };
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
            return Ok(Some(Arc::clone(kept)));
        }
        // One at a time: a thousand that come back together mostly want the same, and the second finds it made.
        let Ok(_turn) = self.turn.acquire().await else { return Ok(None) };
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
            return Ok(Some(Arc::clone(kept)));
        }
        let (volatile, limits) = (Arc::clone(&self.volatile), self.limits.clone());
        let composed = self.store.read(move |store| compose(store, &volatile, &limits, wanted)).await?;
        let Some(composed) = composed.map(Arc::new) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Documents of an old head are never asked for again; then whatever else is in the way.
        if !has_room(&kept, &composed) {
            kept.retain(|other, _| other.topic != topic || other.head == head);
        }
        if !has_room(&kept, &composed) {
            kept.clear();
        }
        kept.insert(wanted, Arc::clone(&composed));
        Ok(Some(composed))
    }
}

/// Whether one more document is within both bounds. One that alone is over them is kept all the same: for the next
/// subscriber it would be made again, and be in memory as well.
fn has_room(kept: &HashMap<Wanted, Arc<Composed>>, more: &Composed) -> bool {
    let octets = kept.values().fold(more.parcel.len(), |sum, one| sum.saturating_add(one.parcel.len()));
    kept.len() < KEPT && octets <= KEPT_OCTETS
}

fn compose(
    store: &Store,
    volatile: &Volatile,
    limits: &Limits,
    wanted: Wanted,
) -> Result<Option<Composed>, StoreError> {
    let Wanted { topic, from_seq, .. } = wanted;
    let publications = store.publications(topic, from_seq, LOOK)?;
    // Without one the order is that of the publications, and the next fetch brings another.
    let document = store.readable(store.document(topic))?;
    let run = together(&publications, limits);
    let Some((last_seq, last)) = run.last() else {
        // Nothing of it is kept: the whole document is all there is.
        return Ok(whole(document));
    };
    // What is kept of it does not make up for what is not, and the document may have lost entries of either.
    let is_gapless = run.iter().zip(from_seq..).all(|((seq, _), expected)| *seq == expected);
    let needs_full = if is_gapless { wanted.needs_full } else { NeedsFull::Lost };
    // The document of the same fetch: it holds the other parts of that fetch as well.
    let newest = document.as_ref().filter(|found| found.publication.first_of_fetch == last.first_of_fetch);
    let is_due = |document: &&TopicDocument| match needs_full {
        NeedsFull::No => false,
        NeedsFull::First => document.publication.document_length <= FULL_AT_MOST,
        NeedsFull::Lost => true,
    };
    if let Some(document) = newest.filter(is_due) {
        let body = if last.format == Format::Opaque {
            document.body.clone()
        } else {
            let read = read(document, volatile);
            let all = feed::render(&document.body, &read, &mut |_| true);
            union(store, topic, &missed(run, &read.entries), all)?
        };
        return Ok(Some(full(document.seq, &document.publication, body)));
    }
    let Some(content) = store.content(topic, *last_seq)? else {
        // Dropped by its age or size a moment ago.
        return Ok(whole(store.readable(store.document(topic))?));
    };
    let body = if last.format == Format::Opaque || run.len() == 1 {
        content
    } else {
        let shown = document.as_ref().map(|document| read(document, volatile));
        let missed = missed(run, shown.as_ref().map_or(&[], |shown| &shown.entries));
        let base = match newest.zip(shown.as_ref()).filter(|(document, _)| document.seq == *last_seq) {
            Some((document, shown)) => missed_of(document, shown, &missed),
            None => published(last, content),
        };
        union(store, topic, &missed, base)?
    };
    let reach = Reach { through: *last_seq, is_full: false, owes_full: needs_full };
    let parcel = Arc::new(Parcel::new(last, body));
    Ok(Some(Composed { parcel, reach, first_of_fetch: last.first_of_fetch }))
}

/// The newest document as it is.
fn whole(document: Option<TopicDocument>) -> Option<Composed> {
    let TopicDocument { seq, publication, body } = document?;
    Some(full(seq, &publication, body))
}

/// The whole of a document, perhaps with more behind it.
fn full(through: u64, publication: &Publication, body: Vec<u8>) -> Composed {
    let reach = Reach { through, is_full: true, owes_full: NeedsFull::No };
    let parcel = Arc::new(Parcel::new(publication, body));
    Composed { parcel, reach, first_of_fetch: publication.first_of_fetch }
}

/// The publications that fit into one document: of one format and context, and within the limits. At least the first.
fn together<'a>(publications: &'a [(u64, Publication)], limits: &Limits) -> &'a [(u64, Publication)] {
    let Some((_, first)) = publications.first() else { return publications };
    let (mut entries, mut octets) = (0_usize, 0_u64);
    let end = publications.iter().position(|(_, publication)| {
        entries = entries.saturating_add(publication.entries.len());
        octets = octets.saturating_add(publication.length);
        // Of what is no feed only the last body counts, so nothing has to fit.
        let fits = entries <= limits.entries && octets <= u64::try_from(limits.octets).unwrap_or(u64::MAX);
        let is_one = first.format == Format::Opaque || (fits && publication.context == first.context);
        publication.format != first.format || !is_one
    });
    let (head, _) = publications.split_at(end.unwrap_or(publications.len()).max(1));
    head
}

type Version = (EntryId, EntryDigest);

/// The newest versions of what was missed: where each stands, newest publication first. An entry that a newer
/// publication holds replaces the older versions of it, but for those that still stand beside it: the ones that the
/// newest document shows, and all of an id that means several entries at once (F15).
fn missed<'a>(run: &'a [(u64, Publication)], shown: &[Entry]) -> Vec<(u64, &'a PublishedEntry)> {
    let shown: HashSet<Version> = shown.iter().map(|entry| (entry.id, entry.digest)).collect();
    let shared = shared(run, &shown);
    let mut missed = Vec::new();
    let mut superseded: HashSet<EntryId> = HashSet::new();
    for (seq, publication) in run.iter().rev() {
        let newest = publication.entries.iter().filter(|entry| {
            !superseded.contains(&entry.id)
                || shared.contains(&entry.id)
                || shown.contains(&(entry.id, entry.digest))
        });
        missed.extend(newest.map(|entry| (*seq, entry)));
        superseded.extend(publication.entries.iter().map(|entry| entry.id));
    }
    missed
}

/// The ids that more than one entry of the same fetch, or of the newest document, has.
fn shared(run: &[(u64, Publication)], shown: &HashSet<Version>) -> HashSet<EntryId> {
    let published = run.iter().flat_map(|(_, publication)| {
        publication.entries.iter().map(|entry| (publication.first_of_fetch, entry.id))
    });
    let mut named = HashSet::new();
    // No publication has the number 0.
    let all = shown.iter().map(|(id, _)| (0, *id)).chain(published);
    all.filter(|name| !named.insert(*name)).map(|(_, id)| id).collect()
}

/// What the document was when it was fetched.
fn read(document: &TopicDocument, volatile: &Volatile) -> Document {
    let publication = &document.publication;
    let content_type = publication.content_type.as_deref();
    let json_feed = JsonFeed::that_gave(publication.format);
    feed::read(&document.body, &Reading { content_type, volatile, json_feed })
}

/// The document with what was missed of its entries, in its own order.
fn missed_of(document: &TopicDocument, read: &Document, missed: &[(u64, &PublishedEntry)]) -> Rendered {
    let mut wanted: HashSet<Version> = missed.iter().map(|(_, entry)| (entry.id, entry.digest)).collect();
    feed::render(&document.body, read, &mut |entry| wanted.remove(&(entry.id, entry.digest)))
}

/// A publication as it went out.
fn published(publication: &Publication, content: Vec<u8>) -> Rendered {
    let entries = publication.entries.iter().map(PublishedEntry::to_entry).collect();
    let insert_at = usize::try_from(publication.insert_at).unwrap_or(usize::MAX);
    Rendered { format: publication.format, body: content, entries, insert_at }
}

/// The base, and behind its entries whatever was missed and does not stand in it.
fn union(
    store: &Store,
    topic: TopicId,
    missed: &[(u64, &PublishedEntry)],
    base: Rendered,
) -> Result<Vec<u8>, StoreError> {
    let mut held: HashSet<Version> = base.entries.iter().map(|entry| (entry.id, entry.digest)).collect();
    let mut older: Vec<Vec<u8>> = Vec::new();
    let mut content: Option<(u64, Vec<u8>)> = None;
    for &(seq, entry) in missed {
        if !held.insert((entry.id, entry.digest)) {
            continue;
        }
        if content.as_ref().is_none_or(|(held, _)| *held != seq) {
            content = store.content(topic, seq)?.map(|content| (seq, content));
        }
        let octets = content.as_ref().and_then(|(_, content)| content.get(entry.range()));
        older.push(octets.ok_or(StoreError::Damaged { table: "contents" })?.to_vec());
    }
    if older.is_empty() {
        return Ok(base.body);
    }
    let older: Vec<&[u8]> = older.iter().map(Vec::as_slice).collect();
    Ok(feed::merge(&base, &older).body)
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
