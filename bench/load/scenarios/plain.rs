//! Everybody subscribes; then hub and limit take turns. Any share of misbehaviour adds a topic where it happens.

use anyhow::Result;

use crate::{
    hub::Settings,
    options::{Options, Outcome},
    report::Report,
    stage::Stage,
    table,
};

pub(super) async fn play(options: &Options) -> Result<Outcome> {
    let report = measure(options).await?;
    Outcome::new(table::table(&report), &report)
}

/// One whole run.
pub(super) async fn measure(options: &Options) -> Result<Report> {
    let mut report = Report::begin(options);
    let mut stage = Stage::set(options, Settings::default()).await?;
    report.subscribing = stage.subscribe().await?;
    report.rounds = stage.rounds(options.warm_up, options.rounds).await?;
    stage.conclude(&mut report).await?;
    Ok(report)
}
