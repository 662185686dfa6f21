//! How fast a topic's body is taken apart, held against a bare pass of the XML reader over the same bytes, and how much
//! memory that takes; and how long each step of the hot path takes by itself. `cargo bench --bench micro`;
//! bench/README.md says what the figures mean.

mod documents;
#[path = "../steps/mod.rs"]
mod steps;
mod table;

use std::{hint::black_box, time::Duration};

use anyhow::{Context, Result};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput,
    measurement::{Measurement, WallTime},
};
use hubbub::feed;
use peak_alloc::PeakAlloc;
use quick_xml::{Reader, events::Event};

use documents::Document;
use steps::{Named, Step, feed_split::Hub};

/// Counts what is allocated; it has both sides of each comparison to slow down.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The reader alone, its check of end tags turned off.
fn bare_pass(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    reader.config_mut().check_end_names = false;
    let mut events = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return events,
            Ok(event) => {
                black_box(&event);
                events += 1;
            }
        }
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, document: &Document, hub: &Hub) {
    group.throughput(Throughput::Bytes(u64::try_from(document.body.len()).unwrap_or(u64::MAX)));
    if document.body.len() > 1 << 20 {
        group.sample_size(20).sampling_mode(SamplingMode::Flat);
    }
    let text = str::from_utf8(&document.body).ok();
    if let Some(text) = text {
        group.bench_function("bare", |bencher| bencher.iter(|| bare_pass(black_box(text))));
    }
    group.bench_function("read", |bencher| {
        bencher.iter(|| feed::read(black_box(&document.body), &hub.reading()));
    });
    group.bench_function("diff", |bencher| bencher.iter(|| hub.take_apart(black_box(&document.body))));
}

/// Times whole rounds, and says how long one unit took.
fn measure_step(criterion: &mut Criterion, named: &Named) -> Result<()> {
    let mut step: Option<Box<dyn Step>> = None;
    let mut failure = None;
    let mut group = criterion.benchmark_group("step");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::new(named.name, named.unit), |bencher| {
        bencher.iter_custom(|rounds| {
            let timed = time(&mut step, named, rounds);
            timed.unwrap_or_else(|error| {
                failure.get_or_insert(error);
                // Criterion knows no failure, and divides by what it is told.
                Duration::from_secs(1)
            })
        });
    });
    group.finish();
    failure.map_or(Ok(()), Err).with_context(|| named.name)
}

/// Makes the step if nothing has asked for it before: one with a store would hold up those that were not asked for.
fn time(step: &mut Option<Box<dyn Step>>, named: &Named, rounds: u64) -> Result<Duration> {
    let step = match step {
        Some(step) => step,
        None => step.insert((named.make)()?),
    };
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        step.prepare()?;
        let begin = WallTime.start();
        step.round()?;
        total += WallTime.end(begin);
    }
    Ok(total / named.units)
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for named in &steps::ALL {
        measure_step(&mut criterion, named)?;
    }
    let documents = documents::all();
    for document in &documents {
        let hub = Hub::that_knows(&document.body, document.entries).with_context(|| document.name)?;
        let mut group = criterion.benchmark_group(document.name);
        measure(&mut group, document, &hub);
        group.finish();
    }
    criterion.final_summary();
    // A profile is to show nothing but the bench it was asked for.
    if !std::env::args().any(|argument| argument == "--profile-time") {
        table::print(&documents)?;
    }
    Ok(())
}
