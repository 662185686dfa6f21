//! Plots as SVG: panels below each other that share the axis at the bottom. Pure.

use std::fmt::{self, Write};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 140.0;
const BOTTOM: f64 = 40.0;
const COLOURS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"];

#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// All panels; the axis at the bottom is logarithmic where it is about sizes.
pub(crate) fn svg(panels: &[Panel], bottom: &str, is_log: bool) -> String {
    let number = f64::from(u32::try_from(panels.len()).unwrap_or(u32::MAX));
    let (width, height) = (LEFT + WIDTH + RIGHT, number * (TOP + HEIGHT + BOTTOM));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut top = TOP;
    for panel in panels {
        // Writing into a String cannot fail.
        let _infallible = draw(&mut out, panel, top, bottom, is_log);
        top += TOP + HEIGHT + BOTTOM;
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel, top: f64, bottom: &str, is_log: bool) -> fmt::Result {
    let points = || panel.lines.iter().flat_map(|(_, points)| points.iter());
    let scale = |x: f64| if is_log { x.max(1.0).log10() } else { x };
    let low = points().map(|point| scale(point.0)).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| scale(point.0)).fold(f64::NEG_INFINITY, f64::max);
    let most = points().map(|point| point.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let span = (high - low).max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (scale(value) - low) / span * WIDTH;
    let y = |value: f64| top + HEIGHT - value / most * HEIGHT;
    let floor = top + HEIGHT;
    writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 10.0, panel.title)?;
    writeln!(out, "<path d=\"M{LEFT} {top}V{floor}h{WIDTH}\" fill=\"none\" stroke=\"black\"/>")?;
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (value, at) = (most * part, y(most * part));
        let places = usize::from(most < 10.0);
        writeln!(out, "<text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{value:.places$}</text>", LEFT - 6.0)?;
        writeln!(out, "<path d=\"M{LEFT} {at}h{WIDTH}\" stroke=\"#dddddd\"/>")?;
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let value = low + part * (high - low);
        let value = if is_log { 10_f64.powf(value) } else { value };
        let at = LEFT + part * WIDTH;
        writeln!(out, "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{value:.0}</text>", floor + 16.0)?;
    }
    writeln!(out, "<text x=\"{}\" y=\"{}\">{bottom}</text>", LEFT + WIDTH + 20.0, floor + 16.0)?;
    let mut row = top + 12.0;
    for ((name, points), colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<_> =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", path.join(" "))?;
        writeln!(out, "<text x=\"{}\" y=\"{row}\" fill=\"{colour}\">{name}</text>", LEFT + WIDTH + 10.0)?;
        row += 16.0;
    }
    Ok(())
}
