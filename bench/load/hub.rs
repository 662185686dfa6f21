//! The hub under test: its own process with a store of its own, limits raised and loopback allowed, and little else
//! changed.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use http::StatusCode;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::{process::Process, usage::Usage, wire::Line};

/// From the start to the line that says it listens.
const START: Duration = Duration::from_secs(30);
/// From SIGTERM to the end.
const STOP: Duration = Duration::from_secs(30);
/// How often it is asked whether it is ready.
const READY: Duration = Duration::from_millis(2);
/// How often its metrics are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Lines of its log that are shown.
const SHOWN: usize = 20;

/// What its configuration says. Nothing is tuned here that an operator would not have to raise as well for so many
/// subscribers at one address; but the rounds follow each other faster than a hub fetches a topic again, and a ping
/// would wait for that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) connections: usize,
    /// Verifications that may be pending for one address.
    pub(crate) pending: u32,
    /// As in `[delivery]` and `[hosts]`, if they are not to stay as they are shipped.
    pub(crate) retry: Vec<String>,
    pub(crate) breaker_pause: Option<String>,
    /// As in `[fetch]`, if pings of one topic are to wait for each other longer than a moment.
    pub(crate) coalesce: Option<String>,
    /// Hosts whose certificates are not looked at.
    pub(crate) self_signed_hosts: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Hub {
    process: Process,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    admin: Line,
    log: PathBuf,
}

impl Hub {
    /// Starts it with everything it writes in `folder`, where it may have run before.
    pub(crate) async fn start(binary: &Path, folder: &Path, settings: &Settings) -> Result<Self> {
        let (config, log) = (folder.join("hub.toml"), folder.join("hub.log"));
        fs::write(&config, settings.text())?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(data(folder))
            // No variable of ours may configure it.
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .stderr(Stdio::from(OpenOptions::new().create(true).append(true).open(&log)?));
        let process = Process::start("the hub", &mut command)?;
        Self::meet(process, log.clone()).await.with_context(|| {
            format!("the hub did not start; its log:\n{}", fs::read_to_string(&log).unwrap_or_default())
        })
    }

    async fn meet(mut process: Process, log: PathBuf) -> Result<Self> {
        let url = said(&mut process, "hub listening on ").await?;
        let admin = said(&mut process, "dashboard on ").await?;
        let (address, admin) = (address(&url)?, address(&admin)?);
        Ok(Self { process, url, address, admin: Line::to(admin), log })
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// From now on the peak of its memory is that of what comes.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        self.process.forget_peak()
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while self.admin.get("/readyz").await?.0 != StatusCode::OK {
            ensure!(Instant::now() < end, "the hub does not become ready");
            sleep(READY).await;
        }
        Ok(())
    }

    /// How many subscriptions its store holds. It counts them all, so this is no question for a time that is measured.
    pub(crate) async fn active(&mut self) -> Result<u64> {
        let (_, page) = self.admin.get("/").await?;
        row(&String::from_utf8_lossy(&page), "subscriptions")
            .context("the dashboard of the hub does not tell how many subscriptions there are")
    }

    /// Waits until so many verifications have been confirmed, by its counter, which costs it next to nothing.
    pub(crate) async fn until_confirmed(&mut self, subscribers: u32, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            let counts = self.counts().await?;
            let confirmed = counts.get("hubbub_verifications_total{outcome=\"confirmed\"}");
            let confirmed: u32 = confirmed.map_or(Ok(0), |count| count.parse())?;
            if confirmed >= subscribers {
                return Ok(());
            }
            ensure!(Instant::now() < end, "only {confirmed} of {subscribers} verifications were confirmed");
            sleep(LOOK).await;
        }
    }

    /// Waits until every topic had so many publications.
    pub(crate) async fn until_published(
        &mut self,
        rounds: u32,
        topics: usize,
        within: Duration,
    ) -> Result<()> {
        let wanted = u64::from(rounds).saturating_mul(u64::try_from(topics)?);
        let end = Instant::now() + within;
        loop {
            let counts = self.counts().await?;
            let published =
                counts.get("hubbub_publications_total").context("the hub counts no publications")?;
            if published.parse::<u64>()? >= wanted {
                return Ok(());
            }
            ensure!(Instant::now() < end, "only {published} of {wanted} publications");
            sleep(LOOK).await;
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
    pub(crate) async fn stop(&mut self) -> Result<(String, Vec<String>)> {
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

impl Settings {
    fn text(&self) -> String {
        let quoted = |texts: &[String]| {
            let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            format!("[{}]", texts.join(", "))
        };
        let retry = match self.retry.as_slice() {
            [] => String::new(),
            waits => format!("[delivery]\nretry = {}\n", quoted(waits)),
        };
        let pause = self.breaker_pause.as_ref();
        let pause = pause.map_or_else(String::new, |pause| format!("breaker_pause = \"{pause}\"\n"));
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
             {pause}\
             [verification]\n\
             concurrency = 256\n\
             delay = \"0s\"\n\
             [fetch]\n\
             coalesce = \"{coalesce}\"\n\
             {retry}\
             [network]\n\
             allow = [\"127.0.0.0/8\"]\n\
             self_signed_hosts = {hosts}\n\
             [log]\n\
             format = \"human\"\n\
             filter = \"warn\"\n",
            pending = self.pending.max(10_000),
            connections = self.connections,
            coalesce = self.coalesce.as_deref().unwrap_or("1ms"),
            hosts = quoted(&self.self_signed_hosts),
        )
    }
}

/// Where it keeps its store.
pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
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
