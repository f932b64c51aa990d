//! `repoctl backups prune`.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use cli_output::exit_code::{Ending, PARTLY};
use cli_output::failure::{ErrorView, Outcome};
use cli_output::progress::Shown;
use serde_json::{Value as Json, json};

use super::place::Place;
use repo_migrate::{Archive, ArchiveDirectory, Phase, Progress as _, Pruned};

/// What can be typed after `backups prune`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many archives of each store and role stay: the newest that are sound
    #[arg(long, value_name = "N", value_parser = keep)]
    keep: NonZeroUsize,
    /// The folder of the archives, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE")]
    backup_location: Option<PathBuf>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

fn keep(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "keep 1 or more".to_owned())
}

impl Arguments {
    pub(super) async fn run(&self, place: &Place<'_>) -> Outcome<Ending> {
        let folder = place.archives(self.backup_location.as_deref())?;
        let progress = Shown::new(place.output);
        progress.phase(Phase::BackupCheck, None);
        let directory = ArchiveDirectory::read(&folder).await?;
        let pruned = directory.prune(&folder, self.keep, self.dry_run, &progress).await;
        progress.finish();
        let pruned = pruned?;
        place.output.result(&self.answer(&folder, &pruned), || self.human(&pruned))?;
        Ok(if pruned.damaged.is_empty() { Ending::Done } else { Ending::Unsound(PARTLY) })
    }

    fn answer(&self, folder: &Path, pruned: &Pruned) -> Json {
        let damaged: Vec<Json> = pruned
            .damaged
            .iter()
            .map(|one| json!({ "archive": one.path, "error": ErrorView::new(&one.error) }))
            .collect();
        json!({
            "folder": folder,
            "dry_run": self.dry_run,
            "kept": pruned.kept.iter().map(Archive::path).collect::<Vec<_>>(),
            "removed": pruned.removed,
            "leftovers_removed": pruned.leftovers,
            "in_use": pruned.in_use,
            "damaged": damaged,
        })
    }

    fn human(&self, pruned: &Pruned) -> String {
        let removed = if self.dry_run { "would be removed" } else { "removed" };
        let mut text = String::new();
        let mut line = |path: &Path, what: &str| {
            let _ = writeln!(text, "{}  {what}", path.display());
        };
        pruned.kept.iter().for_each(|archive| line(archive.path(), "kept, sound"));
        pruned.removed.iter().for_each(|path| line(path, removed));
        let left = format!("left by a killed run, {removed}");
        pruned.leftovers.iter().for_each(|path| line(path, &left));
        pruned.in_use.iter().for_each(|path| line(path, "is being written, left alone"));
        for one in &pruned.damaged {
            line(&one.path, &format!("DAMAGED, left alone: {}", one.error));
        }
        if text.is_empty() { "there is nothing to remove\n".to_owned() } else { text }
    }
}
