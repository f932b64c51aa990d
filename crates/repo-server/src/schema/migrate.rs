//! Bringing a store to the declared versions.

use std::sync::Arc;

use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{CollectionName, Error, ErrorKind, Result, Schemas};
use repo_layers::ReferenceLayer;
use repo_migrate::{
    CompressionLevel, MigrationConfig, MigrationOptions, Progress, UpgradeOptions, UpgradeOutcome,
    UpgradeReport, upgrade,
};
use serde::Serialize;

use super::check::{Check, State};

/// What was done.
#[derive(Debug, Serialize)]
pub struct Migrated {
    /// The layout that the store was of, if it was raised.
    pub layout_before: Option<u32>,
    /// The collections that were upgraded.
    pub upgraded: Vec<UpgradeReport>,
    /// What the store is now.
    pub check: Check,
}

/// Raises the layout of a store, and upgrades every collection of an older version, each with a
/// backup before. Safe to repeat: a run that was killed goes
/// on where it was.
///
/// # Errors
/// `ConfigInvalid` for a collection that cannot be upgraded; those of `repo_migrate::upgrade`.
pub async fn migrate(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    config: &MigrationConfig,
    progress: &dyn Progress,
) -> Result<Migrated> {
    let layout_before = match store.upgrade_layout().await {
        // It was never prepared: there is nothing to raise.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        raised => raised?,
    };
    let check = Check::of(&**store, schemas).await?;
    if check.collections.iter().any(|one| matches!(one.state, State::NoWay | State::Newer)) {
        return check.refuse().and(Err(unexpected()));
    }
    let mut upgraded = Vec::new();
    let upgradable: Vec<_> = check.upgradable().cloned().collect();
    for one in &upgradable {
        let options = options(config, one.collection.clone(), one.declared);
        let report = upgrade(store, schemas, &options, progress).await?;
        let interrupted = report.outcome == UpgradeOutcome::Interrupted;
        upgraded.push(report);
        if interrupted {
            return Ok(Migrated { layout_before, upgraded, check });
        }
    }
    store.prepare_keeping_versions(&ReferenceLayer::prepared_with(schemas)?).await?;
    let check = Check::of(&**store, schemas).await?;
    Ok(Migrated { layout_before, upgraded, check })
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Unexpected, "migrate", "the check of the store contradicts itself")
}

fn options(config: &MigrationConfig, collection: CollectionName, to: u32) -> UpgradeOptions {
    UpgradeOptions {
        collection,
        to,
        backup: config.backup_location.clone(),
        compression: CompressionLevel::default(),
        batch_size: config.batch_size,
        dry_run: false,
        patience: MigrationOptions::default().patience,
    }
}
