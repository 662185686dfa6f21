//! A store that was copied and cut, or whose bytes were flipped: it is whole, or it is said to be damaged. Nothing that was
//! acknowledged goes without a word.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::harness::{Callback, Ended, Form, Page, Program, Reply, Stage, Topic, soon, wanted};

async fn store(stage: &Stage, arguments: &[&str]) -> Ended {
    let arguments: Vec<_> = ["store"].iter().chain(arguments).copied().collect();
    let ended = Program::run(stage.hub.home(), &arguments).await;
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended
}

struct Scene {
    stage: Stage,
    topic: Topic,
    callbacks: Vec<Callback>,
    /// What an export said of the store while it was whole.
    whole: String,
}

impl Scene {
    /// A stopped hub whose store holds some of everything, in a log of several segments.
    async fn set() -> Self {
        let mut stage = Stage::set().await;
        let topic = stage.publisher.topic("/text");
        let callback = |index| stage.subscriber.callback(&format!("/cb/{index}"));
        let callbacks: Vec<_> = (0..40).map(callback).collect();
        for callback in &callbacks {
            stage.accept_sync(&Form::subscribe(&topic, callback).secret("s3cret")).await;
        }
        callbacks[0].always_reply(Reply::Status(503));
        for round in 0..6 {
            topic.put(Page::of("text/plain", format!("{round} {}", "x".repeat(90_000))));
            stage.ping(&topic).await;
            callbacks[1].delivered(round + 1).await;
        }
        // The newest of all: a cut takes it first.
        stage.subscribe_03(&stage.publisher.topic("/last"), &callbacks[1]).await;
        stage.hub.end().await;
        fs::rename(stage.hub.data(), stage.hub.home().join("kept")).unwrap();
        let whole = store(&stage, &["export", "--data", "kept"]).await.expect(0).stdout;
        Self { stage, topic, callbacks, whole }
    }

    /// A copy of the store, as a backup program might make it of a store that nobody has open.
    fn copy(&self) -> File {
        let (from, to) = (self.stage.hub.home().join("kept"), self.stage.hub.data());
        drop(fs::remove_dir_all(&to));
        copy(&from, &to);
        File::options().read(true).write(true).open(to.join("db")).unwrap()
    }

    /// The same without the engine's snapshots, as after a life so short that it made none. With one, the engine notices
    /// itself that its log ends too early.
    fn copy_without_snapshots(&self) -> File {
        let db = self.copy();
        for entry in fs::read_dir(self.stage.hub.data()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
                fs::remove_file(path).unwrap();
            }
        }
        db
    }

    /// The store in its place is whole, or it is said that it is not. Says which.
    async fn is_whole_or_says_so(&self, what: &str) -> bool {
        let verified = store(&self.stage, &["verify", "--data", "data"]).await;
        let exported = store(&self.stage, &["export", "--data", "data"]).await;
        for ended in [&exported, &verified] {
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!([Some(0), Some(1)].contains(&ended.code), "{what}: {ended:?}");
            assert!(
                ended.code == Some(0) || WORDS.iter().any(|words| said.contains(words)),
                "{what}: {ended:?}"
            );
        }
        // What is derived from other rows may be damaged, and is not exported.
        if exported.code == Some(0) {
            assert_eq!(exported.stdout, self.whole, "{what}: something is lost without a word");
        } else {
            assert_eq!(verified.code, Some(1), "{what}: {verified:?}");
        }
        verified.code == Some(0)
    }
}

/// One of which stands in whatever is said of a damaged store.
const WORDS: [&str; 3] = ["commits that were acknowledged", "damaged", "cannot be opened"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { assert!(fs::copy(path, to).is_ok()) }
    }
}

#[tokio::test]
async fn a_store_whose_tail_was_cut_is_refused_and_what_is_left_can_be_saved() {
    let mut scene = Scene::set().await;
    assert!(scene.copy_without_snapshots().metadata().is_ok() && scene.is_whole_or_says_so("a copy").await);
    // The end of the file may be room that was not used yet.
    for part in (1..20).rev() {
        let db = scene.copy_without_snapshots();
        db.set_len(db.metadata().unwrap().len() * part / 20).unwrap();
        if !scene.is_whole_or_says_so(&format!("{part} of 20 parts")).await {
            break;
        }
    }
    let ended = scene.stage.hub.launch().result().await.expect(1);
    assert!(ended.stderr.contains(WORDS[0]), "{ended:?}");
    assert!(ended.stderr.contains(scene.stage.hub.data().to_str().unwrap()), "{ended:?}");
    let again = scene.stage.hub.launch().result().await.expect(1);
    assert!(again.stderr.contains(WORDS[0]), "it must not be forgotten: {again:?}");

    let saved = store(&scene.stage, &["export", "--data", "data", "saved.jsonl"]).await.expect(1);
    assert!(saved.stderr.contains("subscriptions"), "{saved:?}");
    fs::remove_dir_all(scene.stage.hub.data()).unwrap();
    let said = store(&scene.stage, &["import", "--data", "data", "saved.jsonl"]).await.expect(0);
    let subscriptions = said.stdout.split(", ").find_map(|part| part.split_once(" subscriptions"));
    assert!(subscriptions.is_some(), "nobody was saved: {said:?}");
    // Who was saved is served.
    scene.stage.hub.restart().await;
    let witness = scene.stage.fence(&scene.topic).await;
    scene.topic.put(Page::text("news"));
    scene.stage.ping(&scene.topic).await;
    witness.delivered(1).await;
    let first = &scene.callbacks[2];
    first.delivered_where("news", |one| one.body == "news").await;
}

#[tokio::test]
async fn a_store_that_was_emptied_is_no_new_store() {
    let scene = Scene::set().await;
    scene.copy().set_len(0).unwrap();
    let ended = scene.stage.hub.launch().result().await.expect(1);
    assert!(WORDS.iter().any(|words| ended.stderr.contains(words)), "{ended:?}");
}

/// Wherever it is damaged, and however much: no row goes without a word. `HUBBUB_SEED` repeats a run.
#[tokio::test]
async fn bytes_that_were_flipped_are_noticed_or_cost_nothing() {
    let seed = wanted("HUBBUB_SEED", rand::random());
    let mut rng = StdRng::seed_from_u64(seed);
    let scene = Scene::set().await;
    let (mut whole, mut damaged) = (0, 0);
    for round in 0..24 {
        let db = if round % 2 == 0 { scene.copy() } else { scene.copy_without_snapshots() };
        let length = db.metadata().unwrap().len();
        let at = rng.random_range(0..length);
        let count = [1, 16, 4096, 100_000][round % 4].min(length - at);
        let mut bytes = vec![0; usize::try_from(count).unwrap()];
        db.read_exact_at(&mut bytes, at).unwrap();
        for byte in &mut bytes {
            *byte ^= 0xff;
        }
        db.write_all_at(&bytes, at).unwrap();
        let what = format!("{count} bytes at {at} of {length}, seed {seed}");
        if scene.is_whole_or_says_so(&what).await { whole += 1 } else { damaged += 1 }
    }
    assert!(damaged > 0, "{whole} times nothing was damaged: nothing was tested (seed {seed})");
}

/// It is refused with words, or everybody gets what is published, or the hub comes upon the damage and says so.
#[tokio::test]
async fn a_hub_on_a_damaged_store_serves_everybody_or_says_why_not() {
    let mut scene = Scene::set().await;
    let (mut refused, mut noticed, mut well) = (0, 0, 0);
    for part in 0..12 {
        let spoil = |db: &File| {
            let at = db.metadata().unwrap().len() * part / 12;
            db.write_all_at(&vec![0xff; 120_000], at).unwrap();
        };
        spoil(&scene.copy());
        let hub = scene.stage.hub.launch();
        if !hub.says("the hub to be announced", |line| line.contains("listening")).await {
            refused += 1;
            let ended = hub.result().await.expect(1);
            assert!(WORDS.iter().any(|words| ended.stderr.contains(words)), "{ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{ended:?}");
            continue;
        }
        drop(hub);
        spoil(&scene.copy());
        scene.stage.hub.restart().await;
        if scene.is_served(&format!("part {part}")).await {
            well += 1;
        } else {
            noticed += 1;
        }
        scene.stage.hub.kill_9();
    }
    let outcomes = format!("{refused} refused, {noticed} noticed, {well} well");
    assert!(refused + noticed > 0, "nothing was tested: {outcomes}");
}

impl Scene {
    /// Publishes; everybody gets it, or the hub is no longer ready.
    async fn is_served(&self, news: &str) -> bool {
        let hub = &self.stage.hub;
        self.topic.put(Page::of("text/plain", news.to_owned()));
        let answer = hub.post(&Form::publish(&self.topic)).await;
        assert!([204, 503].contains(&answer.status), "{answer:?}");
        let has_it = |callback: &Callback| callback.attempts().iter().any(|one| one.body == news.as_bytes());
        soon("everybody to be served, or a word", async {
            loop {
                let readiness = hub.client().get(&hub.at("/readyz")).await;
                if readiness.status == 503 {
                    assert!(readiness.text.contains("damaged"), "{readiness:?}");
                    return false;
                }
                if self.callbacks[1..].iter().all(has_it) {
                    return true;
                }
            }
        })
        .await
    }
}
