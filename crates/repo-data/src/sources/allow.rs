//! Which outside sources may be registered.

use repo_core::{Error, ErrorKind, Result, Value};

use crate::model::{OutsideLocation, StorageType};
use crate::refusal::Refusal;

/// The outside sources that may be registered. An empty list allows none but what is only a
/// note: addresses and BigQuery tables are kept and given back, and nobody goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Buckets, each with the beginning that names in it must have; empty for all of it.
    pub buckets: Vec<(String, String)>,
    /// Tables of PostgreSQL.
    pub tables: Vec<String>,
}

impl AllowList {
    /// Checks a location that somebody wants to register.
    ///
    /// # Errors
    /// `Invalid` when its metadata lacks what its kind needs; `PermissionDenied` when it is not
    /// on the list.
    pub fn check(&self, location: &OutsideLocation) -> Result<()> {
        match location.storage_type {
            StorageType::Gcs => {
                let bucket = location.required("bucket_name")?;
                let prefix = location.text("prefix").unwrap_or_default();
                if escapes(&prefix) {
                    return Err(refuse("a prefix has no steps `.` or `..`"));
                }
                let allows = |(name, begin): &(String, String)| {
                    *name == bucket && prefix.starts_with(begin.as_str())
                };
                allowed(self.buckets.iter().any(allows), "bucket", &bucket)
            }
            StorageType::PgTable => {
                location.required("row_id")?;
                let table = location.required("table_name")?;
                allowed(self.tables.contains(&table), "table", &table)
            }
            StorageType::Bigquery => {
                for part in ["project_id", "dataset_id", "table_id"] {
                    location.required(part)?;
                }
                Ok(())
            }
            StorageType::Link => match &location.location {
                Some(address) if !address.is_empty() => Ok(()),
                _ => Err(refuse("a link has an address").with("missing", "location")),
            },
            StorageType::RawContent | StorageType::ElasticSearch => Err(Error::new(
                ErrorKind::Unsupported,
                "register a source",
                "sources of this kind are not offered",
            )
            .with("storage_type", format!("{:?}", location.storage_type))),
        }
    }
}

/// Whether a name leaves the folder that it begins in, for whoever reads it as a path.
fn escapes(prefix: &str) -> bool {
    prefix.split('/').any(|step| step == ".." || step == ".")
}

fn allowed(allowed: bool, what: &'static str, name: &str) -> Result<()> {
    if allowed {
        return Ok(());
    }
    Err(Refusal::SourceNotAllowed
        .error("register a source", "the source is not on the list of those that are allowed")
        .with(what, format!("{name:?}")))
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "register a source", why)
}

impl OutsideLocation {
    /// A text of the metadata.
    fn text(&self, name: &str) -> Option<String> {
        match self.metadata.as_ref()?.to_value() {
            Value::Object(fields) => fields.get(name)?.as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn required(&self, name: &'static str) -> Result<String> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| refuse("the metadata of the source lack a text").with("missing", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentKind, Json};

    fn location(storage_type: StorageType, metadata: &str) -> OutsideLocation {
        OutsideLocation {
            storage_type,
            content_type: ContentKind::Directory,
            location: None,
            metadata: Some(Json::parse(metadata).unwrap()),
        }
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let list = AllowList {
            buckets: vec![("b".to_owned(), "data/".to_owned())],
            tables: vec!["trajectories".to_owned()],
        };
        let kind = |storage_type, metadata: &str| {
            list.check(&location(storage_type, metadata)).map_err(|error| error.kind())
        };
        let denied = Err(ErrorKind::PermissionDenied);
        let (gcs, table) = (StorageType::Gcs, StorageType::PgTable);
        assert_eq!(kind(gcs, r#"{"bucket_name":"b","prefix":"data/raw"}"#), Ok(()));
        assert_eq!(kind(gcs, r#"{"bucket_name":"b","prefix":"dat"}"#), denied);
        assert_eq!(kind(gcs, r#"{"bucket_name":"b"}"#), denied);
        assert_eq!(kind(gcs, r#"{"bucket_name":"c","prefix":"data/"}"#), denied);
        let up = kind(gcs, r#"{"bucket_name":"b","prefix":"data/../x"}"#);
        assert_eq!(up, Err(ErrorKind::Invalid));
        assert_eq!(kind(gcs, r#"{"bucket_name":1}"#), Err(ErrorKind::Invalid));
        assert_eq!(kind(table, r#"{"table_name":"trajectories","row_id":"1"}"#), Ok(()));
        assert_eq!(kind(table, r#"{"table_name":"pg_shadow","row_id":"1"}"#), denied);
        let query = r#"{"project_id":"p","dataset_id":"d","table_id":"t"}"#;
        assert_eq!(kind(StorageType::Bigquery, query), Ok(()));
    }
}
