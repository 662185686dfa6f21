//! Starting, being looked at, and stopping: what a service manager and an operator rely on (design sections 4 and 5).

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use rustix::process::Signal;

use crate::harness::{Callback, Gate, Page, Program, Reply, Settings, Stage, Wire};

const STOP_WITHIN: &str = "3s";
/// The configured time and what a busy machine needs to notice.
const DEADLINE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn the_first_lines_name_real_addresses() {
    // The harness takes both URLs from the first two lines of standard output; here they are used.
    let stage = Stage::set().await;
    let client = stage.hub.client();
    for probe in ["/livez", "/readyz"] {
        client.get(&stage.hub.at(probe)).await.expect(200);
    }
    let page = client.get(&stage.hub.at("/")).await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "a page for people: {page:?}");
    let metrics = client.get(&stage.hub.admin("/metrics")).await.expect(200);
    assert!(metrics.text.lines().any(|line| line.starts_with("# TYPE ")), "{metrics:?}");
    assert_ne!(client.get(&stage.hub.at("/metrics")).await.status, 200, "metrics are the operator's alone");
}

#[tokio::test]
async fn the_data_folder_is_its_owners_alone() {
    let stage = Stage::set().await;
    let mode = std::fs::metadata(stage.hub.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "secrets lie there (X07)");
}

#[tokio::test]
async fn a_second_hub_on_the_same_data_is_refused() {
    let stage = Stage::set().await;
    let second = Program::run(stage.hub.home(), &stage.hub.arguments()).await.expect(1);
    let data = stage.hub.data().to_str().unwrap().to_owned();
    assert!(second.stderr.to_lowercase().contains("lock"), "{second:?}");
    assert!(second.stderr.contains(&data), "which folder it is must be said: {second:?}");
    assert!(!second.stdout.contains("listening"), "{second:?}");
    stage.hub.client().get(&stage.hub.at("/readyz")).await.expect(200);
}

async fn a_stop_under_load_loses_nothing(signal: Signal) {
    const SUBSCRIBERS: usize = 200;
    let settings = Settings::quick()
        .with("server", "stop_within", STOP_WITHIN)
        .with("delivery", "batch", 20)
        .with("delivery", "patience", "2s");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<Callback> =
        (0..SUBSCRIBERS).map(|index| stage.subscriber.callback(&format!("/cb/{index}"))).collect();
    for callback in &callbacks {
        stage.subscribe_03(&topic, callback).await;
    }
    stage.subscriber.always_reply(Reply::After(Duration::from_millis(50), 204));
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    stage.subscriber.arrived(SUBSCRIBERS / 4).await;
    stage.hub.stop(signal, DEADLINE).await;
    let left = callbacks.iter().filter(|callback| callback.attempts().is_empty()).count();
    assert!(left > 0, "the stop came too late to interrupt anything");

    stage.hub.restart().await;
    for callback in &callbacks {
        callback.delivered(1).await;
    }
    // What was in flight was settled before the end, so an orderly stop repeats nothing.
    topic.put(Page::of("text/plain", "later news"));
    stage.ping(&topic).await;
    for callback in &callbacks {
        let bodies: Vec<_> = callback.delivered(2).await.into_iter().map(|one| one.body).collect();
        assert_eq!(bodies, ["news", "later news"]);
    }
}

#[tokio::test]
async fn sigterm_under_load_loses_nothing() {
    a_stop_under_load_loses_nothing(Signal::TERM).await;
}

#[tokio::test]
async fn sigint_under_load_loses_nothing() {
    a_stop_under_load_loses_nothing(Signal::INT).await;
}

/// A subscriber and a publisher that never answer, and a client in the middle of a request, do not hold up the stop.
#[tokio::test]
async fn a_stop_waits_for_nobody_beyond_its_time() {
    let settings = Settings::quick()
        .with("server", "stop_within", STOP_WITHIN)
        .with("delivery", "timeout", "60s")
        .with("fetch", "timeout", "60s");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let silent_topic = stage.publisher.topic("/silent");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    stage.subscribe_03(&silent_topic, &callback).await;
    let gate = Gate::closed();
    callback.reply([Reply::Held(gate.clone())]);
    topic.put(Page::of("text/plain", "news"));
    silent_topic.put(Page::of("text/plain", "silent news").behind(&gate));
    stage.ping(&topic).await;
    stage.ping(&silent_topic).await;
    callback.attempted(1).await;
    silent_topic.fetched(1).await;
    let mut wire = Wire::to(stage.hub.address()).await;
    wire.say("POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\nhub.mode=").await;
    stage.hub.stop(Signal::TERM, DEADLINE).await;

    // Neither the delivery nor the fetch is forgotten.
    gate.open();
    stage.hub.restart().await;
    callback.delivered_where("the delivery that was held", |one| one.body == "news").await;
    callback.delivered_where("the fetch that was held", |one| one.body == "silent news").await;
}

/// A ping is on disk before its 204 (promise 1), so a stop right behind it keeps it.
#[tokio::test]
async fn a_ping_acknowledged_just_before_a_stop_is_kept() {
    let settings = Settings::quick().with("fetch", "coalesce", "500ms");
    let mut stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    stage.hub.stop(Signal::TERM, Duration::from_secs(11)).await;
    stage.hub.restart().await;
    assert_eq!(callback.delivered(1).await[0].body, "news");
}

#[tokio::test]
async fn an_idle_hub_stops_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut stage = Stage::set().await;
        stage.hub.stop(signal, Duration::from_secs(2)).await;
    }
}
