//! Topics that are none and callbacks that take nothing, all the time: what a healthy topic has to wait for, in one run
//! with them and without.
//!
//! The rogues rage and rest in turns, several rounds each. In each round a healthy topic gets an entry and its
//! subscribers are waited for.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, time::Duration};

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
    rogues::{self, Listening, Rogue, Subscription},
    round::Kind,
    stage::{PROMPT, Stage},
    stats::{Quantiles, ratio},
    table::times,
    wire::Line,
};

/// Between two rounds of a topic: beyond the time in which its pings wait for each other.
const PAUSE: Duration = Duration::from_millis(600);
/// From one ping of all rogues to the next.
const AGAIN: Duration = Duration::from_millis(500);
/// From the beginning or end of a rage to the first round that counts.
const SETTLED: Duration = Duration::from_secs(2);
/// URLs in one ping.
const TOGETHER: usize = 200;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Siege {
    #[command(flatten)]
    pub(super) options: Options,
    #[command(flatten)]
    rogues: rogues::Options,
    /// One kind of rogue after the other, each with a hub of its own, instead of all at once
    #[arg(long)]
    one_by_one: bool,
    /// Rounds in a row, with the rogues and without
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    in_a_row: u32,
}

/// All rounds, with rogues or without.
#[derive(Debug, Default, Serialize)]
struct Rounds {
    count: u32,
    /// From the ping to the first and to the last delivery.
    to_first: Quantiles,
    to_last: Quantiles,
    /// The most resident memory of the hub.
    peak_kib: u64,
    hub_cpu_seconds: f64,
    /// What the hub counted of fetches and deliveries meanwhile, those of the healthy topics among it.
    counts: BTreeMap<String, u64>,
    #[serde(skip)]
    each_ms: Vec<(f64, f64)>,
}

/// What came of one hub.
#[derive(Debug, Serialize)]
struct Besieged {
    by: Vec<Rogue>,
    rogue_topics: usize,
    rogue_subscriptions: usize,
    without: Rounds,
    with: Rounds,
    /// Of the medians, with the rogues to without.
    first_ratio: f64,
    last_ratio: f64,
    ended: String,
}

#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    topics: u32,
    subscribers: u32,
    sieges: Vec<Besieged>,
}

pub(super) async fn play(siege: &Siege) -> Result<Outcome> {
    let (machine, kinds) = (machine(), siege.rogues.kinds());
    let parts: Vec<_> = kinds.chunks(if siege.one_by_one { 1 } else { kinds.len() }).collect();
    let mut sieges = Vec::new();
    for by in parts {
        sieges.push(besiege(siege, by.to_vec()).await?);
    }
    let Options { topics, subscribers, .. } = siege.options;
    let figures = Figures { machine, topics, subscribers, sieges };
    Outcome::new(text(&figures)?, &figures)
}

/// A hub of its own, and these rogues.
async fn besiege(siege: &Siege, by: Vec<Rogue>) -> Result<Besieged> {
    let Siege { options, in_a_row, .. } = siege;
    let settings = Settings {
        // Pings wait for each other as they do in every hub, or the rogues would be fetched more often than any could be.
        coalesce: Some("500ms".to_owned()),
        // Of rogues that rest.
        self_signed_hosts: vec!["127.0.0.1".to_owned()],
        ..Settings::default()
    };
    let mut stage = Stage::set(options, settings).await?;
    stage.subscribe().await?;
    let rogues = rogues::Options { only: by.clone(), ..siege.rogues.clone() };
    let mut rage = Process::start_role("rogues", &rogues.arguments())?;
    let Listening { topics, subscriptions } = rage.answer(PROMPT).await?;
    subscribe(&mut stage, &subscriptions).await?;
    let (mut without, mut with) = (Rounds::default(), Rounds::default());
    let turns = options.rounds.div_ceil(*in_a_row).max(1);
    let progress = Progress::start(&format!("besieged by {}", names(&by)), stage.cast.subscribers());
    let mut number = 0;
    for _ in 0..turns {
        take_turn(&mut stage, *in_a_row, &mut number, &mut without, &progress).await?;
        rage.tell(&true)?;
        let mut pings = JoinSet::new();
        pings.spawn(keep_pinging(stage.hub.address, topics.clone()));
        take_turn(&mut stage, *in_a_row, &mut number, &mut with, &progress).await?;
        // It never ends by itself.
        if let Some(failed) = pings.try_join_next() {
            failed??;
        }
        pings.shutdown().await;
        rage.tell(&false)?;
    }
    drop(progress);
    let (ended, _log) = stage.hub.stop().await?;
    let (without, with) = (without.summed(), with.summed());
    Ok(Besieged {
        by,
        rogue_topics: topics.len(),
        rogue_subscriptions: subscriptions.len(),
        first_ratio: ratio(with.to_first.p50, without.to_first.p50),
        last_ratio: ratio(with.to_last.p50, without.to_last.p50),
        without,
        with,
        ended,
    })
}

/// For people: a row for each hub.
fn text(figures: &Figures) -> Result<String> {
    let Figures { machine, topics, subscribers, sieges } = figures;
    let mut text = format!(
        "{machine}\n{subscribers} subscribers of {topics} topic(s); ms p50/p99/max to the last, ratios of p50 to the first \
         and to the last\n{:<18} {:>7} {:>17} {:>17} {:>11} {:>12} {:>11}  {}\n",
        "rogues", "rounds", "without", "with", "with/wo.", "peak MiB", "CPU s", "hub"
    );
    for Besieged { by, without, with, first_ratio, last_ratio, ended, .. } in sieges {
        writeln!(
            text,
            "{:<18} {:>7} {:>17} {:>17} {:>11} {:>12} {:>11}  {ended}",
            names(by),
            with.count,
            times(&without.to_last),
            times(&with.to_last),
            format!("{first_ratio:.2}, {last_ratio:.2}"),
            format!("{}, {}", without.peak_kib / 1024, with.peak_kib / 1024),
            format!("{:.1}, {:.1}", without.hub_cpu_seconds, with.hub_cpu_seconds),
        )?;
    }
    Ok(text)
}

fn names(by: &[Rogue]) -> String {
    match by {
        [one] => one.to_string(),
        several => format!("{} kinds", several.len()),
    }
}

/// Has the rogues subscribe.
async fn subscribe(stage: &mut Stage, subscriptions: &[Subscription]) -> Result<()> {
    let mut line = Line::to(stage.hub.address);
    for Subscription { topic, callback } in subscriptions {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.topic", topic)
            .append_pair("hub.callback", callback)
            .finish();
        let (status, _) = line.post_form("/", &form).await?;
        ensure!(status.as_u16() == 202, "the hub answered a rogue with {status}");
    }
    let all = stage.cast.subscribers().saturating_add(u32::try_from(subscriptions.len())?);
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

/// So many rounds in a row, of one healthy topic after the other.
async fn take_turn(
    stage: &mut Stage,
    rounds: u32,
    number: &mut u32,
    taken: &mut Rounds,
    progress: &Progress,
) -> Result<()> {
    let topics = u32::try_from(stage.cast.topics())?.max(1);
    sleep(SETTLED).await;
    stage.hub.forget_peak()?;
    let (before, counted) = (stage.hub.usage()?, counts(stage).await?);
    for _ in 0..rounds {
        *number = number.saturating_add(1);
        let topic = usize::try_from(*number % topics)?;
        let topic = topic..topic.saturating_add(1);
        let (publication, all) = (Kind::Hub.publication(*number), stage.cast.healthy(topic.clone()));
        let began = stage.topics.publish(publication, topic).await?;
        let count = stage.until(publication, all, progress).await?.count;
        ensure!(count.reached == all, "only {} of {all} deliveries came", count.reached);
        let ms = |at: u64| between(began, at).as_secs_f64() * 1e3;
        taken.each_ms.push((ms(count.first), ms(count.last)));
        sleep(PAUSE / topics).await;
    }
    let after = stage.hub.usage()?;
    taken.peak_kib = taken.peak_kib.max(after.peak_kib);
    taken.hub_cpu_seconds += after.cpu_since(&before).as_secs_f64();
    for (name, count) in counts(stage).await? {
        let more = count.saturating_sub(counted.get(&name).copied().unwrap_or_default());
        if more > 0 {
            let sum = taken.counts.entry(name).or_default();
            *sum = sum.saturating_add(more);
        }
    }
    Ok(())
}

/// How many fetches and deliveries the hub has counted, by what came of them.
async fn counts(stage: &mut Stage) -> Result<BTreeMap<String, u64>> {
    let counts = stage.hub.counts().await?;
    let wanted = |name: &str| {
        let totals = ["hubbub_fetches_total{", "hubbub_deliveries_total{"];
        totals.iter().any(|total| name.starts_with(total))
    };
    let of = counts.into_iter().filter(|(name, _)| wanted(name));
    of.map(|(name, count)| Ok((name, count.parse().context("no count")?))).collect()
}

impl Rounds {
    fn summed(self) -> Self {
        let (first, last): (Vec<_>, Vec<_>) = self.each_ms.iter().copied().unzip();
        let count = u32::try_from(first.len()).unwrap_or(u32::MAX);
        Self { count, to_first: Quantiles::of_few(first), to_last: Quantiles::of_few(last), ..self }
    }
}
