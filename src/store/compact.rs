//! Makes the store anew of its rows, without what the engine still holds of rows that were written over.

use std::path::PathBuf;

use super::{
    StoreError, StoreOptions,
    embedded::Embedded,
    held::when_free,
    import::{Filling, Imported},
    lines::Tally,
    measure::octets_on_disk,
    reading::{Lost, Reading},
    siblings::Place,
};

/// Pauses before the old store is given up as held by somebody: about five seconds.
const HELD_PAUSES: u32 = 250;

/// Why nothing was compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A compaction loses nothing.
    #[error(
        "the store has a row that cannot be read ({0}), and was left as it is. `hubbub store export` saves the others and \
         `hubbub store import` makes a store of them"
    )]
    Lost(Lost),
}

/// What a compaction did.
#[derive(Debug)]
pub struct Compacted {
    pub rows: Tally,
    /// Octets on disk.
    pub before: u64,
    pub after: u64,
    /// Where the old store still is.
    pub kept: Option<PathBuf>,
}

/// Replaces a store by one that holds the same rows. The old one is removed unless it is to be kept.
pub async fn compact(options: &StoreOptions, keep: bool) -> Result<Compacted, CompactError> {
    let old = Embedded::open_existing(options)?;
    // The new one's sum would be right.
    old.check_sum()?;
    let place = Place::of(&options.path)?;
    let before = octets_on_disk(&place.path)?;
    let mut filling = Filling::start(options, &place)?;
    let copied = copy(&old, &mut filling).await;
    let made = filling.end(copied).await;
    drop(old);
    let swapped = match made {
        Ok(made) => when_free(HELD_PAUSES, || place.exchange()).map(|()| made).map_err(CompactError::from),
        Err(error) => Err(error),
    };
    let made = swapped.inspect_err(|_| place.abandon())?;
    let kept = if keep || place.remove_old().is_err() { Some(place.old.clone()) } else { None };
    Ok(Compacted { rows: made.rows, before, after: octets_on_disk(&place.path)?, kept })
}

async fn copy(old: &Embedded, filling: &mut Filling) -> Result<Imported, CompactError> {
    let mut made = Imported::default();
    let mut reading = Reading::of(old);
    while let Some(page) = reading.page() {
        for row in page {
            let row = row.map_err(CompactError::Lost)?;
            made.rows.add(row.table());
            filling.put(row).await?;
        }
    }
    Ok(made)
}
