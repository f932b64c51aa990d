//! `repoctl verify`: two stores compared, every difference named.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use repo_core::Result;

use crate::cli::context::{Access, Context, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;
use crate::cli::progress::Shown;
use crate::cli::report;
use crate::cli::sides::SideArgs;
use crate::migration::{Depth, VerifyOptions, VerifyReport, verify};

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
    /// Keep how far the comparison is in this file, and go on from there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
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
        };
        let open = sides
            .both_only(options.collections.as_deref())
            .open("verify", async |target, schemas| target.open(Access::Read, schemas).await)
            .await?;
        let progress = Shown::new(context.output);
        let compared = verify(&open.source, &open.target, &options, &progress).await;
        progress.finish();
        let closed = open.close().await;
        let found: VerifyReport = compared?;
        context.output.closed(closed);
        context.output.result(&found, || report::verification(&found))?;
        Ok(if found.equal { Ending::Done } else { Ending::Differ })
    }
}

/// Reads the names of collections that somebody typed.
pub(super) fn collections(
    names: Option<&[String]>,
) -> Result<Option<Vec<repo_core::CollectionName>>> {
    names.map(|names| names.iter().map(|name| collection(name.trim())).collect()).transpose()
}
