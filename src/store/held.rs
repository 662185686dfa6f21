//! Waiting for a store that somebody else has open: the hub that is about to end, or the engine's last threads, which hold
//! its files for a moment longer than its handle.

use std::{thread::sleep, time::Duration};

use super::StoreError;

const PAUSE: Duration = Duration::from_millis(20);

/// Tries again after each of so many pauses while the store is locked.
#[expect(clippy::disallowed_methods, reason = "nobody tells when a lock on a file is free")]
pub(super) fn when_free<T>(
    pauses: u32,
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 0..pauses {
        match attempt() {
            Err(StoreError::Locked { .. }) => sleep(PAUSE),
            done => return done,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_store_is_tried_so_often_and_any_other_error_once() {
        let mut tries = 0;
        let mut attempt = |free_at: u32| {
            tries += 1;
            if tries > free_at { Ok(tries) } else { Err(StoreError::Locked { path: "data".into() }) }
        };
        assert_eq!(when_free(3, || attempt(2)).unwrap(), 3);
        tries = 0;
        let locked = when_free(3, || {
            tries += 1;
            Err::<(), _>(StoreError::Locked { path: "data".into() })
        });
        assert!(matches!(locked, Err(StoreError::Locked { .. })) && tries == 4);
        tries = 0;
        let failed = when_free(3, || {
            tries += 1;
            Err::<(), _>(StoreError::ReadOnly)
        });
        assert!(matches!(failed, Err(StoreError::ReadOnly)) && tries == 1);
    }
}
