//! The curves of [`Growth`] as a picture.

use std::ops::Range;

use plotters::prelude::*;
use repo_core::{Error, ErrorKind, Result};

use crate::growth::{Curve, Growth};

const SIZE: (u32, u32) = (1_080, 400);
const OPERATIONS: [(&str, &str); 3] = [
    ("update", "one durable conditional update"),
    ("get", "one read by id"),
    ("query", "one query that finds 10"),
];
const STORES: [(&str, RGBColor); 3] = [
    ("json", RGBColor(0xd9, 0x5f, 0x02)),
    ("sqlite", RGBColor(0x1b, 0x9e, 0x77)),
    ("postgresql", RGBColor(0x75, 0x70, 0xb3)),
];
/// Microseconds of both axes of time.
const MICROS: Range<f64> = 1.0..10_000.0;

/// An SVG with a panel for each operation: microseconds by entities, both by
/// powers of ten.
///
/// # Errors
/// `Invalid` when it cannot be drawn.
pub fn to_svg(growth: &Growth) -> Result<String> {
    let mut svg = String::new();
    draw(growth, &mut svg)
        .map_err(|source| Error::new(ErrorKind::Invalid, "draw a plot", source.to_string()))?;
    Ok(svg)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(growth: &Growth, svg: &mut String) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, (operation, title)) in root.split_evenly((1, 3)).iter().zip(OPERATIONS) {
        let curves = growth.curves.iter().filter(|curve| curve.operation == operation);
        draw_panel(panel, title, curves)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel<'a>(
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    curves: impl Iterator<Item = &'a Curve>,
) -> Drawn {
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(title, ("sans-serif", 16))
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d((100.0..1_000_000.0).log_scale(), MICROS.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("entities in the store")
        .y_desc("µs")
        .x_label_formatter(&|entities| power(*entities))
        .y_label_formatter(&|micros| power(*micros))
        .draw()?;
    for curve in curves {
        let color = STORES.iter().find(|(name, _)| *name == curve.store).map_or(BLACK, |s| s.1);
        // Far fewer than 2^52 entities.
        #[allow(clippy::cast_precision_loss)]
        let places: Vec<(f64, f64)> = curve
            .points
            .iter()
            .map(|point| (point.entities as f64, point.seconds_each.median * 1e6))
            .collect();
        let line = LineSeries::new(places.iter().copied(), color.stroke_width(2));
        chart
            .draw_series(line)?
            .label(curve.store)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(places.into_iter().map(|place| Circle::new(place, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(WHITE)
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}

/// A power of ten in few characters.
fn power(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.0}M", n / 1e6),
        n if n >= 1e3 => format!("{:.0}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Point;
    use crate::machine::Machine;
    use crate::measure::Spread;

    #[test]
    fn each_operation_has_a_panel_and_each_store_a_line() {
        let point = |entities| Point { entities, seconds_each: Spread::of([1e-4]) };
        let curve =
            |store, operation| Curve { store, operation, points: vec![point(100), point(1_000)] };
        let curves = ["json", "sqlite"]
            .into_iter()
            .flat_map(|store| ["update", "get", "query"].map(|operation| curve(store, operation)))
            .collect();
        let machine = Machine::now(std::path::Path::new("/"));
        let svg = to_svg(&Growth { machine, load_after: None, curves }).unwrap();
        assert!(svg.starts_with("<svg"), "{svg}");
        for (_, title) in OPERATIONS {
            assert!(svg.contains(title), "{title}");
        }
        for store in ["json", "sqlite"] {
            assert_eq!(svg.matches(&format!("\n{store}\n")).count(), 3, "{store}: {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 3 * 2 * 2, "{svg}");
    }
}
