//! How many instructions each step of the hot path takes, held against what was recorded: CI fails on one that takes a
//! tenth more.
//!
//! A step runs in a process of its own under Valgrind's callgrind, which counts what one function executes in user
//! space with all that it calls: the round, and not the ten thousand subscriptions that are put before it. It counts on
//! the round's own thread. The pages that a fan-out reads on a thread that may block are the step `scan`; what the
//! engine of the store does on its threads is left out, because it spins while it waits, by chance more or less.
//!
//! # What a count depends on
//! - Hardly on the machine. Valgrind has a processor of its own: without SHA extensions, so that hashing here is portable
//!   code and takes many times what it does outside. That is why no step but `signature` signs. AVX2 is passed on where
//!   the machine has it, and memchr and the C library choose by that: a machine without it wants a record of its own.
//! - On the compiler and on the versions of the dependencies. The record names its compiler.
//! - A little on chance: the keys of hash maps, and who is woken when. bench/README.md has the figures.
//!
//! # Decisions
//! - 2026-11: callgrind as it is, and not gungraun, which is well kept. Its runner takes a minute and a half to install
//!   in each run of CI, and it keeps what it compares with in the build folder, where a table in the tree is wanted.

mod count;
mod record;
#[path = "../steps/mod.rs"]
mod steps;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use record::{Record, Verdict};
use steps::{ALL, Named, Step};

/// Counts the instructions of each step of the hot path, and fails if one takes a tenth more than recorded
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Cli {
    /// Write down the counts as what is compared with from now on
    #[arg(long)]
    record: bool,
    /// Only these steps
    #[arg(conflicts_with = "record")]
    steps: Vec<String>,
    /// What the process that is counted does
    #[arg(long, hide = true, value_name = "STEP")]
    take: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.take {
        Some(name) => take(name).map(|()| true),
        None => count_all(&cli),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn step(name: &str) -> Result<&'static Named> {
    ALL.iter().find(|named| named.name == name).with_context(|| format!("there is no step {name}"))
}

/// In the process that is counted.
fn take(name: &str) -> Result<()> {
    let mut step = (step(name)?.make)()?;
    step.prepare()?;
    counted_round(step.as_mut())
}

/// Callgrind knows it by its name.
#[inline(never)]
fn counted_round(step: &mut dyn Step) -> Result<()> {
    step.round()
}

/// What is kept should not be from either end of what chance makes of it.
fn middle_of_three(named: &Named, folder: &Path) -> Result<u64> {
    let mut counts = [count::of(named, folder)?, count::of(named, folder)?, count::of(named, folder)?];
    counts.sort_unstable();
    let [_, middle, _] = counts;
    Ok(middle)
}

/// Says whether every step is within what was recorded.
fn count_all(cli: &Cli) -> Result<bool> {
    let recorded = if cli.record { Record::default() } else { Record::read()? };
    let steps = match cli.steps.as_slice() {
        [] => ALL.iter().collect(),
        some => some.iter().map(|name| step(name)).collect::<Result<Vec<_>>>()?,
    };
    let mut now = Record::of_this_machine()?;
    if !cli.record && recorded.rustc != now.rustc {
        println!("recorded with {}, counted with {}", recorded.rustc, now.rustc);
    }
    let folder = count::folder()?;
    println!("{:<11} {:>12} {:>12} {:>8}  of one", "step", "recorded", "now", "change");
    let mut worst = Verdict::Same;
    for named in steps {
        let count = if cli.record { middle_of_three(named, &folder)? } else { count::of(named, &folder)? };
        now.instructions.insert(named.name.to_owned(), count);
        let before = recorded.instructions.get(named.name).copied();
        let verdict = Verdict::of(named.name, before, count);
        println!(
            "{:<11} {}  {}{}",
            named.name,
            record::compared(before, count),
            named.unit,
            verdict.remark()
        );
        worst = worst.max(verdict);
    }
    if cli.record {
        now.write()?;
        return Ok(true);
    }
    match worst {
        Verdict::Same => {}
        Verdict::Better => println!("Keep what was won: scripts/instructions --record"),
        Verdict::Unknown => println!("Not recorded yet: scripts/instructions --record"),
        Verdict::Worse => println!(
            "Where it went: callgrind_annotate {}/STEP. If it has to be: scripts/instructions --record",
            folder.display()
        ),
    }
    Ok(!matches!(worst, Verdict::Unknown | Verdict::Worse))
}
