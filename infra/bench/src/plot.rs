//! Draws latency and units against the size of the calendar, as SVG.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::calendar::Row;
use crate::cost::Cost;

const SIZE: (u32, u32) = (960, 380);
const LINES: [(&str, RGBColor); 3] = [
    ("list of a week", RGBColor(31, 119, 180)),
    ("create", RGBColor(214, 94, 0)),
    ("edit", RGBColor(44, 140, 70)),
];

/// Writes the plot: left the latency, right the units of the store.
///
/// # Errors
/// If the file cannot be written.
pub fn draw(file: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    panel(&left, "Latency, ms (median)", rows, |cost| cost.latency_ms)?;
    panel(&right, "Units of the store, read and written", rows, |cost| cost.read_units + cost.write_units)?;
    root.present().map_err(drawing)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    rows: &[Row],
    value: fn(&Cost) -> f64,
) -> anyhow::Result<()> {
    let of = |row: &Row| [&row.list, &row.create, &row.edit].map(value);
    let most = rows.iter().flat_map(of).fold(1.0, f64::max) * 1.4;
    // The sizes stand side by side: none of them is ten times the one before it, and a logarithm has no nought.
    let last = rows.len().saturating_sub(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(44)
        .build_cartesian_2d(-0.2..last + 0.2, 0.0..most)
        .map_err(drawing)?;
    let label =
        |place: &f64| rows.get(place.round() as usize).map_or(String::new(), |row| grouped(row.others));
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(rows.len())
        .x_label_formatter(&label)
        .x_desc("other events in the calendar")
        .draw()
        .map_err(drawing)?;
    for (line, (name, colour)) in LINES.into_iter().enumerate() {
        let points: Vec<(f64, f64)> =
            rows.iter().enumerate().map(|(place, row)| (place as f64, of(row)[line])).collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))
            .map_err(drawing)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let legend = chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).draw();
    legend.map_err(drawing)
}

/// With a comma at the thousands.
fn grouped(number: usize) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}

fn drawing(error: impl std::error::Error) -> anyhow::Error {
    anyhow!("the plot cannot be drawn: {error}")
}
