//! What a process has used so far, as the kernel counts it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// User and system time of all its threads, those that have ended included, to the nanosecond.
    cpu: Duration,
    /// Resident memory in KiB: now, and the most since the start or since [`forget_peak`].
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
    /// Octets that this process caused to be written to a disk; a file system in memory counts none.
    pub(crate) written: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        // Neither `/proc/PID/stat`, in ticks of 10 ms, nor the `schedstat` of the threads, which goes with them.
        let clock =
            clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?)).context("no clock of its CPU time")?;
        let cpu = Duration::from(clock_gettime(clock)?);
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // Hidden from other users in some containers.
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        Ok(Self {
            cpu,
            resident_kib: field(&status, "VmRSS:").unwrap_or_default(),
            peak_kib: field(&status, "VmHWM:").unwrap_or_default(),
            written: field(&io, "write_bytes:").unwrap_or_default(),
        })
    }

    /// User and system time since then.
    pub(crate) fn cpu_since(&self, before: &Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }
}

/// From now on the peak is that of what comes.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the peak of memory")
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
