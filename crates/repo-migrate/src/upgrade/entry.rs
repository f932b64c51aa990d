//! Upgrading a collection: how, and the calls for it.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, Result, Schemas};

use super::options::UpgradeOptions;
use super::report::UpgradeReport;
use super::run;
use crate::job::unfinished::refuse_mixed;
use crate::progress::Progress;
use crate::store_reference::StoreReference;

/// Upgrades every document of a collection to another schema version, each as
/// a normal write, and then records that version. A run that was killed, that
/// failed, or that `progress` ended is resumed by the same call.
///
/// Nobody else may write to the collection meanwhile. A document that is
/// changed nevertheless is read again and upgraded as it then is; what cannot
/// be known is left as it is and named.
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
    run::UpgradeRun::new(StoreReference::only(store), schemas, options, progress).all().await
}

/// Refuses work on a collection whose documents are partly of one schema
/// version and partly of another.
///
/// # Errors
/// `Locked`, with the command that resumes the upgrade.
pub async fn refuse_unfinished_upgrade(
    store: &Arc<dyn StorageStrategy>,
    collection: &CollectionName,
) -> Result<()> {
    let side = StoreReference::only(store);
    refuse_mixed(&side, |name| name == collection).await
}
