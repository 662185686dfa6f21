//! The counts that are committed, and what a new one says beside its own.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/instructions/recorded.toml");

const HEAD: &str = "\
# Instructions of one unit of each step, written by `scripts/instructions --record`.
";

/// Percent that a step may take more before the run fails, or less before it says so.
fn margin(step: &str) -> u64 {
    match step {
        // When the compiler stops putting the scanner into the loop that asks it, a fifth of the speed is gone but only
        // 9 % more instructions are there. The count of this step is the same each time, so that half of it is seen.
        "feed-split" => 5,
        _ => 10,
    }
}

/// `recorded.toml`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) rustc: String,
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Record {
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(FILE).with_context(|| FILE)?;
        toml::from_str(&text).with_context(|| FILE)
    }

    /// With nothing counted yet.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let rustc = Command::new("rustc").arg("--version").output().context("cannot start rustc")?;
        ensure!(rustc.status.success(), "rustc does not tell its version");
        let rustc = String::from_utf8(rustc.stdout)?.trim().to_owned();
        Ok(Self { rustc, instructions: BTreeMap::new() })
    }

    pub(crate) fn write(&self) -> Result<()> {
        fs::write(FILE, format!("{HEAD}{}", toml::to_string(self)?)).with_context(|| FILE)
    }
}

/// What a count means, the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Same,
    Better,
    /// There is nothing to compare with, so that it could grow unseen.
    Unknown,
    Worse,
}

impl Verdict {
    pub(crate) fn of(step: &str, before: Option<u64>, now: u64) -> Self {
        let Some(before) = before else { return Self::Unknown };
        let margin = margin(step);
        let percent = |count: u64, share: u64| u128::from(count) * u128::from(share);
        match () {
            () if percent(now, 100) > percent(before, 100 + margin) => Self::Worse,
            () if percent(now, 100) < percent(before, 100 - margin) => Self::Better,
            () => Self::Same,
        }
    }

    pub(crate) fn remark(self) -> &'static str {
        match self {
            Self::Same | Self::Unknown => "",
            Self::Better => "  BETTER",
            Self::Worse => "  WORSE",
        }
    }
}

/// Before, now and the change between, as columns.
pub(crate) fn compared(before: Option<u64>, now: u64) -> String {
    let Some(before) = before else { return format!("{:>12} {now:>12} {:>8}", "-", "-") };
    let thousandths = (i128::from(now) - i128::from(before)) * 1000 / i128::from(before.max(1));
    let sign = if thousandths < 0 { '-' } else { '+' };
    let change = format!("{sign}{}.{}%", thousandths.abs() / 10, thousandths.abs() % 10);
    format!("{before:>12} {now:>12} {change:>8}")
}
