//! A load run: how many deliveries a second the hub makes, and what each costs, held against the limit of the machine.
//!
//! The limit is a client that does nothing but post the same signed bodies to the same subscribers, in the same minutes.
//! `bench/README.md` says how to run this and how to read it.
#![expect(
    clippy::disallowed_methods,
    reason = "moments are compared across processes, so they are read from the wall clock: here is no clock to inject"
)]

mod cast;
mod clock;
mod document;
mod habit;
mod hub;
mod machine;
mod options;
mod plot;
mod process;
mod progress;
mod raw;
mod report;
mod rogues;
mod round;
mod scenarios;
mod signing;
mod sink;
mod stage;
mod stats;
mod subscribe;
mod table;
mod tls;
mod topic;
mod turns;
mod usage;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures a hub with many subscribers, against the limit of the machine
#[derive(Debug, Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    run: options::Options,
}

/// Other scenarios, and the parts that run in processes of their own, so that each one's CPU time can be told.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(flatten)]
    Scenario(scenarios::Scenario),
    /// All the subscribers: answers verifications, counts deliveries (started by the run)
    #[command(hide = true)]
    Sink(sink::Options),
    /// Topics that are none (started by the run)
    #[command(hide = true)]
    Rogues(rogues::Options),
    /// The limit: posts signed bodies and nothing else (started by the run)
    #[command(hide = true)]
    Raw(raw::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        Some(Role::Sink(options)) => on_threads(options.threads, sink::serve(options)),
        Some(Role::Rogues(options)) => on_threads(1, rogues::serve(options)),
        Some(Role::Raw(options)) => on_threads(options.threads, raw::serve(options)),
        Some(Role::Scenario(scenario)) => on_threads(0, scenarios::run(scenario)),
        None => on_threads(0, scenarios::run(scenarios::Scenario::Plain(cli.run))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Zero threads are as many as there are cores; one does without the waking of others.
fn on_threads(threads: usize, work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()?.block_on(work)
}
