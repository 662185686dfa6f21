//! kill -9, at a chosen moment and at twenty drawn ones: what was acknowledged is kept, and repeats are bounded
//! (promise 1; D16, D22, P02, S27).

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

use crate::harness::{Callback, Client, Form, Page, Reply, Settings, Stage, Topic, soon};

/// Prints the seed of a round that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed of the failed round is {}", self.0);
        }
    }
}

/// Subscribes many at once, each active when this returns.
async fn subscribe_all(stage: &Stage, topic: &Topic, callbacks: &[Callback]) {
    const AT_ONCE: usize = 8;
    let mut posts = JoinSet::new();
    for callback in callbacks {
        if posts.len() == AT_ONCE {
            posts.join_next().await.unwrap().unwrap();
        }
        let (client, url) = (stage.hub.client().clone(), stage.hub.url().to_owned());
        let form = Form::subscribe(topic, callback).sync();
        posts.spawn(async move {
            client.post(&url, &form).await.expect(204);
        });
    }
    posts.join_all().await;
}

#[tokio::test]
async fn a_fan_out_cut_by_kill_9_ends_after_a_restart_with_at_most_one_batch_repeated() {
    const SUBSCRIBERS: usize = 1000;
    const BATCH: usize = 100;
    let settings = Settings::quick().with("delivery", "batch", 100).with("delivery", "patience", "2s");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<_> =
        (0..SUBSCRIBERS).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    subscribe_all(&stage, &topic, &callbacks).await;
    // Slow enough that the middle of the fan-out is a moment in which many answers are open.
    stage.subscriber.always_reply(Reply::After(Duration::from_millis(20), 204));
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    stage.subscriber.arrived(SUBSCRIBERS * 2 / 5).await;
    stage.hub.kill_9();
    let cut = callbacks.iter().filter(|callback| callback.attempts().is_empty()).count();
    assert!(cut > 0, "the kill came too late to cut anything");

    stage.hub.restart().await;
    for callback in &callbacks {
        callback.delivered(1).await;
    }
    // The next publication comes after all repeats of this one, since a subscription gets its own in order.
    topic.put(Page::of("text/plain", "later news"));
    stage.ping(&topic).await;
    let mut repeats = 0;
    for callback in &callbacks {
        callback.delivered_where("later news", |one| one.body == "later news").await;
        let attempts = callback.attempts();
        let (later, first): (Vec<_>, Vec<_>) = attempts.iter().partition(|one| one.body == "later news");
        assert!(first.iter().all(|one| one.body == "news"));
        assert_eq!(later.len(), 1);
        repeats += first.len() - 1;
    }
    assert!(repeats <= BATCH, "{repeats} repeats");
}

/// One round's topic, whose content is its version.
struct Round {
    topic: Topic,
    version: u32,
    /// Subscribed before the trouble, by 204.
    settled: Vec<Callback>,
}

/// What the hub acknowledged before it died.
#[derive(Default)]
struct Acknowledged {
    subscribed: Vec<Callback>,
    unsubscribed: Vec<Callback>,
    /// The highest version for which a ping was answered.
    version: u32,
}

fn put(topic: &Topic, version: u32) {
    topic.put(Page::of("text/plain", version.to_string()));
}

fn version_of(body: &[u8]) -> u32 {
    std::str::from_utf8(body).unwrap().parse().unwrap()
}

/// The versions that a callback was sent, in the order in which they came.
fn versions_of(callback: &Callback) -> Vec<u32> {
    callback.attempts().iter().map(|one| version_of(&one.body)).collect()
}

impl Round {
    async fn set(stage: &Stage, number: usize) -> Self {
        let topic = stage.publisher.topic(&format!("/round/{number}"));
        let callback = |index| stage.subscriber.callback(&format!("/round/{number}/settled/{index}"));
        let settled: Vec<_> = (0..4).map(callback).collect();
        subscribe_all(stage, &topic, &settled).await;
        Self { topic, version: 0, settled }
    }

    /// Subscribes, unsubscribes and pings until the hub dies under it.
    async fn trouble(
        &mut self,
        client: &Client,
        url: &str,
        rng: &mut StdRng,
        newcomers: Vec<Callback>,
    ) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        // Nobody pings a topic again and again without something new; every ping has a version of its own.
        let mut newcomers = newcomers.into_iter();
        loop {
            let dice = rng.random_range(0..10_u32);
            let died = match dice {
                0..4 => {
                    self.version += 1;
                    put(&self.topic, self.version);
                    let answer = client.try_post(url, &Form::publish(&self.topic)).await;
                    if answer.is_some() {
                        acknowledged.version = self.version;
                    }
                    answer.map(|answer| answer.expect(204)).is_none()
                }
                4..9 => {
                    let Some(callback) = newcomers.next() else { continue };
                    let form = Form::subscribe(&self.topic, &callback);
                    let (form, status) = if dice < 7 { (form, 202) } else { (form.sync(), 204) };
                    let answer = client.try_post(url, &form).await;
                    if answer.is_some() {
                        acknowledged.subscribed.push(callback);
                    }
                    answer.map(|answer| answer.expect(status)).is_none()
                }
                _ => {
                    // One of the settled stays, so that a ping always has somebody to reach (P07).
                    if self.settled.len() == 1 {
                        continue;
                    }
                    let callback = self.settled.pop().unwrap();
                    let answer =
                        client.try_post(url, &Form::unsubscribe(&self.topic, &callback).sync()).await;
                    if answer.is_some() {
                        acknowledged.unsubscribed.push(callback);
                    }
                    answer.map(|answer| answer.expect(204)).is_none()
                }
            };
            if died {
                return acknowledged;
            }
        }
    }

    /// Checks after the restart that the hub remembers everything that it acknowledged.
    async fn is_made_good(&mut self, stage: &Stage, acknowledged: Acknowledged) {
        for callback in &self.settled {
            let wanted = acknowledged.version;
            let what = format!("version {wanted} or later");
            if wanted > 0 {
                callback.delivered_where(&what, |one| version_of(&one.body) >= wanted).await;
            }
        }
        for callback in &acknowledged.subscribed {
            callback.confirmed(1).await;
        }
        // A confirmation that the kill kept from the disk is asked for again, and nothing tells when; so there is news
        // until it reaches everybody.
        let before = self.version;
        let reached = |callback: &Callback| versions_of(callback).last().is_some_and(|last| *last > before);
        soon("news to reach everybody", async {
            while !self.settled.iter().chain(&acknowledged.subscribed).all(reached) {
                self.version += 1;
                put(&self.topic, self.version);
                stage.ping(&self.topic).await;
                let wanted = self.version;
                let what = format!("version {wanted}");
                self.settled[0].delivered_where(&what, |one| version_of(&one.body) == wanted).await;
            }
        })
        .await;
        for callback in self.settled.iter().chain(&acknowledged.subscribed) {
            // A repeat may come late after a kill; what is new may not come before what is older.
            let mut seen = Vec::new();
            for version in versions_of(callback) {
                if !seen.contains(&version) {
                    seen.push(version);
                }
            }
            assert!(seen.is_sorted(), "{} was sent {seen:?}", callback.url());
        }
        for callback in &acknowledged.unsubscribed {
            let versions = versions_of(callback);
            assert!(
                versions.iter().all(|version| *version <= before),
                "it had left, and was sent {versions:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_in_twenty_kills() {
    const ROUNDS: usize = 20;
    let mut stage = Stage::set().await;
    for number in 0..ROUNDS {
        let seed = Seed(0x5eed_0000 + u64::try_from(number).unwrap());
        let mut rng = StdRng::seed_from_u64(seed.0);
        let mut round = Round::set(&stage, number).await;
        let newcomer = |index| stage.subscriber.callback(&format!("/round/{number}/new/{index}"));
        let newcomers: Vec<_> = (0..200).map(newcomer).collect();
        let (client, url) = (stage.hub.client().clone(), stage.hub.url().to_owned());
        // The moment is what is drawn, so here time itself is the event.
        let moment = tokio::time::sleep(Duration::from_millis(rng.random_range(0..250)));
        let trouble = round.trouble(&client, &url, &mut rng, newcomers);
        let killed = async {
            moment.await;
            stage.hub.kill_9();
        };
        let (acknowledged, ()) = tokio::join!(trouble, killed);
        stage.hub.restart().await;
        round.is_made_good(&stage, acknowledged).await;
    }
}
