//! A body that was fetched is taken apart: read, compared with what is known, and cut down to what is new.

use std::{collections::HashSet, hint::black_box};

use anyhow::{Result, ensure};
use hubbub::feed::{self, EntryDigest, EntryId, JsonFeed, Reading, Rendered, Volatile};

use super::Step;

pub(crate) const BLOG: &str = include_str!("../../tests/fixtures/feeds/blog-25.atom.xml");
/// One of its entries holds an element that only looks like one.
pub(crate) const BLOG_ENTRIES: usize = 25;

/// In a round.
pub(super) const DOCUMENTS: u32 = 100;

/// What a hub has: the list of what is volatile, and what it has seen of this topic.
#[derive(Debug)]
pub(crate) struct Hub {
    volatile: Volatile,
    seen: HashSet<(EntryId, EntryDigest)>,
}

impl Hub {
    /// One that has seen all but every 25th entry, the first among the new: a feed of 25 has one that is new.
    pub(crate) fn that_knows(body: &[u8], entries: usize) -> Result<Self> {
        let mut hub = Self { volatile: Volatile::default(), seen: HashSet::new() };
        let read = feed::read(body, &hub.reading());
        ensure!(read.format.is_feed() && read.entries.len() == entries, "it is read as something else");
        let old = read.entries.iter().enumerate().filter(|(at, _)| at % 25 != 0);
        hub.seen = old.map(|(_, entry)| (entry.id, entry.digest)).collect();
        Ok(hub)
    }

    /// How a body is read that came without a Content-Type.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { content_type: None, volatile: &self.volatile, json_feed: JsonFeed::Whole }
    }

    /// What happens to each body that was fetched.
    pub(crate) fn take_apart(&self, body: &[u8]) -> Rendered {
        let document = feed::read(body, &self.reading());
        let new = feed::news(&document, &mut |entry| self.seen.contains(&(entry.id, entry.digest)));
        let mut asked = 0..;
        feed::render(body, &document, &mut |_| asked.next().is_some_and(|at| new.binary_search(&at).is_ok()))
    }
}

pub(super) fn step() -> Result<Box<dyn Step>> {
    Ok(Box::new(Split(Hub::that_knows(BLOG.as_bytes(), BLOG_ENTRIES)?)))
}

struct Split(Hub);

impl Step for Split {
    fn round(&mut self) -> Result<()> {
        for _ in 0..DOCUMENTS {
            drop(black_box(self.0.take_apart(black_box(BLOG.as_bytes()))));
        }
        Ok(())
    }
}
