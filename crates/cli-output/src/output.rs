//! What a command prints: results on standard output, everything for people
//! about the way there on standard error.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

pub use comfy_table::Table;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};
use repo_core::Error;
use serde::Serialize;
use serde_json::Value as Json;

use crate::failure::{ErrorObject, ErrorView, Failure, Outcome, closing_failed};
use crate::redact::redact;

/// Whether the one object of `--format json` is on standard output, or begun:
/// there is one standard output, and it gets no second object.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Most names that a report for people shows of one list; JSON has more.
pub(crate) const SHOWN: usize = 20;

/// The form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// One JSON object.
    Json,
    /// One JSON object a line, as they come.
    Ndjson,
}

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The form of the results.
    pub format: Format,
    /// Whether progress and notes are left out; warnings are not.
    pub quiet: bool,
}

impl Output {
    /// One result: words for people, or one JSON object.
    ///
    /// # Errors
    /// [`Failure`] when standard output cannot be written, as from each of the methods
    /// that print there.
    pub fn result(self, value: &impl Serialize, human: impl FnOnce() -> String) -> Outcome<()> {
        match self.format {
            Format::Human => self.text(&human()),
            Format::Json => self.json(value),
            Format::Ndjson => self.line(value),
        }
    }

    /// Several results: words for people, one JSON object, or a line each.
    ///
    /// # Errors
    /// As of [`Self::result`].
    pub fn list<T: Serialize>(
        self,
        whole: &impl Serialize,
        items: impl IntoIterator<Item = T>,
        human: impl FnOnce() -> String,
    ) -> Outcome<()> {
        match self.format {
            Format::Human => self.text(&human()),
            Format::Json => self.json(whole),
            Format::Ndjson => items.into_iter().try_for_each(|item| self.line(&item)),
        }
    }

    /// Text on standard output, ended by a new line, written at once.
    ///
    /// # Errors
    /// As of [`Self::result`].
    pub fn text(self, text: &str) -> Outcome<()> {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        write!(out, "{text}{end}").and_then(|()| out.flush()).map_err(Failure::writing)
    }

    /// One JSON object, indented.
    fn json(self, value: &impl Serialize) -> Outcome<()> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Failure::writing(e.into()))?;
        ANSWERED.store(true, Ordering::Relaxed);
        self.text(&text)
    }

    /// One JSON object in one line, written at once.
    ///
    /// # Errors
    /// As of [`Self::result`].
    pub fn line(self, value: &impl Serialize) -> Outcome<()> {
        let text = serde_json::to_string(value).map_err(|e| Failure::writing(e.into()))?;
        self.text(&text)
    }

    /// The error that ended a command, for a program. With `--format json` one
    /// that comes after the result is reported on standard error alone.
    pub(crate) fn error(self, error: &Error) {
        let is_second = self.format == Format::Json && ANSWERED.load(Ordering::Relaxed);
        if self.format != Format::Human && !is_second {
            // Should this fail too, the exit code still says so.
            let _ = self.line(&ErrorObject::new(error));
        }
    }

    /// Something about the way there, for people; not with `--quiet`.
    pub fn note(self, text: &str) {
        if !self.quiet {
            complain(&format!("{text}\n"));
        }
    }

    /// Warns when a store could not be closed in order after the work was done.
    pub fn closed(self, closed: repo_core::Result<()>) {
        if let Err(error) = closed {
            self.warning(&closing_failed(&error));
        }
    }

    /// Something that the person should look at.
    pub fn warning(self, text: &str) {
        complain(&format!("warning: {text}\n"));
    }
}

/// Writes to standard error, without secrets and without what could steer a
/// terminal. When that fails nobody is left to read it.
pub fn complain(text: &str) {
    let text: String = redact(text).split('\n').map(cell).collect::<Vec<_>>().join("\n");
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A table for people.
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table
}

/// A table for people whose columns from `first` on, counted from 0, hold numbers.
#[must_use]
pub fn table_of_numbers(header: &[&str], first: usize) -> Table {
    let mut table = table(header);
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The text of a table, without white space at the ends of its lines.
#[must_use]
pub fn draw(table: &Table) -> String {
    table.trim_fmt()
}

/// Text for a table cell: control characters are escaped, so that what is
/// stored cannot steer a terminal.
#[must_use]
pub fn cell(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// One JSON object with a long list in it, printed as the list comes.
#[derive(Debug)]
pub struct JsonStream {
    output: Output,
    empty: bool,
}

impl JsonStream {
    /// Prints `{"name":value,…,"list":[`.
    ///
    /// # Errors
    /// As of [`Output::result`].
    pub fn begin(output: Output, head: &[(&str, Json)], list: &str) -> Outcome<Self> {
        ANSWERED.store(true, Ordering::Relaxed);
        let mut text = String::from("{");
        for (name, value) in head {
            text.push_str(&format!("{}:{value},", Json::from(*name)));
        }
        text.push_str(&format!("{}:[", Json::from(list)));
        output.text(&text)?;
        Ok(Self { output, empty: true })
    }

    /// Prints elements, each a line of JSON text.
    ///
    /// # Errors
    /// As of [`Output::result`].
    pub fn lines(&mut self, lines: &[u8]) -> Outcome<()> {
        let mut text = String::with_capacity(lines.len() + 64);
        for line in String::from_utf8_lossy(lines).lines() {
            if !std::mem::take(&mut self.empty) {
                text.push_str(",\n");
            }
            text.push_str(line);
        }
        write_stdout(text.as_bytes())
    }

    /// Ends the list and prints the members that follow it.
    ///
    /// # Errors
    /// As of [`Output::result`].
    pub fn finish(self, tail: &[(&str, Json)]) -> Outcome<()> {
        let tail: String =
            tail.iter().map(|(name, value)| format!(",{}:{value}", Json::from(*name))).collect();
        self.output.text(&format!("\n]{tail}}}"))
    }

    /// Ends the list with the error that stopped it, so that the object is
    /// whole.
    #[must_use]
    pub fn fail(self, error: Error) -> Failure {
        let view = serde_json::to_value(ErrorView::new(&error)).unwrap_or(Json::Null);
        match self.finish(&[("error", view)]) {
            Ok(()) => Failure::Reported(error),
            Err(failure) => failure,
        }
    }
}

/// Writes bytes to standard output as they are, and flushes them.
///
/// # Errors
/// As of [`Output::result`].
pub fn write_stdout(bytes: &[u8]) -> Outcome<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::writing)
}
