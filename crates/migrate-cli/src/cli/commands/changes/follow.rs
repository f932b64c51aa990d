//! `repoctl changes follow`: prints changes, or gives them to a program.

use std::num::NonZeroUsize;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome, usage, wrong_usage};
use cli_output::output::{Format, write_stdout};
use cli_output::signals::Interruption;
use repo_core::strategy::RecordChange;
use repo_core::{Error, ErrorKind, Filter, Result};
use repo_feed::{
    Consumer, ConsumerName, Consumers, FollowOptions, HandlerError, LEASE, Projection, Selection,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt as _;

use super::opening::{consumer, open};
use crate::cli::context::{Context, collection};

/// What can be typed after `follow`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the consumer
    name: String,
    /// End at the last change that is there now, in place of waiting for further ones
    #[arg(long)]
    until_head: bool,
    /// Give changes to this command of the shell, on its standard input; when it fails,
    /// they are tried again
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Most changes that are printed, or given to one run of the command, at once
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Wait so long for a batch to fill: 500ms, 2s
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    wait: Option<Duration>,
    /// Only changes of this collection; may be given several times
    #[arg(long = "collection", value_name = "NAME")]
    collections: Vec<String>,
    /// Only changes of entities that match; deletions always come
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Only these fields of each document: status,price.amount
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    fields: Vec<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        if context.output.format == Format::Json {
            let why = "changes are printed one a line: leave --format json out";
            return Err(wrong_usage("follow the change feed", why).into());
        }
        let (name, selection) = (consumer(&self.name)?, self.selection()?);
        let projection = self.projection()?;
        let interruption = Interruption::listen()?;
        let (opened, consumers) = open(context).await?;
        let work = async {
            let mut consumer = tokio::select! {
                consumer = run_here(context, &consumers, &name) => consumer?,
                signal = interruption.wait() => return Ok(Ending::Interrupted(signal)),
            };
            let mut sink =
                Sink { exec: self.exec.as_deref(), selection, projection, failure: None };
            let options = self.options();
            let handler = async |changes: &[RecordChange]| sink.take(changes).await;
            let followed = tokio::select! {
                followed = consumer.follow(&options, handler) => followed.map(|()| Ending::Done),
                // What is under way comes again.
                signal = interruption.wait() => Ok(Ending::Interrupted(signal)),
            };
            let closed = consumer.close().await;
            match (sink.failure, followed) {
                (Some(failure), _) => Err(failure),
                (None, Err(error)) => Err(error.into()),
                (None, Ok(ending)) => closed.map(|()| ending).map_err(Failure::from),
            }
        };
        opened.close_after(work).await
    }

    fn selection(&self) -> Result<Selection> {
        let collections: Vec<_> =
            self.collections.iter().map(|name| collection(name)).collect::<Result<_>>()?;
        let selection = Selection::default().of(collections);
        Ok(match &self.filter {
            Some(text) => selection.matching(Filter::parse(text).map_err(usage)?),
            None => selection,
        })
    }

    fn projection(&self) -> Result<Option<Projection>> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        Projection::parse(&self.fields).map(Some).map_err(usage)
    }

    fn options(&self) -> FollowOptions {
        let mut options = FollowOptions::default();
        options.until_head = self.until_head;
        // A command is run for each change, so that one that fails keeps no other.
        let alone = self.exec.as_ref().map(|_| NonZeroUsize::MIN);
        options.max_items = self.batch.or(alone).unwrap_or(options.max_items);
        options.max_wait = self.wait.unwrap_or(options.max_wait);
        options
    }
}

fn wait(text: &str) -> std::result::Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|source: jiff::Error| source.to_string())?;
    Duration::try_from(span).map_err(|source| source.to_string())
}

/// Opens the consumer. A process that was killed leaves a lease, which ends by itself;
/// one that runs renews it.
async fn run_here(
    context: &Context,
    consumers: &Consumers,
    name: &ConsumerName,
) -> Result<Consumer> {
    match Consumer::open(consumers, name).await {
        // Of a store that has moved a lease says nothing.
        Err(error) if error.context_value("lease_until").is_some() => {
            let until = error.context_value("lease_until").unwrap_or_default();
            context.output.note(&format!(
                "another process ran the consumer; waiting until its lease ends at {until}"
            ));
            tokio::time::sleep(LEASE + Duration::from_millis(100)).await;
            Consumer::open(consumers, name).await
        }
        opened => opened,
    }
}

/// Where changes go.
struct Sink<'a> {
    exec: Option<&'a str>,
    selection: Selection,
    projection: Option<Projection>,
    /// What ended it, where that is no error of the feed.
    failure: Option<Failure>,
}

impl Sink<'_> {
    async fn take(&mut self, changes: &[RecordChange]) -> std::result::Result<(), HandlerError> {
        let mut lines = Vec::new();
        for change in changes.iter().filter(|change| self.selection.selects(change)) {
            line(change, self.projection.as_ref(), &mut lines)?;
        }
        if lines.is_empty() {
            return Ok(());
        }
        match self.exec {
            Some(command) => execute(command, &lines).await,
            None => write_stdout(&lines).map_err(|failure| {
                self.failure = Some(failure);
                let why = "standard output takes no more";
                HandlerError::Stop(Error::new(ErrorKind::Unavailable, "print changes", why))
            }),
        }
    }
}

/// A change as it is printed.
#[derive(Serialize)]
struct Line<'a> {
    position: String,
    collection: &'a str,
    id: &'a str,
    version: u64,
    deleted: bool,
    exact: bool,
    document: Option<Box<RawValue>>,
}

/// Adds a change as one line.
fn line(change: &RecordChange, projection: Option<&Projection>, lines: &mut Vec<u8>) -> Result<()> {
    let failed = |source: serde_json::Error| {
        let why = "a change cannot be written as JSON";
        Error::new(ErrorKind::Corrupt, "print changes", why)
            .with("record", &change.key)
            .caused_by(source)
    };
    let document = change.record.as_ref().and_then(|record| record.document());
    let document = document
        .map(|document| match projection {
            Some(fields) => fields.project(document),
            None => document.as_str().to_owned(),
        })
        .map(RawValue::from_string)
        .transpose()
        .map_err(failed)?;
    let line = Line {
        position: change.position.to_string(),
        collection: change.key.collection.as_str(),
        id: change.key.id.as_str(),
        version: change.version.get(),
        deleted: change.deleted,
        exact: change.exact,
        document,
    };
    serde_json::to_writer(&mut *lines, &line).map_err(failed)?;
    lines.push(b'\n');
    Ok(())
}

/// Runs a command of the shell with these lines on its standard input.
async fn execute(command: &str, lines: &[u8]) -> std::result::Result<(), HandlerError> {
    let failed = |what: &str, source: &dyn std::fmt::Display| {
        HandlerError::Failed(format!("the command {what}: {source}"))
    };
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| {
            let why = "the shell cannot be started";
            HandlerError::Stop(
                Error::new(ErrorKind::Unavailable, "run a command", why).caused_by(source),
            )
        })?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read what it is given may end well all the same.
        let _ = input.write_all(lines).await;
    }
    let status = child.wait().await.map_err(|source| failed("was lost", &source))?;
    if status.success() { Ok(()) } else { Err(failed("failed", &status)) }
}
