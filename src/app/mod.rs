//! The composition root: configuration, seams and listeners become a running hub.
//!
//! [`serve`] is what `hubbub serve` runs. [`App`] is the same without signals and without printing: the caller binds,
//! the caller decides when to stop. What there is of Salmon is put together in `salmon`.

mod salmon;

use std::{convert::Infallible, io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::{
    agenda::Agenda,
    clock::{Clock, SystemClock},
    config::Config,
    distribution::{self, CatchUp, Distribution},
    feed::Volatile,
    inbound::{self, Access, AdminParts, Credentials, HubParts, Limits, Listening, Token},
    lifecycle::Signals,
    outbound::{
        BreakerRules, Breakers, CallbackClient, ClientSettings, FetchClient, Guard, GuardRules, LaneRules,
        Lanes, PortRules, Transport,
    },
    publishing::{self, Looking, Publishing},
    random::Random,
    relay::{GroupFeeds, LocalFeeds, Relay},
    store::{DueKind, Store, StoreError, StoreOptions},
    subscribing::{self, Leases, Subscribing, Verifying},
    supervise::Tasks,
    telemetry::Metrics,
};

/// Fetches of one host at a time (X05): a publisher's server is no smaller than this, and one that answers nobody must
/// not have all of them.
const FETCHES_PER_HOST: usize = 8;
/// How often the store's files are measured: it grows by the hour, not by the second.
const MEASURE_STORE: Duration = Duration::from_mins(1);
/// How often the time is noted: so much later than it might, what waits is done after a crash that comes together with a
/// clock that is set back.
const NOTE_TIME: Duration = Duration::from_secs(10);
/// How far the clock may be set back while the hub is down without a word.
const CLOCK_BEHIND: Duration = Duration::from_secs(1);
/// Where no more than these fit among the files, no connection is kept for the next request.
const FEW_DELIVERIES: usize = 32;
/// How long a stop may take after its deadline, for the last flush.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// What comes from outside the program and is replaced in tests.
#[derive(Debug, Clone)]
pub struct Seams {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<Random>,
}

impl Seams {
    /// The system's clock and the system's chance.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock::default()), random: Arc::new(Random::from_system()) }
    }
}

/// Runs a hub until SIGTERM or SIGINT.
pub async fn serve(config: Config) -> Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let public = bind(config.server.listen, "[server] listen").await?;
    let admin = bind(config.admin.listen, "[admin] listen").await?;
    let stop_within = config.server.stop_within;
    let app = App::start(config, Seams::system(), public, admin).await?;
    // A closed standard output is no reason not to serve.
    let _closed = announce(&app);
    info!(hub = app.hub_url, admin = %app.admin_addr, "serving");
    tokio::select! {
        () = signals.asked_to_stop() => {}
        () = app.tasks.stopping().cancelled() => {}
    }
    app.stop(stop_within).await
}

fn announce(app: &App) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "hub listening on {}", app.hub_url)?;
    writeln!(out, "dashboard on http://{}/", app.admin_addr)?;
    out.flush()
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
}

/// A fan-out wants a socket for each request under way; the soft limit of many systems is 1024. Returns how many files
/// may be open from now on.
fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A running hub.
#[derive(Debug)]
pub struct App {
    /// The hub's own address, as subscribers know it.
    pub hub_url: String,
    pub admin_addr: SocketAddr,
    store: Store,
    tasks: Tasks,
}

impl App {
    /// Opens the store, starts everything, and serves on the given listeners.
    pub async fn start(
        mut config: Config,
        seams: Seams,
        public: TcpListener,
        admin: TcpListener,
    ) -> Result<Self> {
        let files = raise_file_limit();
        if config.fit(files) {
            let (inbound, deliveries) = (config.server.max_connections, config.delivery.concurrency);
            warn!(
                files,
                inbound, deliveries, "few files may be open, so connections are limited to what fits"
            );
        }
        let token = config.admin.token_file.as_deref().map(read_token).transpose()?;
        let access = Access {
            credentials: config.access.credentials_file.as_deref().map(read_credentials).transpose()?,
            secrets_over_https_only: config.access.secrets_over_https_only,
            token_requires_verify: config.compat.token_requires_verify,
        };
        let options = StoreOptions {
            path: config.storage.path.clone(),
            cache_bytes: config.storage.cache_bytes,
            gather: config.storage.flush,
        };
        let store = tokio::task::spawn_blocking(move || Store::open(&options)).await??;
        let compact_above = config.storage.compact_above;
        store.compact_above((compact_above > 0).then_some(compact_above));
        let noted = store.noted_time();
        let behind = noted.since(seams.clock.now());
        // A small correction is nothing that anybody would look for.
        if behind > CLOCK_BEHIND {
            warn!(
                behind_seconds = behind.as_secs(),
                "the clock is behind what it was when this hub last ran: what waits goes by the later time"
            );
        }
        seams.clock.not_before(noted);
        let hub_url = config.server.hub_url(public.local_addr()?)?.to_string();
        let own_listeners = vec![public.local_addr()?, admin.local_addr()?];
        let tasks = Tasks::new();
        let metrics = Arc::new(Metrics::default());
        store.count_unreadable_in(metrics.unreadable_rows.clone());
        let services = {
            // A connection that waits for the next request is a file that another host could use.
            let is_tight = config.delivery.concurrency < FEW_DELIVERIES;
            let spare = if is_tight { 0 } else { config.hosts.connections };
            let clients = Clients::build(&config, spare, &hub_url, own_listeners)?;
            Services::build(&config, clients, &seams, &store, &tasks, &metrics, &hub_url).await?
        };
        services.distribution.resume_slow().await?;
        services.start(&config, &seams, &store, &tasks);
        // Before anybody can ask: to an operator 0 would be a size.
        measure_once(&store, &metrics).await;
        let (measured, gauge, stop) = (store.clone(), Arc::clone(&metrics), tasks.stopping().clone());
        tasks.keep("store size", move || measure(measured.clone(), Arc::clone(&gauge), stop.clone()));
        let (noted, clock, stop) = (store.clone(), Arc::clone(&seams.clock), tasks.stopping().clone());
        tasks.keep("time", move || note_time(noted.clone(), Arc::clone(&clock), stop.clone()));
        let limits = Arc::new(Limits::new(&config.limits, config.salmon.slaps_per_second));
        let sweeper = Arc::clone(&limits);
        let stop = tasks.stopping().clone();
        tasks.keep("limits", move || {
            let (sweeper, stop) = (Arc::clone(&sweeper), stop.clone());
            async move {
                sweeper.sweep(stop).await;
                Ok::<_, Infallible>(())
            }
        });
        let admin_addr = admin.local_addr()?;
        let listening = Listening {
            max_connections: config.server.max_connections,
            trusted_proxies: config.server.trusted_proxies.clone(),
            header_timeout: config.server.header_timeout,
            stall_timeout: config.server.body_timeout,
            drain: config.server.stop_within,
        };
        let hub = inbound::hub_router(HubParts {
            subscribing: Arc::clone(&services.subscribing),
            publishing: services.publishing,
            relay: Arc::clone(&services.relay),
            store: store.clone(),
            limits,
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
            hub_url: hub_url.clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            max_body: config.server.max_body_bytes,
            max_slap: config.salmon.max_bytes,
            body_timeout: config.server.body_timeout,
            moved_to: config.server.moved_to.as_ref().map(|url| url.as_str().parse()).transpose()?,
            access,
        });
        drop(tasks.spawn(inbound::serve(public, hub, listening.clone(), tasks.clone())));
        let parts = AdminParts {
            subscribing: services.subscribing,
            relay: services.relay,
            store: store.clone(),
            metrics,
            hub_url: hub_url.clone(),
            tasks: tasks.clone(),
            max_slap: config.salmon.max_bytes,
            body_timeout: config.server.body_timeout,
            token,
        };
        let operator = inbound::admin_router(parts);
        drop(tasks.spawn(inbound::serve(admin, operator, listening, tasks.clone())));
        Ok(Self { hub_url, admin_addr, store, tasks })
    }

    /// Stops intake, settles or checkpoints what is under way, flushes.
    pub async fn stop(self, within: Duration) -> Result<()> {
        let is_in_time = self.tasks.finish(within).await;
        if !is_in_time {
            warn!("some requests did not end in time; what they were for is on disk");
        }
        if tokio::time::timeout(LAST_FLUSH, self.store.close()).await.is_err() {
            bail!("the store did not flush in time");
        }
        if self.tasks.failed() {
            bail!("a background task kept failing");
        }
        info!("stopped");
        Ok(())
    }
}

/// The ways out, all past one guard.
struct Clients {
    guard: Arc<Guard>,
    user_agent: String,
    callbacks: Arc<dyn Transport>,
    fetches: Arc<FetchClient>,
}

impl Clients {
    fn build(
        config: &Config,
        idle_per_host: usize,
        hub_url: &str,
        own_listeners: Vec<SocketAddr>,
    ) -> Result<Self> {
        let guard = Arc::new(Guard::new(GuardRules {
            allow: config.network.allow.clone(),
            allow_fetch: config.network.allow_fetch.clone(),
            allow_callback: config.network.allow_callback.clone(),
            ports: PortRules::new(config.network.ports.clone()),
            own_listeners,
        }));
        let settings = ClientSettings {
            user_agent: format!("hubbub/{} (+{hub_url})", env!("CARGO_PKG_VERSION")),
            connect_timeout: config.delivery.connect_timeout,
            idle_per_host,
            self_signed_hosts: config.network.self_signed_hosts.clone(),
            lookups: config.network.lookups,
        };
        Ok(Self {
            callbacks: Arc::new(CallbackClient::new(&settings, Arc::clone(&guard))?),
            fetches: Arc::new(FetchClient::new(&settings, Arc::clone(&guard))?),
            guard,
            user_agent: settings.user_agent,
        })
    }
}

/// The rooms that do the work.
struct Services {
    subscribing: Arc<Subscribing>,
    publishing: Arc<Publishing>,
    distribution: Arc<Distribution>,
    relay: Arc<Relay>,
}

impl Services {
    async fn build(
        config: &Config,
        clients: Clients,
        seams: &Seams,
        store: &Store,
        tasks: &Tasks,
        metrics: &Arc<Metrics>,
        hub_url: &str,
    ) -> Result<Self> {
        let Clients { guard, user_agent, callbacks, fetches } = clients;
        let (to_callbacks, to_sites) = (Arc::clone(&callbacks), Arc::clone(&callbacks));
        let fetches: Arc<dyn Transport> = fetches;
        let feeds = GroupFeeds::new(store.clone(), hub_url.to_owned());
        let per_host = config.hosts.connections;
        let lanes = Lanes::new(LaneRules { per_host, total: config.delivery.concurrency });
        let asking = Lanes::new(LaneRules { per_host, total: config.verification.concurrency });
        let looking = Lanes::new(LaneRules { per_host: FETCHES_PER_HOST, total: config.fetch.concurrency });
        let breaker = BreakerRules {
            failures: config.hosts.breaker_failures,
            window: config.hosts.breaker_window,
            min_tries: config.hosts.breaker_min_tries,
            pause: config.hosts.breaker_pause,
            longest_hold: config.hosts.retry_after_max,
        };
        let breakers = Arc::new(Breakers::new(breaker));
        let feed = Arc::new(volatile(config)?);
        let distribution = Distribution::new(distribution::Parts {
            store: store.clone(),
            transport: to_callbacks,
            lanes,
            breakers,
            clock: Arc::clone(&seams.clock),
            random: Arc::clone(&seams.random),
            tasks: tasks.clone(),
            metrics: Arc::clone(metrics),
            delivery: config.delivery.clone(),
            publications: config.publications.clone(),
            feed: Arc::clone(&feed),
            remember_for: config.feed.remember_for,
            readers_per_host: config.fetch.readers_per_host,
        });
        let publishing = Publishing::new(publishing::Parts {
            store: store.clone(),
            transport: LocalFeeds::new(Arc::clone(&feeds), Arc::clone(&fetches)),
            lanes: looking,
            clock: Arc::clone(&seams.clock),
            random: Arc::clone(&seams.random),
            metrics: Arc::clone(metrics),
            fetch: config.fetch.clone(),
            polling: config.polling.clone(),
            max_entries: config.delivery.max_entries,
            feed,
            remember_for: config.feed.remember_for,
            json_feed: config.feed.json_feed,
            json_feed_for_topics: config.feed.json_feed_for_topics.clone(),
            hub_url: hub_url.to_owned(),
            user_agent,
            distribution: Arc::clone(&distribution),
        });
        let relay = salmon::build(salmon::Around {
            config: &config.salmon,
            seams,
            store,
            metrics,
            hub_url,
            fetches,
            callbacks: to_sites,
            breaker,
            feeds,
            publishing: Arc::clone(&publishing),
        })
        .await?;
        let subscribing = Subscribing::new(subscribing::Parts {
            store: store.clone(),
            transport: callbacks,
            lanes: asking,
            guard,
            clock: Arc::clone(&seams.clock),
            random: Arc::clone(&seams.random),
            metrics: Arc::clone(metrics),
            lease: config.lease.clone(),
            verification: config.verification.clone(),
            per_callback_host: config.limits.per_callback_host,
            subscriptions_per_callback_host: config.limits.subscriptions_per_callback_host,
            topics_must_name_this_hub: config.access.topics_must_name_this_hub,
            publishing: Arc::clone(&publishing),
            distribution: Arc::clone(&distribution),
            hub_url: hub_url.to_owned(),
        })
        .await?;
        Ok(Self { subscribing, publishing, distribution, relay })
    }

    /// Starts the loops over what waits.
    fn start(&self, config: &Config, seams: &Seams, store: &Store, tasks: &Tasks) {
        let agenda = |kind, poke, limit| {
            Arc::new(Agenda { kind, store: store.clone(), clock: Arc::clone(&seams.clock), poke, limit })
        };
        let fetches = agenda(DueKind::Fetch, self.publishing.poke(), Publishing::concurrency(&config.fetch));
        let intents = agenda(DueKind::Intent, self.subscribing.poke(), config.verification.concurrency);
        let leases = agenda(DueKind::Lease, self.subscribing.lease_poke(), config.verification.concurrency);
        // As many may be slow, and leave their room to others.
        let catch_ups = config.delivery.concurrency.saturating_mul(2);
        let backlogs = agenda(DueKind::Backlog, self.distribution.poke(), catch_ups);
        keep(tasks, "fetches", fetches, Arc::new(Looking(Arc::clone(&self.publishing))));
        keep(tasks, "verifications", intents, Arc::new(Verifying(Arc::clone(&self.subscribing))));
        keep(tasks, "leases", leases, Arc::new(Leases(Arc::clone(&self.subscribing))));
        keep(tasks, "catch-ups", backlogs, Arc::new(CatchUp(Arc::clone(&self.distribution))));
        salmon::start(&self.relay, &config.salmon, agenda, tasks);
        let publishing = Arc::clone(&self.publishing);
        drop(tasks.spawn(async move {
            if let Err(error) = publishing.poll_what_is_subscribed().await {
                warn!(%error, "polling did not begin for every topic");
            }
        }));
        let distribution = Arc::clone(&self.distribution);
        tasks.keep("fan-outs", move || Arc::clone(&distribution).run_fanouts());
        let distribution = Arc::clone(&self.distribution);
        tasks.keep("retention", move || distribution::sweep(Arc::clone(&distribution)));
        let (subscribing, stop) = (Arc::clone(&self.subscribing), tasks.stopping().clone());
        let (counting, counted_until) = (Arc::clone(&subscribing), stop.clone());
        tasks.keep("subscriptions of hosts", move || {
            Arc::clone(&counting).count_shares(counted_until.clone())
        });
        let (counting, counted_until) = (Arc::clone(&subscribing), stop.clone());
        tasks.keep("pending requests", move || Arc::clone(&counting).count_pending(counted_until.clone()));
        tasks.keep("callback hosts", move || {
            let (subscribing, stop) = (Arc::clone(&subscribing), stop.clone());
            async move {
                subscribing.forget_hosts(stop).await;
                Ok::<_, Infallible>(())
            }
        });
    }
}

/// Tells the metrics what the store takes on disk, every so often.
async fn measure(store: Store, metrics: Arc<Metrics>, stop: CancellationToken) -> Result<(), Infallible> {
    while stop.run_until_cancelled(tokio::time::sleep(MEASURE_STORE)).await.is_some() {
        measure_once(&store, &metrics).await;
    }
    Ok(())
}

async fn measure_once(store: &Store, metrics: &Metrics) {
    match store.read(Store::octets_on_disk).await {
        Ok(octets) => {
            metrics.store_bytes.set(i64::try_from(octets).unwrap_or(i64::MAX));
        }
        Err(error) => warn!(%error, "the store cannot be measured"),
    }
}

/// Has the store remember how late it is, every so often and at the stop.
async fn note_time(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) -> Result<(), StoreError> {
    loop {
        let now = clock.now();
        store.read(move |store| store.note_time(now)).await?;
        if stop.is_cancelled() {
            return Ok(());
        }
        stop.run_until_cancelled(tokio::time::sleep(NOTE_TIME)).await;
    }
}

fn keep<W: crate::agenda::Work>(tasks: &Tasks, name: &'static str, agenda: Arc<Agenda>, work: Arc<W>) {
    let stop = tasks.stopping().clone();
    tasks.keep(name, move || {
        let (agenda, work, stop) = (Arc::clone(&agenda), Arc::clone(&work), stop.clone());
        async move { agenda.run(work, stop).await }
    });
}

fn read_token(file: &Path) -> Result<Token> {
    let name = || format!("[admin] token_file: {}", file.display());
    let text = std::fs::read_to_string(file).map(Zeroizing::new).with_context(name)?;
    Token::from_text(&text).with_context(|| format!("{} is empty", name()))
}

fn read_credentials(file: &Path) -> Result<Credentials> {
    let name = || format!("[access] credentials_file: {}", file.display());
    let text = std::fs::read_to_string(file).map(Zeroizing::new).with_context(name)?;
    Credentials::from_text(&text).with_context(|| format!("{} names nobody", name()))
}

/// The built-in names of volatile elements and the operator's own.
fn volatile(config: &Config) -> Result<Volatile> {
    let with = |own: &[&str], more: &[String]| -> Vec<String> {
        own.iter().map(|name| (*name).to_owned()).chain(more.iter().cloned()).collect()
    };
    let feed = with(&Volatile::FEED, &config.feed.volatile_feed);
    let entry = with(&Volatile::ENTRY, &config.feed.volatile_entry);
    Volatile::parse(&feed, &entry).context("[feed] volatile_feed, volatile_entry")
}
