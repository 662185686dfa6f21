//! How much a store holds, and how much of the disk it takes for that.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use super::{Store, StoreError, StoreOptions, embedded::Embedded, keys::Table};

/// Below this a compaction gains nothing that anybody would notice.
const SMALL: u64 = 32 << 20;
/// Octets on disk for one of keys and values from which on a compaction is worth it. A new store takes about two.
const WORTH: u64 = 5;

/// What one table holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub rows: u64,
    /// Of its keys and values.
    pub octets: u64,
}

/// What a store holds and what it takes.
#[derive(Debug)]
pub struct Stats {
    pub tables: Vec<(&'static str, Held)>,
    pub total: Held,
    pub on_disk: u64,
}

impl Stats {
    pub fn is_worth_compacting(&self) -> bool {
        self.on_disk > SMALL && is_worth_compacting(self.on_disk, self.total.octets)
    }
}

/// Whether a store that takes so much would be much smaller for what it holds.
pub(super) fn is_worth_compacting(takes: u64, holds: u64) -> bool {
    takes / WORTH > holds
}

/// Measures a store that no hub holds.
pub fn stats(options: &StoreOptions) -> Result<Stats, StoreError> {
    let kv = Embedded::open_existing(options)?;
    let mut stats = Stats { tables: Vec::new(), total: Held::default(), on_disk: kv.octets_on_disk()? };
    for table in Table::ALL {
        let held = kv.weigh(&[table.byte()])?;
        stats.tables.push((table.name(), held));
        stats.total.rows = stats.total.rows.saturating_add(held.rows);
        stats.total.octets = stats.total.octets.saturating_add(held.octets);
    }
    Ok(stats)
}

impl Store {
    /// Octets of the store's files.
    pub fn octets_on_disk(&self) -> Result<u64, StoreError> {
        self.kv.octets_on_disk()
    }
}

/// Octets that may still be written to the disk of a folder.
pub(super) fn octets_free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether a store can be written once more beside itself, and whoever writes meanwhile still has room.
pub(super) fn has_room(free: u64, holds: u64) -> bool {
    free > holds.saturating_mul(WORTH).saturating_add(SMALL)
}

/// The length of all files in a folder.
pub(super) fn octets_on_disk(path: &Path) -> Result<u64, StoreError> {
    let mut octets: u64 = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut look = || -> io::Result<()> {
            let entries = match fs::read_dir(&folder) {
                // It goes as it is looked at, or is not ours, like the `lost+found` of a volume.
                Err(error)
                    if folder != path
                        && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
                {
                    return Ok(());
                }
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                match entry.metadata() {
                    Ok(found) if found.is_dir() => folders.push(entry.path()),
                    Ok(found) => octets = octets.saturating_add(found.len()),
                    // The engine removes files as it goes.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        look().map_err(|error| StoreError::Directory { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_where_there_is_room_for_more_than_it() {
        assert!(has_room(u64::MAX, 1 << 40) && has_room(SMALL + 11, 2));
        assert!(!has_room(SMALL + 10, 2) && !has_room(SMALL, 0) && !has_room(u64::MAX, u64::MAX));
        assert!(octets_free(Path::new("/")).unwrap() > 0);
    }
}
