//! One line of JSON a record: what an export is made of, whatever engine it came from.
//!
//! The first line is a [`Header`], the last an [`End`] with counts, so that a file that was cut is noticed. Between them
//! each line is a [`Row`] under the name of its table. Rows that follow from others are not among them: the import makes
//! due rows and aliases again.
//!
//! The hub's rows are in `hub`, the relay's beside its tables.

mod hub;

pub(super) use hub::HubRow;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer as _, VariantAccess, Visitor,
        value::{EnumAccessDeserializer, StrDeserializer},
    },
};

use super::{Record, StoreError, keys::Table, relay::RelayRow};

/// The version of this format.
pub(super) const VERSION: u32 = 1;

/// The tables whose rows are exported.
pub(super) const EXPORTED: [Table; 27] = [
    Table::Topics,
    Table::Names,
    Table::Documents,
    Table::Abandoned,
    Table::Subscriptions,
    Table::Entries,
    Table::Publications,
    Table::FanOuts,
    Table::Backlogs,
    Table::Fetches,
    Table::Intents,
    Table::Readers,
    Table::Hosts,
    Table::Accounts,
    Table::AccountKeys,
    Table::Descriptors,
    Table::Seen,
    Table::Applied,
    Table::Inbox,
    Table::Lanes,
    Table::Doubts,
    Table::Outgoing,
    Table::Targets,
    Table::OutQueue,
    Table::OutLanes,
    Table::Members,
    Table::GroupPosts,
];

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "hubbub-store")]
    pub(super) version: u32,
    /// What the rows hold: the schema of the store that they came from.
    pub(super) schema: u32,
    /// Whether secrets and tokens are in it.
    pub(super) secrets: bool,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) end: Tally,
}

/// How many rows of each table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<String, u64>);

impl Default for Tally {
    /// Every exported table, and no row.
    fn default() -> Self {
        Self(EXPORTED.iter().map(|table| (table.name().to_owned(), 0)).collect())
    }
}

impl Tally {
    pub(super) fn add(&mut self, table: Table) {
        let count = self.0.entry(table.name().to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    pub fn of(&self, table: Table) -> u64 {
        self.0.get(table.name()).copied().unwrap_or_default()
    }

    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The tables and their counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(table, count)| (table.as_str(), *count))
    }
}

/// One record with its key, under the name of its table.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Row {
    Hub(HubRow),
    Relay(RelayRow),
}

impl Row {
    /// Reads a row as it lies in the store. `body` is that of a publication.
    pub(super) fn read(
        table: Table,
        key: &[u8],
        value: &[u8],
        body: Option<Vec<u8>>,
    ) -> Result<Self, StoreError> {
        if RelayRow::TABLES.contains(&table) {
            RelayRow::read(table, key, value).map(Self::Relay)
        } else {
            HubRow::read(table, key, value, body).map(Self::Hub)
        }
    }

    pub(super) fn table(&self) -> Table {
        match self {
            Self::Hub(row) => row.table(),
            Self::Relay(row) => row.table(),
        }
    }

    /// Whether what it needs was kept out of the file.
    pub(super) fn is_withheld(&self) -> bool {
        match self {
            Self::Hub(row) => row.is_withheld(),
            Self::Relay(row) => row.is_withheld(),
        }
    }

    /// About how many octets it takes in memory beyond a hundred or two.
    pub(super) fn body_length(&self) -> usize {
        match self {
            Self::Hub(row) => row.body_length(),
            Self::Relay(row) => row.body_length(),
        }
    }

    /// What puts it into a store, with the rows that follow from it; nothing for what was kept out of the file.
    pub(super) fn into_record(self) -> Option<Record> {
        if self.is_withheld() {
            return None;
        }
        match self {
            Self::Hub(row) => Some(row.into_record()),
            Self::Relay(row) => row.into_record().map(Record::Relay),
        }
    }
}

/// The name of the table says who reads the rest. Trying one after the other would lose which field is wrong.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Row", &[], RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row under the name of its table")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, line: A) -> Result<Row, A::Error> {
        let (name, rest) = line.variant::<Cow<'de, str>>()?;
        let is_of = |table: &Table| table.name() == name;
        let Some(table) = EXPORTED.into_iter().find(is_of) else {
            return Err(A::Error::custom(format_args!(
                "unknown variant `{name}`: no table that is exported"
            )));
        };
        let named = EnumAccessDeserializer::new(Named { table, rest });
        if RelayRow::TABLES.contains(&table) {
            RelayRow::deserialize(named).map(Row::Relay)
        } else {
            HubRow::deserialize(named).map(Row::Hub)
        }
    }
}

/// A row whose name was read already.
struct Named<V> {
    table: Table,
    rest: V,
}

impl<'de, V: VariantAccess<'de>> EnumAccess<'de> for Named<V> {
    type Error = V::Error;
    type Variant = V;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, V), V::Error> {
        let name: StrDeserializer<'_, V::Error> = self.table.name().into_deserializer();
        Ok((seed.deserialize(name)?, self.rest))
    }
}

/// Of rows that are seldom withheld: not written where it is not so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde gives")]
pub(super) fn is_false(withheld: &bool) -> bool {
    !withheld
}
