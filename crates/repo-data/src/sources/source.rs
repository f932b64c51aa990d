//! What a caller names.

use std::fmt;

use repo_core::{Error, ErrorKind, Result, Value};
use serde::{Deserialize, Serialize};

use super::location::{BucketName, Prefix, RowId, TableName};

/// A source outside of the service, as it was named and before it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The objects at a prefix of a bucket.
    Bucket {
        /// Of which service.
        kind: BucketKind,
        /// The bucket.
        bucket: BucketName,
        /// Where in it.
        prefix: Prefix,
    },
    /// A row of a table.
    Row {
        /// The table.
        table: TableName,
        /// The row.
        row: RowId,
    },
    /// A table of BigQuery. Its name is kept, and nothing is read.
    BigQuery(BigQueryTable),
    /// An address. It is kept, and nobody goes there.
    Link(Address),
}

/// An address that somebody noted: 1 to 4,000 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Checks and keeps an address.
    ///
    /// # Errors
    /// `Invalid` for one that is empty, too long, or has control characters.
    pub fn new(text: &str) -> Result<Self> {
        if (1..=4_000).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Ok(Self(text.to_owned()));
        }
        let why = "an address has 1 to 4000 bytes, none a control character";
        Err(Error::new(ErrorKind::Invalid, "name a source", why))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The service of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BucketKind {
    /// Google Cloud Storage.
    Gcs,
    /// Storage that speaks S3.
    S3,
}

/// The name of a table of BigQuery. Each part is 1 to 1024 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigQueryTable {
    project: String,
    dataset: String,
    table: String,
}

impl BigQueryTable {
    /// The project.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The dataset.
    #[must_use]
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl fmt::Display for BucketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcs => "gcs",
            Self::S3 => "s3",
        })
    }
}

impl Source {
    /// Reads a location: the name of its storage type and its metadata. Other members of the
    /// metadata say nothing about the place; they are kept by the caller.
    ///
    /// # Errors
    /// `Invalid` for a member that is missing or is no such name; `Unsupported` for another
    /// storage type.
    pub fn parse(storage_type: &str, metadata: &Value) -> Result<Self> {
        match storage_type {
            "gcs" => Self::bucket(BucketKind::Gcs, metadata),
            "s3" => Self::bucket(BucketKind::S3, metadata),
            "pg_table" => Ok(Self::Row {
                table: required(metadata, "table_name")?.parse()?,
                row: required(metadata, "row_id")?.parse()?,
            }),
            "bigquery" => Ok(Self::BigQuery(BigQueryTable {
                project: big_query_name(metadata, "project_id")?,
                dataset: big_query_name(metadata, "dataset_id")?,
                table: big_query_name(metadata, "table_id")?,
            })),
            "link" => Ok(Self::Link(Address::new(required(metadata, "url")?)?)),
            other => {
                let shown: String = other.chars().take(64).collect();
                let message = "sources of this storage type are not offered";
                Err(Error::new(ErrorKind::Unsupported, "name a source", message)
                    .with("storage_type", format!("{shown:?}"))
                    .hint("the storage types of sources are gcs, s3, pg_table, bigquery and link"))
            }
        }
    }

    fn bucket(kind: BucketKind, metadata: &Value) -> Result<Self> {
        let bucket = required(metadata, "bucket_name")?.parse()?;
        let prefix = match member(metadata, "prefix")? {
            Some(prefix) => prefix.parse()?,
            None => Prefix::whole(),
        };
        Ok(Self::Bucket { kind, bucket, prefix })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { kind, bucket, prefix } => write!(f, "{kind}: {bucket}/{prefix}"),
            Self::Row { table, row } => write!(f, "table {table}, row {row}"),
            Self::BigQuery(BigQueryTable { project, dataset, table }) => {
                write!(f, "bigquery: {project}.{dataset}.{table}")
            }
            // What is behind its host may be a secret.
            Self::Link(_) => f.write_str("a link"),
        }
    }
}

fn refuse(why: &str, name: &str) -> Error {
    Error::new(ErrorKind::Invalid, "name a source", why).with("metadata", name)
}

/// The text of a member; null is none.
fn member<'a>(metadata: &'a Value, name: &str) -> Result<Option<&'a str>> {
    let Value::Object(members) = metadata else {
        return Err(refuse("the metadata of a source is an object", name));
    };
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refuse("this member is a string", name)),
    }
}

fn required<'a>(metadata: &'a Value, name: &str) -> Result<&'a str> {
    member(metadata, name)?.ok_or_else(|| refuse("this member is required", name))
}

fn big_query_name(metadata: &Value, name: &str) -> Result<String> {
    let text = required(metadata, name)?;
    if (1..=1_024).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(refuse("a name has 1 to 1024 bytes, none a control character", name))
}
