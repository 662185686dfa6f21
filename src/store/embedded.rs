//! sled, and nothing else of the program names it: get, scan, apply, flush.
//!
//! Its weak sides are handled here: the cache has our bound instead of 1 GiB, the timer that flushes every 500 ms is off
//! because commits flush themselves, and a damaged store that makes it panic while opening becomes an error.

use std::{
    ops::{Bound, Deref},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    StoreError, StoreOptions, codec, folder, keys,
    measure::{self, Held},
    siblings,
};
use crate::octets;

/// The schema this program writes.
pub(super) const SCHEMA: u32 = 2;

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(with = "octets::text")]
    pub(super) key: Vec<u8>,
    /// `None` removes the row.
    #[serde(with = "octets::optional_text")]
    pub(super) value: Option<Vec<u8>>,
}

/// Octets of a key or value as the engine lends them.
#[derive(Debug, Clone)]
pub(super) struct Octets(sled::IVec);

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Embedded {
    db: sled::Db,
    rows: sled::Tree,
    path: PathBuf,
}

impl Embedded {
    pub(super) fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        folder::prepare(&options.path)?;
        let config = sled::Config::new()
            .path(&options.path)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let unreadable = |reason: String| StoreError::Unreadable { path: options.path.clone(), reason };
        // sled asserts on some damaged files; a start that fails must say so in words.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = config.open()?;
            let rows = db.open_tree("rows")?;
            Ok::<_, sled::Error>((db, rows))
        }))
        .map_err(|_panic| unreadable("its files are damaged".to_owned()))?;
        let (db, rows) = opened.map_err(|error| match &error {
            sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
                StoreError::Locked { path: options.path.clone() }
            }
            _ => unreadable(error.to_string()),
        })?;
        let store = Self { db, rows, path: options.path.clone() };
        store.check_schema(&options.path)?;
        store.finish()?;
        Ok(store)
    }

    /// Opens a store that is there; makes none.
    pub(super) fn open_existing(options: &StoreOptions) -> Result<Self, StoreError> {
        if !siblings::is_store(&options.path) {
            folder::refuse_if_aside(&options.path)?;
            return Err(StoreError::Missing { path: options.path.clone() });
        }
        Self::open(options)
    }

    fn check_schema(&self, path: &Path) -> Result<(), StoreError> {
        let Some(row) = self.get(&keys::schema())? else {
            self.apply([Change { key: keys::schema(), value: Some(codec::encode(&SCHEMA)?) }])?;
            return self.flush();
        };
        let found: u32 = codec::decode(keys::Table::Meta, &row)?;
        if found > SCHEMA {
            return Err(StoreError::TooNew { path: path.to_owned(), found, known: SCHEMA });
        }
        if found < SCHEMA {
            return Err(StoreError::TooOld { path: path.to_owned(), found, known: SCHEMA });
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        Ok(self.rows.get(key).map_err(failed)?.map(Octets))
    }

    /// Up to `limit` rows of `prefix` in key order, after the key `after` where one is given.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Octets, Octets)>, StoreError> {
        let start = match after {
            Some(key) => Bound::Excluded(key.to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        let end = match successor(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        let mut rows = Vec::new();
        for row in self.rows.range((start, end)).take(limit) {
            let (key, value) = row.map_err(failed)?;
            rows.push((Octets(key), Octets(value)));
        }
        Ok(rows)
    }

    pub(super) fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        let mut count: u64 = 0;
        for row in self.rows.scan_prefix(prefix) {
            row.map_err(failed)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Rows of `prefix`, and the octets of their keys and values.
    pub(super) fn weigh(&self, prefix: &[u8]) -> Result<Held, StoreError> {
        let mut held = Held::default();
        for row in self.rows.scan_prefix(prefix) {
            let (key, value) = row.map_err(failed)?;
            let octets = u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX);
            held.rows = held.rows.saturating_add(1);
            held.octets = held.octets.saturating_add(octets);
        }
        Ok(held)
    }

    pub(super) fn octets_on_disk(&self) -> Result<u64, StoreError> {
        measure::octets_on_disk(&self.path)
    }

    /// Applies all changes or none of them, in order. They should not be [many](super::steps).
    pub(super) fn apply(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for Change { key, value } in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.rows.apply_batch(batch).map_err(failed)
    }

    /// Returns when everything applied so far is on disk.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(failed)
    }
}

/// The first key behind everything that starts with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: sled::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    fn options(path: &Path) -> StoreOptions {
        StoreOptions { path: path.to_owned(), cache_bytes: 16 << 20, gather: Duration::ZERO }
    }

    #[test]
    fn another_schema_is_refused_by_name() {
        let error_of = |schema: u32| {
            let home = tempfile::tempdir().unwrap();
            {
                let kv = Embedded::open(&options(home.path())).unwrap();
                let other = Some(codec::encode(&schema).unwrap());
                kv.apply([Change { key: keys::schema(), value: other }]).unwrap();
                kv.flush().unwrap();
            }
            Embedded::open(&options(home.path())).unwrap_err()
        };
        let error = error_of(SCHEMA + 1);
        assert!(matches!(error, StoreError::TooNew { found: 3, known: 2, .. }), "{error}");
        let error = error_of(SCHEMA - 1);
        assert!(matches!(error, StoreError::TooOld { found: 1, known: 2, .. }), "{error}");
    }

    #[test]
    fn a_store_that_is_open_is_locked() {
        let home = tempfile::tempdir().unwrap();
        let _held = Embedded::open(&options(home.path())).unwrap();
        let error = Embedded::open(&options(home.path())).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    }

    #[test]
    fn a_damaged_store_is_an_error_that_names_its_directory() {
        let home = tempfile::tempdir().unwrap();
        {
            let kv = Embedded::open(&options(home.path())).unwrap();
            kv.apply([Change { key: b"Tx".to_vec(), value: Some(vec![1; 4096]) }]).unwrap();
            kv.flush().unwrap();
        }
        // The configuration that sled checks by its sum before it believes anything else.
        fs::write(home.path().join("conf"), b"segment_size: 7\nuse_compression: true\nversion: 0.99\n")
            .unwrap();
        let error = Embedded::open(&options(home.path())).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(&home.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_scan_stays_within_its_prefix_and_pages() {
        let home = tempfile::tempdir().unwrap();
        let kv = Embedded::open(&options(home.path())).unwrap();
        let row = |key: &[u8]| Change { key: key.to_vec(), value: Some(Vec::new()) };
        kv.apply([row(b"Sa1"), row(b"Sa2"), row(b"Sa3"), row(b"Sb1"), row(b"T")]).unwrap();
        let keys = |rows: Vec<(Octets, Octets)>| rows.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>();
        assert_eq!(keys(kv.scan(b"Sa", None, 2).unwrap()), [b"Sa1", b"Sa2"]);
        assert_eq!(keys(kv.scan(b"Sa", Some(b"Sa2"), 9).unwrap()), [b"Sa3"]);
        assert_eq!(kv.count(b"S").unwrap(), 4);
    }

    #[test]
    fn the_successor_carries() {
        assert_eq!(successor(b"a"), Some(b"b".to_vec()));
        assert_eq!(successor(&[7, 255]), Some(vec![8]));
        assert_eq!(successor(&[255, 255]), None);
    }
}
