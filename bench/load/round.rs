//! One publication and what became of it, and all of a kind together. Pure.

use serde::Serialize;

use crate::{
    clock::between,
    sink::Count,
    stats::{Quantiles, median, rate},
    usage::Usage,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Hub,
    /// The hub, at the topic some of whose subscribers misbehave.
    Disturbed,
    Limit,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Disturbed => "disturbed",
            Self::Limit => "limit",
        }
    }

    /// The number of its publication in a round: no two kinds share one.
    pub(crate) fn publication(self, round: u32) -> u32 {
        match self {
            Self::Hub => round,
            Self::Disturbed => round.saturating_add(1_000_000),
            Self::Limit => round.saturating_add(2_000_000),
        }
    }
}

/// What a process and the sink had used before and after.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) own: (Usage, Usage),
    pub(crate) sink: (Usage, Usage),
}

/// One publication to all subscribers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
    /// Whether it counts, or was for warming up.
    pub(crate) counts: bool,
    #[serde(skip)]
    pub(crate) publication: u32,
    /// Whom it was for.
    pub(crate) subscribers: u32,
    /// Arrivals, each subscriber's first.
    pub(crate) deliveries: u32,
    pub(crate) lost: u32,
    pub(crate) repeats: u32,
    pub(crate) checked: u32,
    pub(crate) wrong: u32,
    /// The mean.
    pub(crate) body_bytes: f64,
    /// From the ping, or from the limit's start.
    pub(crate) to_first_ms: f64,
    pub(crate) to_last_ms: f64,
    /// From the first to the last arrival, and from the ping to the last.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    /// Of the hub or the limit, and of the sink.
    pub(crate) cpu_seconds: f64,
    pub(crate) sink_cpu_seconds: f64,
    /// What the hub wrote.
    pub(crate) written: u64,
}

impl Round {
    /// It began at that moment, and so much had arrived when it was over.
    pub(crate) fn of(
        kind: Kind,
        number: u32,
        subscribers: u32,
        began: u64,
        count: &Count,
        spent: &Spent,
    ) -> Self {
        let cpu = |(before, after): &(Usage, Usage)| after.cpu_since(before).as_secs_f64();
        let to_last = between(began, count.last);
        let (before, after) = &spent.own;
        Self {
            kind,
            number,
            counts: true,
            publication: kind.publication(number),
            subscribers,
            deliveries: count.reached,
            lost: 0,
            repeats: 0,
            checked: 0,
            wrong: 0,
            body_bytes: 0.0,
            to_first_ms: between(began, count.first).as_secs_f64() * 1e3,
            to_last_ms: to_last.as_secs_f64() * 1e3,
            per_second: rate(count.reached, between(count.first, count.last)),
            per_second_from_ping: rate(count.reached, to_last),
            cpu_seconds: cpu(&spent.own),
            sink_cpu_seconds: cpu(&spent.sink),
            written: after.written.saturating_sub(before.written),
        }
    }

    /// Takes over what had come by the end of the run. The times stay those of the round: what came after it was given
    /// up is late, not lost, and shows as fewer deliveries.
    pub(crate) fn settle(&mut self, count: &Count) {
        self.lost = self.subscribers.saturating_sub(count.reached);
        (self.repeats, self.checked, self.wrong) = (count.repeats, count.checked, count.wrong);
        let arrivals = count.reached.saturating_add(count.repeats).max(1);
        let octets = u32::try_from(count.octets / u64::from(arrivals)).unwrap_or(u32::MAX);
        self.body_bytes = f64::from(octets);
    }
}

/// Some rounds together.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Summary {
    /// Medians.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    pub(crate) to_first_ms: f64,
    pub(crate) to_last_ms: f64,
    pub(crate) body_bytes: f64,
    /// Over the rounds: from the ping to the first and to the last arrival.
    pub(crate) to_first: Quantiles,
    pub(crate) to_last: Quantiles,
    /// Over the deliveries: from the ping of their topic to their arrival.
    pub(crate) latency: Quantiles,
    /// Over all of them.
    pub(crate) cpu_seconds_per_million: f64,
    pub(crate) sink_cpu_seconds_per_million: f64,
    /// Sums, over the rounds for warming up as well.
    pub(crate) lost: u32,
    pub(crate) repeats: u32,
    pub(crate) checked: u32,
    pub(crate) wrong: u32,
    /// Of one round, on average.
    pub(crate) written_per_round: u64,
}

impl Summary {
    /// Of those that count; without the latency, which only the sink knows.
    pub(crate) fn of<'a>(rounds: &(impl Iterator<Item = &'a Round> + Clone)) -> Self {
        let all = || rounds.clone();
        let counting = || all().filter(|round| round.counts);
        let sum = |figure: fn(&Round) -> u32| all().map(figure).fold(0, u32::saturating_add);
        let figures = |figure: fn(&Round) -> f64| counting().map(figure).collect::<Vec<_>>();
        let middle = |figure| median(figures(figure));
        let deliveries = counting().map(|round| round.deliveries).fold(0, u32::saturating_add);
        let per_million = |figure: fn(&Round) -> f64| {
            counting().map(figure).sum::<f64>() * 1e6 / f64::from(deliveries.max(1))
        };
        let number = u64::try_from(counting().count()).unwrap_or_default().max(1);
        Self {
            per_second: middle(|round| round.per_second),
            per_second_from_ping: middle(|round| round.per_second_from_ping),
            to_first_ms: middle(|round| round.to_first_ms),
            to_last_ms: middle(|round| round.to_last_ms),
            body_bytes: middle(|round| round.body_bytes),
            to_first: Quantiles::of_few(figures(|round| round.to_first_ms)),
            to_last: Quantiles::of_few(figures(|round| round.to_last_ms)),
            latency: Quantiles::default(),
            cpu_seconds_per_million: per_million(|round| round.cpu_seconds),
            sink_cpu_seconds_per_million: per_million(|round| round.sink_cpu_seconds),
            lost: sum(|round| round.lost),
            repeats: sum(|round| round.repeats),
            checked: sum(|round| round.checked),
            wrong: sum(|round| round.wrong),
            written_per_round: counting().map(|round| round.written).sum::<u64>() / number,
        }
    }
}
