//! `repoctl export`: a collection as NDJSON, in the form that `import` reads.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome};
use cli_output::output::{Format, JsonStream, Output, write_stdout};
use cli_output::signals::Interruption;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Record, RecordStream, ScanOptions};
use repo_core::{CollectionName, CollectionSchema, Consistency, Entity, Error, Result, Timestamp};
use repo_history::History;
use serde_json::json;

use super::past;
use crate::cli::context::{Context, Opened, collection};
use crate::cli::typed;
use repo_migrate::{Quarantine, ndjson, refuse_unfinished_upgrade};

/// What can be typed after `export`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Write tombstones as well, with `"_deleted": true`
    #[arg(long)]
    tombstones: bool,
    /// Write records that cannot be read to this file, each with the reason, and
    /// export the others
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Write what was valid at this time, from the history of the collection:
    /// 2026-11-29T03:10:00Z
    #[arg(long, value_name = "TIME", conflicts_with_all = ["tombstones", "quarantine"])]
    as_of: Option<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let as_of = self.as_of.as_deref().map(typed::time).transpose()?;
        let interruption = Interruption::listen()?;
        let aside = past::file(self.quarantine.as_deref()).await?;
        let asked = Some(std::slice::from_ref(&name));
        let opened = context.open_only(past::access(&aside), asked).await.map_err(past::hint)?;
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &name).await?;
            let records = match as_of {
                Some(time) => then(&opened, &name, time).await?,
                None => {
                    let options = ScanOptions::default().with_consistency(Consistency::Strong);
                    opened.store.scan(&name, options).await?
                }
            };
            if opened.store.store_record().await?.history.contains_key(&name) && as_of.is_none() {
                context.output.note(&format!(
                    "what {name} was before, and its tags, are not exported: `repoctl backup` \
                     takes them along"
                ));
            }
            let mut printer =
                Printer::begin(context.output, opened.schema(&name), self.tombstones)?;
            printer.aside = aside;
            printer.all(records, &interruption).await
        };
        let (ending, aside) = opened.close_after(work).await?;
        match past::finish(context, aside).await? {
            Ending::Partly if ending == Ending::Done => Ok(Ending::Partly),
            _ => Ok(ending),
        }
    }
}

/// The records that were live at a time.
async fn then(opened: &Opened, name: &CollectionName, time: Timestamp) -> Result<RecordStream> {
    let history = History::of(Arc::clone(&opened.store), name.clone());
    let records = |entities: Vec<Entity>| {
        entities.into_iter().map(Record::Live).collect::<Vec<Record>>().into()
    };
    Ok(history.scan_as_of(time).await?.map_ok(records).boxed())
}

/// Prints records as they come.
struct Printer {
    output: Output,
    schema: CollectionSchema,
    tombstones: bool,
    stream: Option<JsonStream>,
    count: u64,
    aside: Option<Quarantine>,
}

impl Printer {
    fn begin(output: Output, schema: CollectionSchema, tombstones: bool) -> Outcome<Self> {
        let head = [("collection", json!(schema.collection))];
        let stream = match output.format {
            Format::Json => Some(JsonStream::begin(output, &head, "records")?),
            Format::Human | Format::Ndjson => None,
        };
        Ok(Self { output, schema, tombstones, stream, count: 0, aside: None })
    }

    async fn all(
        mut self,
        mut records: RecordStream,
        interruption: &Interruption,
    ) -> Outcome<(Ending, Option<Quarantine>)> {
        loop {
            if let Some(signal) = interruption.signal() {
                return self.finish(Ending::Interrupted(signal));
            }
            match records.try_next().await {
                Ok(Some(batch)) => {
                    self.batch(&batch.records)?;
                    if let Some(aside) = self.aside.take() {
                        match aside.add_unreadable(&self.schema, batch.unreadable).await {
                            Ok(aside) => self.aside = Some(aside),
                            Err(error) => return Err(self.fail(error)),
                        }
                    }
                }
                Ok(None) => return self.finish(Ending::Done),
                Err(error) if self.aside.is_some() => return Err(self.fail(error)),
                Err(error) => return Err(self.fail(past::hint(error))),
            }
        }
    }

    fn fail(self, error: Error) -> Failure {
        match self.stream {
            Some(stream) => stream.fail(error),
            None => error.into(),
        }
    }

    fn batch(&mut self, batch: &[Record]) -> Outcome<()> {
        let mut text = Vec::new();
        for record in batch.iter().filter(|record| self.tombstones || record.is_live()) {
            ndjson::write(record, &self.schema, &mut text);
            self.count += 1;
        }
        match &mut self.stream {
            Some(stream) => stream.lines(&text),
            None => write_stdout(&text),
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(Ending, Option<Quarantine>)> {
        if let Some(stream) = self.stream {
            stream.finish(&[("complete", json!(ending == Ending::Done))])?;
        }
        let cut = if ending == Ending::Done { "" } else { "interrupted: " };
        let Self { count, schema, aside, .. } = self;
        self.output.note(&format!("{cut}{count} records of {} exported", schema.collection));
        Ok((ending, aside))
    }
}
