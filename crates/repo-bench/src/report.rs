//! What a run found.

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Spread;
use crate::row::{Measure, Row};

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where it ran, and how busy it was before.
    pub machine: Machine,
    /// Processes that wanted a core on average in the last minute of the run;
    /// its own are among them. `None` where the system does not say.
    pub load_after: Option<f64>,
    /// The rows.
    pub lines: Vec<Line>,
}

/// What was found for one row.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The row.
    #[serde(flatten)]
    pub row: Row,
    /// At which size.
    pub at: String,
    /// How many pairs of times were taken.
    pub pairs: usize,
    /// What was measured.
    pub figures: Figures,
    /// Whether the median keeps the bound; `None` without a bound.
    pub holds: Option<bool>,
}

/// Figures of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Figures {
    /// Ours and raw, and the ratios of the pairs.
    Compared {
        /// Seconds for one operation of ours.
        ours_seconds_each: Spread,
        /// Seconds for one operation of the raw driver.
        raw_seconds_each: Spread,
        /// Ours as a multiple of raw, of each pair.
        ratio: Spread,
    },
    /// Seconds, against nothing.
    Seconds {
        /// Of several runs.
        each: Spread,
    },
    /// Bytes of memory for one entity.
    Bytes {
        /// Of several runs.
        each: Spread,
    },
}

impl Line {
    pub(crate) fn new(row: &'static Row, at: String, pairs: usize, figures: Figures) -> Self {
        let figure = match figures {
            Figures::Compared { ratio, .. } => ratio,
            Figures::Seconds { each } | Figures::Bytes { each } => each,
        };
        let holds = row.bound.map(|bound| bound.holds(figure.median));
        Self { row: *row, at, pairs, figures, holds }
    }

    /// Ours and raw as cells of a table.
    pub(crate) fn sides(&self) -> [String; 2] {
        match self.figures {
            Figures::Compared { ours_seconds_each, raw_seconds_each, .. } => {
                [ours_seconds_each, raw_seconds_each].map(|each| match self.row.measure {
                    Measure::Rate => rate(1.0 / each.median),
                    Measure::Time | Measure::Memory => duration(each.median),
                })
            }
            Figures::Seconds { each } => [duration(each.median), String::new()],
            Figures::Bytes { each } => [format!("{:.0} B", each.median), String::new()],
        }
    }

    /// The median and the ends of what the bound is about.
    pub(crate) fn ratio(&self) -> [String; 2] {
        match self.figures {
            Figures::Compared { ratio, .. } => {
                [format!("{:.2}", ratio.median), format!("{:.2} – {:.2}", ratio.least, ratio.most)]
            }
            Figures::Seconds { each } => {
                let spread = [each.least, each.most].map(duration).join(" – ");
                [duration(each.median), spread]
            }
            Figures::Bytes { each } => {
                [format!("{:.0}", each.median), format!("{:.0} – {:.0}", each.least, each.most)]
            }
        }
    }

    /// The bound and whether it holds, as cells of a table.
    pub(crate) fn verdict(&self) -> [String; 2] {
        let bound = self.row.bound.map_or_else(|| "–".to_owned(), |bound| bound.to_string());
        let holds = match self.holds {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        [bound, holds.to_owned()]
    }

    /// One line for a person that waits.
    pub(crate) fn in_short(&self) -> String {
        let [ours, raw] = self.sides();
        let [median, spread] = self.ratio();
        let [bound, holds] = self.verdict();
        format!("ours {ours}, raw {raw}, ratio {median} ({spread}), bound {bound} {holds}")
    }
}

/// Seconds in the unit that fits.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Operations in a second.
fn rate(each: f64) -> String {
    match each {
        n if n >= 1e6 => format!("{:.2} M/s", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k/s", n / 1e3),
        n if n >= 1e3 => format!("{:.1} k/s", n / 1e3),
        n => format!("{n:.0} /s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_in_the_unit_that_fits() {
        assert_eq!(
            [2.5e-7, 1.234e-4, 0.0123, 2.0].map(duration),
            ["250 ns", "123.4 µs", "12.30 ms", "2.00 s"]
        );
        assert_eq!(
            [12.0, 1_234.0, 45_600.0, 2.5e6].map(rate),
            ["12 /s", "1.2 k/s", "46 k/s", "2.50 M/s"]
        );
    }
}
