//! How far bytes are that go to a server or come from one: a bar on a terminal, plain lines
//! elsewhere, on standard error; nothing with `--quiet`.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::output::Output;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// The look of a transfer whose size is known.
const KNOWN: &str = "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta}";
/// The look of one that ends when it ends.
const UNKNOWN: &str = "{msg} {spinner} {bytes}, {bytes_per_sec}";

/// Shows how many bytes were moved.
#[derive(Debug)]
pub struct Transfer {
    output: Output,
    what: &'static str,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    done: u64,
    told: Instant,
}

impl Transfer {
    /// Begins with some bytes done, of all where that is known.
    #[must_use]
    pub fn begin(output: Output, what: &'static str, done: u64, total: Option<u64>) -> Self {
        let bar = (!output.quiet && std::io::stderr().is_terminal()).then(|| {
            let plain = ProgressStyle::default_bar();
            let look = if total.is_some() { KNOWN } else { UNKNOWN };
            let bar = ProgressBar::no_length();
            bar.set_style(plain.clone().template(look).unwrap_or(plain));
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_message(what);
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        Self { output, what, bar, total, done, told: Instant::now() }
    }

    /// So many more bytes are done.
    pub fn advance(&mut self, bytes: u64) {
        self.at(self.done.saturating_add(bytes));
    }

    /// So many bytes are done in all, be it fewer than before.
    pub fn at(&mut self, done: u64) {
        self.done = done;
        if let Some(bar) = &self.bar {
            return bar.set_position(done);
        }
        if self.told.elapsed() >= LINE_INTERVAL {
            self.told = Instant::now();
            let done = HumanBytes(done);
            self.output.note(&match self.total {
                Some(total) => format!("{}: {done} of {}", self.what, HumanBytes(total)),
                None => format!("{}: {done}", self.what),
            });
        }
    }

    /// Something for people beside the bar.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.note(text)),
            None => self.output.note(text),
        }
    }

    /// Takes the bar away before the result is printed.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A number of bytes for people.
#[must_use]
pub fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}
