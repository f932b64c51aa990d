//! How a migration is to be done, as Python says it: as JSON text.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use repo_core::{CollectionName, Error, ErrorKind, Result};
use repo_migrate::{CompressionLevel, MigrationOptions, OnConflict};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    collections: Option<Vec<CollectionName>>,
    batch_size: Option<NonZeroUsize>,
    backup: Option<PathBuf>,
    compression: Option<i32>,
    verify: bool,
    dry_run: bool,
    on_conflict: OnConflict,
    restart: bool,
    workers: Option<NonZeroUsize>,
    rate_limit: Option<NonZeroUsize>,
    quarantine: Option<PathBuf>,
    without_history: bool,
}

/// Reads the options.
///
/// # Errors
/// `Invalid` for a value of the wrong type or outside its range.
pub(crate) fn options(text: &str) -> Result<MigrationOptions> {
    let given: Options = serde_json::from_str(text).map_err(|source| {
        Error::new(ErrorKind::Invalid, "migrate", "an option has a wrong value")
            .with("reason", &source)
            .caused_by(source)
    })?;
    let defaults = MigrationOptions::default();
    let compression = match given.compression {
        Some(level) => CompressionLevel::new(level)?,
        None => defaults.compression,
    };
    Ok(MigrationOptions {
        collections: given.collections,
        batch_size: given.batch_size.unwrap_or(defaults.batch_size),
        backup: given.backup,
        compression,
        verify: given.verify,
        dry_run: given.dry_run,
        on_conflict: given.on_conflict,
        restart: given.restart,
        workers: given.workers.unwrap_or(defaults.workers),
        rate_limit: given.rate_limit,
        quarantine: given.quarantine,
        without_history: given.without_history,
        ..defaults
    })
}
