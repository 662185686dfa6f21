//! `hubbub store`: what is saved is a hub again, what is not whole is refused, and what is compacted is smaller and the same.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;

use crate::harness::{
    Ended, Feed, Flavour, Form, Page, Program, Reply, Settings, Stage, Topic, sha1_signature,
};

async fn store(stage: &Stage, arguments: &[&str]) -> Ended {
    let arguments: Vec<_> = ["store"].iter().chain(arguments).copied().collect();
    Program::run(stage.hub.home(), &arguments).await
}

fn put(topic: &Topic, feed: &Feed) {
    topic.put(Page::of(feed.flavour().content_type(), feed.document()));
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|name| name.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What an export says, by line: the order of keys is the engine's business, but it is the same for the same rows.
async fn exported(stage: &Stage) -> String {
    store(stage, &["export", "--data", "data"]).await.expect(0).stdout
}

#[tokio::test]
async fn what_was_exported_is_a_hub_again_elsewhere() {
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed.xml");
    let mut feed = Feed::new(Flavour::Atom, 3, &topic.url(), &[stage.hub.url()]);
    put(&topic, &feed);
    let (signed, down) = (stage.subscriber.callback("/signed"), stage.subscriber.callback("/down"));
    for callback in [&signed, &down] {
        stage.accept_sync(&Form::subscribe(&topic, callback).secret(b"s3\xffcret")).await;
    }
    stage.ping(&topic).await;
    for callback in [&signed, &down] {
        callback.delivered(1).await;
    }
    // One publication is owed when the hub stops.
    down.always_reply(Reply::Status(503));
    let missed = feed.add();
    put(&topic, &feed);
    stage.ping(&topic).await;
    signed.delivered(2).await;
    down.attempted(2).await;
    stage.hub.end().await;

    let said = store(&stage, &["export", "--data", "data", "saved.jsonl"]).await.expect(0);
    assert!(said.stderr.contains("2 subscriptions") && said.stderr.contains("1 backlogs"), "{said:?}");
    let file = stage.hub.home().join("saved.jsonl");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "secrets are in it (X07)");
    let again = store(&stage, &["export", "--data", "data", "saved.jsonl"]).await.expect(1);
    assert!(again.stderr.contains("saved.jsonl"), "{again:?}");
    let saved = fs::read_to_string(&file).unwrap();
    assert_eq!(exported(&stage).await, saved);
    fs::remove_dir_all(stage.hub.data()).unwrap();
    store(&stage, &["import", "--data", "elsewhere", "saved.jsonl"]).await.expect(0);
    fs::rename(stage.hub.home().join("elsewhere"), stage.hub.data()).unwrap();
    assert_eq!(exported(&stage).await, saved);

    down.always_reply(Reply::Status(204));
    stage.hub.restart().await;
    down.delivered_where("what it missed", |one| feed.found_in(&one.body) == [missed.clone()]).await;
    let newest = feed.add();
    put(&topic, &feed);
    stage.ping(&topic).await;
    for (callback, count) in [(&signed, 3), (&down, 3)] {
        let deliveries = callback.delivered(count).await;
        let last = deliveries.last().unwrap();
        assert_eq!(
            feed.found_in(&last.body),
            std::slice::from_ref(&newest),
            "what is old goes to nobody again"
        );
        assert_eq!(last.header("x-hub-signature"), Some(&*sha1_signature(b"s3\xffcret", &last.body)));
        assert_eq!(deliveries.len(), count);
    }
}

#[tokio::test]
async fn without_secrets_nobody_is_delivered_to_unsigned() {
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let (signed, plain) = (stage.subscriber.callback("/signed"), stage.subscriber.callback("/plain"));
    stage.accept_sync(&Form::subscribe(&topic, &signed).secret("s3cret")).await;
    stage.subscribe_03(&topic, &plain).await;
    stage.hub.end().await;
    let said =
        store(&stage, &["export", "--data", "data", "--without-secrets", "saved.jsonl"]).await.expect(0);
    assert!(said.stderr.contains("left out by an import: 1 subscriptions"), "{said:?}");
    assert!(!fs::read_to_string(stage.hub.home().join("saved.jsonl")).unwrap().contains("s3cret"));
    fs::remove_dir_all(stage.hub.data()).unwrap();
    let said = store(&stage, &["import", "--data", "data", "saved.jsonl"]).await.expect(0);
    assert!(
        said.stderr.contains("left out, as their secrets are not in the file: 1 subscriptions"),
        "{said:?}"
    );
    stage.hub.restart().await;
    topic.put(Page::text("news"));
    stage.ping(&topic).await;
    plain.delivered(1).await;
    stage.got_only(1, &topic, &plain).await;
    assert!(signed.attempts().is_empty());
}

#[tokio::test]
async fn what_is_not_whole_makes_no_store_and_says_why() {
    let mut stage = Stage::set().await;
    let (_topic, _callback) = stage.subscribed("/text").await;
    let locked = store(&stage, &["export", "--data", "data", "saved.jsonl"]).await.expect(1);
    assert!(locked.stderr.contains("locked by another process"), "{locked:?}");
    assert!(
        !names(stage.hub.home()).contains(&"saved.jsonl".to_owned()),
        "no export, and in the way of the next"
    );
    stage.hub.end().await;
    let saved = exported(&stage).await;
    let before = names(stage.hub.home());
    let lines: Vec<_> = saved.lines().collect();
    let broken = saved.replace("\"since_seq\":0", "\"since_seq\":\"0\"");
    assert_ne!(broken, saved);
    let table = [
        (lines[..lines.len() - 1].join("\n") + "\n", "the file was cut"),
        (saved.get(..saved.len() / 2).unwrap().to_owned(), "the file was cut"),
        (broken, "subscriptions.row.since_seq: invalid type: string \"0\", expected u64"),
        (saved.replace("\"hubbub-store\":1", "\"hubbub-store\":9"), "version 9"),
    ];
    for (text, words) in table {
        let file = stage.hub.home().join("wrong.jsonl");
        fs::write(&file, text).unwrap();
        let ended = store(&stage, &["import", "--data", "other", "wrong.jsonl"]).await.expect(1);
        assert!(ended.stderr.contains(words), "{words:?} is not in {ended:?}");
        fs::remove_file(file).unwrap();
        assert_eq!(names(stage.hub.home()), before, "{words}: something was left");
    }
    fs::write(stage.hub.home().join("saved.jsonl"), &saved).unwrap();
    let ended = store(&stage, &["import", "--data", "data", "saved.jsonl"]).await.expect(1);
    assert!(ended.stderr.contains("it is not empty"), "{ended:?}");
    assert_eq!(exported(&stage).await, saved);
    let ended = store(&stage, &["stats", "--data", "nowhere"]).await.expect(1);
    assert!(ended.stderr.contains("there is no store in nowhere"), "{ended:?}");
    assert_eq!(store(&stage, &["stats"]).await.code, Some(2));
}

/// The octets that `/metrics` tells.
async fn told(stage: &Stage) -> u64 {
    let metrics = stage.hub.client().get(&stage.hub.admin("/metrics")).await.expect(200).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("hubbub_store_bytes "));
    line.unwrap_or_else(|| panic!("no size in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_compacted_store_is_smaller_and_loses_nothing() {
    let mut stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    let rounds = 120;
    for round in 1..=rounds {
        // Rewrites the topic, its document and its entries each time, and drops what all have got.
        topic.put(Page::of("text/plain", format!("{round} {}", "x".repeat(100_000))));
        stage.ping(&topic).await;
        callback.delivered(round).await;
    }
    stage.hub.end().await;
    let before = exported(&stage).await;
    let stats = store(&stage, &["stats", "--data", "data"]).await.expect(0).stdout;
    assert!(stats.lines().any(|line| line.split_whitespace().take(2).eq(["subscriptions", "1"])), "{stats}");
    let on_disk = |folder: &Path| fs::metadata(folder.join("db")).unwrap().len();
    let large = on_disk(&stage.hub.data());
    let said = store(&stage, &["compact", "--data", "data", "--keep"]).await.expect(0);
    assert!(said.stdout.contains(" before, ") && said.stdout.contains("1 subscriptions"), "{said:?}");
    let small = on_disk(&stage.hub.data());
    assert!(small < large / 2, "{small} of {large}");
    assert_eq!(exported(&stage).await, before);
    assert_eq!(on_disk(&stage.hub.home().join("data.old")), large);
    fs::remove_dir_all(stage.hub.home().join("data.old")).unwrap();
    store(&stage, &["compact", "--data", "data"]).await.expect(0);
    assert_eq!(names(stage.hub.home()), ["data", "hub.toml"]);
    stage.hub.restart().await;
    let octets = told(&stage).await;
    assert!((1..large / 2).contains(&octets), "{octets} of {large}, {small} before the start");
    stage.got_only(rounds, &topic, &callback).await;
}

#[tokio::test]
async fn a_store_that_has_grown_compacts_itself_while_it_is_used_and_stays_one_for_every_command() {
    let mut stage = Stage::set_with(Settings::quick().with("storage", "compact_above", 0)).await;
    let (topic, callback) = stage.subscribed("/text").await;
    let rounds = 60;
    for round in 1..=rounds {
        topic.put(Page::of("text/plain", format!("{round} {}", "x".repeat(60_000))));
        stage.ping(&topic).await;
        callback.delivered(round).await;
    }
    stage.hub.end().await;
    let before = exported(&stage).await;
    let log = |stage: &Stage| stage.hub.data().join("db");
    let large = fs::metadata(log(&stage)).unwrap().len();

    stage.hub.reconfigure(Settings::quick().with("storage", "compact_above", "1MiB"));
    stage.hub.restart().await;
    let other = stage.subscriber.callback("/other");
    stage.subscribe_03(&topic, &other).await;
    // It looks how large the store is with a commit, and again with one some seconds later.
    tokio::select! {
        () = stage.hub.logged("the store was compacted") => {}
        () = async { loop { stage.ping(&topic).await } } => {}
    }
    stage.got_only(rounds, &topic, &callback).await;
    stage.hub.kill_9();
    assert!(fs::read_to_string(stage.hub.data().join("generation")).unwrap().starts_with("1 "));
    stage.hub.restart().await;
    assert!(!fs::exists(log(&stage)).unwrap(), "what was compacted is gone");
    let octets = told(&stage).await;
    assert!((1..large / 2).contains(&octets), "{octets} of {large}");
    stage.hub.end().await;

    let after = exported(&stage).await;
    let subscriptions =
        |text: &str| text.lines().filter(|line| line.starts_with("{\"subscriptions\"")).count();
    assert_eq!((subscriptions(&before), subscriptions(&after)), (1, 2));
    for command in ["verify", "stats", "compact"] {
        store(&stage, &[command, "--data", "data"]).await.expect(0);
    }
    assert!(fs::exists(log(&stage)).unwrap(), "it begins anew");
    assert!(exported(&stage).await == after, "nothing is lost and nothing is added");
    stage.hub.restart().await;
    stage.got_only(rounds + 1, &topic, &callback).await;
}

#[tokio::test]
async fn a_compaction_cut_by_kill_9_leaves_a_whole_store_or_says_where_it_is() {
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    for number in 0..40 {
        stage.subscribe_03(&topic, &stage.subscriber.callback(&format!("/cb/{number}"))).await;
    }
    stage.hub.end().await;
    let before = exported(&stage).await;
    let (home, data) = (stage.hub.home().to_owned(), stage.hub.data());
    let began = tokio::time::Instant::now();
    store(&stage, &["compact", "--data", "data"]).await.expect(0);
    let whole = began.elapsed();
    let seed = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut cut = 0;
    for round in 0..30 {
        let mut compaction = Program::start(&home, &["store", "compact", "--data", "data"]);
        let moment = whole.mul_f64(rng.random_range(0.0..1.1));
        if tokio::time::timeout(moment, compaction.ended()).await.is_err() {
            // It may end of itself at this very moment.
            compaction.signal(Signal::KILL);
            cut += usize::from(compaction.ended().await.code().is_none());
        }
        if !names(&home).contains(&"data".to_owned()) {
            let said = Program::run(&home, &stage.hub.arguments()).await.expect(1);
            assert!(said.stderr.contains("mv "), "{said:?}");
            fs::rename(home.join("data.old"), &data).unwrap();
        }
        for left in ["data.new", "data.old"] {
            drop(fs::remove_dir_all(home.join(left)));
        }
        assert_eq!(
            exported(&stage).await,
            before,
            "round {round} of seed {seed}, cut after {moment:?} of {whole:?}"
        );
    }
    assert!(cut > 5, "only {cut} compactions were cut: nothing was tested");
    // The moment between the two renames, which no kill is sure to hit.
    fs::rename(&data, home.join("data.old")).unwrap();
    let said = Program::run(&home, &stage.hub.arguments()).await.expect(1);
    assert!(said.stderr.contains("Move it back: mv "), "{said:?}");
    assert!(!names(&home).contains(&"data".to_owned()), "an empty store would be given to all who come next");
    fs::rename(home.join("data.old"), &data).unwrap();
    tokio::time::timeout(Duration::from_secs(20), stage.hub.restart()).await.unwrap();
}
