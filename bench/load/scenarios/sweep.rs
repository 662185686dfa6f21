//! Plain runs with more and more subscribers.

use std::fmt::Write;

use anyhow::Result;

use super::plain;
use crate::{
    options::{Options, Outcome},
    plot::{Panel, svg},
    report::Report,
};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sweep {
    #[command(flatten)]
    pub(super) options: Options,
    /// Numbers of subscribers
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000,100000")]
    sizes: Vec<u32>,
}

pub(super) async fn play(sweep: &Sweep) -> Result<Outcome> {
    let mut reports = Vec::new();
    for size in &sweep.sizes {
        eprintln!("{size} subscribers");
        reports.push(plain::measure(&Options { subscribers: *size, ..sweep.options.clone() }).await?);
    }
    let mut text = format!(
        "{:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>10}\n",
        "subscribers", "hub/s", "limit/s", "hub/limit", "CPU us", "CPU times", "p50 ms", "p99 ms"
    );
    for report in &reports {
        let (hub, ratios) = (&report.hub, &report.ratios);
        // Writing into a String cannot fail.
        let _infallible = writeln!(
            text,
            "{:>11} {:>9.0} {:>9.0} {:>9.2} {:>9.1} {:>9.2} {:>10.1} {:>10.1}",
            report.subscribers,
            hub.per_second_from_ping,
            report.limit.per_second_from_ping,
            ratios.per_second_from_ping,
            hub.cpu_seconds_per_million,
            ratios.cpu,
            hub.latency.p50,
            hub.latency.p99
        );
    }
    let line = |name: &str, figure: fn(&Report) -> f64| {
        let points = reports.iter().map(|report| (f64::from(report.subscribers), figure(report)));
        (name.to_owned(), points.collect::<Vec<_>>())
    };
    let throughput = vec![
        line("hub", |report| report.hub.per_second_from_ping),
        line("limit", |report| report.limit.per_second_from_ping),
    ];
    let latency = vec![
        line("p50", |report| report.hub.latency.p50),
        line("p99", |report| report.hub.latency.p99),
        line("limit p50", |report| report.limit.latency.p50),
        line("limit p99", |report| report.limit.latency.p99),
    ];
    let panels = [
        Panel { title: "deliveries/s from the ping".to_owned(), lines: throughput },
        Panel { title: "from the ping to each delivery, ms".to_owned(), lines: latency },
    ];
    Ok(Outcome::new(text, &reports)?.with_plot(svg(&panels, "subscribers", true)))
}
