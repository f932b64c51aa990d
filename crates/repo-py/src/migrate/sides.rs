//! The two stores of a migration.

use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, Sameness, StorageStrategy};
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_migrate::{MigrationOptions, MigrationReport, Progress};

use crate::forked::sqlite_file;
use crate::open::open_source;
use crate::place::ChosenPlace;

/// Two stores that are chosen and not yet opened, and what is to be done.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) source: ChosenPlace,
    pub(crate) target: ChosenPlace,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) options: MigrationOptions,
}

impl Sides {
    /// The files of SQLite among them.
    pub(crate) fn sqlite_files(&self) -> Vec<PathBuf> {
        [&self.source, &self.target].iter().filter_map(|side| sqlite_file(&side.store)).collect()
    }

    /// Does the migration: opens both, and closes them whatever came out of it.
    pub(crate) async fn migrate(&self, progress: &dyn Progress) -> Result<MigrationReport> {
        let named = |side| move |error: Error| error.with("side", side);
        if self.source.store.same_as(&self.target.store) {
            return Err(one_store());
        }
        let source = open_source(&self.source, &self.schemas).await.map_err(named("source"))?;
        let target = match self.open_target(&source).await {
            Ok(target) => target,
            Err(error) => {
                // Why the target cannot be opened says more.
                let _ = source.close().await;
                return Err(error.with("side", "target"));
            }
        };
        let (schemas, options) = (&*self.schemas, &self.options);
        let done = repo_migrate::migrate(&source, &target, schemas, options, progress).await;
        let closed = [("target", target.close().await), ("source", source.close().await)];
        let mut report = done?;
        for (side, closed) in closed {
            if let Err(error) = closed {
                report.warnings.push(format!("the {side} could not be closed: {error}"));
            }
        }
        Ok(report)
    }

    /// Opens the target, which the migration itself prepares, once it is known not to
    /// be the source under another name: opening for writing alone may change files.
    async fn open_target(
        &self,
        source: &Arc<dyn StorageStrategy>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        if self.source.store.same_kind_as(&self.target.store) {
            let target = self.look_at_target(self.target_options()).await?;
            let same = is_same(source, &target).await;
            target.close().await?;
            if same? {
                return Err(one_store().with("store", source.location()));
            }
        }
        if self.options.dry_run {
            // What another program keeps is refused in the words of the run itself.
            return self.look_at_target(self.target_options().with_foreign(false)).await;
        }
        self.target.store.open(self.target_options()).await
    }

    /// What the target is opened with.
    fn target_options(&self) -> OpenOptions {
        self.target.config.options(Arc::clone(&self.schemas))
    }

    /// Opens the target for reading; one that is not there yet as for writing, which
    /// makes nothing before it is prepared.
    async fn look_at_target(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        match self.target.store.open(options.clone().with_read_only(true)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.target.store.open(options).await
            }
            opened => opened,
        }
    }
}

/// Whether both are surely one store.
async fn is_same(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
) -> Result<bool> {
    if source.location() == target.location() {
        return Ok(true);
    }
    let (ours, theirs) = (source.physical_identity().await?, target.physical_identity().await?);
    Ok(ours.zip(theirs).is_some_and(|(a, b)| a.compare(&b) == Sameness::Same))
}

fn one_store() -> Error {
    Error::new(ErrorKind::ConfigInvalid, "migrate", "source and target are the same store")
        .hint("name another target")
}
