//! What a process has used so far, as the kernel counts it under `/proc`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// A clock tick of `/proc/PID/stat` on every Linux that we know of (`getconf CLK_TCK` is 100).
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// User and system time of each thread that lives, in nanoseconds, where the kernel keeps such a count.
    threads: BTreeMap<String, u64>,
    /// The same of all threads there ever were, in ticks.
    ticks: u32,
    /// Resident memory in KiB: now, and the most since the start or since [`forget_peak`].
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
    /// Octets that this process caused to be written to a disk; a file system in memory counts none.
    pub(crate) written: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let stat = read("stat")?;
        // The name of the program stands in parentheses and may hold anything, so count from its end.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no name in it")?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u32>().ok());
        let (user, system) = ticks().zip(ticks()).context("/proc/PID/stat has no times in it")?;
        let status = read("status")?;
        Ok(Self {
            threads: threads(pid),
            ticks: user.saturating_add(system),
            resident_kib: field(&status, "VmRSS:").unwrap_or_default(),
            peak_kib: field(&status, "VmHWM:").unwrap_or_default(),
            // Hidden from other users in some containers.
            written: read("io").ok().and_then(|io| field(&io, "write_bytes:")).unwrap_or_default(),
        })
    }

    /// User and system time since then. By nanoseconds what a thread that ended meanwhile had used is lost; by ticks a
    /// short time is inexact.
    pub(crate) fn cpu_since(&self, before: &Self) -> Duration {
        if self.threads.is_empty() {
            return TICK * self.ticks.saturating_sub(before.ticks);
        }
        let each = self.threads.iter().map(|(thread, now)| {
            now.saturating_sub(before.threads.get(thread).copied().unwrap_or_default())
        });
        Duration::from_nanos(each.sum())
    }
}

/// From now on the peak is that of what comes.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the peak of memory")
}

fn threads(pid: u32) -> BTreeMap<String, u64> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    let each = tasks.filter_map(|task| {
        let task = task.ok()?;
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let spent = text.split_ascii_whitespace().next()?.parse().ok()?;
        Some((task.file_name().into_string().ok()?, spent))
    });
    each.collect()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
