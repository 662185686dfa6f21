//! Topics that are none, pinged all the time: what a healthy topic has to wait for, in one run with them and without.
//!
//! The rogues rage and rest in turns, several rounds each. In each round the healthy topic gets an entry and its
//! subscribers are waited for.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::{task::JoinSet, time::sleep};
use url::form_urlencoded;

use crate::{
    clock::between,
    hub::Settings,
    machine::machine,
    options::{Options, Outcome},
    process::Process,
    progress::Progress,
    rogues::Listening,
    round::Kind,
    stage::{PROMPT, Stage},
    stats::{Quantiles, ratio},
    table::times,
    wire::Line,
};

/// Between two rounds: beyond the time in which pings of one topic wait for each other.
const PAUSE: Duration = Duration::from_millis(600);
/// From one ping of all rogues to the next.
const AGAIN: Duration = Duration::from_millis(500);
/// From the beginning or end of a rage to the first round that counts.
const SETTLED: Duration = Duration::from_secs(2);
/// URLs in one ping.
const TOGETHER: usize = 200;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Rogues {
    #[command(flatten)]
    pub(super) options: Options,
    /// Rogue topics of each of ten kinds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    each: u16,
    /// Rounds in a row, with the rogues and without
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    in_a_row: u32,
}

/// All rounds of a kind.
#[derive(Debug, Default, Serialize)]
struct Rounds {
    count: u32,
    /// From the ping to the first and to the last delivery.
    to_first: Quantiles,
    to_last: Quantiles,
    /// The most resident memory of the hub.
    peak_kib: u64,
    hub_cpu_seconds: f64,
    /// What the hub counted as fetched meanwhile, the healthy topic among it.
    fetches: BTreeMap<String, u64>,
    #[serde(skip)]
    each_ms: Vec<(f64, f64)>,
}

#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    subscribers: u32,
    rogues: usize,
    without: Rounds,
    with: Rounds,
    /// Of the medians, with the rogues to without.
    first_ratio: f64,
    last_ratio: f64,
}

pub(super) async fn play(rogues: &Rogues) -> Result<Outcome> {
    let options = Options { topics: 1, ..rogues.options.clone() };
    // Pings wait for each other as they do in every hub, or the rogues would be fetched more often than any could be.
    let settings = Settings { coalesce: Some("500ms".to_owned()), ..Settings::default() };
    let machine = machine();
    let mut stage = Stage::set(&options, settings).await?;
    stage.subscribe().await?;
    let mut rage = Process::start_role("rogues", &[format!("--each={}", rogues.each)])?;
    let listening: Listening = rage.answer(PROMPT).await?;
    subscribe_to(&mut stage, &listening).await?;
    let (mut without, mut with) = (Rounds::default(), Rounds::default());
    let turns = options.rounds.div_ceil(rogues.in_a_row).max(1);
    let progress = Progress::start("pinging", options.rounds.saturating_mul(2));
    let mut number = 0;
    for _ in 0..turns {
        take_turn(&mut stage, rogues.in_a_row, &mut number, &mut without, &progress).await?;
        rage.tell(&true)?;
        let mut pings = JoinSet::new();
        pings.spawn(keep_pinging(stage.hub.address, listening.topics.clone()));
        take_turn(&mut stage, rogues.in_a_row, &mut number, &mut with, &progress).await?;
        // It never ends by itself.
        if let Some(failed) = pings.try_join_next() {
            failed??;
        }
        pings.shutdown().await;
        rage.tell(&false)?;
    }
    drop(progress);
    let (how, _log) = stage.hub.stop().await?;
    let (without, with) = (without.summed(), with.summed());
    let figures = Figures {
        machine,
        subscribers: stage.cast.steady,
        rogues: listening.topics.len(),
        first_ratio: ratio(with.to_first.p50, without.to_first.p50),
        last_ratio: ratio(with.to_last.p50, without.to_last.p50),
        without,
        with,
    };
    let line = |what: &str, rounds: &Rounds| {
        format!(
            "{what}: {} rounds, ms p50/p99/max to the first {}, to the last {}; peak {} MiB, CPU {:.1} s, fetches {:?}\n",
            rounds.count,
            times(&rounds.to_first),
            times(&rounds.to_last),
            rounds.peak_kib / 1024,
            rounds.hub_cpu_seconds,
            rounds.fetches
        )
    };
    let text = format!(
        "{} subscribers of one topic, {} rogue topics; {}\n{}{}with/without: {:.2} to the first, {:.2} to the last; the hub \
         ended with {how}",
        figures.subscribers,
        figures.rogues,
        figures.machine,
        line("without", &figures.without),
        line("with", &figures.with),
        figures.first_ratio,
        figures.last_ratio,
    );
    Outcome::new(text, &figures)
}

/// Has their callback subscribe to all of them.
async fn subscribe_to(stage: &mut Stage, Listening { topics, callback }: &Listening) -> Result<()> {
    let mut line = Line::to(stage.hub.address);
    for (number, topic) in topics.iter().enumerate() {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.topic", topic)
            .append_pair("hub.callback", &format!("http://{callback}/{number}"))
            .finish();
        let (status, _) = line.post_form("/", &form).await?;
        ensure!(status.as_u16() == 202, "the hub answered a rogue with {status}");
    }
    let all = stage.cast.subscribers().saturating_add(u32::try_from(topics.len())?);
    stage.hub.until_confirmed(all, stage.within).await
}

async fn keep_pinging(hub: SocketAddr, topics: Vec<String>) -> Result<()> {
    let mut line = Line::to(hub);
    loop {
        for some in topics.chunks(TOGETHER) {
            let (status, _) = line.post_form("/", &ping_of(some)).await?;
            ensure!(status.is_success(), "the hub answered a ping of rogues with {status}");
        }
        sleep(AGAIN).await;
    }
}

fn ping_of(topics: &[String]) -> String {
    let urls = topics.iter().map(|topic| ("hub.url", topic.as_str()));
    let pairs = [("hub.mode", "publish")].into_iter().chain(urls);
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// So many rounds in a row.
async fn take_turn(
    stage: &mut Stage,
    rounds: u32,
    number: &mut u32,
    taken: &mut Rounds,
    progress: &Progress,
) -> Result<()> {
    sleep(SETTLED).await;
    stage.hub.forget_peak()?;
    let (before, counted) = (stage.hub.usage()?, fetches(stage).await?);
    for _ in 0..rounds {
        *number = number.saturating_add(1);
        let (publication, all) = (Kind::Hub.publication(*number), stage.cast.steady);
        let began = stage.topics.publish(publication, 0..1).await?;
        let count = stage.until(publication, all, progress).await?.count;
        ensure!(count.reached == all, "only {} of {all} deliveries came", count.reached);
        let ms = |at: u64| between(began, at).as_secs_f64() * 1e3;
        taken.each_ms.push((ms(count.first), ms(count.last)));
        sleep(PAUSE).await;
    }
    let after = stage.hub.usage()?;
    taken.peak_kib = taken.peak_kib.max(after.peak_kib);
    taken.hub_cpu_seconds += after.cpu_since(&before).as_secs_f64();
    for (outcome, count) in fetches(stage).await? {
        let more = count.saturating_sub(counted.get(&outcome).copied().unwrap_or_default());
        let sum = taken.fetches.entry(outcome).or_default();
        *sum = sum.saturating_add(more);
    }
    Ok(())
}

/// How many fetches the hub has counted, by what came of them.
async fn fetches(stage: &mut Stage) -> Result<BTreeMap<String, u64>> {
    let counts = stage.hub.counts().await?;
    let of = counts.iter().filter_map(|(name, count)| {
        let outcome = name.strip_prefix("hubbub_fetches_total{outcome=\"")?.strip_suffix("\"}")?;
        Some((outcome, count))
    });
    of.map(|(outcome, count)| Ok((outcome.to_owned(), count.parse().context("no count")?))).collect()
}

impl Rounds {
    fn summed(self) -> Self {
        let (first, last): (Vec<_>, Vec<_>) = self.each_ms.iter().copied().unzip();
        let count = u32::try_from(first.len()).unwrap_or(u32::MAX);
        Self { count, to_first: Quantiles::of_few(first), to_last: Quantiles::of_few(last), ..self }
    }
}
