//! A child process: its lines, and its end, which comes at the latest with that of its handle.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::usage::{self, Usage};

/// Lines that wait to be read; a child that prints more waits.
const LINES: usize = 1024;
/// How often it is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts it; its standard error is the command's.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = mpsc::channel(LINES);
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let process = Self { name, child, stdin, lines };
        let stdout = stdout.context("it has no standard output")?;
        // Ends with the child's standard output.
        drop(thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        }));
        Ok(process)
    }

    /// This program again, in another role. It ends when its standard input does.
    pub(crate) fn start_role(name: &'static str, arguments: &[String]) -> Result<Self> {
        let program = std::env::current_exe().context("cannot tell the path of this program")?;
        Self::start(name, Command::new(program).arg(name).args(arguments))
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }

    /// From now on the peak of its memory is that of what comes.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        usage::forget_peak(self.child.id())
    }

    /// The next line.
    pub(crate) async fn line(&mut self, within: Duration) -> Result<String> {
        let name = self.name;
        let line = timeout(within, self.lines.recv()).await;
        line.with_context(|| format!("{name} said nothing for {within:?}"))?
            .with_context(|| format!("{name} ended too early"))
    }

    /// The next line, read as JSON.
    pub(crate) async fn answer<T: DeserializeOwned>(&mut self, within: Duration) -> Result<T> {
        let line = self.line(within).await?;
        serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
    }

    /// Writes a line of JSON to its standard input.
    pub(crate) fn tell(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        let stdin = self.stdin.as_mut().with_context(|| format!("{} does not listen", self.name))?;
        stdin.write_all(&line).and_then(|()| stdin.flush()).with_context(|| format!("{} is gone", self.name))
    }

    /// Ends it without a chance to say anything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end; `None` if it does not in time, and then it is killed.
    pub(crate) async fn stop(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        // This child and nobody else: its number is not free before `wait` has taken its status.
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            sleep(LOOK).await;
        }
        self.kill()?;
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing to a child whose end has been seen.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Tells when standard input has ended: whoever started this process is gone or wants it to end. Lines before that
/// are handed over.
pub(crate) fn own_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES);
    drop(thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    }));
    lines
}

/// Prints a line of JSON at once.
pub(crate) fn say(what: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context("nobody listens")
}
