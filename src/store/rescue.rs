//! Opens what is left of a store, to save it: all that the engine makes sense of, or as much of the beginning of its log as
//! it makes sense of.
//!
//! The engine writes as it opens. A store that it cannot open is copied, therefore, and tried on the copy, which costs as
//! much room as the store for as long as it takes.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{StoreError, StoreOptions, embedded::Embedded, generation::Generation, siblings};

/// The engine's unit of its log: nothing smaller can be cut off.
const SEGMENT: u64 = 512 << 10;

/// What is left of a store.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) kv: Embedded,
    /// What a hub would be refused with.
    pub(super) wrong: Option<StoreError>,
    /// Removed when it is no longer needed.
    _copy: Option<Copy>,
}

impl Left {
    pub(super) fn of(options: &StoreOptions) -> Result<Self, StoreError> {
        match Embedded::open_damaged(options) {
            Ok((kv, wrong)) => Ok(Self { kv, wrong, _copy: None }),
            Err(wrong @ StoreError::Unreadable { .. }) => Self::rescued(options, wrong),
            Err(error) => Err(error),
        }
    }

    /// The longest beginning that opens, of those that a bisection comes by.
    fn rescued(options: &StoreOptions, wrong: StoreError) -> Result<Self, StoreError> {
        // What somebody works on is no damage, whatever it looks like meanwhile.
        let _held = siblings::lock(&options.path)?;
        let Some(copy) = siblings::beside(&options.path, ".rescue").map(Copy) else { return Err(wrong) };
        let failed =
            |error: io::Error| StoreError::Directory { path: copy.0.clone(), reason: error.to_string() };
        let length = fs::metadata(log_of(&options.path).map_err(failed)?).map_err(failed)?.len();
        let open = |segments: u64| -> Result<Option<Embedded>, StoreError> {
            copy.make(&options.path, segments.saturating_mul(SEGMENT)).map_err(failed)?;
            let options = StoreOptions { path: copy.0.clone(), ..options.clone() };
            // What is not there at all is no rescue.
            let opened = Embedded::open_damaged(&options).ok();
            Ok(opened.map(|(kv, _)| kv).filter(Embedded::has_schema))
        };
        // All of it, without the snapshot that may be what is wrong.
        let (mut good, mut bad) = (0, length.div_ceil(SEGMENT));
        if let Some(kv) = open(bad)? {
            return Ok(Self { kv, wrong: Some(wrong), _copy: Some(copy) });
        }
        while bad.saturating_sub(good) > 1 {
            let middle: u64 = good.midpoint(bad);
            if open(middle)?.is_some() { good = middle } else { bad = middle }
        }
        match open(good)? {
            Some(kv) if good > 0 => Ok(Self { kv, wrong: Some(wrong), _copy: Some(copy) }),
            _ => Err(wrong),
        }
    }
}

/// A folder with a copy of a store, removed with the value.
#[derive(Debug)]
struct Copy(PathBuf);

impl Copy {
    /// Copies a store without its snapshots, and with so much of its log.
    fn make(&self, from: &Path, length: u64) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        copy(from, &self.0)?;
        let log = OpenOptions::new().write(true).open(log_of(&self.0)?)?;
        let now = log.metadata()?.len();
        log.set_len(length.min(now))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What remains is overwritten by the next rescue.
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// The file of the engine's log.
fn log_of(store: &Path) -> io::Result<PathBuf> {
    Ok(Generation::current(store)?.folder(store).join("db"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else if !name.to_string_lossy().starts_with("snap.") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
