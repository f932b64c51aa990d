//! `repoctl verify`: two stores compared, every difference named.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cli_archives::CheckArgs;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::progress::Shown;
use cli_output::report;
use repo_core::{Error, Result, Schemas};

use super::past;

use crate::cli::context::{Context, collection};
use crate::cli::sides::{OpenSides, SideArgs};
use repo_migrate::{Depth, Quarantine, VerifyOptions, VerifyReport, set_aside};

/// What can be typed after `verify`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
    /// Only these collections, separated by commas [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    collections: Option<Vec<String>>,
    /// Compare ids, versions and deletions only, not the documents
    #[arg(long)]
    quick: bool,
    /// Keep how far the comparison is in this file, and resume from there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write records that cannot be read to this file, each with the reason, and
    /// compare the others
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Compare the records alone, not their older versions and tags
    #[arg(long)]
    without_history: bool,
    #[command(flatten)]
    blobs: CheckArgs,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let sides = self.sides.choose(context, "verify")?;
        let depth = if self.quick { Depth::Quick } else { Depth::Complete };
        let collections = collections(self.collections.as_deref())?;
        let options = VerifyOptions {
            collections,
            depth,
            upgrades: Some(Arc::clone(&sides.schemas)),
            state: self.state.clone(),
            without_history: self.without_history,
        };
        let blobs = self.blobs.filled(|| sides.source.blobs(), || sides.target.blobs())?;
        let aside = past::file(self.quarantine.as_deref()).await?;
        let access = past::access(&aside);
        let sides = sides.both_only(options.collections.as_deref());
        let open = sides
            .open_from("verify", access, async |target, schemas| target.open(access, schemas).await)
            .await
            .map_err(past::hint)?;
        let progress = Shown::new(context.output);
        let compared = async {
            let both = (&open.source, &open.target);
            let found = blobs.verify(both, &options, &progress).await?;
            let aside = match aside {
                Some(aside) => Some(put_aside(&open, &options, &sides.schemas, aside).await?),
                None => None,
            };
            Ok::<_, Error>((found, aside))
        }
        .await;
        progress.finish();
        let closed = open.close().await;
        let (found, aside): (VerifyReport, _) = compared.map_err(past::hint)?;
        context.output.closed(closed);
        context.output.result(&found, || report::verification(&found))?;
        let ending = past::finish(context, aside).await?;
        Ok(if found.equal { ending } else { Ending::Differ })
    }
}

/// Collects what neither side could be compared in.
async fn put_aside(
    open: &OpenSides,
    options: &VerifyOptions,
    schemas: &Schemas,
    mut aside: Quarantine,
) -> Result<Quarantine> {
    for store in [&open.source, &open.target] {
        aside = set_aside(store, options.collections.as_deref(), schemas, aside).await?;
    }
    Ok(aside)
}

/// Reads the names of collections that somebody typed.
pub(super) fn collections(
    names: Option<&[String]>,
) -> Result<Option<Vec<repo_core::CollectionName>>> {
    names.map(|names| names.iter().map(|name| collection(name.trim())).collect()).transpose()
}
