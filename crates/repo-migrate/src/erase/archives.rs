//! Archives that hold an erased record.

use std::num::NonZeroUsize;
use std::path::Path;

use futures::TryStreamExt as _;
use repo_core::strategy::Remnant;
use repo_core::{Key, Result, Version};

use crate::archive::{Archive, ArchiveDirectory};

/// Records read at a time.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Those of a folder that hold a version of the record up to this one, and those of
/// which that is not known.
///
/// # Errors
/// `NotFound` when there is no such folder.
pub(super) async fn holding(folder: &Path, key: &Key, through: Version) -> Result<Vec<Remnant>> {
    let directory = ArchiveDirectory::read(folder).await?;
    let mut remnants = Vec::new();
    for archive in &directory.archives {
        let what = match holds(archive, key, through).await {
            Ok(false) => continue,
            Ok(true) => "an archive that holds the record: remove it, or keep it locked".to_owned(),
            Err(error) => format!("an archive that cannot be read: {error}"),
        };
        remnants.push(Remnant::new(archive.path().display(), what));
    }
    for damaged in &directory.damaged {
        let what = format!("an archive that is damaged: {}", damaged.error);
        remnants.push(Remnant::new(damaged.path.display(), what));
    }
    for leftover in &directory.leftovers {
        let what = if leftover.in_use {
            "an archive that is being written: it may hold the record"
        } else {
            "left by a killed run: it may hold the record, and can be removed"
        };
        remnants.push(Remnant::new(leftover.path.display(), what));
    }
    Ok(remnants)
}

async fn holds(archive: &Archive, key: &Key, through: Version) -> Result<bool> {
    let is_there = archive.manifest().collections.iter().any(|c| c.name == key.collection);
    if !is_there {
        return Ok(false);
    }
    let mut records = archive.records(&key.collection, BATCH)?;
    while let Some(batch) = records.try_next().await? {
        let mut found = batch.iter().filter(|record| record.id() == &key.id);
        if found.any(|record| record.is_live() && record.version() <= through) {
            return Ok(true);
        }
    }
    let mut versions = archive.versions_after(&key.collection, 0, BATCH)?;
    while let Some(batch) = versions.try_next().await? {
        let holds = batch.iter().any(|version| {
            version.id == key.id && version.version <= through && version.has_content()
        });
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}
