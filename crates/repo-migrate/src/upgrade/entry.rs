//! Upgrading a collection: how, and the calls for it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use repo_core::{CollectionName, Result, Schemas, StorageStrategy};

use super::mark::refuse_mixed;
use super::report::UpgradeReport;
use super::run;
use crate::options::CompressionLevel;
use crate::progress::Progress;
use crate::store_reference::Side;

/// How a collection is to be upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeOptions {
    /// The collection.
    pub collection: CollectionName,
    /// The schema version that its documents are to have.
    pub to: u32,
    /// The folder in which the archive gets a folder of its own.
    pub backup: PathBuf,
    /// How hard it is compressed.
    pub compression: CompressionLevel,
    /// Entities that are written in one commit, at most.
    pub batch_size: NonZeroUsize,
    /// Whether to do all checks and write nothing.
    pub dry_run: bool,
    /// How long a batch that the store refuses for now (`Unavailable`) is
    /// tried again.
    pub patience: Duration,
}

/// Upgrades every document of a collection to another schema version, each as
/// a normal write, and then records that version. A run that was killed, that
/// failed, or that `progress` ended is gone on with by the same call.
///
/// Nobody else may write to the collection meanwhile. A document that is
/// changed nevertheless is read again and upgraded as it then is; what cannot
/// be told is left as it is and named.
///
/// # Errors
/// Before anything is written: `NotFound` for a collection that was never
/// prepared; `Unsupported` when no upgrade leads to the version;
/// `ConfigInvalid` for a version above the declared one, and when other
/// upgrades are declared than the unfinished run began with; `Invalid`, naming
/// them, when entities cannot be upgraded; `Locked` while a migration into the
/// store or another upgrade is unfinished, or another run is at work;
/// `LimitExceeded` when the disk has no room for the archive; `Corrupt` when
/// that does not read back. Afterwards: what the store refuses.
pub async fn upgrade(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &UpgradeOptions,
    progress: &dyn Progress,
) -> Result<UpgradeReport> {
    run::Run::new(Side::only(store), schemas, options, progress).all().await
}

/// Refuses work on a collection whose documents are partly of one schema
/// version and partly of another.
///
/// # Errors
/// `Locked`, with the command that goes on with the upgrade.
pub async fn refuse_unfinished_upgrade(
    store: &Arc<dyn StorageStrategy>,
    collection: &CollectionName,
) -> Result<()> {
    let side = Side::only(store);
    refuse_mixed(&side, |name| name == collection).await
}
