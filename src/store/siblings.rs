//! A store that is being made lies beside its place, and comes into it by a rename when it is whole: nothing half-made
//! ever looks like a store.
//!
//! `DIR.new` is being made, `DIR.old` was put aside. A program that dies between the two renames of a compaction leaves no
//! `DIR`, and a whole `DIR.old`: whoever opens `DIR` then is told so, instead of being given an empty store.

use std::{
    error::Error,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use super::{
    StoreError,
    generation::{Generation, has_engine},
};

/// Where a folder of this name lies, links followed as far as they lead, whether or not it is there.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    match fs::read_link(path) {
        Ok(target) => path.parent().map_or_else(|| target.clone(), |parent| parent.join(&target)),
        Err(_) => path.to_owned(),
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(suffix);
    Some(path.with_file_name(name))
}

/// Whether a store lies there. One that says in nonsense where its rows are is one, too.
pub(super) fn is_store(path: &Path) -> bool {
    let folder = Generation::current(path).map(|current| current.folder(path));
    folder.map_or(true, |folder| has_engine(&folder))
}

/// The store that a compaction put aside and did not replace.
pub(super) fn left_aside(path: &Path) -> Option<PathBuf> {
    beside(&real(path), ".old").filter(|old| is_store(old))
}

/// A place for a store, and the folder beside it in which the store is made.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) new: PathBuf,
    pub(super) old: PathBuf,
}

impl Place {
    /// Refuses a place beside which something lies in the way.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let path = real(path);
        let (Some(new), Some(old)) = (beside(&path, ".new"), beside(&path, ".old")) else {
            return Err(refused(&path, "it has no name of its own"));
        };
        let place = Self { path, new, old };
        if place.is_mounted() {
            return Err(refused(
                &place.path,
                "another file system is mounted there, so that no store beside it can take its place: export the store, \
                 and import it into a folder below",
            ));
        }
        for (sibling, what) in [
            (&place.new, "is left of a compaction or import that did not end, and can be removed"),
            (&place.old, "is the store from before an earlier compaction: move it elsewhere, or remove it"),
        ] {
            if fs::symlink_metadata(sibling).is_ok() {
                return Err(refused(sibling, what));
            }
        }
        Ok(place)
    }

    fn is_mounted(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        device(&self.path).is_some_and(|here| device(parent.unwrap_or(Path::new("."))) != Some(here))
    }

    /// Refuses unless there is nothing at the place yet.
    pub(super) fn must_be_free(&self) -> Result<(), StoreError> {
        match fs::read_dir(&self.path).map(|mut names| names.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(refused(&self.path, "it is not empty, and an import adds to nothing")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refused(&self.path, error)),
        }
    }

    /// Throws away what was made so far.
    pub(super) fn abandon(&self) {
        // What remains is refused, with words, by the next that wants the place.
        let _left = fs::remove_dir_all(&self.new);
    }

    /// Puts the new store, which is whole and closed, into the empty place.
    pub(super) fn fill(&self) -> Result<(), StoreError> {
        self.settle()?;
        let moved = fs::rename(&self.new, &self.path).and_then(|()| sync_parent(&self.path));
        moved.map_err(|error| refused(&self.path, error))
    }

    /// Puts the new store, which is whole and closed, into the place of the old one, which is closed as well. Nobody gets
    /// the old one between.
    pub(super) fn exchange(&self) -> Result<(), StoreError> {
        let held = lock(&self.path)?;
        self.settle()?;
        let there = |error: io::Error| refused(&self.path, error);
        fs::rename(&self.path, &self.old).map_err(there)?;
        if let Err(error) = fs::rename(&self.new, &self.path) {
            fs::rename(&self.old, &self.path).map_err(there)?;
            return Err(there(error));
        }
        sync_parent(&self.path).map_err(there)?;
        drop(held);
        Ok(())
    }

    /// Removes the store that was put aside.
    pub(super) fn remove_old(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.old)
    }

    /// Everything of the new store on disk, and in the hands of whoever has the place.
    fn settle(&self) -> Result<(), StoreError> {
        let owner = fs::metadata(&self.path).ok();
        let mut folders = vec![self.new.clone()];
        let mut settle = || -> io::Result<()> {
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(&folder)? {
                    let path = entry?.path();
                    if path.is_dir() { folders.push(path) } else { hand_over(&path, owner.as_ref())? }
                }
                hand_over(&folder, owner.as_ref())?;
            }
            Ok(())
        };
        settle().map_err(|error| refused(&self.new, error))
    }
}

/// Gives a file or folder to an owner, where it is not theirs, and returns when it is on disk.
fn hand_over(path: &Path, owner: Option<&fs::Metadata>) -> io::Result<()> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if let Some(owner) = owner.filter(|owner| (owner.uid(), owner.gid()) != (found.uid(), found.gid())) {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Holds a closed store as a hub would.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let current = Generation::current(path).map_err(|error| refused(path, error))?;
    let file = File::open(current.folder(path).join("db")).map_err(|error| refused(path, error))?;
    match file.try_lock() {
        // A hub may have gone on elsewhere meanwhile.
        Ok(()) if Generation::current(path).is_ok_and(|now| now == current) => Ok(file),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(refused(path, error)),
    }
}

fn refused(path: &Path, reason: impl Into<Box<dyn Error>>) -> StoreError {
    StoreError::Directory { path: path.to_owned(), reason: reason.into().to_string() }
}
