//! A report for people.

use std::fmt::{self, Write};

use crate::{
    report::{Ratios, Report},
    round::{Round, Summary},
    stats::{Quantiles, octets},
};

/// All of it as lines.
pub(crate) fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _infallible = write(&mut text, report);
    text
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let Report { machine, subscribers, topics, body_bytes, addresses, subscribing, .. } = report;
    let tls = if report.tls { ", over TLS" } else { "" };
    writeln!(out, "\n{machine}")?;
    writeln!(
        out,
        "{subscribers} subscribers of {topics} topic(s) at {addresses} address(es), {body_bytes} octets each{tls}\n"
    )?;
    writeln!(
        out,
        "subscribing: {:.0}/s until verified ({:.2} s; accepted after {:.2} s), {:.3} ms CPU each, {} written, peak {} MiB\n",
        subscribing.per_second,
        subscribing.verified_seconds,
        subscribing.accepted_seconds,
        subscribing.cpu_ms_each,
        octets(subscribing.written),
        subscribing.peak_kib / 1024,
    )?;
    writeln!(
        out,
        "{:<12} {:>10} {:>11} {:>10} {:>10} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}",
        "round",
        "arriving/s",
        "from ping/s",
        "first ms",
        "last ms",
        "CPU us",
        "sink us",
        "octets",
        "lost",
        "twice",
        "wrong"
    )?;
    for round in &report.rounds {
        line(out, round)?;
    }
    writeln!(out)?;
    summary(out, "hub", &report.hub)?;
    summary(out, "limit", &report.limit)?;
    ratios(out, "hub/limit", &report.ratios)?;
    if let (Some(disturbed), Some(against)) = (&report.disturbed, &report.disturbed_ratios) {
        summary(out, "disturbed", disturbed)?;
        ratios(out, "disturbed/limit", &against.of_limit)?;
        writeln!(
            out,
            "disturbed/hub  {:.2} of the deliveries/s arriving, {:.2} from the ping; {:.2} times the p99 of the latency",
            against.per_second, against.per_second_from_ping, against.p99_latency
        )?;
    }
    writeln!(
        out,
        "the hub: peak memory {} MiB, {} written ({} a round); ended: {}",
        report.peak_kib / 1024,
        octets(report.written),
        octets(report.hub.written_per_round),
        report.ended
    )?;
    let repeated = report.verified.repeats;
    writeln!(out, "verified twice: {repeated}; requests astray: {}", report.astray)?;
    if report.tls {
        let Report { connections, handshakes, resumed, .. } = report;
        writeln!(out, "{connections} connections, {handshakes} whole handshakes, {resumed} resumed")?;
    }
    for (name, value) in report.counts.iter().filter(|(_, value)| *value != "0") {
        writeln!(out, "  {name} {value}")?;
    }
    for line in &report.log {
        writeln!(out, "  log: {line}")?;
    }
    Ok(())
}

fn line(out: &mut String, round: &Round) -> fmt::Result {
    let each = |seconds: f64| seconds * 1e6 / f64::from(round.deliveries.max(1));
    writeln!(
        out,
        "{:<12} {:>10.0} {:>11.0} {:>10.1} {:>10.1} {:>9.1} {:>9.1} {:>9.0} {:>6} {:>6} {:>6}{}",
        format!("{} {}", round.number, round.kind.name()),
        round.per_second,
        round.per_second_from_ping,
        round.to_first_ms,
        round.to_last_ms,
        each(round.cpu_seconds),
        each(round.sink_cpu_seconds),
        round.body_bytes,
        round.lost,
        round.repeats,
        round.wrong,
        if round.counts { "" } else { "  (warming up)" },
    )
}

fn summary(out: &mut String, name: &str, summary: &Summary) -> fmt::Result {
    writeln!(
        out,
        "{name:<10} {:.0}/s arriving, {:.0}/s from the ping; {:.1} CPU s a million (sink {:.1}); {} lost, {} twice, {} of \
         {} signatures wrong",
        summary.per_second,
        summary.per_second_from_ping,
        summary.cpu_seconds_per_million,
        summary.sink_cpu_seconds_per_million,
        summary.lost,
        summary.repeats,
        summary.wrong,
        summary.checked,
    )?;
    writeln!(
        out,
        "{:<10} ms p50/p99/max: to the first {}, to the last {}, each {}",
        "",
        times(&summary.to_first),
        times(&summary.to_last),
        times(&summary.latency)
    )
}

/// Half, all but a hundredth, and the longest, in milliseconds.
pub(crate) fn times(quantiles: &Quantiles) -> String {
    let Quantiles { p50, p99, max } = quantiles;
    format!("{p50:.1}/{p99:.1}/{max:.1}")
}

fn ratios(out: &mut String, name: &str, ratios: &Ratios) -> fmt::Result {
    writeln!(
        out,
        "{name}  {:.2} of the deliveries/s arriving, {:.2} from the ping; {:.2} times the CPU",
        ratios.per_second, ratios.per_second_from_ping, ratios.cpu
    )
}
