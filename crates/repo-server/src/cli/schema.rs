//! `repo-server schema`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use cli_output::archives::Summary;
use cli_output::exit_code::{Ending, FAILED, Signal};
use cli_output::failure::Outcome;
use cli_output::output::Output;
use cli_output::progress::Shown;
use cli_output::signals::Interruption;
use cli_output::{report, upgrade_report};
use repo_core::strategy::StorageStrategy;
use repo_core::{ErrorKind, Result, Schemas};
use repo_migrate::UpgradeOutcome;

use crate::config::Place;
use crate::schema::{Check, back_up, declared, migrate, restore};

/// What can be typed after `schema`.
#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Compare the stored versions with those that this program declares
    Check,
    /// Raise the layout, and upgrade every collection of an older version, after a backup
    Migrate,
    /// Write all records into an archive. Blobs are not in it, their digests are
    Backup {
        /// The folder for archives [default: `migration.backup_location`, or backups]
        #[arg(long, value_name = "DIR")]
        backup_location: Option<PathBuf>,
    },
    /// Bring an archive back: beside the store, compared, and then swapped
    Restore {
        /// The folder of the archive, which holds manifest.json
        archive: PathBuf,
        /// Into the empty store of this URL, and leave the other one alone
        #[arg(long, value_name = "URL")]
        into: Option<String>,
    },
}

impl SchemaCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Those of the store, and of what it does.
    pub(super) async fn run(self, place: &Place, output: Output) -> Outcome<Ending> {
        let schemas = declared(&place.store.declared)?;
        match self {
            Self::Check => {
                let store = open_to_look(place, &schemas).await?;
                let check = Check::of(&*store, &schemas).await;
                let closed = store.close().await;
                let check = check?;
                output.closed(closed);
                output.result(&check, || check.in_words())?;
                Ok(if check.ready { Ending::Done } else { Ending::Unsound(FAILED) })
            }
            Self::Migrate => run_migrate(place, &schemas, output).await,
            Self::Backup { backup_location } => {
                let store = place.store.open(&schemas, true).await?;
                let progress = Shown::new(output);
                let made =
                    back_up(&store, &schemas, &place.migration, backup_location, &progress).await;
                progress.finish();
                let closed = store.close().await;
                let summary = Summary::of(&made?);
                output.closed(closed);
                output.result(&summary, || summary.in_words())?;
                Ok(Ending::Done)
            }
            Self::Restore { archive, into } => {
                place.make_data_folder()?;
                let interruption = Interruption::listen()?;
                let progress = Shown::new(output).ended_by(&interruption);
                let done = restore(place, &schemas, &archive, into.as_deref(), &progress).await;
                progress.finish();
                let done = done?;
                output.result(&done, || {
                    let before = done.before.as_ref();
                    let before =
                        before.map(|path| format!("\nthe store before is {}", path.display()));
                    let words = report::migration(&done.report);
                    format!("{words}\nrestored: {}{}", done.store, before.unwrap_or_default())
                })?;
                Ok(match done.report.outcome {
                    repo_migrate::Outcome::Verified => Ending::Done,
                    _ => interrupted(&interruption),
                })
            }
        }
    }
}

async fn run_migrate(place: &Place, schemas: &Arc<Schemas>, output: Output) -> Outcome<Ending> {
    place.make_data_folder()?;
    let interruption = Interruption::listen()?;
    // Without layers: validation knows the declared version only, and an upgrade checks what it
    // writes itself.
    let store = place.store.open(schemas, false).await?;
    let progress = Shown::new(output).ended_by(&interruption);
    let done = migrate(&store, schemas, &place.migration, &progress).await;
    progress.finish();
    let closed = store.close().await;
    let done = done?;
    output.closed(closed);
    output.result(&done, || {
        let mut words: Vec<String> = done.upgraded.iter().map(upgrade_report::in_words).collect();
        words.push(done.check.in_words());
        words.join("\n")
    })?;
    let ended = |outcome| done.upgraded.iter().any(|report| report.outcome == outcome);
    Ok(if ended(UpgradeOutcome::Interrupted) {
        interrupted(&interruption)
    } else if ended(UpgradeOutcome::Partly) || !done.check.ready {
        Ending::Partly
    } else {
        Ending::Done
    })
}

fn interrupted(interruption: &Interruption) -> Ending {
    Ending::Interrupted(interruption.signal().unwrap_or(Signal::Interrupt))
}

/// Opens a store to look at; one that is not there is opened as for writing, which makes
/// nothing before `prepare`.
async fn open_to_look(place: &Place, schemas: &Arc<Schemas>) -> Result<Arc<dyn StorageStrategy>> {
    match place.store.open(schemas, true).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            place.make_data_folder()?;
            place.store.open(schemas, false).await
        }
        opened => opened,
    }
}
