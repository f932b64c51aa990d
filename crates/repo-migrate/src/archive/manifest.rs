//! `manifest.json`: what an archive holds, with the digests that prove it.

use std::path::Path;

use repo_core::strategy::plain_reason;
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::blob_lines::{ArchivedBlobs, BLOBS_FILE};
use crate::archive::errors::corrupt;
use crate::archive::history::{ArchivedHistory, ArchivedItems};
use crate::archive::place::Place;

/// The highest version of the archive format that this tool reads. It writes 1 where
/// no history is in an archive, and 2 where no blobs are, so that older tools read it.
pub const FORMAT_VERSION: u32 = 3;
/// The version of an archive with a history and no blobs.
const WITHOUT_BLOBS: u32 = 2;
/// The version of an archive without a history.
pub(super) const WITHOUT_HISTORY: u32 = 1;
/// The name of the manifest in an archive's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// A manifest is read whole; one larger than this is none of ours.
const MAX_MANIFEST_BYTES: u64 = 64 * 1_024 * 1_024;
const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the archive format.
    pub format_version: u32,
    /// The version of the tool that wrote it.
    pub tool_version: String,
    /// When it was written, RFC 3339.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The store that it holds records of. Holds no secret.
    pub location: String,
    /// What it was made for.
    pub role: Role,
    /// The collections, by name.
    pub collections: Vec<ArchivedCollection>,
    /// Tags, and what else of the engine's own items belongs to the collections; none
    /// where there is nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ArchivedItems>,
    /// The blobs that its records are about; none where they were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobs: Option<ArchivedBlobs>,
    /// BLAKE3 of this file with the 64 digits of this field set to 0.
    pub checksum: String,
}

/// What an archive was made for: which side of a migration the store was.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Records came from it.
    Source,
    /// Records went to it; the archive holds what was there before.
    Target,
    /// Neither: somebody asked for a backup of the store.
    Store,
}

/// One collection of an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchivedCollection {
    /// Its name.
    #[schemars(with = "String")]
    pub name: CollectionName,
    /// The file in the archive's folder.
    pub file: String,
    /// The size of that file in bytes.
    pub file_bytes: u64,
    /// BLAKE3 of that file, in hexadecimal.
    pub file_digest: String,
    /// Records, tombstones too: as many lines are in the file.
    pub records: u64,
    /// Of these, tombstones.
    pub tombstones: u64,
    /// The sum of the digests of all records, in hexadecimal: the same for
    /// equal collections, whatever the order and the store.
    pub digest: String,
    /// The floor: an id without a record starts one above.
    pub floor: u64,
    /// The version of the shape of the documents.
    pub schema_version: u32,
    /// The field that repeats the id in every document.
    pub id_field: String,
    /// The JSON Schema that declared the collection, if any did.
    pub schema: Option<serde_json::Value>,
    /// What its records were before; none where no history was kept, or asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<ArchivedHistory>,
}

impl ArchivedCollection {
    /// The schema with which the records were written.
    ///
    /// # Errors
    /// `ConfigInvalid` when the kept JSON Schema is not one.
    pub fn collection_schema(&self) -> Result<CollectionSchema> {
        let mut schema = match &self.schema {
            Some(json) => CollectionSchema::parse(&json.to_string())?,
            None => CollectionSchema::undeclared(self.name.clone()),
        };
        schema.id_field = FieldPath::parse(&self.id_field)?;
        schema.schema_version = self.schema_version;
        Ok(schema)
    }
}

impl Manifest {
    /// Records of all collections, tombstones too.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.collections.iter().map(|entry| entry.records).sum()
    }

    /// Bytes of all files but the manifest.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let histories = self.collections.iter().filter_map(|entry| entry.history.as_ref());
        let records: u64 = self.collections.iter().map(|entry| entry.file_bytes).sum();
        let versions: u64 = histories.map(|history| history.file_bytes).sum();
        let items = self.items.as_ref().map_or(0, |items| items.file_bytes);
        let blobs = self.blobs.as_ref().map_or(0, |blobs| {
            let contents = if blobs.contents { blobs.bytes } else { 0 };
            blobs.file_bytes.saturating_add(contents)
        });
        (records + versions + items).saturating_add(blobs)
    }

    /// Older versions of all collections.
    #[must_use]
    pub fn versions(&self) -> u64 {
        let histories = self.collections.iter().filter_map(|entry| entry.history.as_ref());
        histories.map(|history| history.versions).sum()
    }

    /// The version of the format that what it holds needs.
    pub(super) fn needed_format(&self) -> u32 {
        let has_history = self.collections.iter().any(|entry| entry.history.is_some());
        if self.blobs.is_some() {
            FORMAT_VERSION
        } else if has_history || self.items.is_some() {
            WITHOUT_BLOBS
        } else {
            WITHOUT_HISTORY
        }
    }

    /// The text of the file, with its checksum.
    pub(crate) fn to_text(&self) -> Result<String> {
        let blank = Self { checksum: NO_CHECKSUM.to_owned(), ..self.clone() };
        let mut text = serde_json::to_string_pretty(&blank).map_err(|source| {
            Error::new(ErrorKind::Invalid, "write an archive", "the manifest cannot be written")
                .caused_by(source)
        })?;
        text.push('\n');
        let checksum = blake3::hash(text.as_bytes()).to_hex();
        if let Some(at) = text.rfind(NO_CHECKSUM) {
            text.replace_range(at..at + NO_CHECKSUM.len(), &checksum);
        }
        Ok(text)
    }

    /// Reads and checks the manifest of an archive.
    pub(crate) fn read(place: &Place, dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST_FILE);
        let text = place.manifest_text(&path, MAX_MANIFEST_BYTES)?;
        check_format(&text, &path)?;
        let manifest: Self = serde_json::from_str(&text).map_err(|source| {
            corrupt(&path, "the manifest cannot be read")
                .with("reason", plain_reason(&source))
                .caused_by(source)
        })?;
        manifest.check(&text, &path)?;
        Ok(manifest)
    }

    fn check(&self, text: &str, path: &Path) -> Result<()> {
        let blank = match text.rfind(&self.checksum) {
            Some(at) if self.checksum.len() == NO_CHECKSUM.len() => {
                format!("{}{NO_CHECKSUM}{}", &text[..at], &text[at + NO_CHECKSUM.len()..])
            }
            _ => return Err(corrupt(path, "the manifest has no checksum")),
        };
        if *blake3::hash(blank.as_bytes()).to_hex() != *self.checksum {
            return Err(corrupt(path, "the manifest was changed: its checksum does not fit"));
        }
        // A name that leads out of the folder would read a foreign file.
        let foreign = |entry: &&ArchivedCollection| {
            let versions = entry.history.as_ref().map(|history| &history.file);
            entry.file != file_name(&entry.name)
                || versions.is_some_and(|file| *file != versions_file_name(&entry.name))
        };
        if let Some(entry) = self.collections.iter().find(foreign) {
            return Err(corrupt(path, "a collection's file has a foreign name")
                .with("collection", &entry.name));
        }
        if self.blobs.as_ref().is_some_and(|blobs| blobs.file != BLOBS_FILE) {
            return Err(corrupt(path, "the list of the blobs has a foreign name"));
        }
        match &self.items {
            Some(items) if items.file != ITEMS_FILE => {
                Err(corrupt(path, "the file of the engine's own items has a foreign name"))
            }
            _ => Ok(()),
        }
    }
}

/// The file of a collection in an archive's folder.
pub(crate) fn file_name(collection: &CollectionName) -> String {
    format!("{collection}.jsonl.zst")
}

/// The file of the older versions of a collection. No name of a collection has a dot.
pub(crate) fn versions_file_name(collection: &CollectionName) -> String {
    format!("{collection}.versions.jsonl.zst")
}

/// The file of the engine's own items. No name of a collection has a dot.
pub(crate) const ITEMS_FILE: &str = "system.items.jsonl.zst";

/// A newer format may hold fields that this tool does not know, so its version
/// is looked at before anything else.
fn check_format(text: &str, path: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Format {
        format_version: u32,
    }
    match serde_json::from_str::<Format>(text) {
        Ok(format) if format.format_version > FORMAT_VERSION => Err(Error::new(
            ErrorKind::Unsupported,
            "read an archive",
            "the archive was written by a newer tool",
        )
        .with("file", path.display())
        .with("format_version", format.format_version)
        .with("highest_known", FORMAT_VERSION)
        .hint("read it with the version of the tool that wrote it, or a newer one")),
        _ => Ok(()),
    }
}
