//! How fast a topic's body is taken apart, held against a bare pass of the XML reader over the same bytes, and how much
//! memory that takes. `cargo bench --bench micro`; bench/README.md says what the figures mean.

mod documents;
mod table;

use std::{collections::HashSet, hint::black_box};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use hubbub::feed::{self, EntryDigest, EntryId, JsonFeed, Reading, Rendered, Volatile};
use peak_alloc::PeakAlloc;
use quick_xml::{Reader, events::Event};

use documents::Document;

/// Counts what is allocated; it has both sides of each comparison to slow down.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a hub has: the list of what is volatile, and what it has seen of this topic.
#[derive(Debug)]
struct Hub {
    volatile: Volatile,
    seen: HashSet<(EntryId, EntryDigest)>,
}

impl Hub {
    /// One that has seen all but every 25th entry, the first among the new: a feed of 25 has one that is new.
    fn that_knows(document: &Document) -> Self {
        let mut hub = Self { volatile: Volatile::default(), seen: HashSet::new() };
        let read = feed::read(&document.body, &hub.reading());
        assert!(read.format.is_feed() && read.entries.len() == document.entries, "{}", document.name);
        let old = read.entries.iter().enumerate().filter(|(at, _)| at % 25 != 0);
        hub.seen = old.map(|(_, entry)| (entry.id, entry.digest)).collect();
        hub
    }

    /// How a body is read that came without a Content-Type.
    fn reading(&self) -> Reading<'_> {
        Reading { content_type: None, volatile: &self.volatile, json_feed: JsonFeed::Whole }
    }

    /// What happens to each body that was fetched.
    fn take_apart(&self, body: &[u8]) -> Rendered {
        let document = feed::read(body, &self.reading());
        let new = feed::news(&document, &mut |entry| self.seen.contains(&(entry.id, entry.digest)));
        let mut asked = 0..;
        feed::render(body, &document, &mut |_| asked.next().is_some_and(|at| new.binary_search(&at).is_ok()))
    }
}

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

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let documents = documents::all();
    for document in &documents {
        let hub = Hub::that_knows(document);
        let mut group = criterion.benchmark_group(document.name);
        measure(&mut group, document, &hub);
        group.finish();
    }
    criterion.final_summary();
    // A profile is to show nothing but the bench it was asked for.
    if !std::env::args().any(|argument| argument == "--profile-time") {
        table::print(&documents);
    }
}
