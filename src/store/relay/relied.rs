//! What the relay's rows rely on, for those who verify a store.
//!
//! An account is never taken out, only marked as gone, so whatever is of an account has one. What was seen and what hosts
//! said relies on nothing: it is memory.

use super::{
    super::{
        DueKind, StoreError, codec,
        keys::{self, Table},
        verify::{Checking, Finding},
    },
    OutgoingSlap, RelayRow,
};
use crate::{
    protocol::{NameId, SlapId},
    salmon::Identity,
};

const NO_ACCOUNT: &str = "there is no account that it could be of";
const NO_LANE: &str = "its lane is missing: it would never be sent";

impl Checking<'_> {
    /// What is wrong with a row of the relay, if anything.
    pub(in crate::store) fn relay_row(&self, row: &RelayRow) -> Finding {
        match row {
            RelayRow::Accounts { account, row, .. } => {
                let is_its = Identity::parse(&row.name).is_some_and(|name| name.id() == *account);
                Ok((!is_its).then_some("its name belongs to another key"))
            }
            RelayRow::AccountKeys { account, .. }
            | RelayRow::Members { group: account, .. }
            | RelayRow::GroupPosts { group: account, .. } => self.is_of_account(*account),
            RelayRow::Inbox { account, lane, .. } => {
                let lane = keys::of(Table::Lanes, &[account.as_bytes(), lane]);
                Ok((!self.has(&lane)?).then_some(NO_LANE))
            }
            RelayRow::Lanes { account, lane, row, .. } => {
                let primary = [*account.as_bytes(), *lane].concat();
                first(self.is_of_account(*account)?, || self.is_due(DueKind::Forward, row.due_at, &primary))
            }
            RelayRow::Doubts { id, row, .. } => {
                first(self.is_of_account(row.account)?, || self.is_due(DueKind::Doubt, row.due_at, id))
            }
            RelayRow::Outgoing { slap, row, .. } => {
                first(self.is_of_account(row.account)?, || self.has_targets(*slap, row.targets))
            }
            RelayRow::Targets { slap: id, index, row, .. } => {
                let Some(slap) = self.kv.get(&keys::of(Table::Outgoing, &[id.as_bytes()]))? else {
                    return Ok(Some("its slap is missing"));
                };
                let slap: OutgoingSlap = codec::decode(Table::Outgoing, &slap)?;
                let known = (*index >= slap.targets).then_some("its slap does not know of it");
                first(known, || self.is_sent(*id, row.same_as))
            }
            RelayRow::OutQueue { lane, slap, index, .. } => {
                if !self.has_target(*slap, *index)? {
                    return Ok(Some("what waits there is missing"));
                }
                Ok((!self.has(&keys::of(Table::OutLanes, &[lane]))?).then_some(NO_LANE))
            }
            RelayRow::OutLanes { lane, row, .. } => self.is_due(DueKind::Slap, row.due_at, lane),
            RelayRow::Descriptors { .. } | RelayRow::Seen { .. } | RelayRow::Applied { .. } => Ok(None),
        }
    }

    fn is_of_account(&self, account: NameId) -> Finding {
        let is_there = self.has(&keys::of(Table::Accounts, &[account.as_bytes()]))?;
        Ok((!is_there).then_some(NO_ACCOUNT))
    }

    /// Whether the target is there that is sent something in place of another one, if there is such.
    fn is_sent(&self, slap: SlapId, same_as: Option<u16>) -> Finding {
        let Some(index) = same_as else { return Ok(None) };
        Ok((!self.has_target(slap, index)?).then_some("the target that it is another name of is missing"))
    }

    fn has_target(&self, slap: SlapId, index: u16) -> Result<bool, StoreError> {
        self.has(&keys::of(Table::Targets, &[slap.as_bytes(), &index.to_be_bytes()]))
    }

    fn has_targets(&self, slap: SlapId, targets: u16) -> Finding {
        let found = self.kv.count(&keys::of(Table::Targets, &[slap.as_bytes()]))?;
        Ok((found < u64::from(targets)).then_some("some of its targets are missing"))
    }
}

/// What was found already, or else what is found now.
fn first(found: Option<&'static str>, now: impl FnOnce() -> Finding) -> Finding {
    if found.is_some() { Ok(found) } else { now() }
}
