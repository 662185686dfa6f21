//! Where in the store's folder its rows lie.
//!
//! A store begins in its folder itself. When it has grown ([`super::rotation`]) its rows go on in a folder inside of that,
//! `rows-1`, then `rows-2`, and the file `generation` has the number of the one that counts, and how many octets it took when
//! it was new. It is written last and by a rename: whenever the program dies, either the old rows count or the new ones do,
//! and both are whole. What does not count is removed by whoever has the store open.
//!
//! Inside, because the folder may be a volume, beside which nothing can be put in its place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::acknowledged;

/// The file with the number.
pub(super) const NAME: &str = "generation";
const NEW: &str = "generation.new";
/// Before the number of a folder.
const ROWS: &str = "rows-";
/// What the engine and we put into a folder. Besides, the engine has snapshots.
const FILES: [&str; 3] = ["conf", "db", acknowledged::NAME];
const SNAPSHOT: &str = "snap.";
const BLOBS: &str = "blobs";

/// Which of them counts: 0 is the store's folder itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Generation {
    /// The one that counts.
    pub(super) fn current(store: &Path) -> io::Result<Self> {
        let Some(text) = text(store)? else { return Ok(Self(0)) };
        let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| io::Error::other(format!("{NAME} holds no number")))
    }

    /// What the one that counts took of the disk when it was new; nothing where that is not known.
    pub(super) fn took(store: &Path) -> u64 {
        let text = text(store).ok().flatten();
        text.and_then(|text| text.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Where its rows lie.
    pub(super) fn folder(self, store: &Path) -> PathBuf {
        match self.0 {
            0 => store.to_owned(),
            number => store.join(format!("{ROWS}{number}")),
        }
    }

    /// Makes its folder, empty.
    pub(super) fn make(self, store: &Path) -> io::Result<PathBuf> {
        let folder = self.folder(store);
        remove(&folder)?;
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(folder)
    }

    /// Whether its files are missing: it lies in a folder of its own, and that was not whole when it was begun with, or was
    /// taken away since.
    pub(super) fn is_missing(self, store: &Path) -> bool {
        self.0 > 0 && !has_engine(&self.folder(store))
    }

    /// From now on this one counts, of which the files are on disk; and so is that when this returns. An error means that it
    /// does not count.
    pub(super) fn begin(self, store: &Path, took: u64) -> io::Result<Begun> {
        let new = store.join(NEW);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{} {took}", self.0)?;
        file.sync_all()?;
        // The folder's own name has to be there before the number that leads to it.
        let folder = File::open(store)?;
        folder.sync_all()?;
        fs::rename(&new, store.join(NAME))?;
        Ok(folder.sync_all().map_or_else(Begun::Perhaps, |()| Begun::Surely))
    }

    /// Removes what does not count, for whoever has this one open. What cannot be removed lies there and hurts nobody.
    pub(super) fn clear_others(self, store: &Path) {
        if let Err(error) = self.try_clear_others(store) {
            warn!(%error, "rows of before the store was compacted are still on the disk");
        }
    }

    fn try_clear_others(self, store: &Path) -> io::Result<()> {
        let own = self.folder(store);
        for entry in fs::read_dir(store)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            let is_other = name.strip_prefix(ROWS).is_some_and(|number| number.parse::<u64>().is_ok());
            let is_first = FILES.contains(&&*name) || name.starts_with(SNAPSHOT) || name == BLOBS;
            if path != own && (is_other || name == NEW || (is_first && self.0 > 0)) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Whether the files that every engine has are in this folder.
pub(super) fn has_engine(folder: &Path) -> bool {
    ["conf", "db"].iter().all(|file| fs::symlink_metadata(folder.join(file)).is_ok())
}

fn text(store: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(store.join(NAME)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a generation counts.
#[derive(Debug)]
#[must_use = "if it is not sure, nothing may be written to either and neither may be removed"]
pub(super) enum Begun {
    Surely,
    /// It does, as far as the system knows; whether it does on the disk nobody can tell.
    Perhaps(io::Error),
}

/// Removes a file, or a folder with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns when all that is in a folder is on disk. What the engine removes meanwhile need not be.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            match File::open(&path).and_then(|file| file.sync_all()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        File::open(&folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(store: &Path) -> Vec<String> {
        let names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_store_begins_in_its_folder_and_goes_on_in_one_inside() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path();
        let first = Generation::current(store).unwrap();
        assert_eq!(first.folder(store), store);
        for name in ["conf", "db", "snap.0", "acknowledged", "notes.txt"] {
            fs::write(store.join(name), "").unwrap();
        }
        fs::create_dir(store.join("blobs")).unwrap();
        let second = first.next();
        fs::write(second.make(store).unwrap().join("db"), "").unwrap();
        assert_eq!(Generation::current(store).unwrap(), first, "not yet");
        assert!(matches!(second.begin(store, 99), Ok(Begun::Surely)));
        assert_eq!((Generation::current(store).unwrap(), Generation::took(store)), (second, 99));
        second.clear_others(store);
        assert_eq!(names(store), ["generation", "notes.txt", "rows-1"]);
        assert!(second.is_missing(store) && !first.is_missing(store));
        fs::write(store.join("rows-1/conf"), "").unwrap();
        assert!(!second.is_missing(store));
        let third = second.next();
        third.make(store).unwrap();
        second.clear_others(store);
        assert_eq!(names(store), ["generation", "notes.txt", "rows-1"], "one that was never begun");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error_and_not_an_empty_store() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(NAME), "one").unwrap();
        assert!(Generation::current(home.path()).unwrap_err().to_string().contains("no number"));
    }
}
