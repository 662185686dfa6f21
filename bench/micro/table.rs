//! The two figures that are kept: how fast beside the bare reader, and how much memory beside the document.

use std::hint::black_box;

use anyhow::Result;
use criterion::measurement::{Measurement, WallTime};
use hubbub::feed;

use super::{MEMORY, bare_pass, documents::Document, steps::feed_split::Hub};

/// Turns that bare pass, read and diff take one after the other, so that a neighbour of this machine slows all three.
const ROUNDS: usize = 31;
/// About as much is read in a turn.
const TURN: usize = 4 << 20;

pub(crate) fn print(documents: &[Document]) -> Result<()> {
    println!(
        "\n| document | bytes | entries | bare MB/s | read MB/s | diff MB/s | read/bare | diff/bare | peak/size read | diff |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for document in documents {
        let body = &document.body;
        let hub = Hub::that_knows(body, document.entries)?;
        let text = str::from_utf8(body).unwrap_or_default();
        let peaks = [
            peak(body, || drop(black_box(feed::read(body, &hub.reading())))),
            peak(body, || drop(black_box(hub.take_apart(body)))),
        ];
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let [bare, read, diff] = &mut rates;
            bare.push(rate(body, || _ = black_box(bare_pass(black_box(text)))));
            read.push(rate(body, || drop(black_box(feed::read(black_box(body), &hub.reading())))));
            diff.push(rate(body, || drop(black_box(hub.take_apart(black_box(body))))));
        }
        let [bare, read, diff] = rates.map(median);
        // What is not UTF-8 the bare reader has not read.
        let bare = if text.is_empty() { f64::NAN } else { bare };
        let [peak_read, peak_diff] = peaks;
        println!(
            "| {} | {} | {} | {bare:.0} | {read:.0} | {diff:.0} | {:.2} | {:.2} | {peak_read:.2} | {peak_diff:.2} |",
            document.name,
            body.len(),
            document.entries,
            read / bare,
            diff / bare
        );
    }
    Ok(())
}

/// MB a second.
fn rate(body: &[u8], mut pass: impl FnMut()) -> f64 {
    let passes = (TURN / body.len()).max(1);
    let begin = WallTime.start();
    for _ in 0..passes {
        pass();
    }
    let nanoseconds = WallTime.to_f64(&WallTime.end(begin));
    to_f64(passes.saturating_mul(body.len())) * 1e3 / nanoseconds
}

/// The most memory there was, document included, in documents.
fn peak(body: &[u8], pass: impl FnOnce()) -> f64 {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    pass();
    1.0 + to_f64(MEMORY.peak_usage().saturating_sub(before)) / to_f64(body.len())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}
