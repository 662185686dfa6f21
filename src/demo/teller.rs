//! What is told of the story while it is played, and the runner of its checks.
//!
//! Each check is a line, whatever comes of it, and the first that fails ends the story: what follows rests on it.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, timeout};

/// How long any one thing may take. All of them together take a second or two on an idle machine.
pub(super) const WITHIN: Duration = Duration::from_secs(20);

/// A check that failed, by the step that it was part of.
#[derive(Debug, thiserror::Error)]
#[error("step {step}, {title}: {what}: {why:#}")]
pub struct StepFailed {
    step: usize,
    title: String,
    what: String,
    why: anyhow::Error,
}

/// Tells the story to whoever watches.
#[derive(Debug)]
pub(super) struct Teller<W> {
    out: W,
    colours: bool,
    step: usize,
    title: String,
}

/// The few looks that text may have.
#[derive(Debug, Clone, Copy)]
enum Look {
    Bold,
    Green,
    Red,
    Dim,
}

impl Look {
    const fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Green => "32",
            Self::Red => "1;31",
            Self::Dim => "2",
        }
    }
}

impl<W: Write> Teller<W> {
    pub(super) fn new(out: W, colours: bool) -> Self {
        Self { out, colours, step: 0, title: String::new() }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.step += 1;
        title.clone_into(&mut self.title);
        let heading = self.dressed(Look::Bold, &format!("{}. {title}", self.step));
        self.line(&format!("\n{heading}"))
    }

    /// A line between the checks.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.line(text)
    }

    /// What a check has brought to light, less loud than the check.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        let text = self.dressed(Look::Dim, text);
        self.line(&format!("       {text}"))
    }

    /// Has something done or waits for it, and tells what came of it.
    pub(super) async fn check<T>(&mut self, what: &str, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let done = timeout(WITHIN, doing).await;
        let why = match done {
            Ok(Ok(found)) => {
                let took = self.dressed(Look::Dim, &format!("({} ms)", began.elapsed().as_millis()));
                let mark = self.dressed(Look::Green, "ok");
                self.line(&format!("  {mark}   {what} {took}"))?;
                return Ok(found);
            }
            Ok(Err(why)) => why,
            Err(_elapsed) => anyhow!("it did not happen within {} s", WITHIN.as_secs()),
        };
        let mark = self.dressed(Look::Red, "FAILED");
        self.line(&format!("  {mark} {what}: {why:#}"))?;
        Err(StepFailed { step: self.step, title: self.title.clone(), what: what.to_owned(), why }.into())
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn dressed(&self, look: Look, text: &str) -> String {
        if self.colours { format!("\u{1b}[{}m{text}\u{1b}[0m", look.code()) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{bail, ensure};

    use super::*;

    async fn story(teller: &mut Teller<&mut Vec<u8>>, broken: bool) -> Result<()> {
        teller.step("Bob follows Alice")?;
        teller.check("Alice is found", async { Ok(()) }).await?;
        let told = teller.check("Alice is told", async {
            ensure!(!broken, "her site answered {}", 500);
            Ok("by her site")
        });
        let told = told.await?;
        teller.note(told)?;
        teller.step("Alice posts")?;
        teller.check("Bob gets it", async { Ok(()) }).await
    }

    fn lines(out: &[u8]) -> Vec<String> {
        let text = str::from_utf8(out).unwrap();
        text.lines().map(|line| line.split(" (").next().unwrap().trim().to_owned()).collect()
    }

    #[tokio::test]
    async fn every_check_is_told_in_its_step() {
        let mut out = Vec::new();
        story(&mut Teller::new(&mut out, false), false).await.unwrap();
        let expected = [
            "",
            "1. Bob follows Alice",
            "ok   Alice is found",
            "ok   Alice is told",
            "by her site",
            "",
            "2. Alice posts",
            "ok   Bob gets it",
        ];
        assert_eq!(lines(&out), expected);
    }

    #[tokio::test]
    async fn the_first_check_that_fails_is_the_last_and_says_which_and_why() {
        let mut out = Vec::new();
        let failure = story(&mut Teller::new(&mut out, false), true).await.unwrap_err();
        assert!(failure.is::<StepFailed>());
        assert_eq!(failure.to_string(), "step 1, Bob follows Alice: Alice is told: her site answered 500");
        let told = lines(&out);
        assert_eq!(told.last().unwrap(), "FAILED Alice is told: her site answered 500");
        assert_eq!(told.len(), 4, "nothing is played after it: {told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_happen_fails_at_its_deadline() {
        let mut out = Vec::new();
        let mut teller = Teller::new(&mut out, false);
        teller.step("Alice posts").unwrap();
        let began = Instant::now();
        let failure = teller.check("Bob gets it", std::future::pending::<Result<()>>()).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), WITHIN.as_secs());
        let expected = "step 1, Alice posts: Bob gets it: it did not happen within 20 s";
        assert_eq!(failure.to_string(), expected);
    }

    #[tokio::test]
    async fn colours_are_there_only_where_they_are_wanted() {
        for colours in [true, false] {
            let mut out = Vec::new();
            let mut teller = Teller::new(&mut out, colours);
            teller.step("Alice posts").unwrap();
            teller.check("Bob gets it", async { Ok(()) }).await.unwrap();
            let failed: Result<()> = teller.check("and again", async { bail!("no") }).await;
            assert!(failed.is_err());
            assert_eq!(out.contains(&0x1b), colours);
        }
    }
}
