//! What is played on the stage: one file for each scenario.

mod back;
mod growth;
mod idle;
mod memory;
mod plain;
mod siege;
mod sweep;

use anyhow::{Result, bail};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Options, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Rounds of hub and limit in turns; the same as no name at all
    Plain(Options),
    /// All subscribers are away for some publications and come back at once
    Back(back::Back),
    /// Pings for minutes: does the hub grow in memory or on disk?
    Growth(growth::Growth),
    /// Memory while subscribing, in fan-out, and after a new start
    Memory(Options),
    /// One subscriber and an idle hub: how long a delivery takes
    Idle(Options),
    /// Topics and callbacks that never answer, never end or are too much, all the time: what a healthy one waits for
    Siege(siege::Siege),
    /// Plain runs with more and more subscribers
    Sweep(sweep::Sweep),
}

impl Scenario {
    fn options(&self) -> &Options {
        match self {
            Self::Plain(options) | Self::Memory(options) | Self::Idle(options) => options,
            Self::Back(back) => &back.options,
            Self::Growth(growth) => &growth.options,
            Self::Siege(siege) => &siege.options,
            Self::Sweep(sweep) => &sweep.options,
        }
    }

    async fn play(&self) -> Result<Outcome> {
        match self {
            Self::Plain(options) => plain::play(options).await,
            Self::Back(back) => back::play(back).await,
            Self::Growth(growth) => growth::play(growth).await,
            Self::Memory(options) => memory::play(options).await,
            Self::Idle(options) => idle::play(options).await,
            Self::Siege(siege) => siege::play(siege).await,
            Self::Sweep(sweep) => sweep::play(sweep).await,
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
