//! Where data is that the service does not keep.

use serde::{Deserialize, Serialize};

use super::json::Json;

/// A place outside the service, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideLocation {
    /// What keeps the data.
    pub storage_type: StorageType,
    /// What the data is.
    pub content_type: ContentKind,
    /// An address, or a path. It is given back, and never fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What the kind needs: bucket and prefix, table and row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}

/// What keeps data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageType {
    /// A bucket.
    Gcs,
    /// Text in the record.
    RawContent,
    /// A row of PostgreSQL.
    PgTable,
    /// An address.
    Link,
    /// A table of BigQuery.
    Bigquery,
    /// An index of a search engine.
    ElasticSearch,
}

/// What data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Text.
    Text,
    /// A file.
    File,
    /// Several files.
    Directory,
    /// A dataset of BigQuery.
    BqDataset,
    /// A table of BigQuery.
    BqTable,
    /// An index.
    Index,
}

/// A file of an outside source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideFile {
    /// Its name there, from the root of the bucket.
    pub name: String,
    /// Bytes.
    pub size: u64,
}
