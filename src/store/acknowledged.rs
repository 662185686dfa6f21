//! How many commits were acknowledged, beside the engine's files: what it takes to notice that the newest are gone.
//!
//! The engine's log ends where it stops making sense. That is right after a crash, which can only cut what nobody was
//! answered for; but a log that was cut or damaged afterwards, by a copy that broke off or by a bad disk, looks the same,
//! and what was behind the damage would be gone without a word. So every batch ends with its number in the engine, and the
//! number goes into a file of its own when the batch is on disk: an engine that knows less than the file has lost rows. What the
//! engine passes over in the middle of its log is noticed by [`super::sum`].
//!
//! Behind the number stands how late it was when somebody last said so, which is nothing that a row would be worth.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::clock::Timestamp;

/// The file in the folder of the engine.
pub(super) const NAME: &str = "acknowledged";

/// The file, open.
#[derive(Debug)]
pub(super) struct Acknowledged(File);

impl Acknowledged {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(folder.join(NAME)).map(Self)
    }

    /// The number; 0 in a store that had none yet.
    pub(super) fn number(&self) -> io::Result<u64> {
        self.read(0)
    }

    /// Everything up to this number is on disk. The file itself may lag behind after a loss of power: then it asks for
    /// less than there is.
    pub(super) fn note(&self, number: u64) -> io::Result<()> {
        self.0.write_all_at(&number.to_be_bytes(), 0)
    }

    pub(super) fn time(&self) -> io::Result<Timestamp> {
        self.read(8).map(Timestamp::from_millis)
    }

    pub(super) fn note_time(&self, now: Timestamp) -> io::Result<()> {
        self.0.write_all_at(&now.as_millis().to_be_bytes(), 8)
    }

    /// What was never written is 0, as where the start that made the file was cut.
    fn read(&self, at: u64) -> io::Result<u64> {
        let mut octets = [0; 8];
        let read = self.0.read_at(&mut octets, at)?;
        Ok(if read == octets.len() { u64::from_be_bytes(octets) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_noted_is_there_when_it_is_opened_again_and_nothing_in_a_cut_file() {
        let home = tempfile::tempdir().unwrap();
        let file = Acknowledged::open(home.path()).unwrap();
        assert_eq!((file.number().unwrap(), file.time().unwrap()), (0, Timestamp::EPOCH));
        file.note(7).unwrap();
        file.note_time(Timestamp::from_millis(9)).unwrap();
        file.note(1 << 40).unwrap();
        let file = Acknowledged::open(home.path()).unwrap();
        assert_eq!((file.number().unwrap(), file.time().unwrap()), (1 << 40, Timestamp::from_millis(9)));
        fs::write(home.path().join(NAME), [1, 2, 3]).unwrap();
        assert_eq!(Acknowledged::open(home.path()).unwrap().number().unwrap(), 0);
    }
}
