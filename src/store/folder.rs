//! The folder that the store lies in: there, for its owner alone, and its own.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use tracing::{info, warn};

use super::{StoreError, generation, siblings};

/// What a mode grants to anybody but the owner.
const FOR_OTHERS: u32 = 0o077;
/// A folder in which everybody may put something, like `/tmp`.
const STICKY: u32 = 0o1000;

/// Makes the directory, for its owner alone: callbacks in it are capabilities, secrets are keys (X07). One that was there
/// before, made by a package or with `mkdir`, is closed to others as well; unless it is somebody else's, like `/tmp` or a
/// home, which must not change its mode because a hub was started in it.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    let refused = |reason: String| StoreError::Directory { path: path.to_owned(), reason };
    let failed = |error: std::io::Error| refused(error.to_string());
    let mode = match fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Err(failed(ErrorKind::NotADirectory.into())),
        Ok(found) => found.permissions().mode(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            refuse_if_aside(path)?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
            return fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    };
    let names = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    let names: Vec<_> = names.iter().map(fs::DirEntry::file_name).collect();
    if names.is_empty() {
        refuse_if_aside(path)?;
    }
    // An empty one is nobody's yet: containers are given such a volume.
    let is_shared = mode & STICKY != 0 && !names.is_empty();
    let has = |file: &&str| names.iter().any(|name| name == *file);
    let holds_store = ["conf", "db"].iter().all(has) || has(&generation::NAME);
    if !holds_store && (is_shared || !names.iter().all(|name| is_no_trouble(&name.to_string_lossy()))) {
        return Err(refused(
            "it holds other things, or is there for all: give the store a folder of its own".to_owned(),
        ));
    }
    if mode & FOR_OTHERS == 0 {
        return Ok(());
    }
    // In a volume that belongs to somebody else it cannot be closed; that is the operator's to know.
    let closed = if is_shared {
        Err(ErrorKind::PermissionDenied.into())
    } else {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & !FOR_OTHERS))
    };
    match closed {
        Ok(()) => info!(path = %path.display(), "the data folder was open to others and is closed now"),
        Err(error) => {
            warn!(path = %path.display(), %error, "the data folder is open to others and cannot be closed");
        }
    }
    Ok(())
}

/// Refuses to make a new store where one was put aside by a compaction that was cut: it would be empty, and nobody would
/// notice before the subscribers do.
pub(super) fn refuse_if_aside(path: &Path) -> Result<(), StoreError> {
    siblings::left_aside(path).map_or(Ok(()), |aside| Err(StoreError::Aside { path: path.to_owned(), aside }))
}

/// What may lie in a folder that is to become the store's: what volumes come with, and what is left of a store that was
/// killed while it was made.
fn is_no_trouble(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with("snap.")
        || ["lost+found", "blobs", "conf", "db"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn x07_a_directory_that_was_there_before_is_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        for (before, after) in [(0o755, 0o700), (0o2775, 0o2700), (0o700, 0o700)] {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(before)).unwrap();
            prepare(home.path()).unwrap();
            assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o7777, after);
        }
    }

    #[test]
    fn x07_a_directory_of_others_is_left_as_it_is_and_refused() {
        let home = tempfile::tempdir().unwrap();
        let seen = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let made = |name: &str, mode: u32| {
            let path = home.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (shared, used) = (made("shared", 0o1777), made("used", 0o755));
        fs::write(used.join("letter.txt"), "dear").unwrap();
        fs::create_dir(shared.join(".X11-unix")).unwrap();
        for path in [&shared, &used] {
            let before = seen(path);
            let error = prepare(path).unwrap_err();
            assert!(error.to_string().ends_with("give the store a folder of its own"), "{error}");
            assert_eq!(seen(path), before);
        }
        // A volume as it comes, and a store that was killed while it was made.
        let volume = made("volume", 0o755);
        for name in ["lost+found", ".snapshot", "blobs"] {
            fs::create_dir(volume.join(name)).unwrap();
        }
        prepare(&volume).unwrap();
        assert_eq!(seen(&volume), 0o700);
        let fresh = made("fresh", 0o1777);
        prepare(&fresh).unwrap();
        assert_eq!(seen(&fresh), 0o1700);
        // What came to lie beside a store keeps nobody from it.
        for name in ["conf", "db", "notes.txt"] {
            fs::write(volume.join(name), "").unwrap();
        }
        fs::set_permissions(&volume, fs::Permissions::from_mode(0o1777)).unwrap();
        prepare(&volume).unwrap();
        assert_eq!(seen(&volume), 0o1777);
    }
}
