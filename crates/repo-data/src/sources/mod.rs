//! Sources outside of the service: data that stays where it is.
//!
//! A caller names a place: a bucket with a prefix, a row of a table, a table of BigQuery. An
//! operator says in an [`AllowList`] which places those may be, and by which configured
//! connection each is read. [`AllowList::allow`] is the one way to an [`AllowedSource`], and
//! only that can be read. No reader takes a URL, so none is ever fetched.
//!
//! | storage type | metadata | read |
//! |---|---|---|
//! | `gcs`, `s3` | `bucket_name`, `prefix` | objects, by a [`BucketReader`] |
//! | `pg_table` | `table_name`, `row_id` | one row, by a [`RowReader`] |
//! | `bigquery` | `project_id`, `dataset_id`, `table_id` | never: kept and given back |
//! | `link` | `url` | never: kept and given back |
//!
//! ```
//! use repo_core::{ErrorKind, Value};
//! use repo_data::sources::{AllowList, Source};
//!
//! let allowed: AllowList = serde_json::from_str(
//!     r#"{"buckets": [{"kind": "s3", "bucket": "raw-data", "prefixes": ["plates/2026"], "connection": "lab"}]}"#,
//! ).unwrap();
//! let source = |prefix: &str| {
//!     let metadata = format!(r#"{{"bucket_name": "raw-data", "prefix": "{prefix}"}}"#);
//!     Source::parse("s3", &Value::parse(&metadata).unwrap())
//! };
//! let checked = allowed.allow(&source("plates/2026/17")?)?;
//! assert_eq!(checked.connection(), Some("lab"));
//!
//! let refused = allowed.allow(&source("plates/2025")?).unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
//! # Ok::<(), repo_core::Error>(())
//! ```

mod allow_list;
mod bucket;
mod lister;
mod location;
mod outside;
mod row;
mod source;

pub use allow_list::{AllowList, AllowedSource, BigQueryRule, BucketRule, TableRule};
pub use bucket::{BucketReader, Listing, MAX_LISTED, SourceObject};
pub use lister::SourceLister;
pub use location::{BucketName, Prefix, RowId, TableName};
pub use outside::BucketLister;
pub use row::RowReader;
pub use source::{Address, BigQueryTable, BucketKind, Source};
