//! Datapoints.

use repo_core::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::hold::Hold;
use super::json::{Fields, Json, also_null};
use super::owner::Owner;

/// Something that was measured: a value, a file, or the place of a file in object storage.
///
/// What is stored is what came, under the names that it came with, so that filters of clients
/// find it; what has no field here is in `fields`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datapoint {
    /// Its id, made by the client.
    pub id: EntityId,
    /// At most 1,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it is.
    pub data_type: DataType,
    /// Whom and what it belongs to, an object.
    pub ownership_info: Json,
    /// When it was measured, as the client wrote it: 1 to 64 bytes, sorted as text.
    pub data_timestamp: String,
    /// Who sent it.
    pub owner: Owner,
    /// Whether it can be used.
    pub status: DatapointStatus,
    /// The value, of one that has a value and is small enough; may be null.
    #[serde(default, deserialize_with = "also_null", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The blob with a value that is too large for a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spilled: Option<BlobRef>,
    /// The file of one that has a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileOfDatapoint>,
    /// Bytes of its value or file.
    pub size: u64,
    /// What else came with it, under its names.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When the sweeper has to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What forbids to delete it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// A digest of the request that made it, without its file.
    pub fingerprint: String,
}

/// A file that came with a datapoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOfDatapoint {
    /// Its bytes.
    pub blob: BlobRef,
    /// What the client called it, at most 1,000 bytes; never a path here.
    pub name: String,
    /// What it is said to be, as a MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// What a datapoint is, by the names of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// A JSON value.
    Json,
    /// A file.
    File,
    /// A file in object storage, which the client wrote there itself.
    ObjectStorage,
}

/// Whether a datapoint can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatapointStatus {
    /// It can.
    Active,
    /// It is deleted, and can be restored.
    Deleted,
}

impl Datapoint {
    /// The blob with its file or value, if it has one.
    #[must_use]
    pub fn blob(&self) -> Option<&BlobRef> {
        self.file.as_ref().map(|file| &file.blob).or(self.spilled.as_ref())
    }

    /// Where a field of the wire is stored: `_id` and `datapoint_id` are `id`, and what has no
    /// field of its own is in `fields`.
    ///
    /// ```
    /// use repo_data::model::Datapoint;
    ///
    /// assert_eq!(Datapoint::stored_path("value.temperature"), "value.temperature");
    /// assert_eq!(Datapoint::stored_path("_id"), "id");
    /// assert_eq!(Datapoint::stored_path("bucket_name"), "fields.bucket_name");
    /// ```
    #[must_use]
    pub fn stored_path(wire: &str) -> String {
        let first = wire.split('.').next().unwrap_or_default();
        match first {
            "_id" | "datapoint_id" => wire.replacen(first, "id", 1),
            "label" | "data_type" | "ownership_info" | "data_timestamp" | "value" => {
                wire.to_owned()
            }
            _ => format!("fields.{wire}"),
        }
    }
}
