//! Sources as entries name them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use repo_core::{Error, ErrorKind, Result, Value};

use super::allow_list::{AllowList, AllowedSource};
use super::bucket::BucketReader;
use super::lister::SourceLister;
use super::source::{Address, Source};
use crate::model::{OutsideFile, OutsideLocation, StorageType};

impl OutsideLocation {
    /// The source that a location names.
    ///
    /// # Errors
    /// As [`Source::parse`].
    pub fn source(&self) -> Result<Source> {
        let storage_type = match self.storage_type {
            StorageType::Gcs => "gcs",
            StorageType::PgTable => "pg_table",
            StorageType::Bigquery => "bigquery",
            StorageType::RawContent => "raw_content",
            StorageType::ElasticSearch => "elastic_search",
            // An address stands beside the metadata.
            StorageType::Link => {
                let address = self.location.as_deref().unwrap_or_default();
                return Address::new(address).map(Source::Link);
            }
        };
        let none = || Value::Object(BTreeMap::new());
        let metadata = self.metadata.as_ref().map_or_else(none, |metadata| metadata.to_value());
        Source::parse(storage_type, &metadata)
    }
}

impl AllowList {
    /// Whether a location that somebody wants to register may be.
    ///
    /// # Errors
    /// As [`Source::parse`] and [`allow`](Self::allow).
    pub fn check(&self, location: &OutsideLocation) -> Result<AllowedSource> {
        self.allow(&location.source()?)
    }
}

/// The files of the buckets that an operator configured, by the names of their connections.
#[derive(Debug, Clone)]
pub struct BucketLister {
    allowed: AllowList,
    buckets: BTreeMap<String, BucketReader>,
}

impl BucketLister {
    /// A lister of these buckets.
    #[must_use]
    pub fn new(allowed: AllowList, buckets: BTreeMap<String, BucketReader>) -> Self {
        Self { allowed, buckets }
    }
}

#[async_trait]
impl SourceLister for BucketLister {
    /// The objects of a bucket. Other sources have no files.
    async fn list(&self, location: &OutsideLocation, most: usize) -> Result<Vec<OutsideFile>> {
        let source = self.allowed.check(location)?;
        if !matches!(source.source(), Source::Bucket { .. }) {
            return Ok(Vec::new());
        }
        let connection = source.connection().unwrap_or_default();
        let reader = self.buckets.get(connection).ok_or_else(|| {
            let message = "the connection of an allowed source is not configured";
            Error::new(ErrorKind::ConfigInvalid, "list a source", message)
                .with("connection", connection)
        })?;
        let listing = reader.list(&source).await?;
        if listing.objects.len() > most {
            let message = "the source has too many objects";
            return Err(Error::new(ErrorKind::LimitExceeded, "list a source", message)
                .with("source", source.source())
                .with("limit", most)
                .hint("register parts of it, by longer prefixes"));
        }
        let file = |object: super::bucket::SourceObject| OutsideFile {
            name: object.key,
            size: object.size,
        };
        Ok(listing.objects.into_iter().map(file).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;
    use crate::model::{ContentKind, Json};
    use crate::sources::BucketKind;

    fn location(storage_type: StorageType, metadata: &str) -> OutsideLocation {
        OutsideLocation {
            storage_type,
            content_type: ContentKind::Directory,
            location: None,
            metadata: Some(Json::parse(metadata).unwrap()),
        }
    }

    fn allowed() -> AllowList {
        let text = r#"{
            "buckets": [{"kind": "gcs", "bucket": "raw", "prefixes": ["data"], "connection": "lab"}],
            "tables": [{"table": "trajectories", "connection": "archive"}]
        }"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let kind = |storage_type, metadata: &str| {
            allowed().check(&location(storage_type, metadata)).map(drop).map_err(|e| e.kind())
        };
        let denied = Err(ErrorKind::PermissionDenied);
        let (gcs, table) = (StorageType::Gcs, StorageType::PgTable);
        assert_eq!(kind(gcs, r#"{"bucket_name":"raw","prefix":"data/raw"}"#), Ok(()));
        assert_eq!(kind(gcs, r#"{"bucket_name":"raw","prefix":"database"}"#), denied);
        assert_eq!(kind(gcs, r#"{"bucket_name":"raw"}"#), denied);
        let up = kind(gcs, r#"{"bucket_name":"raw","prefix":"data/../x"}"#);
        assert_eq!(up, Err(ErrorKind::Invalid));
        assert_eq!(kind(table, r#"{"table_name":"trajectories","row_id":"1"}"#), Ok(()));
        assert_eq!(kind(table, r#"{"table_name":"pg_shadow","row_id":"1"}"#), denied);
        let query = r#"{"project_id":"p","dataset_id":"d","table_id":"t"}"#;
        assert_eq!(kind(StorageType::Bigquery, query), Ok(()));
        assert_eq!(kind(StorageType::RawContent, "{}"), Err(ErrorKind::Unsupported));
        let mut link = location(StorageType::Link, "{}");
        assert_eq!(allowed().check(&link).unwrap_err().kind(), ErrorKind::Invalid);
        link.location = Some("https://example.com/x".to_owned());
        assert_eq!(allowed().check(&link).unwrap().connection(), None);
    }

    #[tokio::test]
    async fn a_bucket_is_listed_by_its_connection() {
        let objects = InMemory::new();
        for key in ["data/a", "data/b", "database"] {
            objects.put(&Path::parse(key).unwrap(), "xyz".into()).await.unwrap();
        }
        let bucket = "raw".parse().unwrap();
        let reader = BucketReader::new(BucketKind::Gcs, bucket, Arc::new(objects));
        let lister = BucketLister::new(allowed(), BTreeMap::from([("lab".to_owned(), reader)]));
        let source = location(StorageType::Gcs, r#"{"bucket_name":"raw","prefix":"data"}"#);
        let files = lister.list(&source, 10).await.unwrap();
        let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(names, [("data/a", 3), ("data/b", 3)]);
        let kind = async |lister: &BucketLister, most| {
            lister.list(&source, most).await.unwrap_err().kind()
        };
        assert_eq!(kind(&lister, 1).await, ErrorKind::LimitExceeded);
        let nobody = BucketLister::new(allowed(), BTreeMap::new());
        assert_eq!(kind(&nobody, 10).await, ErrorKind::ConfigInvalid);
        let row = location(StorageType::PgTable, r#"{"table_name":"trajectories","row_id":"1"}"#);
        assert_eq!(lister.list(&row, 10).await.unwrap(), []);
    }
}
