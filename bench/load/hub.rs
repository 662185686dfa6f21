//! The hub under test: its own process with a fresh store, limits raised and loopback allowed, nothing else changed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};
use url::{Url, form_urlencoded};

use crate::{process::Process, usage::Usage, wire::Line};

/// From the start to the line that says it listens.
const START: Duration = Duration::from_secs(30);
/// From SIGTERM to the end.
const STOP: Duration = Duration::from_secs(30);
/// How often its metrics are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often its page is looked at, which counts all rows.
const PAGE: Duration = Duration::from_millis(100);
/// Lines of its log that are shown.
const SHOWN: usize = 20;

#[derive(Debug)]
pub(crate) struct Hub {
    process: Process,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    publisher: Line,
    admin: Line,
    log: PathBuf,
}

impl Hub {
    /// Starts it with everything it writes in `folder`.
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        connections: usize,
        subscribers: u32,
    ) -> Result<Self> {
        let (config, log) = (folder.join("hub.toml"), folder.join("hub.log"));
        fs::write(&config, configuration(connections, subscribers))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.join("data"))
            // No variable of ours may configure it.
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .stderr(Stdio::from(File::create(&log)?));
        let process = Process::start("the hub", &mut command)?;
        Self::meet(process, log.clone()).await.with_context(|| {
            format!("the hub did not start; its log:\n{}", fs::read_to_string(&log).unwrap_or_default())
        })
    }

    async fn meet(mut process: Process, log: PathBuf) -> Result<Self> {
        let url = said(&mut process, "hub listening on ").await?;
        let admin = said(&mut process, "dashboard on ").await?;
        let (address, admin) = (address(&url)?, address(&admin)?);
        Ok(Self { process, url, address, publisher: Line::to(address), admin: Line::to(admin), log })
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// Tells it that the topic has news.
    pub(crate) async fn ping(&mut self, topic_url: &str) -> Result<()> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("hub.mode", "publish"), ("hub.url", topic_url)])
            .finish();
        let (status, text) = self.publisher.post_form("/", &form).await?;
        ensure!(
            status.is_success(),
            "the hub answered a ping with {status}: {}",
            String::from_utf8_lossy(&text)
        );
        Ok(())
    }

    /// Waits until so many subscriptions are in the store. Returns what the hub had used before the last look, as
    /// looking costs it something.
    pub(crate) async fn until_active(&mut self, subscribers: u32, within: Duration) -> Result<Usage> {
        let end = Instant::now() + within;
        loop {
            let usage = self.usage()?;
            let (_, page) = self.admin.get("/").await?;
            let active = row(&String::from_utf8_lossy(&page), "subscriptions")
                .context("the dashboard of the hub does not tell how many subscriptions there are")?;
            if active >= u64::from(subscribers) {
                return Ok(usage);
            }
            ensure!(Instant::now() < end, "only {active} of {subscribers} subscriptions became active");
            sleep(PAGE).await;
        }
    }

    /// Waits until no fan-out is under way.
    pub(crate) async fn until_idle(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            let counts = self.counts().await?;
            if counts.get("hubbub_fan_outs_running").context("the hub does not count fan-outs")? == "0" {
                return Ok(());
            }
            if Instant::now() >= end {
                bail!("a fan-out does not end");
            }
            sleep(LOOK).await;
        }
    }

    /// Its metrics, histograms aside.
    pub(crate) async fn counts(&mut self) -> Result<BTreeMap<String, String>> {
        let (_, text) = self.admin.get("/metrics").await?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
        Ok(lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// Ends it; says how, and what is in its log.
    pub(crate) async fn stop(self) -> Result<(String, Vec<String>)> {
        let ended = self.process.stop(STOP).await?;
        let how = ended.map_or_else(|| format!("not within {STOP:?}; killed"), |status| status.to_string());
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<_> = log.lines().take(SHOWN).map(str::to_owned).collect();
        let more = log.lines().count().saturating_sub(SHOWN);
        if more > 0 {
            lines.push(format!("... and {more} more lines"));
        }
        Ok((how, lines))
    }
}

/// Nothing is tuned here that an operator would not have to raise as well for so many subscribers at one address; but the
/// rounds follow each other faster than a hub fetches a topic again, and a ping would wait for that.
fn configuration(connections: usize, subscribers: u32) -> String {
    format!(
        "[limits]\n\
         subscribe_per_second = 1000000\n\
         publish_per_second = 1000000\n\
         callback_host_per_second = 1000000\n\
         topic_per_second = 1000000\n\
         subscriptions_per_callback_host = 100000000\n\
         per_callback_host = {pending}\n\
         [hosts]\n\
         connections = {connections}\n\
         [verification]\n\
         concurrency = 256\n\
         delay = \"0s\"\n\
         [fetch]\n\
         coalesce = \"1ms\"\n\
         [network]\n\
         allow = [\"127.0.0.0/8\"]\n\
         [log]\n\
         format = \"human\"\n\
         filter = \"warn\"\n",
        pending = subscribers.max(10_000),
    )
}

async fn said(process: &mut Process, prefix: &str) -> Result<String> {
    let line = process.line(START).await?;
    line.strip_prefix(prefix).map(str::to_owned).with_context(|| format!("no {prefix:?} but {line:?}"))
}

fn address(url: &str) -> Result<SocketAddr> {
    let url = Url::parse(url)?;
    url.socket_addrs(|| None)?.into_iter().next().with_context(|| format!("{url} has no address"))
}

/// The number in a row of the dashboard.
fn row(page: &str, name: &str) -> Option<u64> {
    let (_, rest) = page.split_once(&format!("<td>{name}</td><td>"))?;
    rest.split_once('<')?.0.trim().parse().ok()
}
