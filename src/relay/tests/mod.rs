//! What goes out, and what becomes of accounts, against a clock that is moved by hand and peers that do as they are told.

mod accounts;
mod forwarding;
mod sending;
mod sweeping;

use std::{
    collections::HashMap,
    sync::{
        Mutex as Lock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::task::JoinSet;

use super::*;
use crate::{
    agenda::Work as _,
    clock::{ManualClock, Timestamp},
    outbound::{self, Outgoing, SendError, Sending},
    protocol::NameId,
    salmon::{Descriptor, Identity, PrivateKey, fixture},
    store::{
        Account, AccountKind, Commit, DueKind, ForwardMode, KeyPair, KnownDescriptor, Life, RelayRecord,
        StoreOptions,
    },
};

const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
const ALICE: &str = "alice@alice.example";

type Answered = Result<outbound::Answer, SendError>;

/// All hosts there are: each answers as it is told to; the others take what they are sent, and have nothing to be read.
#[derive(Debug, Default)]
struct World {
    answers: Lock<HashMap<String, Answered>>,
    /// What was sent something.
    asked: Lock<Vec<String>>,
    /// Hosts whose requests wait until the test lets them go on.
    held: Lock<Option<(String, Arc<Semaphore>)>>,
    held_so_far: AtomicUsize,
}

impl Transport for World {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        let host = request.uri.host().unwrap().to_owned();
        let (url, is_post) = (request.uri.to_string(), request.method == http::Method::POST);
        let answer = {
            let answers = self.answers.lock().unwrap();
            answers.get(&url).or_else(|| answers.get(&host).filter(|_| is_post)).cloned()
        };
        let answer = answer.unwrap_or_else(|| status(if is_post { 200 } else { 404 }));
        let held = self.held.lock().unwrap().clone().filter(|(held, _)| *held == host);
        if is_post {
            self.asked.lock().unwrap().push(url);
        }
        Box::pin(async move {
            if let Some((_, gate)) = held {
                self.held_so_far.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
            }
            answer
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the two that a request may come to")]
fn status(code: u16) -> Answered {
    let status = StatusCode::from_u16(code).unwrap();
    Ok(outbound::Answer { status, headers: HeaderMap::new(), body: Bytes::new() })
}

impl World {
    /// A host's answer to all that it is sent, or that of one address to whatever it is asked.
    fn gives(&self, place: &str, answer: Answered) {
        self.answers.lock().unwrap().insert(place.to_owned(), answer);
    }

    fn says(&self, url: &str, body: &str) {
        let answer =
            outbound::Answer { body: Bytes::copy_from_slice(body.as_bytes()), ..status(200).unwrap() };
        self.gives(url, Ok(answer));
    }

    /// The addresses that were sent something since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Waits until so many requests wait for the test.
    async fn holds(&self, count: usize) {
        while self.held_so_far.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }

    /// Has requests to a host wait.
    fn hold(&self, host: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.held.lock().unwrap() = Some((host.to_owned(), Arc::clone(&gate)));
        gate
    }
}

/// A relay with alice, who signs with a key of the vectors.
struct Scene {
    _home: tempfile::TempDir,
    store: Store,
    clock: Arc<ManualClock>,
    world: Arc<World>,
    relay: Arc<Relay>,
}

impl Scene {
    async fn set() -> Self {
        Self::set_with(SalmonConfig::default()).await
    }

    async fn set_with(salmon: SalmonConfig) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options =
            StoreOptions { path: home.path().join("data"), cache_bytes: 16 << 20, gather: Duration::ZERO };
        let store = Store::open(&options).unwrap();
        let (clock, world) = (ManualClock::at(START), Arc::new(World::default()));
        let relay = built(&store, &clock, &world, salmon).await;
        let scene = Self { _home: home, store, clock, world, relay };
        scene.put(alice()).await;
        let key = PrivateKey::import(&fixture("keys/indep-2048.keypair")).unwrap().to_pkcs8().unwrap();
        scene.commit([RelayRecord::AccountKeyPut(id(ALICE), KeyPair::new(key))]).await;
        scene
    }

    async fn commit(&self, records: impl IntoIterator<Item = RelayRecord>) {
        self.store.commit(records.into_iter().map(Into::into).collect::<Commit>()).await.unwrap();
    }

    async fn put(&self, account: Account) {
        self.commit([RelayRecord::AccountPut(id(&account.name), account)]).await;
    }

    /// What the host of a name says: of whom it is, and where slaps for that go.
    async fn knows(&self, name: &str, subject: &str, aliases: &[&str], endpoint: &str) {
        let descriptor = Descriptor::read(jrd(subject, aliases, endpoint).as_bytes()).unwrap();
        let fetched_at = self.clock.now();
        let known = KnownDescriptor { descriptor, fetched_at, refreshed_at: None };
        self.commit([RelayRecord::DescriptorPut(id(name), known)]).await;
    }

    async fn send(&self, number: u32, to: &[&str]) -> crate::protocol::SlapId {
        let entry = format!(
            "<entry xmlns=\"http://www.w3.org/2005/Atom\"><id>tag:alice.example,2026:{number}</id>\
             <title>t</title><content>c</content></entry>"
        );
        let to: Vec<_> = to.iter().map(|to| (*to).to_owned()).collect();
        self.relay.send(ALICE, entry, &to).await.unwrap().id()
    }

    /// Does what is due on the way out, all of it at once, and says how much that was.
    async fn turn(&self) -> usize {
        let (rows, _) = self.store.due(DueKind::Slap, self.clock.now(), 1000).unwrap();
        let work = Arc::new(Slapping(Arc::clone(&self.relay)));
        let count = rows.len();
        let mut under_way = JoinSet::new();
        for due in rows {
            under_way.spawn(Arc::clone(&work).run(due));
        }
        for done in under_way.join_all().await {
            done.unwrap();
        }
        count
    }

    /// Moves the clock to when something is due next, and does it.
    async fn next_turn(&self) -> usize {
        let (_, next) = self.store.due(DueKind::Slap, self.clock.now(), 1000).unwrap();
        if let Some(next) = next {
            self.clock.advance(next.since(self.clock.now()));
        }
        self.turn().await
    }

    async fn view(&self, slap: crate::protocol::SlapId) -> serde_json::Value {
        serde_json::to_value(self.relay.slap(slap).await.unwrap().unwrap()).unwrap()
    }

    /// What is there of a slap's targets: the state of each, and its tries.
    async fn states(&self, slap: crate::protocol::SlapId) -> Vec<(String, usize)> {
        let view = self.view(slap).await;
        let targets = view["targets"].as_array().unwrap().iter();
        targets
            .map(|target| {
                let tries = target["tries"].as_array().unwrap().len();
                (target["state"].as_str().unwrap().to_owned(), tries)
            })
            .collect()
    }
}

fn jrd(subject: &str, aliases: &[&str], endpoint: &str) -> String {
    let links = serde_json::json!([{"rel": "salmon", "href": endpoint}]);
    serde_json::json!({"subject": subject, "aliases": aliases, "links": links}).to_string()
}

fn id(name: &str) -> NameId {
    Identity::parse(name).unwrap().id()
}

fn alice() -> Account {
    Account {
        name: format!("acct:{ALICE}"),
        kind: AccountKind::Person,
        uri: "https://alice.example/user/7".to_owned(),
        profile: "https://alice.example/alice".to_owned(),
        feed: "https://alice.example/feed".to_owned(),
        aliases: Vec::new(),
        display_name: String::new(),
        callback: Some("https://alice.example/slaps".to_owned()),
        secret: None,
        mode: ForwardMode::Envelope,
        posts: Vec::new(),
        accept_unaddressed: false,
        blocked: Vec::new(),
        members: None,
        removed_at: None,
        life: Life::default(),
    }
}

async fn built(
    store: &Store,
    clock: &Arc<ManualClock>,
    world: &Arc<World>,
    salmon: SalmonConfig,
) -> Arc<Relay> {
    let (random, hub_url) = (Arc::new(Random::seeded(7)), "https://hub.example/".to_owned());
    let publishing = Publishing::alone(store.clone(), world.clone(), clock.clone());
    let lookup = Lookup::new(lookup::Parts {
        store: store.clone(),
        transport: world.clone(),
        clock: clock.clone(),
        breaker: BreakerRules::default(),
        rules: lookup::Rules::default(),
    });
    let parts = Parts {
        store: store.clone(),
        lookup,
        callbacks: world.clone(),
        breaker: BreakerRules::default(),
        clock: clock.clone(),
        random,
        metrics: Arc::default(),
        salmon,
        feeds: GroupFeeds::new(store.clone(), hub_url.clone()),
        publishing,
        hub_url,
    };
    Relay::new(parts).await.unwrap()
}
