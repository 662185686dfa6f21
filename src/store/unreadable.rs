//! Rows that cannot be read, among others that can: passed over as if they were not there, counted, and told of once a table.
//!
//! They stay where they are: `hubbub store verify` names them, and perhaps another version of the program can read them.
//! What a row that is not there means is for each caller to say. Where that would be a silent loss (a backlog, a fan-out,
//! the head of a topic) the caller is given the error, and makes up for it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use prometheus_client::metrics::counter::Counter;
use tracing::error;

use super::{Store, StoreError, embedded::Octets};

/// How many were met, and in which tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Unreadable(Arc<Met>);

#[derive(Debug, Default)]
struct Met {
    counter: OnceLock<Counter>,
    told: Mutex<BTreeSet<&'static str>>,
}

impl Store {
    /// Where those are counted that are met from now on. Only the first that is named is.
    pub fn count_unreadable_in(&self, counter: Counter) {
        let _first = self.unreadable.0.counter.set(counter);
    }

    /// Counts one; says so once a table, as each publication of a topic may come upon it.
    pub fn pass_over(&self, table: &'static str) {
        let Met { counter, told } = &*self.unreadable.0;
        if let Some(counter) = counter.get() {
            counter.inc();
        }
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(table) {
            error!(
                table,
                "a row cannot be read and is passed over; with the hub stopped, `hubbub store verify` names it"
            );
        }
    }

    /// What was read; one that cannot be read is none.
    pub fn readable<T>(&self, read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged { table }) => {
                self.pass_over(table);
                Ok(None)
            }
            read => read,
        }
    }

    /// Up to `limit` of the rows of a prefix that can be read, in key order, after a key where one is given: fewer are the
    /// last.
    pub(super) fn readable_rows<T>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        read: impl Fn(&[u8], &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = after.map(<[u8]>::to_vec);
        while let Some(room) = limit.checked_sub(found.len()).filter(|room| *room > 0) {
            let rows: Vec<(Octets, Octets)> = self.kv.scan(prefix, after.as_deref(), room)?;
            for (key, value) in &rows {
                found.extend(self.readable(read(key, value).map(Some))?);
            }
            match rows.last() {
                Some((key, _)) if rows.len() == room => after = Some(key.to_vec()),
                _ => break,
            }
        }
        Ok(found)
    }
}
