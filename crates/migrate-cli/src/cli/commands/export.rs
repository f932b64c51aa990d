//! `repoctl export`: a collection as NDJSON, in the form that `import` reads.

use clap::Args;
use futures::TryStreamExt as _;
use repo_core::{CollectionName, Consistency, Record, RecordStream, ScanOptions};
use serde_json::json;

use crate::cli::context::{Access, Context, Opened, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;
use crate::cli::output::{Format, JsonStream, write_stdout};
use crate::cli::signals::Interruption;
use crate::migration::lines;

/// What can be typed after `export`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Write tombstones as well, with `"_deleted": true`
    #[arg(long)]
    tombstones: bool,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let interruption = Interruption::listen()?;
        let opened = context.open(Access::Read).await?;
        let work = async {
            let options =
                ScanOptions { consistency: Consistency::Strong, ..ScanOptions::default() };
            let records = opened.store.scan(&name, options).await?;
            self.write(context, &opened, &name, records, &interruption).await
        };
        opened.close_after(work).await
    }

    async fn write(
        &self,
        context: &Context,
        opened: &Opened,
        name: &CollectionName,
        mut records: RecordStream,
        interruption: &Interruption,
    ) -> Outcome<Ending> {
        let output = context.output;
        let schema = opened.schema(name);
        let mut stream = match output.format {
            Format::Json => {
                Some(JsonStream::begin(output, &[("collection", json!(name))], "records")?)
            }
            Format::Human | Format::Ndjson => None,
        };
        let mut count = 0_u64;
        let ending = loop {
            if let Some(signal) = interruption.signal() {
                break Ending::Interrupted(signal);
            }
            let batch = match (records.try_next().await, stream.take()) {
                (Ok(batch), still_open) => {
                    stream = still_open;
                    batch
                }
                (Err(error), Some(stream)) => return Err(stream.fail(error)),
                (Err(error), None) => return Err(error.into()),
            };
            let Some(batch) = batch else { break Ending::Done };
            let mut text = Vec::new();
            for record in batch.iter().filter(|record| self.wants(record)) {
                lines::write(record, &schema, &mut text);
                count += 1;
            }
            match &mut stream {
                Some(stream) => stream.lines(&text)?,
                None => write_stdout(&text)?,
            }
        };
        if let Some(stream) = stream {
            stream.finish(&[("complete", json!(ending == Ending::Done))])?;
        }
        let done = if ending == Ending::Done { "" } else { "interrupted: " };
        output.note(&format!("{done}{count} records of {name} exported"));
        Ok(ending)
    }

    fn wants(&self, record: &Record) -> bool {
        self.tombstones || record.is_live()
    }
}
