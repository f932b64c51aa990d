//! Removing everything that is known of a record, and keeping it from coming back.
//!
//! [`erase`] removes it from a store, and names the archives that hold it: those are never
//! changed. The mark that it leaves travels, and [`marked`] refuses a run that would
//! bring something of it back.

mod archives;
pub(crate) mod marked;

use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::{Erasure, Remnant, StorageStrategy};
use repo_core::{Error, ErrorKind, Key, Result};
use repo_feed::Consumers;
use repo_history::{Erased, History};

use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// What [`erase`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErasureReport {
    /// The mark that is left.
    pub mark: Erasure,
    /// Older versions that were removed.
    pub versions: u64,
    /// Tags that were removed.
    pub tags: u64,
    /// Dead letters that were removed.
    pub dead_letters: u64,
    /// What still holds the record, or may: files beside the store, and archives. Empty
    /// when nothing is left.
    pub remnants: Vec<Remnant>,
}

/// Erases a record from a store, and looks for it in the archives of these folders, of
/// which one that is not there holds nothing. See [`History::erase`]. Safe to repeat.
///
/// # Errors
/// As [`History::erase`]; `Locked` while the store takes part in a live migration, or while a
/// migration into it, or another job on it, is unfinished; `Unsupported` for a layout that keeps no marks.
pub async fn erase(
    store: &Arc<dyn StorageStrategy>,
    key: &Key,
    reason: &str,
    folders: &[PathBuf],
) -> Result<ErasureReport> {
    let side = StoreReference::only(store);
    let record = side.record().await?;
    record.role.check_idle("erase a record", store.location())?;
    record.role.check_commit("erase a record", store.location())?;
    if record.job.is_some() {
        let why = "a migration into the store, or another job on it, is unfinished";
        let error = Error::new(ErrorKind::Locked, "erase a record", why);
        return Err(side.err(error).remedy(Remedy::FinishMigration));
    }
    Erasure::check_reason(reason)?;
    // Before the files are scrubbed: a letter says why its change failed.
    let dead_letters = Consumers::new(Arc::clone(store)).remove_letters_of(key).await?;
    let history = History::of(Arc::clone(store), key.collection.clone());
    let Erased { mark, versions, tags, mut remnants, .. } = history.erase(&key.id, reason).await?;
    for folder in folders {
        match archives::holding(folder, key, mark.through).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => remnants.extend(found?),
        }
    }
    Ok(ErasureReport { mark, versions, tags, dead_letters, remnants })
}
