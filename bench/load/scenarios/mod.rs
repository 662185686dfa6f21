//! What is played on the stage: one file for each scenario.

mod plain;

use anyhow::{Result, bail};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Options, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Rounds of hub and limit in turns; the same as no name at all
    Plain(Options),
}

impl Scenario {
    fn options(&self) -> &Options {
        match self {
            Self::Plain(options) => options,
        }
    }

    async fn play(&self) -> Result<Outcome> {
        match self {
            Self::Plain(options) => plain::play(options).await,
        }
    }
}

/// Plays it, and ends all processes with it: also when it fails or is interrupted.
pub(crate) async fn run(scenario: Scenario) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let outcome = tokio::select! {
        outcome = Box::pin(scenario.play()) => outcome?,
        _ = terminate.recv() => bail!("terminated"),
        _ = interrupt.recv() => bail!("interrupted"),
    };
    outcome.tell(scenario.options())
}
