//! `repoctl backup`: everything that a store holds, in an archive.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::{import::batch_size, verify::collections};
use crate::cli::archives::Summary;
use crate::cli::context::{Access, Context};
use crate::cli::exit_code::Ending;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::progress::Shown;
use crate::cli::signals::Interruption;
use crate::migration::{Archive, BackupOptions, CompressionLevel, back_up};

/// What can be typed after `backup`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these collections, separated by commas [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    collections: Option<Vec<String>>,
    /// The folder for backups [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR")]
    backup_location: Option<PathBuf>,
    /// How hard it is compressed, from 1 (fast) to 19 (small) [default: 1]
    #[arg(long, value_name = "N", value_parser = compression_level)]
    compression_level: Option<CompressionLevel>,
    /// Records read at a time [default: `migration.batch_size`, or 250]
    #[arg(long, value_name = "N", value_parser = batch_size)]
    batch_size: Option<NonZeroUsize>,
}

/// Reads a compression level.
pub(super) fn compression_level(text: &str) -> Result<CompressionLevel, String> {
    let level = text.parse().ok().and_then(|level| CompressionLevel::new(level).ok());
    level.ok_or_else(|| "a compression level is a whole number from 1 to 19".to_owned())
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (_, config) = context.choose()?;
        let migration = config.migration();
        let location = self.backup_location.clone();
        let options = BackupOptions {
            collections: collections(self.collections.as_deref())?,
            folder: location.unwrap_or_else(|| migration.backup_location.clone()),
            compression: self.compression_level.unwrap_or_default(),
            batch_size: self.batch_size.unwrap_or(migration.batch_size),
        };
        let interruption = Interruption::listen()?;
        let opened = context.open_only(Access::Read, options.collections.as_deref()).await?;
        let progress = Shown::new(context.output);
        let work = async {
            // Dropping an unfinished archive takes it away.
            tokio::select! {
                biased;
                signal = interruption.wait() => Ok::<_, Failure>(Err(signal)),
                made = back_up(&opened.store, &opened.schemas, &options, &progress) => Ok(Ok(made?)),
            }
        };
        let ended = opened.close_after(work).await;
        progress.finish();
        match ended? {
            Ok(archive) => finish(context, &archive),
            Err(signal) => Ok(Ending::Interrupted(signal)),
        }
    }
}

fn finish(context: &Context, archive: &Archive) -> Outcome<Ending> {
    let summary = Summary::of(archive);
    context.output.result(&summary, || summary.in_words())?;
    Ok(Ending::Done)
}
