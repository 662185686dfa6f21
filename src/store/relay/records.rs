//! The relay's part of a commit.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        StoreError,
        commit::Rows,
        due::DueKind,
        keys::{self, Table},
    },
    Account, Doubt, GroupPost, InboxSlap, KeyPair, KnownDescriptor, LaneId, LaneState, Member, OutgoingSlap,
    Seen, SlapTarget,
};
use crate::{
    clock::Timestamp,
    protocol::{NameId, SlapId},
};

/// One typed change of what the relay keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RelayRecord {
    AccountPut(NameId, Account),
    AccountKeyPut(NameId, KeyPair),
    AccountKeyDropped(NameId),
    DescriptorPut(NameId, KnownDescriptor),
    DescriptorForgotten(NameId),
    SlapSeen {
        account: NameId,
        replay: [u8; 16],
        seen: Seen,
    },
    SeenForgotten {
        account: NameId,
        replay: [u8; 16],
    },
    /// The last that a signer did to an object.
    SlapApplied {
        account: NameId,
        of: [u8; 16],
        updated: Timestamp,
    },
    InboxPut {
        account: NameId,
        lane: LaneId,
        seq: u64,
        slap: InboxSlap,
    },
    InboxDone {
        account: NameId,
        lane: LaneId,
        seq: u64,
    },
    LanePut {
        account: NameId,
        lane: LaneId,
        state: LaneState,
        was: Option<Timestamp>,
    },
    LaneDone {
        account: NameId,
        lane: LaneId,
        was: Timestamp,
    },
    DoubtPut {
        id: [u8; 16],
        doubt: Doubt,
        was: Option<Timestamp>,
    },
    DoubtDone {
        id: [u8; 16],
        was: Timestamp,
    },
    OutgoingPut(SlapId, OutgoingSlap),
    /// A slap goes with all its targets.
    OutgoingForgotten {
        slap: SlapId,
        targets: u16,
    },
    TargetPut {
        slap: SlapId,
        index: u16,
        target: SlapTarget,
    },
    OutQueuePut {
        lane: LaneId,
        seq: u64,
        slap: SlapId,
        index: u16,
    },
    OutQueueDone {
        lane: LaneId,
        seq: u64,
    },
    OutLanePut {
        lane: LaneId,
        state: LaneState,
        was: Option<Timestamp>,
    },
    OutLaneDone {
        lane: LaneId,
        was: Timestamp,
    },
    MemberPut {
        group: NameId,
        id: NameId,
        member: Member,
    },
    MemberGone {
        group: NameId,
        id: NameId,
    },
    GroupPostPut {
        group: NameId,
        seq: u64,
        post: GroupPost,
    },
    GroupPostDropped {
        group: NameId,
        seq: u64,
    },
}

/// Turns a record into changes of rows.
pub(in crate::store) fn rows(rows: &mut Rows, record: RelayRecord) -> Result<(), StoreError> {
    match record {
        RelayRecord::AccountPut(name, account) => {
            rows.put(keys::of(Table::Accounts, &[name.as_bytes()]), &account)?;
        }
        RelayRecord::AccountKeyPut(name, key) => {
            rows.put(keys::of(Table::AccountKeys, &[name.as_bytes()]), &key)?;
        }
        RelayRecord::AccountKeyDropped(name) => {
            rows.remove(keys::of(Table::AccountKeys, &[name.as_bytes()]));
        }
        RelayRecord::DescriptorPut(name, known) => {
            rows.put(keys::of(Table::Descriptors, &[name.as_bytes()]), &known)?;
        }
        RelayRecord::DescriptorForgotten(name) => {
            rows.remove(keys::of(Table::Descriptors, &[name.as_bytes()]));
        }
        RelayRecord::SlapSeen { account, replay, seen } => {
            rows.put(keys::of(Table::Seen, &[account.as_bytes(), &replay]), &seen)?;
        }
        RelayRecord::SeenForgotten { account, replay } => {
            rows.remove(keys::of(Table::Seen, &[account.as_bytes(), &replay]));
        }
        RelayRecord::SlapApplied { account, of, updated } => {
            rows.put(keys::of(Table::Applied, &[account.as_bytes(), &of]), &updated)?;
        }
        RelayRecord::DoubtPut { id, doubt, was } => {
            rows.due(DueKind::Doubt, &id, was, Some(doubt.due_at));
            rows.put(keys::of(Table::Doubts, &[&id]), &doubt)?;
        }
        RelayRecord::DoubtDone { id, was } => {
            rows.remove(keys::of(Table::Doubts, &[&id]));
            rows.due(DueKind::Doubt, &id, Some(was), None);
        }
        RelayRecord::MemberPut { group, id, member } => {
            rows.put(keys::of(Table::Members, &[group.as_bytes(), id.as_bytes()]), &member)?;
        }
        RelayRecord::MemberGone { group, id } => {
            rows.remove(keys::of(Table::Members, &[group.as_bytes(), id.as_bytes()]));
        }
        RelayRecord::GroupPostPut { group, seq, post } => {
            rows.put(keys::of(Table::GroupPosts, &[group.as_bytes(), &seq.to_be_bytes()]), &post)?;
        }
        RelayRecord::GroupPostDropped { group, seq } => {
            rows.remove(keys::of(Table::GroupPosts, &[group.as_bytes(), &seq.to_be_bytes()]));
        }
        RelayRecord::InboxPut { .. }
        | RelayRecord::InboxDone { .. }
        | RelayRecord::LanePut { .. }
        | RelayRecord::LaneDone { .. } => inward(rows, record)?,
        RelayRecord::OutgoingPut(..)
        | RelayRecord::OutgoingForgotten { .. }
        | RelayRecord::TargetPut { .. }
        | RelayRecord::OutQueuePut { .. }
        | RelayRecord::OutQueueDone { .. }
        | RelayRecord::OutLanePut { .. }
        | RelayRecord::OutLaneDone { .. } => outward(rows, record)?,
    }
    Ok(())
}

/// Lanes from peers to the site.
fn inward(rows: &mut Rows, record: RelayRecord) -> Result<(), StoreError> {
    match record {
        RelayRecord::InboxPut { account, lane, seq, slap } => {
            let key = keys::of(Table::Inbox, &[account.as_bytes(), &lane, &seq.to_be_bytes()]);
            rows.put(key, &slap)?;
        }
        RelayRecord::InboxDone { account, lane, seq } => {
            rows.remove(keys::of(Table::Inbox, &[account.as_bytes(), &lane, &seq.to_be_bytes()]));
        }
        RelayRecord::LanePut { account, lane, state, was } => {
            let primary = [*account.as_bytes(), lane].concat();
            rows.due(DueKind::Forward, &primary, was, Some(state.due_at));
            rows.put(keys::of(Table::Lanes, &[&primary]), &state)?;
        }
        RelayRecord::LaneDone { account, lane, was } => {
            let primary = [*account.as_bytes(), lane].concat();
            rows.remove(keys::of(Table::Lanes, &[&primary]));
            rows.due(DueKind::Forward, &primary, Some(was), None);
        }
        _ => {}
    }
    Ok(())
}

/// Lanes from the site to peers.
fn outward(rows: &mut Rows, record: RelayRecord) -> Result<(), StoreError> {
    match record {
        RelayRecord::OutgoingPut(slap, row) => {
            rows.put(keys::of(Table::Outgoing, &[slap.as_bytes()]), &row)?;
        }
        RelayRecord::OutgoingForgotten { slap, targets } => {
            rows.remove(keys::of(Table::Outgoing, &[slap.as_bytes()]));
            for index in 0..targets {
                rows.remove(keys::of(Table::Targets, &[slap.as_bytes(), &index.to_be_bytes()]));
            }
        }
        RelayRecord::TargetPut { slap, index, target } => {
            rows.put(keys::of(Table::Targets, &[slap.as_bytes(), &index.to_be_bytes()]), &target)?;
        }
        RelayRecord::OutQueuePut { lane, seq, slap, index } => {
            rows.put(keys::of(Table::OutQueue, &[&lane, &seq.to_be_bytes()]), &(slap, index))?;
        }
        RelayRecord::OutQueueDone { lane, seq } => {
            rows.remove(keys::of(Table::OutQueue, &[&lane, &seq.to_be_bytes()]));
        }
        RelayRecord::OutLanePut { lane, state, was } => {
            rows.due(DueKind::Slap, &lane, was, Some(state.due_at));
            rows.put(keys::of(Table::OutLanes, &[&lane]), &state)?;
        }
        RelayRecord::OutLaneDone { lane, was } => {
            rows.remove(keys::of(Table::OutLanes, &[&lane]));
            rows.due(DueKind::Slap, &lane, Some(was), None);
        }
        _ => {}
    }
    Ok(())
}
