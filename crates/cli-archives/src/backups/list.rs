//! `repoctl backups list`.

use std::path::PathBuf;

use clap::Args;
use cli_output::archives::{self, Summary};
use cli_output::exit_code::{Ending, FAILED};
use cli_output::failure::{ErrorView, Outcome};
use serde_json::{Value as Json, json};

use super::place::Place;
use repo_migrate::ArchiveDirectory;

/// What can be typed after `backups list`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder of the archives, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE")]
    backup_location: Option<PathBuf>,
}

impl Arguments {
    pub(super) async fn run(&self, place: &Place<'_>) -> Outcome<Ending> {
        let folder = place.archives(self.backup_location.as_deref())?;
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
        place.output.result(&answer, || archives::table(&archives, &directory))?;
        Ok(if directory.damaged.is_empty() { Ending::Done } else { Ending::Unsound(FAILED) })
    }
}
