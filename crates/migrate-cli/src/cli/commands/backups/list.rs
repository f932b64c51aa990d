//! `repoctl backups list`.

use std::path::PathBuf;

use clap::Args;
use cli_output::archives::{self, Summary};
use cli_output::exit_code::{Ending, FAILED};
use cli_output::failure::{ErrorView, Outcome};
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use repo_migrate::ArchiveDirectory;

/// What can be typed after `backups list`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the archives [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR")]
    backup_location: Option<PathBuf>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let folder = context.archives(self.backup_location.as_deref())?;
        let directory = ArchiveDirectory::read(&folder).await?;
        let archives: Vec<Summary> = directory.archives.iter().map(Summary::of).collect();
        let damaged: Vec<Json> = directory
            .damaged
            .iter()
            .map(|found| json!({ "archive": found.path, "error": ErrorView::new(&found.error) }))
            .collect();
        let leftovers: Vec<Json> = directory
            .leftovers
            .iter()
            .map(|found| json!({ "folder": found.path, "in_use": found.in_use }))
            .collect();
        let answer = json!({
            "folder": folder,
            "archives": archives,
            "damaged": damaged,
            "leftovers": leftovers,
        });
        context.output.result(&answer, || archives::table(&archives, &directory))?;
        Ok(if directory.damaged.is_empty() { Ending::Done } else { Ending::Unsound(FAILED) })
    }
}
