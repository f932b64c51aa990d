//! A build without blobs: their flags are refused in words.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_migrate::{
    Archive, BackupOptions, MigrationOptions, MigrationReport, Progress, RestoreOptions,
    VerifyOptions, VerifyReport, back_up, migrate, restore, verify,
};

use crate::blobs::{BackupArgs, CheckArgs, MoveArgs, RestoreArgs};

type Store = Arc<dyn StorageStrategy>;

/// Refuses flags that this build knows nothing of.
fn refuse(operation: &'static str, given: bool) -> Result<()> {
    if !given {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, operation, "blobs are not in this build")
        .hint("use a build with the feature blobs"))
}

impl MoveArgs {
    /// Migrates.
    ///
    /// # Errors
    /// Those of [`migrate`]; `Unsupported` if blobs were named.
    pub async fn migrate(
        &self,
        (source, target): (&Store, &Store),
        (schemas, options): (&Schemas, &MigrationOptions),
        progress: &dyn Progress,
    ) -> Result<MigrationReport> {
        refuse("migrate", !self.blobs_from.is_empty() || !self.blobs_to.is_empty())?;
        migrate(source, target, schemas, options, progress).await
    }
}

impl RestoreArgs {
    /// Restores.
    ///
    /// # Errors
    /// Those of [`restore`]; `Unsupported` if blobs were named.
    pub async fn restore(
        &self,
        archive: &Archive,
        target: &Store,
        (schemas, options): (&Schemas, &RestoreOptions),
        progress: &dyn Progress,
    ) -> Result<MigrationReport> {
        refuse("restore", !self.blobs_to.is_empty())?;
        restore(archive, target, schemas, options, progress).await
    }
}

impl BackupArgs {
    /// Backs up.
    ///
    /// # Errors
    /// Those of [`back_up`]; `Unsupported` if blobs were asked for.
    pub async fn back_up(
        &self,
        store: &Store,
        schemas: &Schemas,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<Archive> {
        refuse("back up", self.blobs.is_some())?;
        back_up(store, schemas, options, progress).await
    }
}

impl CheckArgs {
    /// Compares two stores.
    ///
    /// # Errors
    /// Those of [`verify`]; `Unsupported` if blobs were to be compared.
    pub async fn verify(
        &self,
        (source, target): (&Store, &Store),
        options: &VerifyOptions,
        progress: &dyn Progress,
    ) -> Result<VerifyReport> {
        refuse("verify", self.blobs.is_some())?;
        verify(source, target, options, progress).await
    }
}
