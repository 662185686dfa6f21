//! Small sums over figures. Pure.

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

/// The longest time that a histogram holds, in microseconds; what takes longer counts as this.
const LONGEST: u64 = 3_600_000_000;
/// Digits of a time that are kept: one part in a thousand.
const DIGITS: u8 = 3;

/// Times, in milliseconds, below which half and all but a hundredth of them lie, and the longest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    /// Of a histogram of microseconds.
    pub(crate) fn of<C: Counter>(times: &Histogram<C>) -> Self {
        let ms = |micros: u64| float(micros) / 1e3;
        Self {
            p50: ms(times.value_at_quantile(0.5)),
            p99: ms(times.value_at_quantile(0.99)),
            max: ms(times.max()),
        }
    }

    /// Of few times in milliseconds.
    pub(crate) fn of_few(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        // The smallest figure that so many hundredths of them do not exceed.
        let at = |hundredths: usize| {
            let place = figures.len().saturating_mul(hundredths).div_ceil(100).saturating_sub(1);
            figures.get(place).copied().unwrap_or_default()
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// An empty histogram of microseconds. `None` cannot be: the bounds are right.
pub(crate) fn histogram<C: Counter>() -> Option<Histogram<C>> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).ok()
}

/// Zero where there was no time to measure by.
pub(crate) fn rate(number: u32, span: Duration) -> f64 {
    ratio(f64::from(number), span.as_secs_f64())
}

/// Zero where there is no whole.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or_default();
    let upper = figures.len() / 2;
    if figures.len().is_multiple_of(2) {
        f64::midpoint(at(upper.saturating_sub(1)), at(upper))
    } else {
        at(upper)
    }
}

/// How much `y` grows with each step of `x`: the line through the points with the least squares.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let number = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
    let mean = |of: fn(&(f64, f64)) -> f64| ratio(points.iter().map(of).sum(), number);
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let together = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    ratio(together, points.iter().map(|point| (point.0 - x).powi(2)).sum())
}

/// As near as a float comes.
pub(crate) fn float(number: u64) -> f64 {
    let half = |number: u64| f64::from(u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default());
    half(number >> 32) * 4_294_967_296.0 + half(number)
}

/// For people.
pub(crate) fn octets(number: u64) -> String {
    match number {
        0..10_240 => format!("{number} octets"),
        10_240..10_485_760 => format!("{} KiB", number / 1024),
        _ => format!("{} MiB", number / (1024 * 1024)),
    }
}
