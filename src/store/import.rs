//! Makes a store of what an export wrote: all of it, in a folder beside its place, or nothing.

use std::io::{self, BufRead};

use serde::de::DeserializeOwned;

use super::{
    Commit, Store, StoreError, StoreOptions,
    embedded::SCHEMA,
    lines::{EXPORTED, End, Header, Row, Tally, VERSION},
    siblings::Place,
};

/// Records in one commit.
const BATCH: usize = 1000;
/// Octets of bodies in one commit.
const BATCH_OCTETS: usize = 4 << 20;
/// How the last line begins; no table has this name.
const LAST: &[u8] = b"{\"end\":";

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    #[error("line {number}{field}: {reason}")]
    Line { number: u64, field: String, reason: String },
    #[error("this is no export of a hubbub store: its first line does not say so")]
    Foreign,
    #[error("this export has version {found}, and this program reads {VERSION}")]
    Version { found: u32 },
    #[error("this export has rows of schema {found}, and this program reads {SCHEMA}")]
    Schema { found: u32 },
    #[error("the file was cut: it ends after {lines} lines without the line that says how many there are")]
    Cut { lines: u64 },
    #[error("the file has {found} rows of table {table}, and says that they are {said}")]
    Counts { table: &'static str, found: u64, said: u64 },
}

/// What an import made.
#[derive(Debug, Default)]
pub struct Imported {
    pub rows: Tally,
    /// What was left out, because the export has no secrets and these had some.
    pub left_out: Tally,
}

/// Makes a new store at the place that the options name, which must be missing or empty.
pub async fn import(options: &StoreOptions, source: &mut dyn BufRead) -> Result<Imported, ImportError> {
    let place = Place::of(&options.path)?;
    place.must_be_free()?;
    let mut lines = Lines::of(source);
    lines.header()?;
    let mut filling = Filling::start(options, &place)?;
    let read = fill(&mut lines, &mut filling).await;
    match filling.end(read).await {
        Ok(imported) => {
            place.fill()?;
            Ok(imported)
        }
        Err(error) => {
            place.abandon();
            Err(error)
        }
    }
}

async fn fill(lines: &mut Lines<'_>, filling: &mut Filling) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut all = Tally::default();
    while let Some(row) = lines.row(&all)? {
        all.add(row.table());
        if row.is_withheld() {
            imported.left_out.add(row.table());
        } else {
            imported.rows.add(row.table());
            filling.put(row).await?;
        }
    }
    Ok(imported)
}

/// A new store that is being filled.
pub(super) struct Filling {
    store: Store,
    batch: Commit,
    records: usize,
    octets: usize,
}

impl Filling {
    pub(super) fn start(options: &StoreOptions, place: &Place) -> Result<Self, StoreError> {
        let store = Store::open(&StoreOptions { path: place.new.clone(), ..options.clone() })?;
        Ok(Self { store, batch: Commit::new(), records: 0, octets: 0 })
    }

    pub(super) async fn put(&mut self, row: Row) -> Result<(), StoreError> {
        self.octets = self.octets.saturating_add(row.body_length());
        self.records = self.records.saturating_add(1);
        if let Some(record) = row.into_record() {
            self.batch.push(record);
        }
        if self.records >= BATCH || self.octets >= BATCH_OCTETS { self.commit().await } else { Ok(()) }
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        (self.records, self.octets) = (0, 0);
        self.store.commit(std::mem::take(&mut self.batch)).await
    }

    /// Refuses a store that does not hold as many rows as were put into it.
    pub(super) async fn check(&mut self, rows: &Tally) -> Result<(), StoreError> {
        self.commit().await?;
        for table in EXPORTED {
            let (found, put) = (self.store.kv.count(&[table.byte()])?, rows.of(table));
            if found != put {
                let name = table.name();
                return Err(StoreError::Failed(format!("{found} of {put} rows of table {name} arrived")));
            }
        }
        Ok(())
    }

    /// Closes the store, after a look whether everything that was put into it is there.
    pub(super) async fn end<E: From<StoreError>>(mut self, made: Result<Imported, E>) -> Result<Imported, E> {
        let checked = match made {
            Ok(imported) => self.check(&imported.rows).await.map(|()| imported).map_err(E::from),
            Err(error) => Err(error),
        };
        self.store.close().await;
        checked
    }
}

/// The lines of an export.
struct Lines<'a> {
    source: &'a mut dyn BufRead,
    line: Vec<u8>,
    /// How many were read.
    number: u64,
}

impl<'a> Lines<'a> {
    fn of(source: &'a mut dyn BufRead) -> Self {
        Self { source, line: Vec::new(), number: 0 }
    }

    /// Reads a line; `false` behind the last. One without its end is no line: it may have been cut anywhere.
    fn next(&mut self) -> Result<bool, ImportError> {
        self.line.clear();
        self.source.read_until(b'\n', &mut self.line)?;
        let is_whole = self.line.pop_if(|octet| *octet == b'\n').is_some();
        self.number = self.number.saturating_add(u64::from(is_whole));
        Ok(is_whole)
    }

    /// The line as a value, or which field of it is wrong and how.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        let (field, error) = match serde_path_to_error::deserialize(&mut json) {
            Ok(value) => match json.end() {
                Ok(()) => return Ok(value),
                Err(error) => (String::new(), error),
            },
            Err(error) => (error.path().to_string(), error.into_inner()),
        };
        let said = error.to_string();
        // Its own line number is that of the line in itself.
        let reason = said.rsplit_once(" at line ").map_or(said.as_str(), |(reason, _)| reason);
        Err(ImportError::Line {
            number: self.number,
            field: if field.is_empty() || field == "." { String::new() } else { format!(", {field}") },
            reason: format!("{reason} (column {})", error.column()),
        })
    }

    fn header(&mut self) -> Result<(), ImportError> {
        if !self.next()? {
            return Err(ImportError::Foreign);
        }
        let header: Header = self.parse().map_err(|_other| ImportError::Foreign)?;
        if header.version != VERSION {
            return Err(ImportError::Version { found: header.version });
        }
        if header.schema != SCHEMA {
            return Err(ImportError::Schema { found: header.schema });
        }
        Ok(())
    }

    /// The next row; `None` at the last line, if it counts what came before.
    fn row(&mut self, so_far: &Tally) -> Result<Option<Row>, ImportError> {
        if !self.next()? {
            return Err(ImportError::Cut { lines: self.number });
        }
        if !self.line.starts_with(LAST) {
            return self.parse().map(Some);
        }
        let End { end } = self.parse()?;
        for table in EXPORTED {
            let (found, said) = (so_far.of(table), end.of(table));
            if found != said {
                return Err(ImportError::Counts { table: table.name(), found, said });
            }
        }
        if self.next()? || !self.line.is_empty() {
            let reason = "nothing comes behind the last line".to_owned();
            return Err(ImportError::Line { number: self.number, field: String::new(), reason });
        }
        Ok(None)
    }
}
