//! `repoctl export`: a collection as NDJSON, in the form that `import` reads.

use clap::Args;
use futures::TryStreamExt as _;
use repo_core::{CollectionSchema, Consistency, Record, RecordStream, ScanOptions};
use serde_json::json;

use crate::cli::context::{Access, Context, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;
use crate::cli::output::{Format, JsonStream, Output, write_stdout};
use crate::cli::signals::Interruption;
use crate::migration::{lines, refuse_unfinished_upgrade};

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
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &name).await?;
            let options =
                ScanOptions { consistency: Consistency::Strong, ..ScanOptions::default() };
            let records = opened.store.scan(&name, options).await?;
            let printer = Printer::begin(context.output, opened.schema(&name), self.tombstones)?;
            printer.all(records, &interruption).await
        };
        opened.close_after(work).await
    }
}

/// Prints records as they come.
struct Printer {
    output: Output,
    schema: CollectionSchema,
    tombstones: bool,
    stream: Option<JsonStream>,
    count: u64,
}

impl Printer {
    fn begin(output: Output, schema: CollectionSchema, tombstones: bool) -> Outcome<Self> {
        let head = [("collection", json!(schema.collection))];
        let stream = match output.format {
            Format::Json => Some(JsonStream::begin(output, &head, "records")?),
            Format::Human | Format::Ndjson => None,
        };
        Ok(Self { output, schema, tombstones, stream, count: 0 })
    }

    async fn all(
        mut self,
        mut records: RecordStream,
        interruption: &Interruption,
    ) -> Outcome<Ending> {
        loop {
            if let Some(signal) = interruption.signal() {
                return self.finish(Ending::Interrupted(signal));
            }
            match records.try_next().await {
                Ok(Some(batch)) => self.batch(&batch)?,
                Ok(None) => return self.finish(Ending::Done),
                Err(error) => {
                    return Err(match self.stream {
                        Some(stream) => stream.fail(error),
                        None => error.into(),
                    });
                }
            }
        }
    }

    fn batch(&mut self, batch: &[Record]) -> Outcome<()> {
        let mut text = Vec::new();
        for record in batch.iter().filter(|record| self.tombstones || record.is_live()) {
            lines::write(record, &self.schema, &mut text);
            self.count += 1;
        }
        match &mut self.stream {
            Some(stream) => stream.lines(&text),
            None => write_stdout(&text),
        }
    }

    fn finish(self, ending: Ending) -> Outcome<Ending> {
        if let Some(stream) = self.stream {
            stream.finish(&[("complete", json!(ending == Ending::Done))])?;
        }
        let cut = if ending == Ending::Done { "" } else { "interrupted: " };
        let Self { count, schema, .. } = self;
        self.output.note(&format!("{cut}{count} records of {} exported", schema.collection));
        Ok(ending)
    }
}
