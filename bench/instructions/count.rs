//! This program again, under Valgrind.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::steps::Named;

/// Where callgrind writes, a file a step: beside this program.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = this_program()?.with_extension("counts");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

fn this_program() -> Result<PathBuf> {
    env::current_exe().context("cannot tell the path of this program")
}

/// Instructions of one unit of a step.
pub(crate) fn of(named: &Named, folder: &Path) -> Result<u64> {
    let out = folder.join(named.name);
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted_round*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(this_program()?)
        .args(["--take", named.name])
        .status()
        .context("cannot start valgrind; scripts/instructions installs it")?;
    ensure!(status.success(), "{} ended with {status}", named.name);
    let counts = fs::read_to_string(&out).with_context(|| out.display().to_string())?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: Option<u64> = total.and_then(|total| total.trim().parse().ok());
    // None at all would be the function by another name.
    let total = total.filter(|total| *total > 0);
    let total = total.with_context(|| format!("{} says that nothing was counted", out.display()))?;
    Ok(total / u64::from(named.units).max(1))
}
