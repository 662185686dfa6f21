//! Where it was measured.

use std::{fs, thread};

/// The processor, how many cores of it, and how busy they were before the run.
pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, name)| name.trim());
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores of {model}, load {busy} before the run")
}
