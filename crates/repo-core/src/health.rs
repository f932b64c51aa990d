//! Whether a store is sound: at a glance, or by reading everything.

use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt as _;

use crate::{CollectionName, Result, ScanOptions, StorageStrategy};

/// Is told of records that were looked at: their collection, and how many more
/// there are of them. Must return quickly.
pub type HealthProgress = Arc<dyn Fn(&CollectionName, u64) + Send + Sync>;

/// How thoroughly a store is looked at.
#[derive(Clone, Default)]
pub enum HealthDepth {
    /// What can be seen without reading the records of a database: that it can
    /// be reached, and what it is made of. A store of JSON files compares its
    /// files with their digests in any case.
    #[default]
    Quick,
    /// Every record is read, and compared with its digest where the store keeps
    /// one, and the store's own check of its files is made. Takes as long as a
    /// scan of everything, or longer.
    Deep(HealthProgress),
}

impl fmt::Debug for HealthDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "Quick",
            Self::Deep(_) => "Deep",
        })
    }
}

/// What a health check saw.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// The single checks; the store is healthy when all are ok.
    pub checks: Vec<HealthCheck>,
}

/// One thing that a health check looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HealthCheck {
    /// What was looked at, for example `journal`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

impl Health {
    /// Whether every check is ok.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

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
    HealthCheck { name: "records", ok, detail }
}

async fn check_collection(
    store: &dyn StorageStrategy,
    name: &CollectionName,
    progress: &HealthProgress,
) -> Result<u64> {
    let mut count = 0;
    let mut batches = store.scan(name, ScanOptions::default()).await?;
    while let Some(batch) = batches.try_next().await? {
        count += batch.len() as u64;
        progress(name, batch.len() as u64);
    }
    Ok(count)
}
