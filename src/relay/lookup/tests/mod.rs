//! Look-ups in a world of scripted hosts, against a clock that is moved by hand.

mod bounds;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    clock::ManualClock,
    outbound::{Answer, Outgoing, Purpose, Refusal, SendError, Sending},
    salmon::{Claims, Entry},
    store::StoreOptions,
};

/// What lies where; who asked for what, in order.
#[derive(Debug)]
struct World {
    answers: Mutex<HashMap<String, Result<Answer, SendError>>>,
    asked: Mutex<Vec<String>>,
    is_held: AtomicBool,
    gate: Semaphore,
}

impl Transport for World {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        assert_eq!(request.purpose, Purpose::Fetch);
        let url = request.uri.to_string();
        self.asked.lock().unwrap().push(url.clone());
        let absent = || Ok(answer(404, ""));
        let answer = self.answers.lock().unwrap().get(&url).cloned().unwrap_or_else(absent);
        Box::pin(async move {
            if self.is_held.load(Ordering::SeqCst) {
                self.gate.acquire().await.unwrap().forget();
            }
            answer
        })
    }
}

fn answer(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

struct Scene {
    _home: tempfile::TempDir,
    store: Store,
    world: Arc<World>,
    clock: Arc<ManualClock>,
    lookup: Arc<Lookup>,
}

impl Scene {
    fn set(rules: Rules) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options =
            StoreOptions { path: home.path().join("data"), cache_bytes: 16 << 20, gather: Duration::ZERO };
        let store = Store::open(&options).unwrap();
        let clock = ManualClock::at(Timestamp::EPOCH.after(Duration::from_hours(24 * 365)));
        let world = Arc::new(World {
            answers: Mutex::default(),
            asked: Mutex::default(),
            is_held: AtomicBool::new(false),
            gate: Semaphore::new(0),
        });
        let lookup = Lookup::new(Parts {
            store: store.clone(),
            transport: world.clone(),
            clock: clock.clone(),
            breaker: BreakerRules::default(),
            rules,
        });
        Self { _home: home, store, world, clock, lookup }
    }

    fn usual() -> Self {
        Self::set(Rules::default())
    }

    fn says(&self, url: &str, body: &str) {
        self.gives(url, Ok(answer(200, body)));
    }

    fn gives(&self, url: &str, given: Result<Answer, SendError>) {
        self.world.answers.lock().unwrap().insert(url.to_owned(), given);
    }

    fn redirects(&self, url: &str, to: &str) {
        let mut moved = answer(302, "");
        moved.headers.insert(header::LOCATION, to.parse().unwrap());
        self.gives(url, Ok(moved));
    }

    /// The addresses that were asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world.asked.lock().unwrap())
    }

    async fn find(&self, text: &str) -> Result<Found, LookupError> {
        self.lookup.find(&name(text), "192.0.2.1").await
    }
}

fn name(text: &str) -> Identity {
    Identity::parse(text).unwrap()
}

/// A descriptor with these names.
fn jrd(names: &[&str]) -> String {
    let (subject, aliases) = names.split_first().unwrap();
    let salmon = format!(r#"{{"rel":"salmon","href":"https://{}/salmon"}}"#, name(subject).host());
    format!(r#"{{"subject":"{subject}","aliases":{aliases:?},"links":[{salmon}]}}"#)
}

fn host_meta(template: &str) -> String {
    format!(r#"{{"links":[{{"rel":"lrdd","type":"application/xrd+xml","template":"{template}"}}]}}"#)
}

const BOB: &str = "acct:bob@bob.example";
const PAGE: &str = "https://bob.example/bob";
const FINGER: &str = "https://bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example";
const META: &str = "https://bob.example/.well-known/host-meta";
const XRD: &str = "https://bob.example/xrd?uri=acct%3Abob%40bob.example";

#[tokio::test]
async fn an_account_is_asked_for_by_webfinger_then_by_host_meta() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    assert!(scene.find("bob@bob.example").await.is_ok());
    assert_eq!(scene.asked(), [FINGER]);

    let scene = Scene::usual();
    scene.says(META, &host_meta("https://bob.example/xrd?uri={uri}"));
    scene.says(XRD, &jrd(&[BOB]));
    assert!(scene.find(BOB).await.is_ok());
    assert_eq!(scene.asked(), [FINGER, META, XRD]);

    let scene = Scene::usual();
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    assert_eq!(scene.asked(), [FINGER.to_owned(), META.to_owned(), format!("{META}.json")]);
}

#[tokio::test]
async fn a_page_leads_on_where_there_is_no_host_meta_and_speaks_for_itself_alone() {
    let scene = Scene::usual();
    scene.says(PAGE, "<html><head><link rel=lrdd href=/mine></head></html>");
    let elsewhere = "acct:bob@elsewhere.example";
    scene.says("https://bob.example/mine", &jrd(&["acct:carol@bob.example", PAGE, elsewhere]));
    let found = scene.find(PAGE).await.unwrap();
    assert_eq!(found.descriptor.subject, None, "a name of the same host that the page has no say in");
    assert_eq!(found.descriptor.aliases, [PAGE, elsewhere]);

    // With a host-meta, a page may be anybody's.
    let scene = Scene::usual();
    scene.says(META, &host_meta("https://bob.example/xrd?uri={uri}"));
    scene.says(PAGE, "<html><head><link rel=lrdd href=/mine></head></html>");
    scene.says("https://bob.example/mine", &jrd(&[PAGE]));
    assert_eq!(scene.find(PAGE).await, Err(LookupError::Nothing));

    // Nor does one that cannot be asked for count as absent.
    let scene = Scene::usual();
    scene.gives(META, Err(SendError::Connect));
    scene.says(PAGE, "<html><head><link rel=lrdd href=/mine></head></html>");
    scene.says("https://bob.example/mine", &jrd(&[PAGE]));
    assert_eq!(scene.find(PAGE).await, Err(LookupError::Later));
}

#[tokio::test]
async fn the_link_header_comes_before_the_page_and_the_feed_last() {
    let scene = Scene::usual();
    let mut page = answer(
        200,
        "<html><head><link rel=lrdd href=/b><link rel=alternate \
        type='application/atom+xml' href=/feed></head></html>",
    );
    page.headers.insert(header::LINK, "</a>; rel=lrdd".parse().unwrap());
    scene.gives(PAGE, Ok(page));
    scene.says(
        "https://bob.example/feed",
        "<feed xmlns='http://www.w3.org/2005/Atom'><author>\
        <email>bob@bob.example</email></author></feed>",
    );
    scene.says(FINGER, &jrd(&[BOB, PAGE]));
    assert_eq!(scene.find(PAGE).await.unwrap().descriptor.subject.as_deref(), Some(BOB));
    let json = format!("{META}.json");
    let order = [
        META,
        &json,
        PAGE,
        "https://bob.example/a",
        "https://bob.example/b",
        "https://bob.example/feed",
        FINGER,
    ];
    assert_eq!(scene.asked(), order);
}

#[tokio::test]
async fn a_descriptor_counts_only_from_the_names_own_host_and_with_the_name_in_it() {
    // A redirect to another host gives that host no say.
    let scene = Scene::usual();
    scene.redirects(FINGER, "https://evil.example/bob");
    scene.says("https://evil.example/bob", &jrd(&[BOB]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    // Nor does one of its host-meta.
    let scene = Scene::usual();
    scene.redirects(META, "https://evil.example/meta");
    scene.says("https://evil.example/meta", &host_meta("https://evil.example/{uri}"));
    scene.says("https://evil.example/acct%3Abob%40bob.example", &jrd(&[BOB]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    // Nor one from a template to a third.
    let scene = Scene::usual();
    scene.says(META, &host_meta("https://finger.example/{uri}"));
    scene.redirects("https://finger.example/acct%3Abob%40bob.example", "https://evil.example/");
    scene.says("https://evil.example/", &jrd(&[BOB]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    // The host that is named there has one.
    let scene = Scene::usual();
    scene.says(META, &host_meta("https://finger.example/{uri}"));
    scene.says("https://finger.example/acct%3Abob%40bob.example", &jrd(&[BOB]));
    assert!(scene.find(BOB).await.is_ok());
    // An open redirect is no page of the host.
    let scene = Scene::usual();
    scene.redirects(PAGE, "https://evil.example/");
    scene.says(
        "https://evil.example/",
        "<html><head><link rel=lrdd href=https://bob.example/up></head></html>",
    );
    scene.says("https://bob.example/up", &jrd(&[PAGE]));
    assert_eq!(scene.find(PAGE).await, Err(LookupError::Nothing));
    // About somebody else.
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&["acct:carol@bob.example"]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
}

#[tokio::test]
async fn a_host_may_keep_its_well_known_documents_at_another() {
    let elsewhere = "https://social.bob.example/.well-known/webfinger?resource=acct%3Abob%40bob.example";
    let scene = Scene::usual();
    scene.redirects(FINGER, elsewhere);
    scene.says(elsewhere, &jrd(&[BOB, "https://social.bob.example/@bob"]));
    assert!(scene.find(BOB).await.is_ok());
    let scene = Scene::usual();
    scene.redirects(META, "https://social.bob.example/.well-known/host-meta");
    let template = "https://social.bob.example/xrd?uri={uri}";
    scene.says("https://social.bob.example/.well-known/host-meta", &host_meta(template));
    scene.says("https://social.bob.example/xrd?uri=acct%3Abob%40bob.example", &jrd(&[BOB]));
    assert!(scene.find(BOB).await.is_ok());
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_out_of_tls() {
    let scene = Scene::usual();
    let hop = |number: u8| format!("https://bob.example/{number}");
    scene.redirects(FINGER, &hop(1));
    scene.redirects(&hop(1), &hop(2));
    scene.redirects(&hop(2), &hop(3));
    scene.says(&hop(3), &jrd(&[BOB]));
    assert!(scene.find(BOB).await.is_ok());

    let scene = Scene::usual();
    scene.redirects(FINGER, FINGER);
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    assert_eq!(scene.asked().iter().filter(|url| *url == FINGER).count(), 4);

    let scene = Scene::usual();
    scene.redirects(FINGER, "http://bob.example/1");
    scene.says("http://bob.example/1", &jrd(&[BOB]));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Nothing));
    assert!(scene.asked().iter().all(|url| url.starts_with("https:")));
}

#[tokio::test]
async fn listed_hosts_are_asked_without_tls_with_their_port_or_for_all_ports() {
    for listed in ["127.0.0.1:8080", "127.0.0.1"] {
        let scene = Scene::set(Rules { http_hosts: vec![listed.to_owned()], ..Rules::default() });
        let account = "acct:bob@127.0.0.1:8080";
        let finger = "http://127.0.0.1:8080/.well-known/webfinger?resource=acct%3Abob%40127.0.0.1%3A8080";
        scene.says(finger, &jrd(&[account]));
        assert!(scene.find(account).await.is_ok(), "{listed}");
        assert_eq!(scene.asked(), [finger]);
    }
}

#[tokio::test]
async fn a_descriptor_is_good_for_a_day_and_for_a_week_while_the_host_is_down_also_after_a_restart() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    assert!(!scene.find(BOB).await.unwrap().is_cached);
    scene.gives(FINGER, Err(SendError::Connect));
    scene.clock.advance(Duration::from_hours(23));
    let parts = &scene.lookup.parts;
    let again = Lookup::new(Parts {
        store: scene.store.clone(),
        transport: scene.world.clone(),
        clock: scene.clock.clone(),
        breaker: BreakerRules::default(),
        rules: parts.rules.clone(),
    });
    let found = again.find(&name(BOB), "").await.unwrap();
    assert!(found.is_cached && !found.is_stale);
    scene.asked();
    scene.clock.advance(Duration::from_hours(1));
    assert!(scene.find(BOB).await.unwrap().is_stale);
    assert!(!scene.asked().is_empty());
    assert!(scene.find(BOB).await.unwrap().is_stale);
    assert!(scene.asked().is_empty(), "the failure is remembered");
    scene.clock.advance(Duration::from_hours(6 * 24));
    assert_eq!(scene.find(BOB).await, Err(LookupError::Later));
}

fn claims(uri: &str, email: &str) -> Claims {
    let entry = format!(
        "<entry xmlns='http://www.w3.org/2005/Atom'><id>tag:bob.example,2026:1</id><author><uri>{uri}</uri>\
        <email>{email}</email></author></entry>"
    );
    Claims::of(&Entry::read(entry.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn all_names_have_to_be_one_accounts_and_each_host_has_to_say_so() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB, PAGE, "https://evil.example/"]));
    let confirmed = scene.lookup.confirm(&claims(PAGE, "bob@bob.example"), "x").await.unwrap();
    assert_eq!(confirmed.subject.as_str(), BOB);
    let spoofed = Err(Unconfirmed::Spoofed);
    let other = claims("https://bob.example/carol", "bob@bob.example");
    assert_eq!(scene.lookup.confirm(&other, "x").await, spoofed);
    let unheard = claims("https://evil.example/", "bob@bob.example");
    assert_eq!(scene.lookup.confirm(&unheard, "x").await, spoofed, "that host says nothing of it");

    let scene = Scene::usual();
    let www = "https://www.bob.example/bob";
    scene.says(FINGER, &jrd(&[BOB, www]));
    scene.says("https://www.bob.example/.well-known/host-meta", &host_meta("https://www.bob.example/{uri}"));
    let at_www = "https://www.bob.example/https%3A%2F%2Fwww.bob.example%2Fbob";
    scene.says(at_www, &jrd(&[www, BOB]));
    let confirmed = scene.lookup.confirm(&claims(www, "bob@bob.example"), "x").await.unwrap();
    assert_eq!(confirmed.subject.as_str(), BOB);

    // The word of evil.example on bob counts for nothing.
    let scene = Scene::usual();
    let evil = "acct:evil@evil.example";
    let finger = "https://evil.example/.well-known/webfinger?resource=acct%3Aevil%40evil.example";
    scene.says(finger, &jrd(&[BOB, evil]));
    scene.says(FINGER, &jrd(&[BOB, PAGE]));
    let both = claims(PAGE, "evil@evil.example");
    assert_eq!(scene.lookup.confirm(&both, "x").await, spoofed);
    let own = claims("tag:x", "evil@evil.example");
    assert_eq!(scene.lookup.confirm(&own, "x").await, spoofed);
    let alone = claims("", "evil@evil.example");
    let confirmed = scene.lookup.confirm(&alone, "x").await.unwrap();
    assert_eq!(confirmed.subject.as_str(), evil, "whatever it calls itself");
}

#[tokio::test]
async fn an_endpoint_is_in_the_descriptor_in_the_feed_or_in_the_target_itself() {
    let scene = Scene::usual();
    scene.says(FINGER, &jrd(&[BOB]));
    let endpoint = async |target| scene.lookup.endpoint(target, false).await;
    assert_eq!(endpoint(BOB).await.as_deref(), Ok("https://bob.example/salmon"));
    assert_eq!(endpoint("salmon:https://x.example/s").await.as_deref(), Ok("https://x.example/s"));
    for bad in ["salmon:http://x.example/s", "salmon:ftp://x", "salmon:https://a@b.example/", "", "tag:x"] {
        assert_eq!(endpoint(bad).await, Err(LookupError::Nothing), "{bad}");
    }
    let group = "https://group.example/7";
    scene.says(
        group,
        "<html><head><link rel=alternate type='application/atom+xml' href=/7.atom></head></html>",
    );
    scene.says(
        "https://group.example/7.atom",
        "<feed xmlns='http://www.w3.org/2005/Atom'>\
        <link rel='salmon' href='/salmon/7'/></feed>",
    );
    assert_eq!(endpoint(group).await.as_deref(), Ok("https://group.example/salmon/7"));
    scene.asked();
    assert_eq!(endpoint(group).await.as_deref(), Ok("https://group.example/salmon/7"));
    assert!(scene.asked().is_empty());
    assert_eq!(
        endpoint("https://group.example/7.atom").await.as_deref(),
        Ok("https://group.example/salmon/7")
    );
    assert_eq!(scene.lookup.endpoint(BOB, true).await.as_deref(), Ok("https://bob.example/salmon"));
    assert!(scene.asked().contains(&FINGER.to_owned()), "fresh is fresh");
}
