//! Reading every record, for `health --deep`.

use futures_util::TryStreamExt as _;

use crate::strategy::{ScanOptions, StorageStrategy};
use crate::{CollectionName, Consistency, HealthCheck, HealthProgress, Result};

/// For strategies: the part of a deep check that is the same in every store.
/// Reads each record of each collection, and says for each collection how many
/// there are, or which one cannot be read.
pub async fn check_records(
    store: &dyn StorageStrategy,
    progress: &HealthProgress,
) -> Vec<HealthCheck> {
    let names = match store.collections().await {
        Ok(names) => names,
        Err(error) => return vec![records(false, error.to_string())],
    };
    let mut checks = Vec::with_capacity(names.len());
    for name in names {
        checks.push(match check_collection(store, &name, progress).await {
            Ok(count) => records(true, format!("{name}: {count} records, all sound")),
            Err(error) => records(false, format!("{name}: {error}")),
        });
    }
    checks
}

fn records(ok: bool, detail: String) -> HealthCheck {
    HealthCheck::new("records", ok, detail)
}

async fn check_collection(
    store: &dyn StorageStrategy,
    name: &CollectionName,
    progress: &HealthProgress,
) -> Result<u64> {
    let mut count = 0;
    // Of the store itself, not of a replica of it.
    let options = ScanOptions::default().with_consistency(Consistency::Strong);
    let mut batches = store.scan(name, options).await?;
    while let Some(batch) = batches.try_next().await? {
        let read = batch.into_records()?.len() as u64;
        count += read;
        progress(name, read);
    }
    Ok(count)
}
