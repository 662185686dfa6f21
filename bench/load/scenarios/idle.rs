//! One subscriber and a hub with nothing else to do: how long a delivery takes beyond what the topic took to answer.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    clock::between,
    hub::Settings,
    options::{Options, Outcome},
    progress::Progress,
    round::Kind,
    stage::Stage,
    stats::Quantiles,
    table::times,
};

/// Between two pings, so that nothing of the last is left.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize)]
struct Figures {
    rounds: u32,
    /// From the ping to the delivery, without the time from the topic's being asked to its answer.
    latency: Quantiles,
}

pub(super) async fn play(options: &Options) -> Result<Outcome> {
    let options = Options { subscribers: 1, topics: 1, ..options.clone() };
    let mut stage = Stage::set(&options, Settings::default()).await?;
    stage.subscribe().await?;
    let mut latencies = Vec::new();
    let progress = Progress::start("pinging", options.rounds);
    for number in 1..=options.warm_up.saturating_add(options.rounds) {
        let began = stage.topics.publish(Kind::Hub.publication(number), 0..1).await?;
        let count = stage.until(number, 1, &progress).await?.count;
        ensure!(count.reached == 1, "a delivery did not come");
        let (asked, answered) = stage.topics.asked_and_answered(0);
        if number > options.warm_up {
            let beyond = between(began, count.first).saturating_sub(between(asked, answered));
            latencies.push(beyond.as_secs_f64() * 1e3);
        }
        sleep(PAUSE).await;
    }
    let latency = Quantiles::of_few(latencies);
    let text = format!(
        "{} pings of an idle hub, ms p50/p99/max beyond the topic: {}",
        options.rounds,
        times(&latency)
    );
    Outcome::new(text, &Figures { rounds: options.rounds, latency })
}
