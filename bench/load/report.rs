//! The figures of a run, and what they come to. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    clock::between,
    habit::Shares,
    machine::machine,
    options::Options,
    round::{Kind, Round, Summary},
    sink::Count,
    stats::{rate, ratio},
    usage::Usage,
};

/// Everything that `--json` holds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) subscribers: u32,
    pub(crate) topics: u32,
    pub(crate) body_bytes: u32,
    pub(crate) addresses: u8,
    pub(crate) tls: bool,
    /// Who misbehaves at the topic that is disturbed.
    pub(crate) shares: Shares,
    pub(crate) subscribing: Subscribing,
    pub(crate) rounds: Vec<Round>,
    pub(crate) hub: Summary,
    pub(crate) limit: Summary,
    pub(crate) ratios: Ratios,
    /// The healthy subscribers of the topic that is disturbed, and these against those of the other topics.
    pub(crate) disturbed: Option<Summary>,
    pub(crate) disturbed_ratios: Option<Disturbed>,
    /// Verification requests, over the whole run.
    pub(crate) verified: Count,
    /// Requests to the sink that no subscription explains.
    pub(crate) astray: u32,
    /// At the sink, those of the limit included; and its TLS handshakes: whole ones, and resumed sessions.
    pub(crate) connections: u64,
    pub(crate) handshakes: u64,
    pub(crate) resumed: u64,
    /// Of the hub, over its whole life.
    pub(crate) peak_kib: u64,
    pub(crate) written: u64,
    /// How the hub ended, what it counted, and the first lines of its log.
    pub(crate) ended: String,
    pub(crate) counts: BTreeMap<String, String>,
    pub(crate) log: Vec<String>,
}

/// How subscribing went.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Subscribing {
    /// From the first request to the last 202, and to the last verification.
    pub(crate) accepted_seconds: f64,
    pub(crate) verified_seconds: f64,
    /// By the latter.
    pub(crate) per_second: f64,
    pub(crate) cpu_ms_each: f64,
    pub(crate) peak_kib: u64,
    pub(crate) written: u64,
}

impl Subscribing {
    pub(crate) fn of(
        subscribers: u32,
        began: u64,
        accepted: u64,
        count: &Count,
        before: &Usage,
        after: &Usage,
    ) -> Self {
        let verified = between(began, count.last);
        Self {
            accepted_seconds: between(began, accepted).as_secs_f64(),
            verified_seconds: verified.as_secs_f64(),
            per_second: rate(subscribers, verified),
            cpu_ms_each: after.cpu_since(before).as_secs_f64() * 1e3 / f64::from(subscribers.max(1)),
            peak_kib: after.peak_kib,
            written: after.written.saturating_sub(before.written),
        }
    }
}

/// The hub against the limit.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ratios {
    /// More is better; one is the limit.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    /// Less is better.
    pub(crate) cpu: f64,
}

impl Ratios {
    fn of(hub: &Summary, limit: &Summary) -> Self {
        Self {
            per_second: ratio(hub.per_second, limit.per_second),
            per_second_from_ping: ratio(hub.per_second_from_ping, limit.per_second_from_ping),
            cpu: ratio(hub.cpu_seconds_per_million, limit.cpu_seconds_per_million),
        }
    }
}

/// Healthy subscribers beside others that misbehave, against healthy subscribers that are alone.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Disturbed {
    /// More is better; one is as good as alone.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    /// Less is better.
    pub(crate) p99_latency: f64,
    /// Against the limit.
    pub(crate) of_limit: Ratios,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Self {
        Self {
            machine: machine(),
            subscribers: options.subscribers,
            topics: options.topics,
            body_bytes: options.body_bytes,
            addresses: options.addresses,
            tls: options.tls,
            shares: options.shares,
            ..Self::default()
        }
    }

    /// The sums of the rounds; the latencies are put in later.
    pub(crate) fn sum_up(&mut self) {
        let of = |kind| Summary::of(&self.rounds.iter().filter(move |round| round.kind == kind));
        let (hub, limit, disturbed) = (of(Kind::Hub), of(Kind::Limit), of(Kind::Disturbed));
        self.ratios = Ratios::of(&hub, &limit);
        let is_disturbed = self.rounds.iter().any(|round| round.kind == Kind::Disturbed);
        self.disturbed = is_disturbed.then_some(disturbed);
        (self.hub, self.limit) = (hub, limit);
    }

    pub(crate) fn summaries(&self) -> Vec<(Kind, Summary)> {
        let mut all = vec![(Kind::Hub, self.hub.clone()), (Kind::Limit, self.limit.clone())];
        all.extend(self.disturbed.clone().map(|disturbed| (Kind::Disturbed, disturbed)));
        all
    }

    pub(crate) fn put(&mut self, kind: Kind, summary: Summary) {
        match kind {
            Kind::Hub => self.hub = summary,
            Kind::Limit => self.limit = summary,
            Kind::Disturbed => {
                self.disturbed_ratios = Some(Disturbed {
                    per_second: ratio(summary.per_second, self.hub.per_second),
                    per_second_from_ping: ratio(summary.per_second_from_ping, self.hub.per_second_from_ping),
                    p99_latency: ratio(summary.latency.p99, self.hub.latency.p99),
                    of_limit: Ratios::of(&summary, &self.limit),
                });
                self.disturbed = Some(summary);
            }
        }
    }
}
