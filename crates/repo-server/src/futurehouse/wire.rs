//! What the clients of FutureHouse and Edison read: `DataStorageResponse` and its parts.

use repo_blob::{BlobKey, FileName, SignedMethod, UrlSigner};
use repo_core::{EntityId, Timestamp};
use repo_data::model::{
    Content, ContentKind, Entry, EntryKind, EntryStatus, Json, OutsideLocation, Revision,
    ShareStatus, StorageType,
};
use serde::Serialize;

use crate::bytes::{Base, base_name, key_of, key_of_outside};

/// The entry, as `data_storage`.
#[derive(Debug, Serialize)]
pub(super) struct DataStorage<'a> {
    id: &'a EntityId,
    name: &'a str,
    description: Option<&'a str>,
    content: Option<&'a str>,
    status: &'static str,
    embedding: Option<()>,
    is_collection: bool,
    tags: Option<&'a [String]>,
    parent_id: Option<&'a EntityId>,
    project_id: Option<&'a EntityId>,
    dataset_id: Option<&'a EntityId>,
    file_path: Option<&'a str>,
    bigquery_schema: Option<()>,
    user_id: &'a str,
    created_at: Timestamp,
    modified_at: Timestamp,
    share_status: ShareStatus,
    short_alias: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Location<'a> {
    id: &'a EntityId,
    data_storage_id: &'a EntityId,
    created_at: Timestamp,
    storage_config: StorageConfig<'a>,
}

/// Where content is.
#[derive(Debug, Serialize)]
pub(super) struct StorageConfig<'a> {
    storage_type: StorageType,
    content_type: ContentKind,
    content_schema: Option<()>,
    metadata: Option<&'a Json>,
    location: Option<&'a str>,
    signed_url: Option<String>,
}

/// The whole answer. The last five fields are read by Edison alone.
#[derive(Debug, Serialize)]
pub(super) struct DataStorageResponse<'a> {
    data_storage: DataStorage<'a>,
    storage_locations: Vec<Location<'a>>,
    content: Option<&'a str>,
    revision_id: Option<EntityId>,
    version: u64,
    current_revision_id: Option<EntityId>,
    revision_generation: u64,
}

/// What answers are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signing<'a> {
    /// What the client calls this server.
    pub(super) base: &'a Base,
    /// What signs.
    pub(super) signer: &'a UrlSigner,
    /// The time.
    pub(super) now: Timestamp,
}

impl<'a> DataStorage<'a> {
    /// An entry with its text, if it has one.
    #[must_use]
    pub(super) fn new(entry: &'a Entry, text: Option<&'a str>) -> Self {
        let status = status_of(entry);
        Self {
            id: &entry.id,
            name: &entry.name,
            description: entry.description.as_deref(),
            content: text,
            status,
            embedding: None,
            is_collection: is_collection(entry),
            tags: Some(entry.tags.as_slice()).filter(|tags| !tags.is_empty()),
            parent_id: entry.parent.as_ref(),
            project_id: entry.project.as_ref(),
            dataset_id: entry.dataset.as_ref(),
            file_path: entry.file_path.as_deref(),
            bigquery_schema: None,
            user_id: entry.owner.as_str(),
            created_at: entry.created_at,
            modified_at: entry.modified_at,
            share_status: entry.share.status,
            short_alias: None,
        }
    }
}

fn status_of(entry: &Entry) -> &'static str {
    match entry.status {
        EntryStatus::Pending => "pending",
        EntryStatus::Active => "active",
        EntryStatus::Deleted => "disabled",
    }
}

/// The revision that an entry with content is at. Edison's client cannot name none as the base
/// of the next one, so that what was never revised is at its revision 0.
#[must_use]
pub(super) fn current_revision(entry: &Entry) -> Option<EntityId> {
    match (&entry.revision, &entry.content) {
        (Some(revision), _) => Some(revision.clone()),
        (None, Content::Inline(_) | Content::Spilled(_) | Content::Stored(_)) => {
            Revision::first_id(&entry.id).ok()
        }
        (None, _) => None,
    }
}

fn is_collection(entry: &Entry) -> bool {
    match &entry.content {
        // Several files under one prefix are a collection.
        Content::Outside { files, .. } => files.len() > 1,
        _ => entry.kind == EntryKind::Collection,
    }
}

impl<'a> DataStorageResponse<'a> {
    /// The word for the status of an entry.
    #[must_use]
    pub(super) fn status_of(entry: &Entry) -> &'static str {
        status_of(entry)
    }

    /// An entry as it is now.
    #[must_use]
    pub(super) fn new(entry: &'a Entry, text: Option<&'a str>, signing: Signing<'_>) -> Self {
        Self {
            data_storage: DataStorage::new(entry, text),
            storage_locations: locations(entry, signing),
            content: text,
            revision_id: current_revision(entry),
            version: entry.revision_number,
            current_revision_id: current_revision(entry),
            revision_generation: entry.last_revision,
        }
    }
}

impl<'a> DataStorageResponse<'a> {
    /// The same as an answer about one revision.
    #[must_use]
    pub(super) fn in_revision(
        mut self,
        (id, number): (Option<EntityId>, u64),
        current: Option<EntityId>,
    ) -> Self {
        self.revision_id = id;
        self.version = number;
        self.current_revision_id = current;
        self
    }
}

fn locations<'a>(entry: &'a Entry, signing: Signing<'_>) -> Vec<Location<'a>> {
    let location = |storage_config| Location {
        id: &entry.id,
        data_storage_id: &entry.id,
        created_at: entry.created_at,
        storage_config,
    };
    let name = base_name(entry.file_path.as_deref().unwrap_or(&entry.name));
    let ours = |storage_type, content_type, name, signed_url| StorageConfig {
        storage_type,
        content_type,
        content_schema: None,
        metadata: entry.metadata.as_ref(),
        location: name,
        signed_url,
    };
    let file = kind_of_file(entry.kind);
    match &entry.content {
        Content::Nothing => {
            vec![location(ours(StorageType::RawContent, ContentKind::Directory, None, None))]
        }
        Content::Inline(_) | Content::Spilled(_) => {
            vec![location(ours(StorageType::RawContent, ContentKind::Text, None, None))]
        }
        Content::Awaited { .. } => {
            let url = signing.to_upload(entry);
            vec![location(ours(StorageType::Gcs, file, Some(name), url))]
        }
        Content::Stored(blob) => {
            let url = Some(signing.to_read(&blob.key, name));
            vec![location(ours(StorageType::Gcs, file, Some(name), url))]
        }
        Content::Outside { location: outside, files } => {
            let shown = |name, url| location(registered(outside, name, url));
            if files.is_empty() {
                return vec![shown(outside.location.as_deref(), None)];
            }
            let url = |number| signing.to_read_outside(&entry.id, number);
            let numbered = files.iter().enumerate();
            numbered.map(|(number, file)| shown(Some(file.name.as_str()), url(number))).collect()
        }
    }
}

/// Whether bytes are a file or the zip of a directory.
const fn kind_of_file(kind: EntryKind) -> ContentKind {
    match kind {
        EntryKind::Collection => ContentKind::Directory,
        _ => ContentKind::File,
    }
}

impl<'a> StorageConfig<'a> {
    /// A file in the history of an entry: it is fetched by its revision.
    #[must_use]
    pub(super) const fn in_history(kind: EntryKind, name: Option<&'a str>) -> Self {
        Self {
            storage_type: StorageType::Gcs,
            content_type: kind_of_file(kind),
            content_schema: None,
            metadata: None,
            location: name,
            signed_url: None,
        }
    }
}

/// A registered place is given back as it came. Only files of buckets that are listed in the
/// configuration are read there.
fn registered<'a>(
    outside: &'a OutsideLocation,
    location: Option<&'a str>,
    signed_url: Option<String>,
) -> StorageConfig<'a> {
    StorageConfig {
        storage_type: outside.storage_type,
        content_type: outside.content_type,
        content_schema: None,
        metadata: outside.metadata.as_ref(),
        location,
        signed_url,
    }
}

impl Signing<'_> {
    /// A URL to begin the upload of an entry's file.
    fn to_upload(self, entry: &Entry) -> Option<String> {
        let key = key_of(&entry.id).ok()?;
        let path = format!("entries/{}", entry.id);
        Some(self.base.signed(self.signer, (SignedMethod::Post, key), &path, self.now, None))
    }

    /// A URL to read a file in a bucket that is not ours, by its number in the entry.
    fn to_read_outside(self, id: &EntityId, number: usize) -> Option<String> {
        let key = key_of_outside(id, number).ok()?;
        let path = format!("outside/{id}/{number}");
        Some(self.base.signed(self.signer, (SignedMethod::Get, key), &path, self.now, None))
    }

    /// A URL to read a blob.
    fn to_read(self, key: &BlobKey, name: &str) -> String {
        let path = format!("blobs/{key}");
        let name = FileName::new(name).ok();
        self.base.signed(self.signer, (SignedMethod::Get, *key), &path, self.now, name)
    }
}
