//! The hub under test: the built program over a folder of its own, which can be stopped, killed and started again.

use std::{
    net::{IpAddr, SocketAddr},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;
use toml::{Table, Value};
use url::Url;

use super::{
    client::{Answer, Client, Form},
    program::{Ended, Program},
    wait::PATIENCE,
};

/// A configuration, written to a file before the hub starts.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    table: Table,
    allow: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Settings {
    /// Short times, and limits that are out of the way.
    pub(crate) fn quick() -> Self {
        let retry = [["100ms"; 8], ["250ms"; 8], ["1s"; 8]].concat();
        Self { table: Table::new(), allow: vec!["127.0.0.0/8".to_owned()], environment: Vec::new() }
            .with("verification", "delay", "20ms")
            .with("verification", "retry", vec!["100ms"; 4])
            .with("verification", "retry_03", vec!["100ms"; 8])
            .with("fetch", "coalesce", "50ms")
            .with("fetch", "look_again", vec!["60s"])
            .with("fetch", "retry", vec!["100ms"; 8])
            .with("delivery", "patience", "300ms")
            .with("delivery", "retry", retry)
            // All callbacks of a test may be one host, and most tests are about hosts that fail.
            .with("hosts", "breaker_min_tries", 100_000)
            .with("limits", "subscribe_per_second", 100_000)
            .with("limits", "publish_per_second", 100_000)
            .with("limits", "repeats_per_minute", 100_000)
            .with("limits", "repeats_per_minute_in_all", 100_000)
            .with("limits", "callback_host_per_second", 100_000)
            .with("limits", "topic_per_second", 100_000)
            .with("limits", "per_callback_host", 100_000)
    }

    /// What the program ships as the value of a key.
    pub(crate) async fn shipped(section: &str, key: &str) -> Value {
        let folder = TempDir::with_prefix("hubbub-it-").unwrap();
        let ended = Program::run(folder.path(), &["config", "default"]).await.expect(0);
        ended.stdout.parse::<Table>().unwrap()[section][key].clone()
    }

    /// Sets one key.
    pub(crate) fn with(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        let section = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().unwrap().insert(key.to_owned(), value.into());
        self
    }

    /// Sets a variable of the hub's environment, which is empty otherwise.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Allows the hub to connect to this range and to no other.
    pub(crate) fn allowing_only(mut self, range: &str) -> Self {
        self.allow = vec![range.to_owned()];
        self
    }
}

/// The hub.
#[derive(Debug)]
pub(crate) struct HubUnderTest {
    home: TempDir,
    settings: Settings,
    client: Client,
    running: Option<Running>,
    /// See [`Program::start_under`].
    conditions: Option<String>,
}

#[derive(Debug)]
struct Running {
    program: Program,
    url: String,
    dashboard: String,
}

impl HubUnderTest {
    pub(crate) async fn start(settings: Settings) -> Self {
        let home = TempDir::with_prefix("hubbub-it-").unwrap();
        std::fs::write(home.path().join("hub.toml"), settings.table.to_string()).unwrap();
        let mut hub = Self { home, settings, client: Client::new(), running: None, conditions: None };
        hub.restart().await;
        hub
    }

    /// Starts over the same data. The hub has another port afterwards.
    pub(crate) async fn restart(&mut self) {
        assert!(self.running.is_none(), "it still runs");
        let program = self.launch();
        let url = announced(&program.line(0).await, "hub listening on ");
        let dashboard = announced(&program.line(1).await, "dashboard on ");
        self.running = Some(Running { program, url, dashboard });
    }

    /// Starts it, for better or worse.
    pub(crate) fn launch(&self) -> Program {
        match &self.conditions {
            Some(conditions) => Program::start_under(conditions, self.home.path(), &self.arguments()),
            None => Program::start_in(self.home.path(), &self.arguments(), &self.settings.environment),
        }
    }

    /// From its next start on the hub lives under these conditions; see [`Program::start_under`].
    pub(crate) fn live_under(&mut self, conditions: Option<String>) {
        self.conditions = conditions;
    }

    /// Gives the hub another configuration; it reads it when it is started again.
    pub(crate) fn reconfigure(&mut self, settings: Settings) {
        std::fs::write(self.home.path().join("hub.toml"), settings.table.to_string()).unwrap();
        self.settings = settings;
    }

    /// What the program is started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned()];
        let mut give = |flag: &str, value: &str| arguments.extend([flag.to_owned(), value.to_owned()]);
        give("--config", "hub.toml");
        give("--listen", "127.0.0.1:0");
        give("--admin-listen", "127.0.0.1:0");
        give("--data", self.data().to_str().unwrap());
        for range in &self.settings.allow {
            give("--allow-net", range);
        }
        arguments
    }

    /// The folder in which the hub keeps everything, and in which other runs of the program may work as well.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the hub runs")
    }

    /// The hub URL, as the program announced it.
    pub(crate) fn url(&self) -> &str {
        &self.running().url
    }

    /// A path on the public listener.
    pub(crate) fn at(&self, path: &str) -> String {
        Url::parse(self.url()).unwrap().join(path).unwrap().into()
    }

    /// A path on the admin listener.
    pub(crate) fn admin(&self, path: &str) -> String {
        Url::parse(&self.running().dashboard).unwrap().join(path).unwrap().into()
    }

    /// The socket behind the hub URL.
    pub(crate) fn address(&self) -> SocketAddr {
        let url = Url::parse(self.url()).unwrap();
        let host: IpAddr = url.host_str().unwrap().parse().unwrap();
        SocketAddr::new(host, url.port().unwrap())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Posts a form to the hub URL.
    pub(crate) async fn post(&self, form: &Form) -> Answer {
        self.client.post(self.url(), form).await
    }

    /// Waits until the hub has logged these words.
    pub(crate) async fn logged(&self, words: &str) {
        self.running().program.logged(words).await;
    }

    /// The most memory that the hub had at once so far, in bytes.
    pub(crate) fn most_memory(&self) -> usize {
        self.running().program.most_memory()
    }

    /// kill -9.
    pub(crate) fn kill_9(&mut self) {
        self.running.take().expect("the hub runs").program.kill_9();
    }

    /// Waits until the hub ends by itself.
    pub(crate) async fn gives_up(&mut self, within: Duration) -> Ended {
        self.running.take().expect("the hub runs").program.result_within(within).await
    }

    /// Asks the hub to stop, by a signal; fails unless it ends with 0 before the deadline.
    pub(crate) async fn stop(&mut self, signal: Signal, within: Duration) {
        self.stopped(signal, within).await;
    }

    /// Stops the hub and returns everything that it has printed: standard output, standard error.
    pub(crate) async fn end(&mut self) -> (String, String) {
        let program = self.stopped(Signal::TERM, PATIENCE).await;
        assert!(!program.has_forgotten(), "it printed more than the harness keeps");
        (program.stdout(), program.stderr())
    }

    async fn stopped(&mut self, signal: Signal, within: Duration) -> Program {
        let mut program = self.running.take().expect("the hub runs").program;
        let asked = Instant::now();
        program.signal(signal);
        let status = program.ended().await;
        let took = asked.elapsed();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{}", program.stderr());
        assert!(took <= within, "it took {took:?} to stop:\n{}", program.stderr());
        program
    }
}

/// The URL that a line of standard output names.
fn announced(line: &str, words: &str) -> String {
    let url = line.strip_prefix(words).unwrap_or_else(|| panic!("{line:?} does not begin with {words:?}"));
    assert!(Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.port() != Some(0)), "{line:?}");
    url.to_owned()
}
