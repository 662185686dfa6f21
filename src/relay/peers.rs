//! The hosts of others, to which entries go: how many requests one of them has under way, who waits for that, and which are
//! left alone because they do not answer.
//!
//! A dead host with a thousand targets would cost a thousand connections that nobody takes, each with its timeout. So there
//! is a breaker for each host, as fan-outs have them; a set of its own, since what a subscriber's server does to deliveries
//! says little of what the endpoint beside it does to slaps.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use crate::{
    agenda::Poke,
    clock::Timestamp,
    outbound::{BreakerRules, Breakers, Change, Gate, LaneRules, Lanes, Outcome, Permit, Why},
};

/// How long somebody waits for a lane in memory, before that is written down. A stop waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Peers {
    lanes: Lanes,
    /// Who waits for a lane: of each host and in all only some, so that the others that the agenda has started go by.
    waiting: Lanes,
    breakers: Breakers,
}

impl Peers {
    pub(super) fn new(rules: LaneRules, breakers: BreakerRules) -> Self {
        let twice =
            LaneRules { per_host: rules.per_host.saturating_mul(2), total: rules.total.saturating_mul(2) };
        Self { lanes: Lanes::new(rules), waiting: Lanes::new(twice), breakers: Breakers::new(breakers) }
    }

    /// Waits a little for room in a host's lane. `None` if there is none.
    pub(super) async fn enter(&self, host: &str) -> Option<Permit> {
        if let Some(permit) = self.lanes.try_enter(host) {
            return Some(permit);
        }
        let _seat = self.waiting.try_enter(host)?;
        timeout(PATIENCE, self.lanes.enter(host)).await.ok()
    }

    /// Until when a host is left alone, if it is. Else the request has to be made, and [`Self::note`]d.
    pub(super) fn pause(&self, host: &str, now: Timestamp) -> Option<Timestamp> {
        match self.breakers.ask(host, now) {
            Gate::Go | Gate::Probe => None,
            Gate::Wait(until) => Some(until),
        }
    }

    /// Whether whoever was put off until later would be let through now.
    pub(super) fn is_open_to_all(&self, host: &str, now: Timestamp) -> bool {
        self.breakers.lets_all_through(host, now)
    }

    /// How a request to a host ended. Where the host is back, what waits for it is poked.
    pub(super) fn note(&self, host: &str, outcome: &Outcome, now: Timestamp, poke: &Poke) {
        match self.breakers.report(host, now, outcome.speaks_for_host()) {
            Some(Change::Opened) => warn!(host, "breaker opened: slaps for that host wait"),
            Some(Change::HalfOpened) => info!(host, "breaker half open: one slap probes"),
            Some(Change::Closed(put_off)) => {
                info!(host, "breaker closed: the host takes slaps again");
                put_off.moments().for_each(|at| poke.early(at));
            }
            None => {}
        }
        if let Outcome::Later { retry_after: Some(wish), why: Why::Status(429 | 503) } = *outcome
            && let Some(pause) = self.breakers.hold(host, now, wish)
        {
            info!(host, ?pause, "host asks for a pause: slaps for it wait");
        }
    }
}
