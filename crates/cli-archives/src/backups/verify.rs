//! `repoctl backups verify`.

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::{Ending, FAILED};
use cli_output::failure::{ErrorView, Outcome};
use cli_output::progress::Shown;
use repo_core::Error;
use serde::Serialize;
use serde_json::json;

use super::place::Place;
use repo_migrate::{Archive, ArchiveDirectory, Phase, Progress as _};

/// What can be typed after `backups verify`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The archives [default: every one in the folder]
    archives: Vec<PathBuf>,
    /// The folder of the archives, or s3://BUCKET/PREFIX [default: `migration.backup_location`, or backups]
    #[arg(long, value_name = "PLACE", conflicts_with = "archives")]
    backup_location: Option<PathBuf>,
}

/// What checking one archive found.
#[derive(Debug, Serialize)]
struct Row {
    archive: PathBuf,
    sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    #[serde(skip)]
    words: String,
}

impl Row {
    fn sound(archive: &Archive) -> Self {
        let records = archive.manifest().records();
        Self {
            archive: archive.path().to_owned(),
            sound: true,
            records: Some(records),
            error: None,
            words: format!("sound, {records} records"),
        }
    }

    fn damaged(archive: PathBuf, error: &Error) -> Self {
        let words = format!("DAMAGED: {error}");
        Self { archive, sound: false, records: None, error: Some(ErrorView::new(error)), words }
    }
}

impl Arguments {
    pub(super) async fn run(&self, place: &Place<'_>) -> Outcome<Ending> {
        let progress = Shown::new(place.output);
        let (archives, mut rows) = self.find(place).await?;
        let total = archives.iter().map(|archive| archive.manifest().records()).sum();
        progress.phase(Phase::BackupCheck, Some(total));
        for archive in archives {
            rows.push(match archive.verify(&progress).await {
                Ok(()) => Row::sound(&archive),
                Err(error) => Row::damaged(archive.path().to_owned(), &error),
            });
        }
        progress.finish();
        rows.sort_by(|a, b| a.archive.cmp(&b.archive));
        let sound = rows.iter().all(|row| row.sound);
        place.output.list(&json!({ "sound": sound, "archives": rows }), &rows, || {
            let line = |row: &Row| format!("{}  {}\n", row.archive.display(), row.words);
            let lines: String = rows.iter().map(line).collect();
            if lines.is_empty() { "there is no archive\n".to_owned() } else { lines }
        })?;
        Ok(if sound { Ending::Done } else { Ending::Unsound(FAILED) })
    }

    /// The archives to read, and what is already known to be damaged.
    async fn find(&self, place: &Place<'_>) -> Outcome<(Vec<Archive>, Vec<Row>)> {
        let mut rows = Vec::new();
        if self.archives.is_empty() {
            let directory =
                ArchiveDirectory::read(&place.archives(self.backup_location.as_deref())?).await?;
            rows.extend(
                directory.damaged.into_iter().map(|one| Row::damaged(one.path, &one.error)),
            );
            return Ok((directory.archives, rows));
        }
        let mut archives = Vec::new();
        for path in &self.archives {
            match Archive::open(path).await {
                Ok(archive) => archives.push(archive),
                Err(error) => rows.push(Row::damaged(path.clone(), &error)),
            }
        }
        Ok((archives, rows))
    }
}
