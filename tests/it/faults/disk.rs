//! A disk that is full, that fails, that hangs, that is read-only.

use std::{fs, time::Duration};

use rustix::io::Errno;

use super::injected::Faults;
use crate::harness::{Answer, Callback, Form, Gate, Page, Program, Reply, Stage, Topic};

fn put(topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
}

/// The request is not refused but put off, without a word about where the store lies.
fn assert_put_off(stage: &Stage, what: &str, answer: &Answer) {
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait), "{what}: {answer:?}");
    assert!(!answer.text.contains(stage.hub.home().to_str().unwrap()), "{what}: {answer:?}");
}

/// Everything that needs the store is put off, and the readiness says why.
async fn assert_degraded(stage: &Stage, topic: &Topic, callback: &Callback, why: &str) {
    let join = Form::subscribe(topic, callback);
    let table = [
        ("joining", join.clone()),
        ("joining at once", join.sync()),
        ("leaving", Form::unsubscribe(topic, callback)),
        ("a ping", Form::publish(topic)),
    ];
    for (what, form) in table {
        assert_put_off(stage, what, &stage.hub.post(&form).await);
    }
    let client = stage.hub.client();
    for probe in [stage.hub.at("/readyz"), stage.hub.admin("/readyz")] {
        let readiness = client.get(&probe).await;
        assert_put_off(stage, "readiness", &readiness);
        assert!(readiness.text.contains(why), "{why:?} is not in {readiness:?}");
    }
    client.get(&stage.hub.at("/livez")).await.expect(200);
}

async fn verified(stage: &Stage) {
    let said = Program::run(stage.hub.home(), &["store", "verify", "--data", "data"]).await.expect(0);
    assert!(said.stdout.contains("nothing is wrong"), "{said:?}");
}

/// By the kernel's own limit on the length of a file: everybody who was answered 204 is still subscribed when there is
/// room again, and nobody else was told that they are.
#[tokio::test]
async fn a_disk_that_fills_up_loses_nobody_who_was_acknowledged() {
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let witness = stage.fence(&topic).await;
    stage.hub.end().await;
    let length = fs::metadata(stage.hub.data().join("db")).unwrap().len();
    // The engine takes its next 512 KiB at the start. In the units of POSIX, 512 octets; without the signal, the error is one that a write returns.
    let blocks = length / 512 + 1200;
    stage.hub.live_under(Some(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")));
    stage.hub.restart().await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let callback = stage.subscriber.callback(&format!("/cb/{}", acknowledged.len()));
        let answer = stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await;
        if answer.status != 204 {
            assert_put_off(&stage, "the first without room", &answer);
            break callback;
        }
        acknowledged.push(callback);
        assert!(acknowledged.len() < 5000, "the disk does not fill up");
    };
    stage.hub.logged("the store cannot write").await;
    assert_degraded(&stage, &topic, &refused, "File too large").await;
    stage.hub.end().await;

    stage.hub.live_under(None);
    stage.hub.restart().await;
    put(&topic, "news");
    stage.ping(&topic).await;
    for callback in acknowledged.iter().chain([&witness]) {
        callback.delivered_where("news", |one| one.body == "news").await;
    }
    stage.hub.end().await;
    verified(&stage).await;
}

/// What failed once stays failed: after a failed fsync the kernel may have dropped what it could not write, so that the
/// next fsync that succeeds means nothing.
async fn fails_and_stays_failed(fail: impl Fn(&Faults, i32), errno: Errno, why: &str) {
    let faults = Faults::new();
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.hub.end().await;
    stage.hub.live_under(Some(faults.conditions()));
    stage.hub.restart().await;
    let witness = stage.fence(&topic).await;
    fail(&faults, errno.raw_os_error());
    assert_put_off(&stage, "the first", &stage.hub.post(&Form::subscribe(&topic, &callback)).await);
    assert_degraded(&stage, &topic, &callback, why).await;
    fail(&faults, 0);
    assert_degraded(&stage, &topic, &callback, why).await;
    stage.hub.end().await;

    stage.hub.restart().await;
    put(&topic, "news");
    stage.ping(&topic).await;
    witness.delivered(1).await;
    // What was written and not brought to the disk may be there all the same; then the callback was asked first.
    let is_asked = callback.confirmations() > 0;
    assert!(is_asked || callback.attempts().is_empty(), "it was told that it had not been subscribed");
    stage.hub.end().await;
    verified(&stage).await;
}

#[tokio::test]
async fn a_write_without_space_is_a_failure_until_the_restart() {
    fails_and_stays_failed(Faults::fail_writes, Errno::NOSPC, "No space left on device").await;
}

#[tokio::test]
async fn a_write_to_a_bad_disk_is_a_failure_until_the_restart() {
    fails_and_stays_failed(Faults::fail_writes, Errno::IO, "Input/output error").await;
}

/// As a kernel does to a file system that has errors.
#[tokio::test]
async fn a_disk_that_became_read_only_is_a_failure_until_the_restart() {
    fails_and_stays_failed(Faults::fail_writes, Errno::ROFS, "Read-only file system").await;
}

#[tokio::test]
async fn an_fsync_that_fails_is_a_failure_until_the_restart() {
    fails_and_stays_failed(Faults::fail_syncs, Errno::IO, "Input/output error").await;
}

/// Nobody is kept waiting for a disk that does not come back, and when it does all is well.
#[tokio::test]
async fn a_disk_that_hangs_is_said_to_hang_as_long_as_it_does() {
    let faults = Faults::new();
    let mut stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    stage.hub.end().await;
    stage.hub.live_under(Some(faults.conditions()));
    stage.hub.restart().await;
    stage.fence(&topic).await;
    faults.hang_syncs(true);
    assert_put_off(&stage, "the first", &stage.hub.post(&Form::subscribe(&topic, &callback)).await);
    assert_degraded(&stage, &topic, &callback, "a write has taken more than 10 seconds").await;
    faults.hang_syncs(false);
    let again = async {
        while stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.status != 204 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    stage.hub.client().get(&stage.hub.at("/readyz")).await.expect(200);
    stage.publish(&topic, "news").await;
    callback.delivered_where("news", |one| one.body == "news").await;
}

/// Requests that are under way run to their end on a store that fails, and are not sent again and again.
#[tokio::test]
async fn a_delivery_under_way_ends_well_on_a_disk_that_fails() {
    let faults = Faults::new();
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let slow = stage.subscriber.callback("/slow");
    stage.hub.end().await;
    stage.hub.live_under(Some(faults.conditions()));
    stage.hub.restart().await;
    stage.subscribe_03(&topic, &slow).await;
    let gate = Gate::closed();
    slow.reply([Reply::Held(gate.clone())]);
    put(&topic, "news");
    stage.ping(&topic).await;
    slow.attempted(1).await;
    faults.fail_writes(Errno::NOSPC.raw_os_error());
    let another = stage.subscriber.callback("/another");
    assert_put_off(&stage, "the first", &stage.hub.post(&Form::subscribe(&topic, &another)).await);
    gate.open();
    slow.delivered(1).await;
    faults.fail_writes(0);
    stage.hub.end().await;
    // What was delivered could not be noted, so it comes once more: at least once, and a bounded number of times.
    stage.hub.restart().await;
    slow.delivered(2).await;
    stage.publish(&topic, "later").await;
    slow.delivered_where("later", |one| one.body == "later").await;
    assert!(slow.attempts().len() <= 3, "{:?}", slow.attempts());
}

/// A service manager that starts it anew is all the help there is: the store is opened again, and all is well.
#[tokio::test]
async fn a_hub_whose_store_has_failed_ends_with_1_before_long() {
    let faults = Faults::new();
    let mut stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    stage.hub.end().await;
    stage.hub.live_under(Some(faults.conditions()));
    stage.hub.restart().await;
    faults.fail_writes(Errno::NOSPC.raw_os_error());
    // At most ten seconds until somebody wants to note something, and then eight tries.
    let ended = stage.hub.gives_up(Duration::from_mins(1)).await.expect(1);
    assert!(ended.stderr.contains("background task keeps failing"), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    faults.fail_writes(0);
    stage.hub.restart().await;
    stage.got_only(0, &topic, &callback).await;
}

/// A fan-out that cannot note what became of somebody waits for the disk with everybody else, and sends nobody anything
/// over and over meanwhile.
#[tokio::test]
async fn a_fan_out_that_meets_a_disk_that_hangs_goes_on_when_it_answers() {
    let faults = Faults::new();
    let mut stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<Callback> =
        (0..8).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    stage.hub.end().await;
    stage.hub.live_under(Some(faults.conditions()));
    stage.hub.restart().await;
    for callback in &callbacks {
        stage.subscribe_03(&topic, callback).await;
    }
    // Nobody is settled before it has an answer, and so its wait is what cannot be noted.
    let gate = Gate::closed();
    callbacks[0].reply([Reply::Held(gate.clone())]);
    put(&topic, "news");
    stage.ping(&topic).await;
    callbacks[0].attempted(1).await;
    faults.hang_syncs(true);
    assert_degraded(&stage, &topic, &callbacks[0], "a write has taken more than 10 seconds").await;
    for callback in &callbacks[1..] {
        callback.delivered(1).await;
    }
    let sent = |callbacks: &[Callback]| callbacks.iter().map(|one| one.attempts().len()).collect::<Vec<_>>();
    assert!(sent(&callbacks).iter().all(|count| *count == 1), "{:?}", sent(&callbacks));
    faults.hang_syncs(false);
    gate.open();
    put(&topic, "later");
    let again = async { while stage.hub.post(&Form::publish(&topic)).await.status != 204 {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    for callback in &callbacks {
        callback.delivered_where("later", |one| one.body == "later").await;
        let bodies: Vec<_> = callback.deliveries().iter().map(|one| one.body.clone()).collect();
        assert!(bodies.is_sorted_by_key(|body| *body == "later"), "in order: {bodies:?}");
        assert!(bodies.len() <= 3, "at most a batch is sent again: {bodies:?}");
    }
}

/// Mounted where nobody else sees it. This needs to be root, or to be a user whom file modes bind.
#[tokio::test]
async fn a_read_only_folder_is_refused_by_name() {
    let mut stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    stage.hub.end().await;
    let data = stage.hub.data();
    let inner =
        "mount --bind \"$DATA\" \"$DATA\" && mount -o remount,bind,ro \"$DATA\" && exec \"$0\" \"$@\"";
    let mounted = format!("export DATA='{}'; exec unshare -m sh -c '{inner}' \"$0\" \"$@\"", data.display());
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        stage.hub.live_under(Some(mounted));
    }
    for what in ["a store", "no store yet"] {
        if what == "no store yet" {
            fs::rename(&data, stage.hub.home().join("whole")).unwrap();
            fs::create_dir(&data).unwrap();
        }
        let mode = |mode| <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
        if !is_root {
            fs::set_permissions(&data, mode(0o500)).unwrap();
        }
        let ended = stage.hub.launch().result().await.expect(1);
        assert!(!ended.stdout.contains("listening"), "{what}: {ended:?}");
        assert!(ended.stderr.contains(data.to_str().unwrap()), "{what}: {ended:?}");
        let why = if is_root { "Read-only file system" } else { "Permission denied" };
        assert!(ended.stderr.contains(why), "{what}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{what}: {ended:?}");
        fs::set_permissions(&data, mode(0o700)).unwrap();
    }
    fs::remove_dir(&data).unwrap();
    fs::rename(stage.hub.home().join("whole"), &data).unwrap();
    stage.hub.live_under(None);
    stage.hub.restart().await;
    stage.got_only(0, &topic, &callback).await;
}
