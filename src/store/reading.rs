//! Reads all that a store holds as typed rows, a page at a time, past what cannot be read.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    StoreError,
    embedded::{Embedded, Octets},
    keys::Table,
    lines::{EXPORTED, Row},
};

/// Rows a page.
const PAGE: usize = 256;
/// Of those that have a whole document each, which may be large.
const DOCUMENTS: usize = 4;

/// A row that cannot be read, or all that comes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    table: &'static str,
    key: Vec<u8>,
    reason: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, key ", self.table)?;
        self.key.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        write!(f, ": {}", self.reason)
    }
}

/// All exported rows of a store.
pub(super) struct Reading<'a> {
    kv: &'a Embedded,
    tables: std::slice::Iter<'static, Table>,
    /// The table that is being read, the last key read from it, and how many are read at once.
    at: Option<(Table, Option<Octets>, usize)>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(kv: &'a Embedded) -> Self {
        Self { kv, tables: EXPORTED.iter(), at: None }
    }

    /// The next rows, each read or lost; `None` behind the last.
    pub(super) fn page(&mut self) -> Option<Vec<Result<Row, Lost>>> {
        let (table, after, limit) = if let Some(at) = self.at.take() {
            at
        } else {
            let table = *self.tables.next()?;
            let is_large = matches!(table, Table::Documents | Table::Publications);
            (table, None, if is_large { DOCUMENTS } else { PAGE })
        };
        let last = after.as_deref().unwrap_or_default();
        // The engine asserts on some of what it finds damaged.
        let rows = catch_unwind(AssertUnwindSafe(|| self.kv.scan(&[table.byte()], after.as_deref(), limit)))
            .unwrap_or_else(|_panic| Err(StoreError::Failed("its files are damaged".to_owned())));
        let rows = match rows {
            Ok(rows) => rows,
            // One by one: what lies before the damage is not lost with it.
            Err(_) if limit > 1 => {
                self.at = Some((table, after, 1));
                return Some(Vec::new());
            }
            Err(error) => {
                let reason = format!("nothing behind it can be read: {error}");
                return Some(vec![Err(Lost { table: table.name(), key: last.to_vec(), reason })]);
            }
        };
        if let Some((key, _)) = rows.last().filter(|_| rows.len() == limit) {
            self.at = Some((table, Some(key.clone()), limit));
        }
        Some(rows.iter().map(|(key, value)| self.read(table, key, value)).collect())
    }

    fn read(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Row, Lost> {
        let lost = |reason: String| Lost { table: table.name(), key: key.to_vec(), reason };
        let body = if table == Table::Publications {
            let content: Vec<u8> =
                std::iter::once(Table::Contents.byte()).chain(key.iter().copied().skip(1)).collect();
            let body = catch_unwind(AssertUnwindSafe(|| self.kv.get(&content)))
                .unwrap_or_else(|_panic| Err(StoreError::Failed("its files are damaged".to_owned())));
            let body = body.map_err(|error| lost(error.to_string()))?;
            Some(body.ok_or_else(|| lost("its body is missing".to_owned()))?.to_vec())
        } else {
            None
        };
        Row::read(table, key, value, body).map_err(|error| lost(error.to_string()))
    }
}
