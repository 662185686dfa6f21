//! `hubbub store`: what an operator does with a store while the hub is stopped.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use super::{Failure, converse};
use crate::{
    config::Config,
    store::{self, Exported, Stats, StoreOptions, Tally, Verified},
};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write everything in a store as lines of JSON, one a record
    Export(Export),
    /// Make a new store of what an export wrote
    Import(Import),
    /// Make a store anew without the space that rows took which were written over
    Compact(Compact),
    /// Read every row of a store, and say of each that is not as it should be where it is and why
    Verify(Stored),
    /// Say what a store holds and how much of the disk it takes
    Stats(Stored),
}

#[derive(Debug, Args)]
pub(super) struct Stored {
    /// The folder of the store
    #[arg(long, value_name = "DIR", env = "HUBBUB_DATA")]
    data: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    stored: Stored,
    /// Leave secrets and verify tokens out; an import then leaves out the subscriptions that had one
    #[arg(long)]
    without_secrets: bool,
    /// A new file for it, closed to others; by default standard output
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    stored: Stored,
    /// The file; by default standard input
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Compact {
    #[command(flatten)]
    stored: Stored,
    /// Keep the old store, beside the new one under the name DIR.old
    #[arg(long)]
    keep: bool,
}

impl StoreCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Export(export) => export.run(),
            Self::Import(import) => import.run(),
            Self::Compact(compact) => compact.run(),
            Self::Verify(stored) => stored.verify(),
            Self::Stats(stored) => stored.stats(),
        }
    }
}

impl Stored {
    fn options(&self) -> StoreOptions {
        let cache_bytes = Config::default().storage.cache_bytes;
        StoreOptions { path: self.data.clone(), cache_bytes, gather: Duration::ZERO }
    }

    fn verify(&self) -> Result<(), Failure> {
        let mut said = Ok(());
        let complain = |lost: &store::Lost| {
            if said.is_ok() {
                said = say(&lost.to_string());
            }
        };
        let Verified { rows, wrong, cut } =
            store::verify(&self.options(), complain).map_err(Failure::running)?;
        said?;
        if wrong == 0 && cut.is_none() {
            return say(&format!("{rows} rows, and nothing is wrong with them"));
        }
        if let Some(cut) = cut {
            say(&cut.to_string())?;
        }
        Err(Failure::Running(anyhow!(
            "{rows} rows could be read, and {wrong} things are wrong with the store"
        )))
    }

    fn stats(&self) -> Result<(), Failure> {
        let stats = store::stats(&self.options()).map_err(Failure::running)?;
        say(&described(&stats))
    }
}

/// Standard output has what was asked for.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(Failure::running)
}

/// Standard error has the rest; where there is none, the exit code remains.
fn remark(text: &str) {
    writeln!(io::stderr(), "hubbub: {text}").ok();
}

impl Export {
    fn run(self) -> Result<(), Failure> {
        let exported = match &self.file {
            Some(path) => self.to_file(path),
            None => self.write(&mut BufWriter::new(io::stdout().lock())),
        }?;
        let withheld = exported.withheld.total();
        if self.without_secrets && withheld > 0 {
            let named = listed(&exported.withheld);
            remark(&format!("without their secrets, and so left out by an import: {named}"));
        }
        remark(&format!("exported {}", listed(&exported.rows)));
        if let Some(cut) = exported.cut {
            return Err(Failure::running(cut));
        }
        if exported.lost > 0 {
            return Err(Failure::Running(anyhow!(
                "{} rows could not be read and are left out",
                exported.lost
            )));
        }
        Ok(())
    }

    fn to_file(&self, path: &Path) -> Result<Exported, Failure> {
        let name = || path.display().to_string();
        // Secrets are in it.
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = new.with_context(name).map_err(Failure::Running)?;
        let mut out = BufWriter::new(file);
        let exported = self.write(&mut out).inspect_err(|_| {
            // It is no export, and lies in the way of the next one.
            let _left = fs::remove_file(path);
        })?;
        // Its name as well: whoever was told that it is there may remove the store.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = out.get_ref().sync_all().and_then(|()| File::open(folder)?.sync_all());
        synced.with_context(name).map_err(Failure::Running)?;
        Ok(exported)
    }

    fn write(&self, out: &mut dyn Write) -> Result<Exported, Failure> {
        let complain = |lost: &store::Lost| remark(&lost.to_string());
        store::export(&self.stored.options(), !self.without_secrets, out, complain).map_err(Failure::running)
    }
}

impl Import {
    fn run(self) -> Result<(), Failure> {
        let Some(path) = &self.file else { return self.read(&mut io::stdin().lock()) };
        let name = || path.display().to_string();
        let file = File::open(path).with_context(name).map_err(Failure::Running)?;
        self.read(&mut BufReader::new(file))
    }

    fn read(&self, source: &mut dyn BufRead) -> Result<(), Failure> {
        let options = self.stored.options();
        let imported = converse(async { store::import(&options, source).await.map_err(Failure::running) })?;
        if imported.left_out.total() > 0 {
            remark(&format!(
                "left out, as their secrets are not in the file: {}",
                listed(&imported.left_out)
            ));
        }
        say(&format!("imported {}", listed(&imported.rows)))
    }
}

impl Compact {
    fn run(self) -> Result<(), Failure> {
        let options = self.stored.options();
        let done = converse(async { store::compact(&options, self.keep).await.map_err(Failure::running) })?;
        say(&format!("{}\n{} before, {} after", listed(&done.rows), size(done.before), size(done.after)))?;
        match done.kept {
            Some(path) if self.keep => say(&format!("the old store is in {}", path.display())),
            Some(path) => {
                remark(&format!("the old store could not be removed: {}", path.display()));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// "3 topics, 20 subscriptions".
fn listed(rows: &Tally) -> String {
    let some: Vec<_> = rows
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(table, count)| format!("{count} {table}"))
        .collect();
    if some.is_empty() { "no rows".to_owned() } else { some.join(", ") }
}

/// Octets as people read them.
fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    // In tenths of the next smaller unit, which is as exact as anybody wants it.
    let (mut whole, mut tenth, mut unit) = (octets, 0, "B");
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        (whole, tenth, unit) = (whole / 1024, whole % 1024 * 10 / 1024, larger);
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{tenth} {unit}") }
}

fn described(stats: &Stats) -> String {
    let mut lines = vec![format!("{:<14} {:>10} {:>12}", "table", "rows", "octets")];
    let total = [("in all", stats.total)];
    for (table, held) in stats.tables.iter().chain(&total) {
        lines.push(format!("{table:<14} {:>10} {:>12}", held.rows, held.octets));
    }
    let ratio = stats.on_disk / stats.total.octets.max(1);
    lines.push(format!("on disk: {}, {ratio} times what it holds", size(stats.on_disk)));
    lines.push(if stats.is_worth_compacting() {
        "compaction is worth it: hubbub store compact".to_owned()
    } else {
        "compaction would gain little".to_owned()
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_people_would_take() {
        let told = [0, 1023, 1024, 1536, 10 << 20, (5 << 40) + (1 << 39)].map(size);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10.0 MiB", "5.5 TiB"]);
    }
}
