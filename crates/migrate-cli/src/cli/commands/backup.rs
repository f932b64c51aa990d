//! `repoctl backup`: everything that a store holds, in an archive.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use cli_archives::BackupArgs;
use cli_output::archives::Summary;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome};
use cli_output::progress::Shown;
use cli_output::signals::Interruption;

use super::{import::batch_size, past, verify::collections};
use crate::cli::configuration::migration;
use crate::cli::context::Context;
use repo_migrate::{Archive, BackupOptions, CompressionLevel, back_up_what_can_be_read};

/// What can be typed after `backup`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these collections, separated by commas [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    collections: Option<Vec<String>>,
    /// The folder for backups, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE")]
    backup_location: Option<PathBuf>,
    /// How hard it is compressed, from 1 (fast) to 19 (small) [default: 1]
    #[arg(long, value_name = "N", value_parser = compression_level)]
    compression_level: Option<CompressionLevel>,
    /// Records read at a time [default: `migration.batch_size`, or 250]
    #[arg(long, value_name = "N", value_parser = batch_size)]
    batch_size: Option<NonZeroUsize>,
    /// Write records that cannot be read to this file, each with the reason, and
    /// back up the others
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Leave older versions and tags out. Older programs read such an archive
    #[arg(long)]
    without_history: bool,
    #[command(flatten)]
    blobs: BackupArgs,
}

/// Reads a compression level.
pub(super) fn compression_level(text: &str) -> Result<CompressionLevel, String> {
    let level = text.parse().ok().and_then(|level| CompressionLevel::new(level).ok());
    level.ok_or_else(|| "a compression level is a whole number from 1 to 19".to_owned())
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (_, config) = context.choose()?;
        let migration = migration(&config)?;
        let blobs = self.blobs.filled(|| context.blobs(&config))?;
        let location = self.backup_location.clone();
        let options = BackupOptions {
            collections: collections(self.collections.as_deref())?,
            folder: location.unwrap_or_else(|| migration.backup_location.clone()),
            compression: self.compression_level.unwrap_or_default(),
            batch_size: self.batch_size.unwrap_or(migration.batch_size),
            without_history: self.without_history,
        };
        let interruption = Interruption::listen()?;
        let aside = past::file(self.quarantine.as_deref()).await?;
        let asked = options.collections.as_deref();
        let opened = context.open_only(past::access(&aside), asked).await.map_err(past::hint)?;
        let progress = Shown::new(context.output);
        let work = async {
            // Dropping an unfinished archive takes it away.
            tokio::select! {
                biased;
                signal = interruption.wait() => Ok::<_, Failure>(Err(signal)),
                made = async {
                    let (store, schemas) = (&opened.store, &opened.schemas);
                    match aside {
                        None => {
                            let made = blobs.back_up(store, schemas, &options, &progress);
                            Ok((made.await?, None))
                        }
                        Some(aside) => {
                            let (archive, aside) = back_up_what_can_be_read(
                                store, schemas, &options, aside, &progress,
                            )
                            .await?;
                            Ok((archive, Some(aside)))
                        }
                    }
                } => Ok(Ok(made.map_err(past::hint)?)),
            }
        };
        let ended = opened.close_after(work).await;
        progress.finish();
        match ended? {
            Ok((archive, aside)) => {
                finish(context, &archive)?;
                past::finish(context, aside).await
            }
            Err(signal) => Ok(Ending::Interrupted(signal)),
        }
    }
}

fn finish(context: &Context, archive: &Archive) -> Outcome<()> {
    let summary = Summary::of(archive);
    context.output.result(&summary, || summary.in_words())
}
