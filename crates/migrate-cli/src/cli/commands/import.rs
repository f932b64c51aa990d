//! `repoctl import`: NDJSON into a collection, durable batch by batch.
//!
//! A line with `_version` is applied as it is; one without is saved.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome};
use cli_output::input::LineReader;
use cli_output::output::{Format, Output};
use cli_output::signals::Interruption;
use repo_core::strategy::Erasures;
use repo_core::{CollectionName, Error, ErrorKind};
use serde::Serialize;

use crate::cli::context::{Access, Context, Opened, collection};
use repo_migrate::{ImportBatch, ImportTotals, ImportedLine, LineForm, refuse_unfinished_upgrade};

/// Most left-out records that the final report names.
const MAX_NAMED: usize = 1_000;
/// Room for the metadata of a line and for escapes in its strings.
const LINE_OVERHEAD: usize = 64 * 1_024;

/// What can be typed after `import`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The file with the lines; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Make this many lines durable together. With --format ndjson an event
    /// is printed after each batch
    #[arg(long, value_name = "N", default_value = "1000", value_parser = batch_size)]
    batch_size: NonZeroUsize,
    /// What wrote the lines
    #[arg(long, value_enum, default_value_t, value_name = "PROGRAM")]
    from: LineOrigin,
}

/// `--from`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LineOrigin {
    /// `export`, or anything that writes one document a line
    #[default]
    Export,
    /// mongoexport: Extended JSON v2, canonical or relaxed
    Mongoexport,
}

/// Reads a batch size.
pub(crate) fn batch_size(text: &str) -> std::result::Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a batch size is a whole number of 1 or more".to_owned())
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let interruption = Interruption::listen()?;
        let opened = context.open(Access::Write).await?;
        let work = async {
            // A collection that is not there is reported before a line is read.
            let prepared = opened.store.collections().await?;
            if !prepared.contains(&name) {
                let store = opened.store.location();
                return Err(
                    repo_core::strategy::not_prepared("import", &name, store, &prepared).into()
                );
            }
            refuse_unfinished_upgrade(&opened.store, &name).await?;
            let longest = opened.store.capabilities().max_entity_bytes.saturating_mul(6);
            let feed = LineReader::open(&self.file, longest.saturating_add(LINE_OVERHEAD))?;
            let mut run = ImportRun {
                output: context.output,
                opened: &opened,
                name: &name,
                form: match self.from {
                    LineOrigin::Export => LineForm::Ndjson,
                    LineOrigin::Mongoexport => LineForm::MongoExport,
                },
                totals: ImportTotals::default(),
                left: Vec::new(),
            };
            let ended = run.all(feed, self.batch_size.get(), &interruption).await;
            run.finish(ended)
        };
        opened.close_after(work).await
    }
}

/// What a program reads after each batch.
#[derive(Debug, Serialize)]
struct BatchEvent<'a> {
    event: &'static str,
    collection: &'a CollectionName,
    records: &'a [ImportedLine],
}

/// What a program reads at the end.
#[derive(Debug, Serialize)]
struct DoneEvent<'a> {
    event: &'static str,
    collection: &'a CollectionName,
    complete: bool,
    #[serde(flatten)]
    totals: ImportTotals,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Vec<ImportedLine>>,
}

/// One import.
struct ImportRun<'a> {
    output: Output,
    opened: &'a Opened,
    name: &'a CollectionName,
    form: LineForm,
    totals: ImportTotals,
    left: Vec<ImportedLine>,
}

impl ImportRun<'_> {
    /// Reads and writes until the input ends, or until a signal comes. What a
    /// signal finds in an unfinished batch was not promised to anybody and is
    /// not written.
    async fn all(
        &mut self,
        mut feed: LineReader,
        batch_size: usize,
        interruption: &Interruption,
    ) -> Outcome<Ending> {
        let schema = self.opened.schema(self.name);
        let erased = Erasures::read(&*self.opened.store, self.name).await?;
        let mut batch = ImportBatch::new(&self.opened.store, &schema, &erased).of_form(self.form);
        loop {
            let next = tokio::select! {
                biased;
                signal = interruption.wait() => return Ok(Ending::Interrupted(signal)),
                next = feed.next() => next?,
            };
            let Some((number, line)) = next else { break };
            batch.add(&line, number)?;
            if batch.is_full(batch_size) {
                self.write(&mut batch).await?;
            }
        }
        self.write(&mut batch).await?;
        Ok(Ending::Done)
    }

    /// Makes a batch durable, and only then says so.
    async fn write(&mut self, batch: &mut ImportBatch<'_>) -> Outcome<()> {
        let lines = batch.write().await?;
        if lines.is_empty() {
            return Ok(());
        }
        let (stored, left): (Vec<_>, Vec<_>) = lines.into_iter().partition(ImportedLine::is_stored);
        stored.iter().chain(&left).for_each(|line| self.totals.count(line));
        if self.output.format == Format::Ndjson {
            self.event("committed", &stored)?;
            if !left.is_empty() {
                self.event("left", &left)?;
            }
        }
        for line in left {
            self.output.warning(&format!("{}/{line}", self.name));
            if self.left.len() < MAX_NAMED {
                self.left.push(line);
            }
        }
        Ok(())
    }

    /// A reader of the events that has ended cannot learn what is durable;
    /// to continue would be wrong, and so would calling it done.
    fn event(&self, event: &'static str, records: &[ImportedLine]) -> Outcome<()> {
        let answer = BatchEvent { event, collection: self.name, records };
        self.output.line(&answer).map_err(|failure| match failure {
            Failure::ReaderGone => {
                Error::new(ErrorKind::Unavailable, "import", "nobody reads the events any more")
                    .hint("what was announced so far is stored; import the rest again")
                    .into()
            }
            other => other,
        })
    }

    fn finish(self, ended: Outcome<Ending>) -> Outcome<Ending> {
        let ImportTotals { saved, applied, equal, older, diverged, erased, .. } = self.totals;
        let ending = match ended {
            Ok(Ending::Done) if older + diverged + erased > 0 => Ending::Partly,
            Ok(ending) => ending,
            Err(Failure::Error(error)) => {
                let stored = saved + applied + equal;
                return Err(error
                    .with("collection", self.name)
                    .with("stored_before", stored)
                    .into());
            }
            Err(failure) => return Err(failure),
        };
        let answer = DoneEvent {
            event: "done",
            collection: self.name,
            complete: !matches!(ending, Ending::Interrupted(_)),
            totals: self.totals,
            left: (self.output.format == Format::Json).then_some(&self.left),
        };
        self.output.result(&answer, || {
            let left = match older + diverged {
                0 => String::new(),
                left => format!("; {left} left out ({older} older, {diverged} diverged)"),
            };
            let cut = if matches!(ending, Ending::Interrupted(_)) { "interrupted: " } else { "" };
            let name = self.name;
            format!("{cut}{name}: {saved} saved, {applied} applied, {equal} equal{left}")
        })?;
        Ok(ending)
    }
}
