//! The run: starts everything, subscribes everybody, and then lets hub and limit take turns.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

use crate::{
    clock,
    hub::Hub,
    process::Process,
    raw,
    report::{Kind, Report, Round, Subscribing},
    sink::{Listening, Told, VERIFICATIONS},
    subscribe::{self, Wish},
    table,
    topic::Topic,
    wire::Line,
};

/// Publications of the limit are numbered from here.
const RAW: u32 = 1_000_000;
/// At the end, for what comes late or twice.
const QUIET: Duration = Duration::from_secs(2);
/// From the start of a role to its first line, and from the end of a wait to the line that tells of it.
const PROMPT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The program under test
    #[arg(long, value_name = "PATH", required = true)]
    hub_binary: Option<PathBuf>,
    /// Subscribers of the one topic
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    subscribers: u32,
    /// Rounds of hub and limit that count
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Rounds before them that do not
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    warm_up: u32,
    /// Connections of the hub to each address of the sink, and of the limit in all
    #[arg(long, default_value_t = 64)]
    connections: u16,
    /// Loopback addresses of the sink, each a host to the hub
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=250))]
    addresses: u8,
    /// Octets of the topic, and of each delivery
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1024..=1 << 20))]
    body_bytes: u32,
    /// Check the signature at every so manieth subscriber, other ones in each round; 1 checks all, 0 none
    #[arg(long, default_value_t = 10)]
    check_every: u32,
    /// Threads of the sink; 0 are as many as cores
    #[arg(long, default_value_t = 1)]
    sink_threads: usize,
    /// Threads of the limit; 0 are as many as cores
    #[arg(long, default_value_t = 0)]
    raw_threads: usize,
    /// The longest that subscribing, or a round, may take, in seconds
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=3000))]
    within: u32,
    /// Where the folder of the hub is made; a disk, or nothing will count as written
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Leave that folder behind, with the store and the log of the hub
    #[arg(long)]
    keep: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs everything, and ends all processes with it: also when it fails or is interrupted.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let report = tokio::select! {
        report = Box::pin(measure(&options)) => report?,
        _ = terminate.recv() => bail!("terminated"),
        _ = interrupt.recv() => bail!("interrupted"),
    };
    println!("{}", table::table(&report));
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<Report> {
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("hubbub-load-");
    let folder = match &options.folder {
        Some(parent) => folder.tempdir_in(parent)?,
        None => folder.tempdir()?,
    };
    let mut report = Report::begin(options.subscribers, options.body_bytes, options.addresses);
    let mut stage = Stage::set(options, folder.path()).await?;
    eprintln!("subscribing {} at {}", options.subscribers, stage.hub.url);
    report.subscribing = stage.subscribe().await?;
    let all = options.warm_up.saturating_add(options.rounds);
    for number in 1..=all {
        let counts = number > options.warm_up;
        eprintln!("round {number} of {all}");
        report.rounds.push(Round { counts, ..stage.hub_round(number).await? });
        report.rounds.push(Round { counts, ..stage.raw_round(number).await? });
    }
    sleep(QUIET).await;
    for round in &mut report.rounds {
        let told = stage.told(round.publication, 0, Duration::ZERO).await?;
        round.settle(&told.count, options.subscribers);
        report.astray = told.astray;
    }
    report.verified = stage.told(VERIFICATIONS, 0, Duration::ZERO).await?.count;
    let usage = stage.hub.usage()?;
    (report.peak_kib, report.written) = (usage.peak_kib, usage.written);
    report.counts = stage.hub.counts().await?;
    (report.ended, report.log) = stage.hub.stop().await?;
    if options.keep {
        eprintln!("kept: {}", folder.keep().display());
    }
    report.conclude();
    Ok(report)
}

/// Everything that runs.
#[derive(Debug)]
struct Stage {
    hub: Hub,
    topic: Topic,
    sink: Process,
    control: Line,
    addresses: Vec<std::net::SocketAddr>,
    raw: Process,
    subscribers: u32,
    connections: usize,
    within: Duration,
}

impl Stage {
    async fn set(options: &Options, folder: &std::path::Path) -> Result<Self> {
        let shared = [
            format!("--subscribers={}", options.subscribers),
            format!("--body-bytes={}", options.body_bytes),
        ];
        let of_sink = [
            format!("--addresses={}", options.addresses),
            format!("--check-every={}", options.check_every),
            format!("--threads={}", options.sink_threads),
        ];
        let mut sink = Process::start_role("sink", &[shared.as_slice(), &of_sink].concat())?;
        let Listening { addresses } = sink.answer(PROMPT).await?;
        let control = Line::to(*addresses.first().context("the sink listens nowhere")?);
        let connections = usize::from(options.connections).max(addresses.len());
        let of_raw = [
            format!("--sink={}", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            format!("--connections={connections}"),
            format!("--threads={}", options.raw_threads),
        ];
        let raw = Process::start_role("raw", &[shared.as_slice(), &of_raw].concat())?;
        let binary = options.hub_binary.as_ref().context("--hub-binary is missing")?;
        let binary = binary.canonicalize().with_context(|| format!("no {}", binary.display()))?;
        let hub = Hub::start(&binary, folder, options.connections.into(), options.subscribers).await?;
        let topic = Topic::start(&hub.url, usize::try_from(options.body_bytes)?).await?;
        topic.publish(0);
        Ok(Self {
            hub,
            topic,
            sink,
            control,
            addresses,
            raw,
            subscribers: options.subscribers,
            connections,
            within: Duration::from_secs(options.within.into()),
        })
    }

    /// What arrived of a publication, when it reached so many or after so long.
    async fn told(&mut self, publication: u32, count: u32, within: Duration) -> Result<Told> {
        let path =
            format!("/control?publication={publication}&count={count}&within_ms={}", within.as_millis());
        let patience = within.saturating_add(PROMPT);
        let (status, _) = timeout(patience, self.control.get(&path)).await.context("the sink hangs")??;
        ensure!(status.is_success(), "the sink answered {path} with {status}");
        let told: Told = self.sink.answer(PROMPT).await?;
        ensure!(told.publication == publication, "the sink told of another publication");
        Ok(told)
    }

    async fn subscribe(&mut self) -> Result<Subscribing> {
        let wish = Wish {
            hub: self.hub.address,
            topic_url: self.topic.url.clone(),
            sink: self.addresses.clone(),
            subscribers: self.subscribers,
            next: AtomicU32::new(0),
        };
        let before = self.hub.usage()?;
        let began = clock::now();
        let sent = timeout(self.within, subscribe::all(Arc::new(wish), self.connections)).await;
        sent.context("subscribing took too long")??;
        let accepted = clock::now();
        let count = self.told(VERIFICATIONS, self.subscribers, self.within).await?.count;
        ensure!(count.reached == self.subscribers, "only {} were verified", count.reached);
        let after = self.hub.until_active(self.subscribers, self.within).await?;
        Ok(Subscribing::of(self.subscribers, began, accepted, &count, &before, &after))
    }

    async fn hub_round(&mut self, number: u32) -> Result<Round> {
        self.topic.publish(number);
        let (before, sink_before) = (self.hub.usage()?, self.sink.usage()?);
        let began = clock::now();
        timeout(PROMPT, self.hub.ping(&self.topic.url.clone())).await.context("the hub hangs")??;
        let count = self.told(number, self.subscribers, self.within).await?.count;
        self.hub.until_idle(self.within).await?;
        let (after, sink_after) = (self.hub.usage()?, self.sink.usage()?);
        Ok(Round::of(
            Kind::Hub,
            number,
            number,
            began,
            &count,
            (&before, &after),
            (&sink_before, &sink_after),
        ))
    }

    async fn raw_round(&mut self, number: u32) -> Result<Round> {
        let publication = RAW.saturating_add(number);
        let (before, sink_before) = (self.raw.usage()?, self.sink.usage()?);
        let order =
            raw::Order { publication, topic_url: self.topic.url.clone(), hub_url: self.hub.url.clone() };
        self.raw.tell(&order)?;
        let raw::Done { began, failed } = self.raw.answer(self.within).await?;
        ensure!(failed == 0, "{failed} posts of the limit failed");
        let count = self.told(publication, self.subscribers, PROMPT).await?.count;
        let (after, sink_after) = (self.raw.usage()?, self.sink.usage()?);
        Ok(Round::of(
            Kind::Limit,
            number,
            publication,
            began,
            &count,
            (&before, &after),
            (&sink_before, &sink_after),
        ))
    }
}
