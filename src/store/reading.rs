//! Reads all that a store holds, a page at a time, past what cannot be read.

use std::fmt;

use super::{
    StoreError,
    embedded::{Embedded, Octets},
    keys::Table,
    lines::{EXPORTED, Row},
};

/// Rows a page.
const PAGE: usize = 256;
/// Of whole documents and slaps, each of which may be large.
const BODIES: usize = 4;
/// The octet of a key at which reading goes on behind damage: the second of the callback, or of the topic where there is no
/// callback. What lies between is lost with it; of a million subscriptions to one topic that is about fifteen.
const STEP: [usize; 2] = [1 + 16 + 1, 2];
/// So often in a row reading goes on in vain before it takes wider steps, by the octet in front of the last: the engine may
/// go round in circles for some milliseconds before it gives one up, and a hundred thousand of them took an hour.
const VAIN: usize = 8;

/// A row that cannot be read or should not be as it is, or all that comes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    table: &'static str,
    key: Vec<u8>,
    reason: String,
}

impl Lost {
    pub(super) fn of(table: Table, key: &[u8], reason: impl Into<String>) -> Self {
        Self { table: table.name(), key: key.to_vec(), reason: reason.into() }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, key ", self.table)?;
        self.key.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        write!(f, ": {}", self.reason)
    }
}

/// The rows of one table as they lie in the engine.
pub(super) struct Pages<'a> {
    kv: &'a Embedded,
    table: Table,
    /// The last key read, or behind which reading is tried; `None` before the first.
    after: Option<Vec<u8>>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn of(kv: &'a Embedded, table: Table) -> Self {
        Self { kv, table, after: None, is_over: false }
    }

    /// The next rows, or what is lost before them; `None` behind the last.
    pub(super) fn page(&mut self) -> Option<Result<Vec<(Octets, Octets)>, Lost>> {
        if self.is_over {
            return None;
        }
        let limit = page_of(self.table.byte());
        match self.scan(limit) {
            Ok(rows) => {
                self.is_over = rows.len() < limit;
                self.after = rows.last().map(|(key, _)| key.to_vec());
                Some(Ok(rows))
            }
            // The rows before the damage are read one by one.
            Err(error) => match self.scan(1) {
                Ok(rows) => {
                    self.is_over = rows.is_empty();
                    self.after = rows.last().map(|(key, _)| key.to_vec());
                    Some(Ok(rows))
                }
                // Nobody will save what follows from other rows, and each look behind damage may take the engine a second.
                Err(_same) if !EXPORTED.contains(&self.table) => Some(Err(self.end(&error))),
                Err(_same) => Some(Err(self.step(&error))),
            },
        }
    }

    fn scan(&self, limit: usize) -> Result<Vec<(Octets, Octets)>, StoreError> {
        self.kv.scan(&[self.table.byte()], self.after.as_deref(), limit)
    }

    /// Goes on behind the damage.
    fn step(&mut self, error: &StoreError) -> Lost {
        let last = self.after.clone().unwrap_or_else(|| vec![self.table.byte()]);
        for wider in (0..=STEP[0]).flat_map(|wider| std::iter::repeat_n(wider, VAIN)) {
            self.after = behind(self.after.as_deref().unwrap_or(&[self.table.byte()]), wider);
            if self.after.as_ref().is_none_or(|key| key.first() != Some(&self.table.byte())) {
                break;
            }
            if self.scan(1).is_ok() {
                return Lost::of(self.table, &last, format!("some rows behind it cannot be read: {error}"));
            }
        }
        self.after = Some(last);
        self.end(error)
    }

    /// Goes on no further.
    fn end(&mut self, error: &StoreError) -> Lost {
        self.is_over = true;
        let last = self.after.clone().unwrap_or_else(|| vec![self.table.byte()]);
        Lost::of(self.table, &last, format!("nothing behind it can be read: {error}"))
    }
}

/// Rows of this table that are read at a time: few of those that may be large.
pub(super) fn page_of(table: u8) -> usize {
    let may_be_large = Table::ALL.into_iter().any(|known| known.byte() == table && has_bodies(known));
    if may_be_large { BODIES } else { PAGE }
}

fn has_bodies(table: Table) -> bool {
    let hub = matches!(table, Table::Documents | Table::Publications | Table::Contents);
    let slaps = matches!(table, Table::Inbox | Table::Doubts | Table::Outgoing | Table::GroupPosts);
    // What somebody else's host says may be as long as an answer.
    hub || slaps || table == Table::Descriptors
}

/// The last key before those that differ from this one in the octet of the step, or in one that is so many before it.
fn behind(key: &[u8], wider: usize) -> Option<Vec<u8>> {
    let [far, near] = STEP;
    let at = if key.len() > far { far } else { near }.saturating_sub(wider);
    let mut next: Vec<u8> = key.iter().copied().take(at.saturating_add(1)).collect();
    next.resize(at.saturating_add(1), 0);
    while let Some(octet) = next.pop() {
        if let Some(octet) = octet.checked_add(1) {
            next.push(octet);
            // As long as it was, so that the next step is as wide.
            next.resize(key.len().max(at.saturating_add(1)), 0);
            return Some(next);
        }
    }
    None
}

/// All exported rows of a store.
pub(super) struct Reading<'a> {
    kv: &'a Embedded,
    tables: std::slice::Iter<'static, Table>,
    at: Option<Pages<'a>>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(kv: &'a Embedded) -> Self {
        Self { kv, tables: EXPORTED.iter(), at: None }
    }

    /// The next rows, each read or lost; `None` behind the last.
    pub(super) fn page(&mut self) -> Option<Vec<Result<Row, Lost>>> {
        loop {
            let pages = match &mut self.at {
                Some(pages) => pages,
                None => self.at.insert(Pages::of(self.kv, *self.tables.next()?)),
            };
            let table = pages.table;
            match pages.page() {
                Some(Ok(rows)) => {
                    return Some(rows.iter().map(|(key, value)| typed(self.kv, table, key, value)).collect());
                }
                Some(Err(lost)) => return Some(vec![Err(lost)]),
                None => self.at = None,
            }
        }
    }
}

/// A row of an exported table.
pub(super) fn typed(kv: &Embedded, table: Table, key: &[u8], value: &[u8]) -> Result<Row, Lost> {
    let lost = |reason: String| Lost::of(table, key, reason);
    let body = if table == Table::Publications {
        let content: Vec<u8> =
            std::iter::once(Table::Contents.byte()).chain(key.iter().copied().skip(1)).collect();
        let body = kv.get(&content).map_err(|error| lost(error.to_string()))?;
        Some(body.ok_or_else(|| lost("its body is missing".to_owned()))?.to_vec())
    } else {
        None
    };
    Row::read(table, key, value, body).map_err(|error| lost(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_in_small_steps_behind_a_pair_and_in_larger_ones_behind_a_topic() {
        let pair = [&[b'S'][..], &[7; 16], &[1, 2, 9, 9]].concat();
        let next = behind(&pair, 0).unwrap();
        assert_eq!(next, [&[b'S'][..], &[7; 16], &[1, 3, 0, 0]].concat());
        let last = [&[b'S'][..], &[7; 16], &[255, 255, 9, 9]].concat();
        assert_eq!(behind(&last, 0).unwrap()[..18], [&[b'S'][..], &[7; 15], &[8, 0]].concat());
        assert_eq!(behind(b"T", 0).unwrap(), [b'T', 0, 1]);
        assert_eq!(behind(&[b'T', 255, 255, 1], 0).unwrap(), [b'U', 0, 0, 0]);
        assert_eq!(behind(&[255; 5], 0), None);
        // Wider ones lead out of the topic, and at last out of the table.
        assert_eq!(behind(&pair, 2).unwrap()[..18], [&[b'S'][..], &[7; 15], &[8, 0]].concat());
        assert_eq!(behind(&pair, 18).unwrap()[0], b'S' + 1);
    }
}
