//! How far a run is: for people a bar on a terminal and plain lines elsewhere,
//! on standard error; for programs events on standard output.

use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::Term;
use futures::future::BoxFuture;
use indicatif::{HumanDuration, ProgressBar};
use repo_core::{CollectionName, Result};

use crate::bars;
use crate::events::{Event, Meter};
use crate::failure::closing_failed;
use crate::output::{Format, Output};
use crate::signals::Interruption;
use repo_migrate::{Phase, Progress};

/// Time between two plain lines of one phase.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress; for people nothing with `--quiet`.
#[derive(Debug)]
pub struct Shown {
    output: Output,
    interruption: Option<Interruption>,
    bar: Option<ProgressBar>,
    lines: Mutex<Meter>,
    /// For `--format ndjson` where the command has events.
    events: Option<Mutex<Meter>>,
}

impl Shown {
    /// Shows it where `output` says, with a bar if standard error is a terminal.
    #[must_use]
    pub fn new(output: Output) -> Self {
        let bar = (!output.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let lines = Mutex::new(Meter::every(LINE_INTERVAL));
        Self { output, interruption: None, bar, lines, events: None }
    }

    /// A signal ends the run.
    #[must_use]
    pub fn ended_by(self, interruption: &Interruption) -> Self {
        Self { interruption: Some(interruption.clone()), ..self }
    }

    /// Reports to a program as well, if it asked for lines.
    #[must_use]
    pub fn with_events(self) -> Self {
        let events = (self.output.format == Format::Ndjson).then(Meter::for_events);
        Self { events: events.map(Mutex::new), ..self }
    }

    /// Takes the bar away before the result is printed.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Warns when a store could not be closed in order after the work was done,
    /// and gives the words for the report.
    pub fn closed(&self, closed: Result<()>) -> Option<String> {
        let text = closing_failed(&closed.err()?);
        self.warning(&text);
        Some(text)
    }

    /// A reader that has gone does not stop the run: what is copied is kept
    /// with the target, and not by the reader.
    fn event(&self, event: &Event<'_>) {
        let _ = self.output.line(event);
    }

    fn line(&self, phase: Phase, meter: &Meter) {
        let mut text =
            format!("{}: {} {}, {}/s", phase.label(), meter.records, phase.unit(), meter.rate());
        if let Some(left) = meter.to_go() {
            text.push_str(&format!(", about {} to go (estimated)", HumanDuration(left)));
        }
        self.output.note(&text);
    }
}

fn lock(meter: &Mutex<Meter>) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress for Shown {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        if let Some(events) = &self.events {
            lock(events).begin(phase, total);
            self.event(&Event::Phase { phase, estimated_records: total });
        }
        let Some(bar) = &self.bar else {
            lock(&self.lines).begin(phase, total);
            return self.output.note(&match total {
                Some(total) => format!("{} about {total} {}", phase.label(), phase.unit()),
                None => phase.label().to_owned(),
            });
        };
        // The look first: what follows draws, and a short phase is drawn only here.
        let (_, columns) = Term::stderr().size();
        bar.set_style(bars::style(phase, total, columns));
        bar.reset();
        bar.set_length(total.unwrap_or(0));
        bar.set_message(phase.label());
    }

    fn advance(&self, collection: &CollectionName, records: u64) {
        if let Some(events) = &self.events {
            let mut meter = lock(events);
            if let Some(phase) = meter.advance(records) {
                let (records, records_per_second) = (meter.records, meter.rate());
                self.event(&Event::Progress { phase, collection, records, records_per_second });
            }
        }
        let Some(bar) = &self.bar else {
            let mut meter = lock(&self.lines);
            if let Some(phase) = meter.advance(records) {
                self.line(phase, &meter);
            }
            return;
        };
        bar.inc(records);
    }

    fn warning(&self, text: &str) {
        if self.events.is_some() {
            self.event(&Event::Warning { text });
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.warning(text)),
            None => self.output.warning(text),
        }
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        match &self.interruption {
            Some(interruption) => Box::pin(async {
                let _signal = interruption.wait().await;
            }),
            None => Box::pin(std::future::pending()),
        }
    }
}
