//! Writes all of a store as lines, one a record.

use std::io::{self, Write};

use super::{
    StoreError, StoreOptions, Subscription, codec,
    embedded::{Embedded, SCHEMA},
    keys::{self, Table},
    lines::{End, Header, HubRow, Row, Tally, VERSION},
    reading::{Lost, Reading},
    relay,
    rescue::Left,
};
use crate::protocol::PairId;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// What an export wrote.
#[derive(Debug, Default)]
pub struct Exported {
    pub rows: Tally,
    /// Of them, those that an import leaves out, because what they need was left out here.
    pub withheld: Tally,
    /// Rows that could not be read.
    pub lost: u64,
    /// What is known to be gone besides them, or to be other than it was.
    pub cut: Option<StoreError>,
}

/// Writes the whole store to `out`. What cannot be read is given to `complain` and passed over.
pub fn export(
    options: &StoreOptions,
    secrets: bool,
    out: &mut dyn Write,
    mut complain: impl FnMut(&Lost),
) -> Result<Exported, ExportError> {
    let mut left = Left::of(options)?;
    let mut exported = Exported { cut: left.wrong.take(), ..Exported::default() };
    let kv = &left.kv;
    line(out, &Header { version: VERSION, schema: SCHEMA, secrets })?;
    let mut reading = Reading::of(kv);
    while let Some(page) = reading.page() {
        for row in page {
            let row = match row {
                Ok(row) => row,
                Err(lost) => {
                    exported.lost = exported.lost.saturating_add(1);
                    complain(&lost);
                    continue;
                }
            };
            let row = if secrets { row } else { bare(kv, row)? };
            exported.rows.add(row.table());
            if row.is_withheld() {
                exported.withheld.add(row.table());
            }
            line(out, &row)?;
        }
    }
    // Where rows could not be read, it cannot be told.
    if exported.cut.is_none() && exported.lost == 0 {
        exported.cut = kv.check_sum().err();
    }
    line(out, &End { end: exported.rows.clone() })?;
    out.flush()?;
    Ok(exported)
}

fn line(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// The row without secrets. A backlog goes with its subscription.
fn bare(kv: &Embedded, row: Row) -> Result<Row, StoreError> {
    match row {
        Row::Hub(HubRow::Backlogs { pair, row, .. }) => {
            let withheld = has_secrets(kv, pair)?;
            Ok(Row::Hub(HubRow::Backlogs { pair, row, withheld }))
        }
        Row::Hub(row) => Ok(Row::Hub(row.without_secrets())),
        Row::Relay(row) => relay::without_secrets(kv, row).map(Row::Relay),
    }
}

fn has_secrets(kv: &Embedded, pair: PairId) -> Result<bool, StoreError> {
    let Some(row) = kv.get(&keys::by_pair(Table::Subscriptions, pair))? else { return Ok(false) };
    // One that cannot be read is not in the file either.
    let subscription = codec::decode::<Subscription>(Table::Subscriptions, &row);
    Ok(subscription.map_or(true, |row| row.secret.is_some() || row.verify_token.is_some()))
}
