//! The built program as a child process: what it prints, and how it ends.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
};

use super::wait::{Board, PATIENCE};

/// Lines kept of each stream; a test that needs all of them asks whether any was forgotten.
const KEPT: usize = 20_000;

#[derive(Debug, Default)]
struct Printed {
    out: VecDeque<String>,
    err: VecDeque<String>,
    forgotten: usize,
    /// Streams that have reached their end.
    closed: usize,
    exited: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Printed {
    fn of(&mut self, stream: Stream) -> &mut VecDeque<String> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn is_over(&self) -> bool {
        self.exited && self.closed == 2
    }
}

/// How a run went that came to its end by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails with everything printed unless it ended with this code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A run of the program.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    printed: Arc<Board<Printed>>,
}

impl Program {
    /// Runs `hubbub` with these arguments in a folder, with an empty environment.
    pub(crate) fn start<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Self {
        Self::start_in(folder, arguments, &[])
    }

    /// The same with this in its environment.
    pub(crate) fn start_in<S: AsRef<OsStr>>(
        folder: &Path,
        arguments: &[S],
        environment: &[(String, String)],
    ) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        program.args(arguments).env_clear();
        program.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::of(program.current_dir(folder))
    }

    /// The same under conditions that a shell makes: lines of its language that end by becoming `"$0" "$@"`.
    pub(crate) fn start_under<S: AsRef<OsStr>>(conditions: &str, folder: &Path, arguments: &[S]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", conditions, env!("CARGO_BIN_EXE_hubbub")]).args(arguments).env_clear();
        shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Self::of(shell.current_dir(folder))
    }

    fn of(program: &mut Command) -> Self {
        let mut child = program
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Board::new(Printed::default()));
        collect(child.stdout.take().unwrap(), Stream::Out, Arc::clone(&printed));
        collect(child.stderr.take().unwrap(), Stream::Err, Arc::clone(&printed));
        watch(Pid::from_child(&child), Arc::clone(&printed));
        Self { child, printed }
    }

    /// Runs it to its end.
    pub(crate) async fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
        Self::start(folder, arguments).result().await
    }

    /// Waits for its end.
    pub(crate) async fn result(self) -> Ended {
        self.result_within(PATIENCE).await
    }

    /// Waits for an end that takes its time.
    pub(crate) async fn result_within(self, within: Duration) -> Ended {
        let mut program = self;
        let is_over = |printed: &Printed| printed.is_over().then_some(());
        program.printed.find_within(within, "the program to end", is_over).await;
        let code = program.ended().await.code();
        let (stdout, stderr) = (program.stdout(), program.stderr());
        Ended { code, stdout, stderr }
    }

    /// Waits for the exit, and for the rest of what was printed.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.printed.until("the program to end", Printed::is_over).await;
        self.child.wait().unwrap()
    }

    /// Waits for the line of this number on standard output. Fails with standard error if the program ends before.
    pub(crate) async fn line(&self, number: usize) -> String {
        let what = format!("line {number} of standard output");
        let line = self.printed.find(&what, |printed| {
            let line = printed.out.get(number).cloned();
            if line.is_some() || printed.is_over() { Some(line) } else { None }
        });
        line.await.unwrap_or_else(|| panic!("it ended without {what}:\n{}", self.stderr()))
    }

    /// Waits until a line on standard output satisfies `wanted`; `false` if the program ends before.
    pub(crate) async fn says(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> bool {
        let said = self.printed.find(what, |printed| {
            let said = printed.out.iter().any(|line| wanted(line));
            (said || printed.is_over()).then_some(said)
        });
        said.await
    }

    /// Waits until a line on standard error contains these words.
    pub(crate) async fn logged(&self, words: &str) {
        let what = format!("{words:?} on standard error");
        self.printed.until(&what, |printed| printed.err.iter().any(|line| line.contains(words))).await;
    }

    pub(crate) fn stdout(&self) -> String {
        self.printed.look(|printed| joined(&printed.out))
    }

    pub(crate) fn stderr(&self) -> String {
        self.printed.look(|printed| joined(&printed.err))
    }

    /// The most memory that it had at once so far, in bytes.
    pub(crate) fn most_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        1024 * most.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    }

    /// Whether more was printed than is kept.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.printed.look(|printed| printed.forgotten > 0)
    }

    /// Sends a signal to this child and to nobody else: its number is not free before `wait` has taken its status.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// kill -9, and the body is taken away.
    pub(crate) fn kill_9(&mut self) {
        self.child.kill().unwrap();
        assert_eq!(
            self.child.wait().unwrap().signal(),
            Some(Signal::KILL.as_raw()),
            "it was no longer alive"
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both do nothing to a child whose end has been seen.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- standard output ---\n{}--- standard error ---\n{}", self.stdout(), self.stderr());
        }
    }
}

fn joined(lines: &VecDeque<String>) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn collect(from: impl Read + Send + 'static, stream: Stream, printed: Arc<Board<Printed>>) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            line.clear();
            printed.change(|printed| {
                let lines = printed.of(stream);
                lines.push_back(text);
                if lines.len() > KEPT {
                    lines.pop_front();
                    printed.forgotten += 1;
                }
            });
        }
        printed.change(|printed| printed.closed += 1);
    });
}

/// Sees the end of the child without taking its status, so that its number stays its own until the harness is done.
fn watch(pid: Pid, printed: Arc<Board<Printed>>) {
    thread::spawn(move || {
        // Any other error means that the harness has killed and buried the child before this thread got to look.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        printed.change(|printed| printed.exited = true);
    });
}
