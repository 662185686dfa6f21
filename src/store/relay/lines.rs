//! The lines of the relay's tables in an export.
//!
//! Without secrets an account goes with all that is done in its name: imported without its key it would be given another
//! one, which breaks it with every peer that knows the old one (`salmon.md`, finding 7), and what was signed with the old
//! one would be refused. What was seen stays: under the same name the account is the same, and a replay would be one.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        StoreError, codec,
        embedded::Embedded,
        keys::{self, Reader, Table},
        lines::is_false,
    },
    Account, Doubt, GroupPost, InboxSlap, KeyPair, KnownDescriptor, LaneId, LaneState, Member, OutgoingSlap,
    RelayRecord, Seen, SlapTarget, TargetKey,
};
use crate::{
    clock::Timestamp,
    octets,
    protocol::{NameId, SlapId},
};

/// One record of the relay with its key, under the name of its table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::store) enum RelayRow {
    Accounts {
        account: NameId,
        row: Account,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    AccountKeys {
        account: NameId,
        /// None where it was withheld.
        #[serde(deserialize_with = "codec::stated")]
        row: Option<KeyPair>,
    },
    Descriptors {
        name: NameId,
        row: KnownDescriptor,
    },
    Seen {
        account: NameId,
        #[serde(with = "octets::hex")]
        replay: [u8; 16],
        row: Seen,
    },
    Applied {
        account: NameId,
        #[serde(with = "octets::hex")]
        of: [u8; 16],
        updated: Timestamp,
    },
    Inbox {
        account: NameId,
        #[serde(with = "octets::hex")]
        lane: LaneId,
        seq: u64,
        row: InboxSlap,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Lanes {
        account: NameId,
        #[serde(with = "octets::hex")]
        lane: LaneId,
        row: LaneState,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Doubts {
        #[serde(with = "octets::hex")]
        id: [u8; 16],
        row: Doubt,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Outgoing {
        slap: SlapId,
        row: OutgoingSlap,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Targets {
        slap: SlapId,
        index: u16,
        row: SlapTarget,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    OutQueue {
        #[serde(with = "octets::hex")]
        lane: LaneId,
        seq: u64,
        slap: SlapId,
        index: u16,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    OutLanes {
        #[serde(with = "octets::hex")]
        lane: LaneId,
        row: LaneState,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    Members {
        group: NameId,
        id: NameId,
        row: Member,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
    GroupPosts {
        group: NameId,
        seq: u64,
        row: GroupPost,
        #[serde(default, skip_serializing_if = "is_false")]
        withheld: bool,
    },
}

impl RelayRow {
    /// The relay's tables.
    pub(in crate::store) const TABLES: [Table; 14] = [
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

    /// Reads a row as it lies in the store.
    pub(in crate::store) fn read(table: Table, key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged { table: table.name() };
        let mut parts = Reader::of(key).ok_or_else(damaged)?;
        let row = Self::under(table, &mut parts, value)?.ok_or_else(damaged)?;
        if parts.rest().is_empty() { Ok(row) } else { Err(damaged()) }
    }

    /// `None` where the key has another shape, or the table is not the relay's.
    fn under(table: Table, parts: &mut Reader<'_>, value: &[u8]) -> Result<Option<Self>, StoreError> {
        let Some(first) = parts.hash() else { return Ok(None) };
        let (account, withheld) = (NameId::from_bytes(first), false);
        let row = match table {
            Table::Accounts => Self::Accounts { account, row: codec::decode(table, value)?, withheld },
            Table::AccountKeys => Self::AccountKeys { account, row: Some(codec::decode(table, value)?) },
            Table::Descriptors => Self::Descriptors { name: account, row: codec::decode(table, value)? },
            Table::Doubts => Self::Doubts { id: first, row: codec::decode(table, value)?, withheld },
            Table::OutLanes => Self::OutLanes { lane: first, row: codec::decode(table, value)?, withheld },
            Table::Outgoing => {
                let slap = SlapId::from_bytes(first);
                Self::Outgoing { slap, row: codec::decode(table, value)?, withheld }
            }
            Table::Targets => {
                let Some(index) = parts.index() else { return Ok(None) };
                let slap = SlapId::from_bytes(first);
                Self::Targets { slap, index, row: codec::decode(table, value)?, withheld }
            }
            Table::OutQueue => {
                let Some(seq) = parts.number() else { return Ok(None) };
                let (slap, index) = codec::decode(table, value)?;
                Self::OutQueue { lane: first, seq, slap, index, withheld }
            }
            Table::GroupPosts => {
                let Some(seq) = parts.number() else { return Ok(None) };
                Self::GroupPosts { group: account, seq, row: codec::decode(table, value)?, withheld }
            }
            _ => {
                let Some(second) = parts.hash() else { return Ok(None) };
                return Self::under_two(table, account, second, parts, value);
            }
        };
        Ok(Some(row))
    }

    /// A row whose key has two hashes, the account in front.
    fn under_two(
        table: Table,
        account: NameId,
        second: [u8; 16],
        parts: &mut Reader<'_>,
        value: &[u8],
    ) -> Result<Option<Self>, StoreError> {
        let withheld = false;
        let row = match table {
            Table::Seen => Self::Seen { account, replay: second, row: codec::decode(table, value)? },
            Table::Applied => Self::Applied { account, of: second, updated: codec::decode(table, value)? },
            Table::Lanes => {
                Self::Lanes { account, lane: second, row: codec::decode(table, value)?, withheld }
            }
            Table::Members => {
                let id = NameId::from_bytes(second);
                Self::Members { group: account, id, row: codec::decode(table, value)?, withheld }
            }
            Table::Inbox => {
                let Some(seq) = parts.number() else { return Ok(None) };
                Self::Inbox { account, lane: second, seq, row: codec::decode(table, value)?, withheld }
            }
            _ => return Ok(None),
        };
        Ok(Some(row))
    }

    pub(in crate::store) fn table(&self) -> Table {
        match self {
            Self::Accounts { .. } => Table::Accounts,
            Self::AccountKeys { .. } => Table::AccountKeys,
            Self::Descriptors { .. } => Table::Descriptors,
            Self::Seen { .. } => Table::Seen,
            Self::Applied { .. } => Table::Applied,
            Self::Inbox { .. } => Table::Inbox,
            Self::Lanes { .. } => Table::Lanes,
            Self::Doubts { .. } => Table::Doubts,
            Self::Outgoing { .. } => Table::Outgoing,
            Self::Targets { .. } => Table::Targets,
            Self::OutQueue { .. } => Table::OutQueue,
            Self::OutLanes { .. } => Table::OutLanes,
            Self::Members { .. } => Table::Members,
            Self::GroupPosts { .. } => Table::GroupPosts,
        }
    }

    pub(in crate::store) fn is_withheld(&self) -> bool {
        match self {
            Self::Accounts { withheld, .. }
            | Self::Inbox { withheld, .. }
            | Self::Lanes { withheld, .. }
            | Self::Doubts { withheld, .. }
            | Self::Outgoing { withheld, .. }
            | Self::Targets { withheld, .. }
            | Self::OutQueue { withheld, .. }
            | Self::OutLanes { withheld, .. }
            | Self::Members { withheld, .. }
            | Self::GroupPosts { withheld, .. } => *withheld,
            Self::AccountKeys { row, .. } => row.is_none(),
            Self::Descriptors { .. } | Self::Seen { .. } | Self::Applied { .. } => false,
        }
    }

    /// About how many octets it takes in memory beyond some hundred.
    pub(in crate::store) fn body_length(&self) -> usize {
        match self {
            Self::Inbox { row, .. } => row.envelope.len(),
            Self::Doubts { row, .. } => row.envelope.len(),
            Self::Outgoing { row, .. } => row.envelope.len(),
            Self::GroupPosts { row, .. } => row.entry.len(),
            _ => 0,
        }
    }

    /// What puts it into a store; nothing for a key that was withheld.
    pub(in crate::store) fn into_record(self) -> Option<RelayRecord> {
        Some(match self {
            Self::Accounts { account, row, .. } => RelayRecord::AccountPut(account, row),
            Self::AccountKeys { account, row } => RelayRecord::AccountKeyPut(account, row?),
            Self::Descriptors { name, row } => RelayRecord::DescriptorPut(name, row),
            Self::Seen { account, replay, row } => RelayRecord::SlapSeen { account, replay, seen: row },
            Self::Applied { account, of, updated } => RelayRecord::SlapApplied { account, of, updated },
            Self::Inbox { account, lane, seq, row, .. } => {
                RelayRecord::InboxPut { account, lane, seq, slap: row }
            }
            Self::Lanes { account, lane, row, .. } => {
                RelayRecord::LanePut { account, lane, state: row, was: None }
            }
            Self::Doubts { id, row, .. } => RelayRecord::DoubtPut { id, doubt: row, was: None },
            Self::Outgoing { slap, row, .. } => RelayRecord::OutgoingPut(slap, row),
            Self::Targets { slap, index, row, .. } => RelayRecord::TargetPut { slap, index, target: row },
            Self::OutQueue { lane, seq, slap, index, .. } => {
                RelayRecord::OutQueuePut { lane, seq, slap, index }
            }
            Self::OutLanes { lane, row, .. } => RelayRecord::OutLanePut { lane, state: row, was: None },
            Self::Members { group, id, row, .. } => RelayRecord::MemberPut { group, id, member: row },
            Self::GroupPosts { group, seq, row, .. } => RelayRecord::GroupPostPut { group, seq, post: row },
        })
    }
}

/// The row without secrets, and marked where an import has to leave it out.
pub(in crate::store) fn without_secrets(kv: &Embedded, mut row: RelayRow) -> Result<RelayRow, StoreError> {
    match &mut row {
        RelayRow::Accounts { account, row, withheld } => {
            // It is taken, whether or not there is a key.
            *withheld = row.secret.take().is_some() | has_key(kv, *account)?;
        }
        RelayRow::AccountKeys { row, .. } => *row = None,
        RelayRow::Inbox { account, withheld, .. }
        | RelayRow::Lanes { account, withheld, .. }
        | RelayRow::Members { group: account, withheld, .. }
        | RelayRow::GroupPosts { group: account, withheld, .. } => *withheld = is_kept_out(kv, *account)?,
        RelayRow::Doubts { row, withheld, .. } => *withheld = is_kept_out(kv, row.account)?,
        RelayRow::Outgoing { row, withheld, .. } => *withheld = is_kept_out(kv, row.account)?,
        RelayRow::Targets { slap, withheld, .. } | RelayRow::OutQueue { slap, withheld, .. } => {
            *withheld = is_slap_kept_out(kv, *slap)?;
        }
        RelayRow::OutLanes { lane, withheld, .. } => {
            // A lane is of one account, which is that of whatever waits in it.
            let waiting = kv.scan(&keys::of(Table::OutQueue, &[&*lane]), None, 1)?;
            if let Some((_, first)) = waiting.first() {
                let first = codec::decode::<TargetKey>(Table::OutQueue, first);
                *withheld = first.map_or(Ok(true), |(slap, _)| is_slap_kept_out(kv, slap))?;
            }
        }
        RelayRow::Descriptors { .. } | RelayRow::Seen { .. } | RelayRow::Applied { .. } => {}
    }
    Ok(row)
}

fn has_key(kv: &Embedded, account: NameId) -> Result<bool, StoreError> {
    Ok(kv.get(&keys::of(Table::AccountKeys, &[account.as_bytes()]))?.is_some())
}

fn is_kept_out(kv: &Embedded, account: NameId) -> Result<bool, StoreError> {
    let Some(row) = kv.get(&keys::of(Table::Accounts, &[account.as_bytes()]))? else { return Ok(false) };
    // One that cannot be read is not in the file either.
    let has_secret =
        codec::decode::<Account>(Table::Accounts, &row).map_or(true, |account| account.secret.is_some());
    Ok(has_secret || has_key(kv, account)?)
}

fn is_slap_kept_out(kv: &Embedded, slap: SlapId) -> Result<bool, StoreError> {
    let Some(row) = kv.get(&keys::of(Table::Outgoing, &[slap.as_bytes()]))? else { return Ok(false) };
    let slap = codec::decode::<OutgoingSlap>(Table::Outgoing, &row);
    slap.map_or(Ok(true), |slap| is_kept_out(kv, slap.account))
}
