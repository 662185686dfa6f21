//! Everybody is away for some publications, and back at once: how fast the hub makes up for it, and with how many
//! documents.

use anyhow::Result;
use serde::Serialize;

use crate::{
    clock::{between, now},
    hub::Settings,
    options::{Options, Outcome},
    progress::Progress,
    report::Report,
    round::Kind,
    stage::Stage,
    stats::{rate, ratio},
    table,
};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Back {
    #[command(flatten)]
    pub(super) options: Options,
    /// Publications that they miss
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    missed: u32,
    /// When the hub tries again
    #[arg(long, default_value = "10s")]
    retry: String,
    /// For how long it lets a host be that fails
    #[arg(long, default_value = "10s")]
    breaker_pause: String,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// From their being back to the first and the last of them.
    to_first_seconds: f64,
    to_last_seconds: f64,
    /// Between these two.
    per_second: f64,
    /// Against the rounds before.
    of_normal: f64,
    reached: u32,
    documents: u64,
    report: Report,
}

pub(super) async fn play(back: &Back) -> Result<Outcome> {
    let options = &back.options;
    let mut report = Report::begin(options);
    let settings = Settings {
        retry: vec![back.retry.clone(); 20],
        breaker_pause: Some(back.breaker_pause.clone()),
        ..Settings::default()
    };
    let mut stage = Stage::set(options, settings).await?;
    report.subscribing = stage.subscribe().await?;
    report.rounds = stage.rounds(options.warm_up, options.rounds).await?;
    stage.tell_sink("/away").await?;
    let mut number = options.warm_up.saturating_add(options.rounds);
    for _ in 0..back.missed {
        number = number.saturating_add(1);
        stage.topics.publish(Kind::Hub.publication(number), stage.cast.steady_topics()).await?;
        stage.hub.until_published(number, stage.cast.topics(), stage.within).await?;
        stage.hub.until_idle(stage.within).await?;
    }
    let all = stage.cast.steady;
    let progress = Progress::start("catching up", all);
    let before = stage.told(vec![number]).await?.documents;
    let began = now();
    stage.tell_sink("/home").await?;
    let told = stage.until(number, all, &progress).await?;
    drop(progress);
    stage.conclude(&mut report).await?;
    let documents = stage.told(vec![number]).await?.documents.saturating_sub(before);
    let per_second = rate(told.count.reached, between(told.count.first, told.count.last));
    let figures = Figures {
        to_first_seconds: between(began, told.count.first).as_secs_f64(),
        to_last_seconds: between(began, told.count.last).as_secs_f64(),
        per_second,
        of_normal: ratio(per_second, report.hub.per_second),
        reached: told.count.reached,
        documents,
        report,
    };
    let text = format!(
        "{}\nback: {} of {all} caught up between {:.1} s and {:.1} s after they were back, {per_second:.0}/s, {:.2} of the \
         deliveries/s before; {documents} documents",
        table::table(&figures.report),
        figures.reached,
        figures.to_first_seconds,
        figures.to_last_seconds,
        figures.of_normal,
    );
    Outcome::new(text, &figures)
}
