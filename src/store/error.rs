//! What can go wrong with the store, in words for an operator.

use std::path::PathBuf;

/// A store that cannot be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store in {path} is locked by another process: stop it, or give this one its own directory \
         (--data, [storage] path)"
    )]
    Locked { path: PathBuf },
    #[error(
        "the store in {path} cannot be opened: {reason}. Copy the directory before trying anything else. `hubbub store \
         export` saves what can be read of it, and `hubbub store import` makes a store of that; what is not in it must be \
         subscribed to again"
    )]
    Unreadable { path: PathBuf, reason: String },
    #[error(
        "the store in {path} has schema {found}, this program knows up to {known}: run the newer hubbub that wrote it"
    )]
    TooNew { path: PathBuf, found: u32, known: u32 },
    #[error(
        "the store in {path} has schema {found}, from before the first release, and this program reads {known}: give it an \
         empty directory"
    )]
    TooOld { path: PathBuf, found: u32, known: u32 },
    #[error("the directory {path} cannot be used for the store: {reason}")]
    Directory { path: PathBuf, reason: String },
    #[error("there is no store in {path}")]
    Missing { path: PathBuf },
    #[error(
        "there is no store in {path}, and a whole one in {aside}: a compaction ended between putting it aside and putting \
         the new one in its place. Move it back: mv {aside} {path}"
    )]
    Aside { path: PathBuf, aside: PathBuf },
    #[error(
        "the store in {path} has lost {lost} of the {promised} commits that were acknowledged: its files were cut or damaged. \
         `hubbub store export` saves what is left, and `hubbub store import` makes a store of that; who subscribed, left or \
         pinged last must do so again"
    )]
    Shortened { path: PathBuf, lost: u64, promised: u64 },
    #[error(
        "the store in {path} was damaged: rows that it holds are not what was written last, and which ones is not known. \
         `hubbub store export` saves what is left, and `hubbub store import` makes a store of that; some of those who \
         subscribed, left or pinged may have to do so again"
    )]
    Altered { path: PathBuf },
    #[error(
        "a row of table {table} cannot be read; with the hub stopped, `hubbub store export` names it and saves the others"
    )]
    Damaged { table: &'static str },
    #[error("the store failed: {0}")]
    Failed(String),
    #[error("the store cannot be written since a write failed; a restart opens it anew")]
    ReadOnly,
    #[error("the store has been writing for too long; what was asked for may or may not be in it")]
    Stalled,
    #[error("the store is closed")]
    Closed,
}
