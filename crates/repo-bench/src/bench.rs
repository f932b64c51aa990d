//! One run: what was chosen, and the lines so far.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use repo_core::Result;
use tempfile::TempDir;

use crate::measure::{self, Pair, Spread, Timed};
use crate::report::{Figures, Line};
use crate::row::Row;
use crate::scale::Scale;
use crate::selection::Selection;

/// Short pairs in the place of one.
const SHORT_PAIRS: usize = 10;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much work the rows do.
    pub scale: Scale,
    /// Which rows.
    pub selection: Selection,
    /// Pairs of times of each row, 1 or more; ten times as many where single
    /// operations are timed.
    pub pairs: usize,
    /// The folder in which everything is made, and removed again.
    pub folder: PathBuf,
    /// This program, to start as a child that opens a store.
    pub program: PathBuf,
    /// A replica of the PostgreSQL server, by its address: `postgresql://HOST:PORT`. The
    /// rows that need one are left out where there is none.
    pub replica: Option<String>,
    /// Whether each line is printed on standard error as soon as it is there.
    pub progress: bool,
}

/// A run under way.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) place: TempDir,
    pub(crate) lines: Vec<Line>,
}

impl Bench {
    pub(crate) fn scale(&self) -> Scale {
        self.options.scale.clone()
    }

    pub(crate) fn program(&self) -> &Path {
        &self.options.program
    }

    pub(crate) fn pairs(&self) -> usize {
        self.options.pairs
    }

    /// A path in the folder of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn wants(&self, row: &Row) -> bool {
        self.options.selection.has(row)
    }

    pub(crate) fn wants_any(&self, rows: &[&Row]) -> bool {
        rows.iter().any(|row| self.wants(row))
    }

    /// Says what happens now, for a person that waits.
    pub(crate) fn say(&self, text: &str) {
        if self.options.progress {
            // Nobody may be listening; the figures do not depend on it.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Measures a row, if it is asked for. `at` says at which size.
    pub(crate) async fn compare(
        &mut self,
        row: &'static Row,
        at: String,
        ours: impl AsyncFnMut() -> Result<Timed>,
        raw: impl AsyncFnMut() -> Result<Timed>,
    ) -> Result<()> {
        self.compare_pairs(self.options.pairs, row, at, ours, raw).await
    }

    /// The same in many short pairs: where an operation waits for the disk or
    /// for a server, one moment is not like the next, and only times that lie
    /// close together can be compared.
    pub(crate) async fn compare_finely(
        &mut self,
        row: &'static Row,
        at: String,
        ours: impl AsyncFnMut() -> Result<Timed>,
        raw: impl AsyncFnMut() -> Result<Timed>,
    ) -> Result<()> {
        self.compare_pairs(self.options.pairs * SHORT_PAIRS, row, at, ours, raw).await
    }

    async fn compare_pairs(
        &mut self,
        count: usize,
        row: &'static Row,
        at: String,
        ours: impl AsyncFnMut() -> Result<Timed>,
        raw: impl AsyncFnMut() -> Result<Timed>,
    ) -> Result<()> {
        if !self.wants(row) {
            return Ok(());
        }
        self.say(&format!("{}: {at}", row.name));
        let pairs =
            measure::pairs(count, ours, raw).await.map_err(|error| error.with("row", row.name))?;
        self.push_compared(row, at, &pairs);
        Ok(())
    }

    /// Adds the line of a row, if it is asked for, from its pairs.
    pub(crate) fn push_compared(&mut self, row: &'static Row, at: String, pairs: &[Pair]) {
        if !self.wants(row) {
            return;
        }
        let figures = Figures::Compared {
            ours_seconds_each: Spread::of(pairs.iter().map(|pair| pair.ours.seconds_each())),
            raw_seconds_each: Spread::of(pairs.iter().map(|pair| pair.raw.seconds_each())),
            ratio: Spread::of(pairs.iter().map(|pair| pair.ratio(row.measure))),
        };
        self.push(Line::new(row, at, pairs.len(), figures));
    }

    /// Adds a line that was measured elsewhere.
    pub(crate) fn push(&mut self, line: Line) {
        self.say(&format!("{}: {}", line.row.name, line.in_short()));
        self.lines.push(line);
    }
}
