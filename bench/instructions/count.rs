//! This program again, under Valgrind.

use std::{env, fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::steps::Named;

/// Where callgrind writes, a file a step.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/instructions");

/// Instructions of one unit of a step.
pub(crate) fn of(named: &Named) -> Result<u64> {
    let units = (named.make)()?.units();
    let out = format!("{FOLDER}/{}", named.name);
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted_round*")
        .arg(format!("--callgrind-out-file={out}"))
        .arg(env::current_exe().context("cannot tell the path of this program")?)
        .args(["--take", named.name])
        .status()
        .context("cannot start valgrind; scripts/instructions installs it")?;
    ensure!(status.success(), "{} ended with {status}", named.name);
    let counts = fs::read_to_string(&out).with_context(|| out.clone())?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: Option<u64> = total.and_then(|total| total.trim().parse().ok());
    Ok(total.with_context(|| format!("{out} has no sum"))? / u64::from(units).max(1))
}
