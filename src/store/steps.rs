//! Commits that are too large for the engine to take in one go: a feed with two hundred thousand new entries.
//!
//! Each change of a batch costs the engine a copy of the page it lies in, and all copies stay until the batch ends: two
//! hundred thousand changes took more than a gigabyte. So a large commit is first put down whole, as one row; then it is
//! applied in steps; and the row goes with the last of them. Whoever opens a store with such a row applies it again,
//! which is the same as once. So it is all or nothing as any other.
//!
//! What comes last in a commit becomes visible last, and at once.

use super::{
    StoreError, codec,
    embedded::{Change, Embedded},
    keys::{self, Table},
};

/// Changes from which on a commit is applied in steps.
pub(super) const LARGE: usize = 1024;
/// Changes in each step but the last, which has as many as are not large.
pub(super) const STEP: usize = 256;

impl Embedded {
    /// Applies all changes, in order; they are all there or none of them after a crash as well.
    pub(super) fn apply_large(&self, mut changes: Vec<Change>) -> Result<(), StoreError> {
        let row = Change { key: keys::unfinished(), value: Some(codec::encode(&changes)?) };
        self.apply([row])?;
        self.flush()?;
        let last = changes.split_off(changes.len().saturating_sub(LARGE));
        let mut rest = changes.into_iter().peekable();
        while rest.peek().is_some() {
            self.apply(rest.by_ref().take(STEP))?;
        }
        let done = Change { key: keys::unfinished(), value: None };
        self.apply(last.into_iter().chain([done]))
    }

    /// Applies what was put down when the last run ended in the middle of it.
    pub(super) fn finish(&self) -> Result<(), StoreError> {
        let Some(row) = self.get(&keys::unfinished())? else { return Ok(()) };
        let changes: Vec<Change> = codec::decode(Table::Meta, &row)?;
        self.apply_large(changes)?;
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::transfer_tests::options;

    fn changes() -> Vec<Change> {
        let put = |number: u32| Change {
            key: [&b"E"[..], &number.to_be_bytes()].concat(),
            value: Some(number.to_be_bytes().into()),
        };
        // The order counts: what is put and removed is gone.
        let removed = Change { key: [&b"E"[..], &7_u32.to_be_bytes()].concat(), value: None };
        (0..5000).map(put).chain([removed]).collect()
    }

    fn is_applied(kv: &Embedded) -> bool {
        let count = kv.count(b"E").unwrap();
        assert!(kv.get(&keys::unfinished()).unwrap().is_none());
        kv.check_sum().unwrap();
        count == 4999 && kv.get(&[b'E', 0, 0, 0, 7]).unwrap().is_none()
    }

    #[test]
    fn a_large_commit_is_applied_whole_and_in_order_and_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let kv = Embedded::open(&options(&path)).unwrap();
        kv.apply_large(changes()).unwrap();
        assert!(is_applied(&kv));
        kv.apply_large(changes().split_off(4990)).unwrap();
        assert!(is_applied(&kv), "one that is not large, too");
    }

    #[test]
    fn a_large_commit_that_a_crash_left_in_the_middle_is_applied_by_the_next_run() {
        for already in [0, 1, 3000] {
            let home = tempfile::tempdir().unwrap();
            let options = options(&home.path().join("data"));
            {
                let kv = Embedded::open(&options).unwrap();
                let row = codec::encode(&changes()).unwrap();
                kv.apply([Change { key: keys::unfinished(), value: Some(row) }]).unwrap();
                kv.apply(changes().into_iter().take(already)).unwrap();
                kv.flush().unwrap();
            }
            assert!(is_applied(&Embedded::open(&options).unwrap()), "{already} were");
        }
    }
}
