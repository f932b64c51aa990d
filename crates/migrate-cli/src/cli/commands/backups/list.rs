//! `repoctl backups list`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::cli::archives::{Summary, folder};
use crate::cli::context::Context;
use crate::cli::exit_code::{Ending, FAILED};
use crate::cli::failure::{ErrorView, Outcome};
use crate::cli::output::{cell, draw, table_of_numbers};
use repo_migrate::{ArchiveDirectory, Role};

/// What can be typed after `backups list`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the archives [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "DIR")]
    backup_location: Option<PathBuf>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let folder = folder(context, self.backup_location.as_deref())?;
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
        context.output.result(&answer, || human(&archives, &directory))?;
        Ok(if directory.damaged.is_empty() { Ending::Done } else { Ending::Unsound(FAILED) })
    }
}

fn human(archives: &[Summary], directory: &ArchiveDirectory) -> String {
    let mut table = table_of_numbers(&["archive", "made of", "role", "records", "bytes"], 3);
    for archive in archives {
        table.add_row([
            cell(&archive.archive.display().to_string()),
            cell(&archive.store),
            role(archive.role).to_owned(),
            archive.records.to_string(),
            archive.file_bytes.to_string(),
        ]);
    }
    let mut text = draw(&table) + "\n";
    for found in &directory.damaged {
        let _ = writeln!(text, "DAMAGED {}: {}", found.path.display(), found.error);
    }
    for found in &directory.leftovers {
        let what = if found.in_use {
            "is being written"
        } else {
            "was left by a killed run; `repoctl backups prune` removes it"
        };
        let _ = writeln!(text, "{} {what}", found.path.display());
    }
    text
}

/// The word for a role.
fn role(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Target => "target",
        Role::Store => "store",
    }
}
