//! Catch-ups of subscriptions that missed the last publication, from what is due to the removal of their backlogs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use hubbub::{
    agenda::Agenda,
    clock::{ManualClock, Timestamp},
    config::Config,
    distribution::CatchUp,
    store::{Backlog, DueKind, LastOutcome, NeedsFull, Record},
};

use super::{
    Step,
    hub::{Hub, NOW},
};

/// Subscriptions that fell behind.
pub(super) const BEHIND: u32 = 2000;

pub(super) fn step() -> Result<Box<dyn Step>> {
    Ok(Box::new(CatchingUp(Hub::with_subscriptions()?)))
}

struct CatchingUp(Hub);

impl Step for CatchingUp {
    fn prepare(&mut self) -> Result<()> {
        let Self(hub) = self;
        let (seq, mut commit) = hub.publish();
        let backlog = Backlog {
            from_seq: seq,
            passed: seq,
            attempts: 1,
            due_at: NOW,
            since: NOW,
            last: LastOutcome::Unreachable,
            needs_full: NeedsFull::No,
        };
        for (_, pair) in (0..BEHIND).zip(&hub.pairs) {
            commit.push(Record::BacklogPut { pair: *pair, backlog, was: None });
        }
        hub.commit(commit)
    }

    fn round(&mut self) -> Result<()> {
        let Self(hub) = self;
        hub.distribute(BEHIND, |distribution, tasks| {
            let agenda = Agenda {
                kind: DueKind::Backlog,
                store: hub.store.clone(),
                clock: ManualClock::at(NOW),
                poke: distribution.poke(),
                limit: Config::default().delivery.concurrency,
            };
            let stop = tasks.stopping().clone();
            async move { Ok(agenda.run(Arc::new(CatchUp(distribution)), stop).await?) }
        })?;
        let (due, later) = hub.store.due(DueKind::Backlog, Timestamp::MAX, 1)?;
        ensure!(due.is_empty() && later.is_none(), "some have not caught up");
        Ok(())
    }
}
