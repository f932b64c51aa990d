//! How far a run is, for people: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};
use repo_core::CollectionName;

use super::output::Output;
use super::signals::Interruption;
use crate::migration::{Phase, Progress};

/// Time between two plain lines of one phase.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows progress on standard error; nothing with `--quiet`.
#[derive(Debug)]
pub(crate) struct Shown {
    output: Output,
    interruption: Option<Interruption>,
    bar: Option<ProgressBar>,
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    phase: Option<Phase>,
    done: u64,
    last: Instant,
}

impl Shown {
    pub(crate) fn new(output: Output) -> Self {
        let bar = (!output.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let lines = Lines { phase: None, done: 0, last: Instant::now() };
        Self { output, interruption: None, bar, lines: Mutex::new(lines) }
    }

    /// A signal ends the run.
    pub(crate) fn ended_by(self, interruption: &Interruption) -> Self {
        Self { interruption: Some(interruption.clone()), ..self }
    }

    /// Takes the bar away before the result is printed.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn plain_phase(&self, phase: Phase, total: Option<u64>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        *lines = Lines { phase: Some(phase), done: 0, last: Instant::now() };
        self.output.note(&match total {
            Some(total) => format!("{} {total} records", phase.label()),
            None => phase.label().to_owned(),
        });
    }

    fn plain_advance(&self, records: u64) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.done += records;
        if let Some(phase) = lines.phase
            && lines.last.elapsed() >= LINE_INTERVAL
        {
            lines.last = Instant::now();
            self.output.note(&format!("{}: {} records so far", phase.label(), lines.done));
        }
    }
}

impl Progress for Shown {
    fn stopped(&self) -> BoxFuture<'_, ()> {
        match &self.interruption {
            Some(interruption) => Box::pin(async {
                let _signal = interruption.wait().await;
            }),
            None => Box::pin(std::future::pending()),
        }
    }

    fn phase(&self, phase: Phase, total: Option<u64>) {
        let Some(bar) = &self.bar else { return self.plain_phase(phase, total) };
        let template = match total {
            Some(_) => "{msg:>20} [{bar:30}] {human_pos}/{human_len}, {eta} to go",
            None => "{msg:>20} {spinner} {human_pos}",
        };
        bar.reset();
        bar.set_length(total.unwrap_or(0));
        bar.set_message(phase.label());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
    }

    fn advance(&self, _collection: &CollectionName, records: u64) {
        match &self.bar {
            Some(bar) => bar.inc(records),
            None => self.plain_advance(records),
        }
    }

    fn warning(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.warning(text)),
            None => self.output.warning(text),
        }
    }
}
