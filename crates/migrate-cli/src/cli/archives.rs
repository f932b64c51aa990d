//! Archives as results.

use std::path::{Path, PathBuf};

use repo_core::{CollectionName, Result, Timestamp};
use serde::Serialize;

use super::configuration::migration;
use super::context::Context;
use repo_migrate::{Archive, Role};

/// What an archive holds, as its manifest says.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) archive: PathBuf,
    pub(crate) created_at: Timestamp,
    pub(crate) store: String,
    pub(crate) role: Role,
    pub(crate) records: u64,
    pub(crate) file_bytes: u64,
    pub(crate) collections: Vec<ArchivedCollectionView>,
}

/// What an archive holds of one collection.
#[derive(Debug, Serialize)]
pub(crate) struct ArchivedCollectionView {
    name: CollectionName,
    records: u64,
    tombstones: u64,
    floor: u64,
    schema_version: u32,
    digest: String,
    file_bytes: u64,
    /// Older versions; none where the archive has no history of the collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<u64>,
}

impl Summary {
    pub(crate) fn of(archive: &Archive) -> Self {
        let manifest = archive.manifest();
        let held = manifest.collections.iter().map(|entry| ArchivedCollectionView {
            name: entry.name.clone(),
            records: entry.records,
            tombstones: entry.tombstones,
            floor: entry.floor,
            schema_version: entry.schema_version,
            digest: entry.digest.clone(),
            file_bytes: entry.file_bytes,
            versions: entry.history.as_ref().map(|history| history.versions),
        });
        Self {
            archive: archive.path().to_owned(),
            created_at: manifest.created_at,
            store: manifest.location.clone(),
            role: manifest.role,
            records: manifest.records(),
            file_bytes: manifest.file_bytes(),
            collections: held.collect(),
        }
    }

    /// What a person reads after a backup.
    pub(crate) fn in_words(&self) -> String {
        let held: Vec<String> =
            self.collections.iter().map(ArchivedCollectionView::in_words).collect();
        format!(
            "{} records of {} ({}) are in {}, {} bytes, read back and sound",
            self.records,
            self.store,
            held.join(", "),
            self.archive.display(),
            self.file_bytes
        )
    }
}

impl ArchivedCollectionView {
    fn in_words(&self) -> String {
        let Self { records, name, .. } = self;
        match self.versions {
            None => format!("{records} {name}"),
            Some(versions) => format!("{records} {name} with {versions} older versions"),
        }
    }
}

/// The folder of the archives: the one that is named, else the configured one.
pub(crate) fn folder(context: &Context, named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder.to_owned()),
        None => {
            let config = context.load(context.file().as_deref(), None)?;
            Ok(migration(&config)?.backup_location)
        }
    }
}
