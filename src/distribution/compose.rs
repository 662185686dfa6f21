//! What a subscription that fell behind gets: one document with everything since (D18, D20).
//!
//! The union of the new entries of its publications, the newest version of each, in the order of the newest document;
//! what that no longer holds follows behind. Only the latest body of what is no feed, and the whole document where
//! publications are no longer kept. Split where entries, octets or the context of the feed say so.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Parts, parcel::Parcel};
use crate::{
    feed::{self, EntryDigest, EntryId, Format, Volatile},
    protocol::TopicId,
    store::{Publication, PublishedEntry, Store, StoreError},
};

/// Documents kept for the next subscriber with the same backlog: when a thousand come back at once they mostly missed
/// the same.
const KEPT: usize = 32;
/// Publications looked at for one document.
const LOOK: usize = 1024;

/// A document for a backlog, and the last publication in it.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) parcel: Arc<Parcel>,
    pub(super) through: u64,
}

/// What a document is composed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Wanted {
    topic: TopicId,
    from_seq: u64,
    head: u64,
    needs_full: bool,
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
}

impl Composer {
    pub(super) fn new(parts: &Parts) -> Self {
        let limits =
            Limits { entries: parts.delivery.max_entries, octets: parts.delivery.max_document_bytes };
        Self { store: parts.store.clone(), volatile: Arc::clone(&parts.feed), limits, kept: Mutex::default() }
    }

    /// The next document for a backlog; `None` where nothing was published that it could miss.
    pub(super) async fn compose(
        &self,
        topic: TopicId,
        from_seq: u64,
        needs_full: bool,
    ) -> Result<Option<Arc<Composed>>, StoreError> {
        let head = self.store.head(topic)?;
        let wanted = Wanted { topic, from_seq, head, needs_full };
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
            return Ok(Some(Arc::clone(kept)));
        }
        let (volatile, limits) = (Arc::clone(&self.volatile), self.limits.clone());
        let composed = self.store.read(move |store| compose(store, &volatile, &limits, wanted)).await?;
        let Some(composed) = composed.map(Arc::new) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Documents of an old head are never asked for again; then whatever else is in the way.
        if kept.len() >= KEPT {
            kept.retain(|other, _| other.topic != topic || other.head == head);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(wanted, Arc::clone(&composed));
        Ok(Some(composed))
    }
}

fn compose(
    store: &Store,
    volatile: &Volatile,
    limits: &Limits,
    wanted: Wanted,
) -> Result<Option<Composed>, StoreError> {
    let Wanted { topic, from_seq, head, needs_full } = wanted;
    let publications = store.publications(topic, from_seq, LOOK)?;
    let is_kept = publications.first().is_some_and(|(seq, _)| *seq == from_seq);
    if needs_full || !is_kept {
        let Some(document) = store.document(topic)? else { return Ok(None) };
        let parcel = Arc::new(Parcel::new(&document.publication, document.body));
        return Ok(Some(Composed { parcel, through: document.seq }));
    }
    let run = together(&publications, limits);
    let Some((through, last)) = run.last() else { return Ok(None) };
    let Some(content) = store.content(topic, *through)? else { return Ok(None) };
    let body = if last.format == Format::Opaque || run.len() == 1 {
        content
    } else {
        union(store, volatile, topic, run, content, *through == head)?
    };
    Ok(Some(Composed { parcel: Arc::new(Parcel::new(last, body)), through: *through }))
}

/// The publications that fit into one document: of one format and context, within the limits. At least the first.
fn together<'a>(publications: &'a [(u64, Publication)], limits: &Limits) -> &'a [(u64, Publication)] {
    let Some((_, first)) = publications.first() else { return publications };
    let (mut entries, mut octets) = (0_usize, 0_u64);
    let end = publications.iter().position(|(_, publication)| {
        entries = entries.saturating_add(publication.entries.len());
        octets = octets.saturating_add(publication.length);
        // Of what is no feed only the last body counts, so nothing has to fit.
        let has_room = first.format == Format::Opaque
            || (entries <= limits.entries
                && octets <= u64::try_from(limits.octets).unwrap_or(u64::MAX)
                && publication.context == first.context);
        publication.format != first.format || !has_room
    });
    let (head, _) = publications.split_at(end.unwrap_or(publications.len()).max(1));
    head
}

type Version = (EntryId, EntryDigest);

fn union(
    store: &Store,
    volatile: &Volatile,
    topic: TopicId,
    run: &[(u64, Publication)],
    last_content: Vec<u8>,
    is_head: bool,
) -> Result<Vec<u8>, StoreError> {
    // Newest first: an entry that a newer publication holds replaces the older versions of it.
    let mut missed: Vec<(u64, usize, Version)> = Vec::new();
    let mut superseded: HashSet<EntryId> = HashSet::new();
    for (seq, publication) in run.iter().rev() {
        for (at, entry) in publication.entries.iter().enumerate() {
            if !superseded.contains(&entry.id) {
                missed.push((*seq, at, (entry.id, entry.digest)));
            }
        }
        superseded.extend(publication.entries.iter().map(|entry| entry.id));
    }
    let mut wanted: HashSet<Version> = missed.iter().map(|(_, _, version)| *version).collect();
    let base = match store.document(topic)? {
        Some(document) if is_head => {
            let read = feed::read(&document.body, document.publication.content_type.as_deref(), volatile);
            feed::render(&document.body, &read, &mut |entry| wanted.remove(&(entry.id, entry.digest)))
        }
        _ => {
            let (_, publication) = run.last().ok_or(StoreError::Damaged { table: "publications" })?;
            let entries: Vec<_> = publication.entries.iter().map(PublishedEntry::to_entry).collect();
            for entry in &entries {
                wanted.remove(&(entry.id, entry.digest));
            }
            let insert_at = usize::try_from(publication.insert_at).unwrap_or(usize::MAX);
            feed::Rendered { body: last_content, entries, insert_at }
        }
    };
    let mut older: Vec<Vec<u8>> = Vec::new();
    let mut content: Option<(u64, Vec<u8>)> = None;
    for (seq, at, version) in missed {
        if !wanted.remove(&version) {
            continue;
        }
        if content.as_ref().is_none_or(|(held, _)| *held != seq) {
            content = store.content(topic, seq)?.map(|content| (seq, content));
        }
        let publication = run.iter().find(|(other, _)| *other == seq).map(|(_, publication)| publication);
        let entry = publication.and_then(|publication| publication.entries.get(at));
        let octets = content.as_ref().zip(entry).and_then(|((_, content), entry)| content.get(entry.range()));
        older.push(octets.ok_or(StoreError::Damaged { table: "contents" })?.to_vec());
    }
    if older.is_empty() {
        return Ok(base.body);
    }
    let older: Vec<&[u8]> = older.iter().map(Vec::as_slice).collect();
    Ok(feed::merge(&base.body, &base.entries, &older, base.insert_at).body)
}
