//! Records as these routes show them.

use repo_blob::BlobDigest;
use repo_core::{EntityId, Timestamp, Version};
use repo_data::Versioned;
use repo_data::model::{
    Content, DataType, Datapoint, DatapointStatus, Dataset, DatasetState, Entry, EntryKind,
    EntryStatus, Fields, Hold, Json, OutsideLocation, Share, Usage,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::tus::{KEPT_WITH, upload_path};
use crate::bytes::base_name;

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub(in crate::api) struct EntryView<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: &'a EntityId,
    /// Its version, which is its ETag.
    #[schema(value_type = u64)]
    version: Version,
    /// Its name.
    name: &'a str,
    /// What it is: `text`, `file`, `directory`, `collection` or `outside`.
    #[schema(value_type = String)]
    kind: EntryKind,
    /// `pending` until its bytes are there, `active`, or `deleted`.
    #[schema(value_type = String)]
    status: EntryStatus,
    /// Bytes of its content.
    size: u64,
    /// Of its content, in hexadecimal digits; of a short text only where one entry is read.
    sha256: Option<String>,
    /// The same.
    md5: Option<String>,
    /// What is said of it.
    description: Option<&'a str>,
    /// A MIME type.
    content_type: Option<&'a str>,
    /// What the client called the file.
    file_path: Option<&'a str>,
    /// The directory that it is in.
    #[schema(value_type = Option<String>)]
    parent: Option<&'a EntityId>,
    /// The dataset that it is in.
    #[schema(value_type = Option<String>)]
    dataset: Option<&'a EntityId>,
    /// The project that it is in.
    #[schema(value_type = Option<String>)]
    project: Option<&'a EntityId>,
    /// Whose it is.
    owner: &'a str,
    /// Its tags.
    tags: &'a [String],
    /// What the owner says of it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<&'a Json>,
    /// Who else may read it.
    #[schema(value_type = Object)]
    share: &'a Share,
    /// Where it is, of one that is outside.
    #[schema(value_type = Option<Object>)]
    outside: Option<&'a OutsideLocation>,
    /// The revision that its content is of; null before the first.
    #[schema(value_type = Option<String>)]
    revision: Option<&'a EntityId>,
    /// The number of that revision.
    revision_number: u64,
    /// The upload that was begun last, of one whose bytes are awaited.
    upload: Option<String>,
    /// RFC 3339.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// RFC 3339.
    #[schema(value_type = String)]
    modified_at: Timestamp,
    /// RFC 3339.
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Timestamp>,
    /// Until when a deleted one can be restored.
    #[schema(value_type = Option<String>)]
    restorable_until: Option<Timestamp>,
    /// The dataset that it was deleted with, and is restored with.
    #[schema(value_type = Option<String>)]
    deleted_with: Option<&'a EntityId>,
    /// What forbids to delete it.
    #[schema(value_type = Vec<Object>)]
    holds: &'a [Hold],
    /// What else came with it.
    #[schema(value_type = Object)]
    extra: Fields,
    /// Its text, where one entry is read that is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> EntryView<'a> {
    /// An entry as it is in a list.
    pub(in crate::api) fn listed(found: &'a Versioned<Entry>) -> Self {
        let entry = &found.value;
        let deleted = entry.status == EntryStatus::Deleted;
        let blob = entry.content.blob();
        Self {
            id: &entry.id,
            version: found.version,
            name: &entry.name,
            kind: entry.kind,
            status: entry.status,
            size: entry.size,
            sha256: blob.map(|blob| blob.sha256.to_string()),
            md5: blob.map(|blob| blob.md5.to_string()),
            description: entry.description.as_deref(),
            content_type: entry.content_type.as_deref(),
            file_path: entry.file_path.as_deref(),
            parent: entry.parent.as_ref(),
            dataset: entry.dataset.as_ref(),
            project: entry.project.as_ref(),
            owner: entry.owner.as_str(),
            tags: &entry.tags,
            metadata: entry.metadata.as_ref(),
            share: &entry.share,
            outside: outside_of(entry),
            revision: entry.revision.as_ref(),
            revision_number: entry.revision_number,
            upload: entry.upload.as_ref().map(upload_path),
            created_at: entry.created_at,
            modified_at: entry.modified_at,
            deleted_at: entry.deleted_at,
            restorable_until: entry.due.filter(|_| deleted),
            deleted_with: entry.deleted_with.as_ref(),
            holds: &entry.holds,
            extra: shown_extra(entry),
            text: None,
        }
    }

    /// An entry with its text, if it is one.
    pub(in crate::api) fn whole(found: &'a Versioned<Entry>, text: Option<&'a str>) -> Self {
        let mut view = Self { text, ..Self::listed(found) };
        if let (Some(text), None) = (text, &view.sha256) {
            let digest = BlobDigest::of(text.as_bytes());
            view.sha256 = Some(digest.sha256.to_string());
            view.md5 = Some(digest.md5.to_string());
        }
        view
    }
}

fn outside_of(entry: &Entry) -> Option<&OutsideLocation> {
    match &entry.content {
        Content::Outside { location, .. } => Some(location),
        _ => None,
    }
}

/// What else came with an entry, without what is kept for its upload.
fn shown_extra(entry: &Entry) -> Fields {
    let mut extra = entry.extra.clone();
    extra.remove(KEPT_WITH);
    extra
}

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dataset)]
pub(in crate::api) struct DatasetView<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: &'a EntityId,
    /// Its version, which is its ETag.
    #[schema(value_type = u64)]
    version: Version,
    /// Its name.
    name: &'a str,
    /// `active`, `deleting`, `deleted` or `restoring`.
    #[schema(value_type = String)]
    state: DatasetState,
    /// What is said of it.
    description: Option<&'a str>,
    /// Whose it is.
    owner: &'a str,
    /// What the owner says of it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<&'a Json>,
    /// RFC 3339.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// RFC 3339.
    #[schema(value_type = String)]
    modified_at: Timestamp,
    /// RFC 3339.
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Timestamp>,
    /// Until when a deleted one can be restored.
    #[schema(value_type = Option<String>)]
    restorable_until: Option<Timestamp>,
    /// What forbids to delete it and what is in it.
    #[schema(value_type = Vec<Object>)]
    holds: &'a [Hold],
    /// What is in it, where one dataset is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    usage: Option<Usage>,
}

impl<'a> DatasetView<'a> {
    /// A dataset as it is in a list.
    pub(super) fn listed(found: &'a Versioned<Dataset>) -> Self {
        Self::new(found, None)
    }

    /// A dataset with what is in it.
    pub(super) fn new(found: &'a Versioned<Dataset>, usage: Option<Usage>) -> Self {
        let dataset = &found.value;
        let gone = matches!(dataset.state, DatasetState::Deleting | DatasetState::Deleted);
        Self {
            id: &dataset.id,
            version: found.version,
            name: &dataset.name,
            state: dataset.state,
            description: dataset.description.as_deref(),
            owner: dataset.owner.as_str(),
            metadata: dataset.metadata.as_ref(),
            created_at: dataset.created_at,
            modified_at: dataset.modified_at,
            deleted_at: dataset.deleted_at,
            restorable_until: dataset.due.filter(|_| gone),
            holds: &dataset.holds,
            usage,
        }
    }
}

/// A datapoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Datapoint)]
pub(in crate::api) struct DatapointView<'a> {
    /// Its id, made by the client.
    #[schema(value_type = String)]
    id: &'a EntityId,
    /// Its version, which is its ETag.
    #[schema(value_type = u64)]
    version: Version,
    /// Its label.
    label: Option<&'a str>,
    /// `json`, `file` or `object_storage`.
    #[schema(value_type = String)]
    data_type: DataType,
    /// When it was measured, as the client wrote it.
    data_timestamp: &'a str,
    /// `active` or `deleted`.
    #[schema(value_type = String)]
    status: DatapointStatus,
    /// Who sent it.
    owner: &'a str,
    /// Whom and what it belongs to.
    #[schema(value_type = Object)]
    ownership_info: &'a Json,
    /// Bytes of its value or file.
    size: u64,
    /// Of its file, in hexadecimal digits.
    sha256: Option<String>,
    /// The name of its file.
    file_name: Option<&'a str>,
    /// Its value, where one datapoint is read, or in a list where it is short.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<&'a Json>,
    /// What else came with it.
    #[schema(value_type = Object)]
    fields: &'a Fields,
    /// RFC 3339.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// RFC 3339.
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Timestamp>,
    /// Until when a deleted one can be restored.
    #[schema(value_type = Option<String>)]
    restorable_until: Option<Timestamp>,
    /// What forbids to delete it.
    #[schema(value_type = Vec<Object>)]
    holds: &'a [Hold],
}

impl<'a> DatapointView<'a> {
    pub(super) fn new(found: &'a Versioned<Datapoint>) -> Self {
        let one = &found.value;
        let deleted = one.status == DatapointStatus::Deleted;
        Self {
            id: &one.id,
            version: found.version,
            label: one.label.as_deref(),
            data_type: one.data_type,
            data_timestamp: &one.data_timestamp,
            status: one.status,
            owner: one.owner.as_str(),
            ownership_info: &one.ownership_info,
            size: one.size,
            sha256: one.file.as_ref().map(|file| file.blob.sha256.to_string()),
            file_name: one.file.as_ref().map(|file| base_name(&file.name)),
            value: one.value.as_ref(),
            fields: &one.fields,
            created_at: one.created_at,
            deleted_at: one.deleted_at,
            restorable_until: one.due.filter(|_| deleted),
            holds: &one.holds,
        }
    }
}

/// What is left of something that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Deleted<'a> {
    /// Its id.
    #[schema(value_type = String)]
    pub(super) id: &'a EntityId,
    /// Until when it can be restored; null for what never had its bytes, and is gone.
    #[schema(value_type = Option<String>)]
    pub(super) restorable_until: Option<Timestamp>,
}
