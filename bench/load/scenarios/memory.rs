//! What many subscriptions cost in memory: while they are made, during fan-out, and after a new start.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    hub::Settings,
    machine::on_disk,
    options::{Options, Outcome},
    report::Report,
    round::Kind,
    stage::Stage,
    stats::octets,
    table,
};

/// After the new start, before its memory is called idle.
const REST: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Figures {
    subscribing_peak_kib: u64,
    fan_out_peak_kib: u64,
    disk: u64,
    ready_seconds: f64,
    idle_kib: u64,
    report: Report,
}

pub(super) async fn play(options: &Options) -> Result<Outcome> {
    let mut report = Report::begin(options);
    let mut stage = Stage::set(options, Settings::default()).await?;
    report.subscribing = stage.subscribe().await?;
    stage.hub.forget_peak()?;
    report.rounds = stage.rounds(options.warm_up, options.rounds).await?;
    let fan_out_peak_kib = stage.hub.usage()?.peak_kib;
    stage.hub.stop().await?;
    let disk = on_disk(&stage.data());
    let ready = stage.start_again().await?;
    sleep(REST).await;
    let idle_kib = stage.hub.usage()?.resident_kib;
    // Nothing is forgotten.
    let number = options.warm_up.saturating_add(options.rounds).saturating_add(1);
    let round = stage.hub_round(Kind::Hub, number, "after the new start").await?;
    ensure!(round.deliveries == round.subscribers, "only {} got it after the new start", round.deliveries);
    stage.conclude(&mut report).await?;
    let subscribing_peak_kib = report.subscribing.peak_kib;
    let text = format!(
        "{}\nmemory: {} MiB at most while subscribing, {} MiB in fan-out; started again: ready after {:.2} s, idle with {} \
         MiB; {} on disk",
        table::table(&report),
        subscribing_peak_kib / 1024,
        fan_out_peak_kib / 1024,
        ready.as_secs_f64(),
        idle_kib / 1024,
        octets(disk),
    );
    let ready_seconds = ready.as_secs_f64();
    Outcome::new(
        text,
        &Figures { subscribing_peak_kib, fan_out_peak_kib, disk, ready_seconds, idle_kib, report },
    )
}
