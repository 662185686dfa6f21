//! Pings for minutes: whether the hub grows in memory or on disk.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    hub::Settings,
    machine::{machine, on_disk},
    options::{Options, Outcome},
    plot::{Panel, svg},
    progress::Progress,
    stage::Stage,
    stats::{float, octets, slope},
};

/// Pings are sent in this many lots a second.
const LOTS: u32 = 10;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Growth {
    #[command(flatten)]
    pub(super) options: Options,
    /// Over all topics, one after the other
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pings_per_second: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    minutes: u32,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    second: u32,
    resident_kib: u64,
    disk: u64,
    written: u64,
}

#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    topics: u32,
    subscribers: u32,
    pings: u32,
    /// By the line through the samples after the first minute, or after half of a shorter time.
    resident_kib_per_minute: f64,
    disk_kib_per_minute: f64,
    samples: Vec<Sample>,
}

pub(super) async fn play(growth: &Growth) -> Result<Outcome> {
    let options = &growth.options;
    let mut stage = Stage::set(options, Settings::default()).await?;
    stage.subscribe().await?;
    let topics = stage.cast.topics();
    let lot = usize::try_from(growth.pings_per_second / LOTS)?.min(topics);
    let seconds = growth.minutes.saturating_mul(60);
    let progress = Progress::start("pinging", seconds);
    let mut ticks = interval(Duration::from_secs(1) / LOTS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut next, mut round, mut pings) = (0_usize, 1_u32, 0_u32);
    let mut samples: Vec<Sample> = Vec::new();
    let began = Instant::now();
    while began.elapsed().as_secs() < u64::from(seconds) {
        ticks.tick().await;
        // A round is over when every topic had its turn: so one number serves all topics once.
        let end = next.saturating_add(lot).min(topics);
        stage.topics.publish(round, next..end).await?;
        pings = pings.saturating_add(u32::try_from(end.saturating_sub(next))?);
        (next, round) = if end == topics { (0, round.saturating_add(1)) } else { (end, round) };
        let second = u32::try_from(began.elapsed().as_secs())?;
        if samples.last().is_none_or(|last| last.second < second) {
            let usage = stage.hub.usage()?;
            let disk = on_disk(&stage.data());
            samples.push(Sample { second, resident_kib: usage.resident_kib, disk, written: usage.written });
            progress.at(second);
        }
    }
    drop(progress);
    stage.hub.stop().await?;
    let from = 60.min(seconds / 2);
    let line = |figure: fn(&Sample) -> f64| -> Vec<_> {
        samples.iter().map(|sample| (f64::from(sample.second), figure(sample))).collect()
    };
    let resident = line(|sample| float(sample.resident_kib) / 1024.0);
    let disk = line(|sample| float(sample.disk) / 1_048_576.0);
    let grows = |points: &[(f64, f64)]| {
        let late: Vec<_> = points.iter().copied().filter(|point| point.0 >= f64::from(from)).collect();
        slope(&late) * 60.0 * 1024.0
    };
    let plot = svg(
        &[
            Panel {
                title: "resident memory, MiB".to_owned(),
                lines: vec![("hub".to_owned(), resident.clone())],
            },
            Panel { title: "store on disk, MiB".to_owned(), lines: vec![("store".to_owned(), disk.clone())] },
        ],
        "s",
        false,
    );
    let last = *samples.last().context("no sample")?;
    let figures = Figures {
        machine: machine(),
        topics: options.topics,
        subscribers: stage.cast.steady,
        pings,
        resident_kib_per_minute: grows(&resident),
        disk_kib_per_minute: grows(&disk),
        samples,
    };
    let text = format!(
        "{pings} pings in {seconds} s; after the first {from} s memory grows by {:.0} KiB a minute, the store by {:.0} KiB; at \
         the end {} MiB, {} on disk, {} written",
        figures.resident_kib_per_minute,
        figures.disk_kib_per_minute,
        last.resident_kib / 1024,
        octets(last.disk),
        octets(last.written),
    );
    Ok(Outcome::new(text, &figures)?.with_plot(plot))
}
