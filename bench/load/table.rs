//! A report for people.

use std::fmt::{self, Write};

use crate::report::{Kind, Report, Round, Summary};

/// All of it as lines.
pub(crate) fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _infallible = write(&mut text, report);
    text
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let Report { machine, subscribers, body_bytes, addresses, subscribing, .. } = report;
    writeln!(out, "\n{machine}")?;
    writeln!(out, "{subscribers} subscribers at {addresses} address(es), topic of {body_bytes} octets\n")?;
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
        "{:<9} {:>10} {:>11} {:>10} {:>10} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}",
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
    let ratios = &report.ratios;
    writeln!(
        out,
        "hub/limit  {:.2} of the deliveries/s arriving, {:.2} from the ping; {:.2} times the CPU",
        ratios.per_second, ratios.per_second_from_ping, ratios.cpu
    )?;
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
    for (name, value) in report.counts.iter().filter(|(_, value)| *value != "0") {
        writeln!(out, "  {name} {value}")?;
    }
    for line in &report.log {
        writeln!(out, "  log: {line}")?;
    }
    Ok(())
}

fn line(out: &mut String, round: &Round) -> fmt::Result {
    let kind = match round.kind {
        Kind::Hub => "hub",
        Kind::Limit => "limit",
    };
    let each = |seconds: f64| seconds * 1e6 / f64::from(round.deliveries.max(1));
    writeln!(
        out,
        "{:<9} {:>10.0} {:>11.0} {:>10.1} {:>10.1} {:>9.1} {:>9.1} {:>9.0} {:>6} {:>6} {:>6}{}",
        format!("{} {kind}", round.number),
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
        "{name:<10} {:.0}/s arriving, {:.0}/s from the ping, first after {:.1} ms, last after {:.1} ms; {:.1} CPU s a \
         million (sink {:.1}); {} lost, {} twice, {} of {} signatures wrong",
        summary.per_second,
        summary.per_second_from_ping,
        summary.to_first_ms,
        summary.to_last_ms,
        summary.cpu_seconds_per_million,
        summary.sink_cpu_seconds_per_million,
        summary.lost,
        summary.repeats,
        summary.wrong,
        summary.checked,
    )
}

fn octets(number: u64) -> String {
    match number {
        0..10_240 => format!("{number} octets"),
        10_240..10_485_760 => format!("{} KiB", number / 1024),
        _ => format!("{} MiB", number / (1024 * 1024)),
    }
}
