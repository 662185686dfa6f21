//! The figures of a run, and what they come to. Pure but for the description of the machine.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use serde::Serialize;

use crate::{clock::between, tally::Count, usage::Usage};

/// Everything that `--json` holds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) subscribers: u32,
    pub(crate) body_bytes: u32,
    pub(crate) addresses: u8,
    pub(crate) subscribing: Subscribing,
    pub(crate) rounds: Vec<Round>,
    pub(crate) hub: Summary,
    pub(crate) limit: Summary,
    pub(crate) ratios: Ratios,
    /// Verification requests, over the whole run.
    pub(crate) verified: Count,
    /// Requests to the sink that no subscription explains.
    pub(crate) astray: u32,
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
        let cpu = after.cpu.saturating_sub(before.cpu);
        Self {
            accepted_seconds: between(began, accepted).as_secs_f64(),
            verified_seconds: verified.as_secs_f64(),
            per_second: rate(subscribers, verified),
            cpu_ms_each: cpu.as_secs_f64() * 1e3 / f64::from(subscribers.max(1)),
            peak_kib: after.peak_kib,
            written: after.written.saturating_sub(before.written),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Hub,
    Limit,
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
    pub(crate) fn of(
        kind: Kind,
        number: u32,
        publication: u32,
        began: u64,
        count: &Count,
        (before, after): (&Usage, &Usage),
        (sink_before, sink_after): (&Usage, &Usage),
    ) -> Self {
        let spent = |before: &Usage, after: &Usage| after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let to_last = between(began, count.last);
        Self {
            kind,
            number,
            counts: true,
            publication,
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
            cpu_seconds: spent(before, after),
            sink_cpu_seconds: spent(sink_before, sink_after),
            written: after.written.saturating_sub(before.written),
        }
    }

    /// Takes over what had come by the end of the run. The times stay those of the round: what came after it was given
    /// up is late, not lost, and shows as fewer deliveries.
    pub(crate) fn settle(&mut self, count: &Count, subscribers: u32) {
        self.lost = subscribers.saturating_sub(count.reached);
        (self.repeats, self.checked, self.wrong) = (count.repeats, count.checked, count.wrong);
        let arrivals = count.reached.saturating_add(count.repeats).max(1);
        let octets = u32::try_from(count.octets / u64::from(arrivals)).unwrap_or(u32::MAX);
        self.body_bytes = f64::from(octets);
    }
}

/// All rounds of a kind that count.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// Medians.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    pub(crate) to_first_ms: f64,
    pub(crate) to_last_ms: f64,
    /// Over all of them, since a clock tick is long against one round.
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
    fn of(rounds: &[Round], kind: Kind) -> Self {
        let all = || rounds.iter().filter(|round| round.kind == kind);
        let counting = || all().filter(|round| round.counts);
        let sum = |figure: fn(&Round) -> u32| all().map(figure).fold(0, u32::saturating_add);
        let middle = |figure: fn(&Round) -> f64| median(counting().map(figure).collect());
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

/// The hub against the limit.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ratios {
    /// More is better; one is the limit.
    pub(crate) per_second: f64,
    pub(crate) per_second_from_ping: f64,
    /// Less is better.
    pub(crate) cpu: f64,
}

impl Report {
    pub(crate) fn begin(subscribers: u32, body_bytes: u32, addresses: u8) -> Self {
        Self {
            machine: machine(),
            subscribers,
            body_bytes,
            addresses,
            subscribing: Subscribing::default(),
            rounds: Vec::new(),
            hub: Summary::default(),
            limit: Summary::default(),
            ratios: Ratios::default(),
            verified: Count::default(),
            astray: 0,
            peak_kib: 0,
            written: 0,
            ended: String::new(),
            counts: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn conclude(&mut self) {
        self.hub = Summary::of(&self.rounds, Kind::Hub);
        self.limit = Summary::of(&self.rounds, Kind::Limit);
        let (hub, limit) = (&self.hub, &self.limit);
        self.ratios = Ratios {
            per_second: ratio(hub.per_second, limit.per_second),
            per_second_from_ping: ratio(hub.per_second_from_ping, limit.per_second_from_ping),
            cpu: ratio(hub.cpu_seconds_per_million, limit.cpu_seconds_per_million),
        };
    }
}

/// Zero where there was no time to measure by.
fn rate(number: u32, span: Duration) -> f64 {
    ratio(f64::from(number), span.as_secs_f64())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or_default();
    let upper = figures.len() / 2;
    if figures.len().is_multiple_of(2) {
        f64::midpoint(at(upper.saturating_sub(1)), at(upper))
    } else {
        at(upper)
    }
}

/// The processor, how many cores of it, and how busy they were before the run.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, name)| name.trim());
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores of {model}, load {busy} before the run")
}
