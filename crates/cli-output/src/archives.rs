//! Archives as results.

use std::fmt::Write as _;
use std::path::PathBuf;

use repo_core::{CollectionName, Timestamp};
use repo_migrate::{Archive, ArchiveDirectory, ArchivedBlobs, Role};
use serde::Serialize;

use crate::output::{cell, draw, table_of_numbers};

/// What an archive holds, as its manifest says.
#[derive(Debug, Serialize)]
pub struct Summary {
    archive: PathBuf,
    created_at: Timestamp,
    store: String,
    role: Role,
    records: u64,
    file_bytes: u64,
    collections: Vec<ArchivedCollectionView>,
    /// The blobs; none where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs: Option<ArchivedBlobs>,
}

/// What an archive holds of one collection.
#[derive(Debug, Serialize)]
struct ArchivedCollectionView {
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
    /// What the manifest of this archive says.
    #[must_use]
    pub fn of(archive: &Archive) -> Self {
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
            blobs: manifest.blobs.clone(),
        }
    }

    /// What a person reads after a backup.
    #[must_use]
    pub fn in_words(&self) -> String {
        let held: Vec<String> =
            self.collections.iter().map(ArchivedCollectionView::in_words).collect();
        let blobs = match &self.blobs {
            None => String::new(),
            Some(blobs) if blobs.contents => {
                format!(", and {} blobs of {} bytes,", blobs.blobs, blobs.bytes)
            }
            Some(blobs) => format!(", and the digests of {} blobs,", blobs.blobs),
        };
        format!(
            "{} records of {} ({}){blobs} are in {}, {} bytes, read back and sound",
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

/// The archives of a folder as a table, and what else lies in it, for people.
#[must_use]
pub fn table(archives: &[Summary], directory: &ArchiveDirectory) -> String {
    let mut table = table_of_numbers(&["archive", "made of", "role", "records", "bytes"], 3);
    for archive in archives {
        table.add_row([
            cell(&archive.archive.display().to_string()),
            cell(&archive.store),
            role(archive.role).to_owned(),
            archive.records.to_string(),
            archive.file_bytes.to_string(),
        ]);
    }
    let mut text = draw(&table) + "\n";
    for found in &directory.damaged {
        let _ = writeln!(text, "DAMAGED {}: {}", found.path.display(), found.error);
    }
    for found in &directory.leftovers {
        let what = if found.in_use {
            "is being written"
        } else {
            "was left by a killed run; `repoctl backups prune` removes it"
        };
        let _ = writeln!(text, "{} {what}", found.path.display());
    }
    text
}

/// The word for a role.
fn role(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Target => "target",
        Role::Store => "store",
    }
}
