//! What a process has used so far, as the kernel counts it under `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// A clock tick of `/proc/PID/stat` on every Linux that we know of (`getconf CLK_TCK` is 100).
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// The most memory that was resident, in KiB.
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
        Ok(Self {
            cpu: TICK * user.saturating_add(system),
            peak_kib: field(&read("status")?, "VmHWM:").unwrap_or_default(),
            // Hidden from other users in some containers.
            written: read("io").ok().and_then(|io| field(&io, "write_bytes:")).unwrap_or_default(),
        })
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
