//! Where it was measured, and how much of its disk the store takes.

use std::{fs, os::unix::fs::MetadataExt, path::Path, thread};

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

/// The octets on the disk that a folder and all in it take. What goes while it is looked at counts nothing.
pub(crate) fn on_disk(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let each = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        // A block is 512 octets in this count, whatever the file system has.
        let own = metadata.blocks().saturating_mul(512);
        Some(if metadata.is_dir() { own.saturating_add(on_disk(&entry.path())) } else { own })
    });
    each.fold(0, u64::saturating_add)
}
