//! Everything that runs: the hub, the sink, the limit, and the site of the topics. It ends with its value.

use std::{
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    cast::Cast,
    clock,
    habit::{ByHabit, Habit},
    hub::{self, Hub, Settings},
    options::Options,
    process::Process,
    progress::Progress,
    report::Subscribing,
    sink::{Listening, Told, VERIFICATIONS, Wanted},
    subscribe::{self, Wish},
    topic::Topics,
    wire::Line,
};

/// From the start of a role to its first line, and from the end of a wait to the answer that tells of it.
pub(crate) const PROMPT: Duration = Duration::from_secs(30);
/// How often the bar moves.
const SHOWN: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) topics: Topics,
    pub(crate) cast: Cast,
    pub(crate) sink: Process,
    pub(crate) raw: Process,
    /// The longest that anything may take.
    pub(crate) within: Duration,
    control: Line,
    addresses: ByHabit<Vec<SocketAddr>>,
    scheme: &'static str,
    connections: usize,
    binary: PathBuf,
    settings: Settings,
    folder: TempDir,
}

impl Stage {
    /// Starts everything. Of the settings only those count that the options say nothing about.
    pub(crate) async fn set(options: &Options, settings: Settings) -> Result<Self> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("hubbub-load-").disable_cleanup(options.keep);
        let folder = match &options.folder {
            Some(parent) => folder.tempdir_in(parent)?,
            None => folder.tempdir()?,
        };
        if options.keep {
            eprintln!("kept: {}", folder.path().display());
        }
        let cast = options.cast();
        let mut of_sink = cast.arguments();
        of_sink.extend([
            format!("--body-bytes={}", options.body_bytes),
            format!("--addresses={}", options.addresses),
            format!("--check-every={}", options.check_every),
            format!("--threads={}", options.sink_threads),
        ]);
        of_sink.extend(options.tls.then(|| "--https".to_owned()));
        let mut sink = Process::start_role("sink", &of_sink)?;
        let Listening { addresses, control, certificate } = sink.answer(PROMPT).await?;
        let healthy = addresses.get(Habit::Healthy);
        let connections = usize::from(options.connections).max(healthy.len());
        let mut of_raw = vec![
            format!("--subscribers={}", cast.steady),
            format!("--body-bytes={}", options.body_bytes),
            format!("--sink={}", healthy.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            format!("--connections={connections}"),
            format!("--threads={}", options.raw_threads),
        ];
        of_raw.extend(certificate.map(|certificate| format!("--certificate={certificate}")));
        let raw = Process::start_role("raw", &of_raw)?;
        let binary = options.hub_binary.as_ref().context("--hub-binary is missing")?;
        let binary = binary.canonicalize().with_context(|| format!("no {}", binary.display()))?;
        let mut self_signed_hosts = settings.self_signed_hosts;
        self_signed_hosts.extend(options.tls.then(|| addresses.hosts()).into_iter().flatten());
        let settings = Settings {
            connections: options.connections.into(),
            pending: cast.subscribers(),
            self_signed_hosts,
            ..settings
        };
        let hub = Hub::start(&binary, folder.path(), &settings).await?;
        let body_bytes = usize::try_from(options.body_bytes)?;
        let topics = Topics::start((&hub.url, hub.address), cast.topics(), 1, body_bytes).await?;
        Ok(Self {
            hub,
            topics,
            cast,
            sink,
            raw,
            within: Duration::from_secs(options.within.into()),
            control: Line::to(control),
            addresses,
            scheme: if options.tls { "https" } else { "http" },
            connections,
            binary,
            settings,
            folder,
        })
    }

    /// Tells the sink to do something.
    pub(crate) async fn tell_sink(&mut self, path: &str) -> Result<Vec<u8>> {
        let (status, text) = timeout(PROMPT, self.control.get(path)).await.context("the sink hangs")??;
        ensure!(status == StatusCode::OK, "the sink answered {path} with {status}");
        Ok(text.to_vec())
    }

    /// What has arrived of these publications.
    pub(crate) async fn told(&mut self, publications: Vec<u32>) -> Result<Told> {
        let path = Wanted::now(publications).path();
        Ok(serde_json::from_slice(&self.tell_sink(&path).await?)?)
    }

    /// What has arrived of a publication when it reached so many, or when time is up.
    pub(crate) async fn until(&mut self, publication: u32, count: u32, progress: &Progress) -> Result<Told> {
        let end = Instant::now() + self.within;
        loop {
            let wanted = Wanted { publications: vec![publication], count, within: SHOWN };
            let told: Told = serde_json::from_slice(&self.tell_sink(&wanted.path()).await?)?;
            progress.at(told.count.reached);
            if told.count.reached >= count || Instant::now() >= end {
                return Ok(told);
            }
        }
    }

    /// Sends the forms of all subscribers; ends with the last 202.
    pub(crate) async fn send_forms(&mut self, progress: &Progress) -> Result<()> {
        let all = self.cast.subscribers();
        let wish = Arc::new(Wish {
            hub: self.hub.address,
            topic_urls: self.topics.urls(),
            cast: self.cast.clone(),
            sink: self.addresses.clone(),
            scheme: self.scheme,
            next: AtomicU32::new(0),
            end: all,
        });
        let mut sent = pin!(timeout(self.within, subscribe::all(Arc::clone(&wish), self.connections)));
        loop {
            tokio::select! {
                sent = &mut sent => return sent.context("subscribing took too long")?,
                () = sleep(SHOWN) => progress.at(wish.next.load(Ordering::Relaxed).min(all)),
            }
        }
    }

    /// Subscribes everybody, and waits until all subscriptions are in the store.
    pub(crate) async fn subscribe(&mut self) -> Result<Subscribing> {
        let all = self.cast.subscribers();
        let progress = Progress::start(&format!("subscribing {all}"), all);
        let before = self.hub.usage()?;
        let began = clock::now();
        self.send_forms(&progress).await?;
        let accepted = clock::now();
        let count = self.until(VERIFICATIONS, all, &progress).await?.count;
        ensure!(count.reached == all, "only {} of {all} were verified", count.reached);
        self.hub.until_confirmed(all, self.within).await?;
        // The counter is ahead of the commit by a moment. The use is taken before each look, as looking costs the hub.
        let end = Instant::now() + self.within;
        let after = loop {
            let after = self.hub.usage()?;
            let active = self.hub.active().await?;
            if active == u64::from(all) {
                break after;
            }
            ensure!(Instant::now() < end, "the hub has {active} of {all} subscriptions");
            sleep(SHOWN).await;
        };
        if !self.cast.disturbed_topics().is_empty() {
            self.tell_sink("/refuse").await?;
        }
        Ok(Subscribing::of(all, began, accepted, &count, &before, &after))
    }

    /// Starts the hub again, after whatever ended it. Returns how long that took until it said that it is ready.
    pub(crate) async fn start_again(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.hub = Hub::start(&self.binary, self.folder.path(), &self.settings).await?;
        self.hub.until_ready(self.within).await?;
        let took = began.elapsed();
        self.topics.hub_moved(self.hub.address);
        Ok(took)
    }

    /// Where the store is.
    pub(crate) fn data(&self) -> PathBuf {
        hub::data(self.folder.path())
    }
}
