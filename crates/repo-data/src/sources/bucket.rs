//! Reading objects of an allowed bucket.

use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use repo_blob::ByteStream;
use repo_core::{Error, ErrorKind, Result};

use super::allow_list::AllowedSource;
use super::location::{BucketName, Prefix};
use super::source::{BucketKind, Source};

/// Most objects that a registration lists.
pub const MAX_LISTED: usize = 10_000;

/// Reads the objects of one bucket, by a client that an operator configured for it.
#[derive(Clone)]
pub struct BucketReader {
    kind: BucketKind,
    bucket: BucketName,
    objects: Arc<dyn ObjectStore>,
}

/// An object of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceObject {
    /// Its whole key in the bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// The objects of a source, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The objects, one or more.
    pub objects: Vec<SourceObject>,
    /// Whether the source is a directory, and not the one object at its prefix.
    pub is_collection: bool,
}

impl fmt::Debug for BucketReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketReader")
            .field("kind", &self.kind)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl BucketReader {
    /// A reader of a bucket. The client has to be one of that bucket.
    #[must_use]
    pub fn new(kind: BucketKind, bucket: BucketName, objects: Arc<dyn ObjectStore>) -> Self {
        Self { kind, bucket, objects }
    }

    /// Lists what a source is now: the object with the key of its prefix, or else everything
    /// below the prefix.
    ///
    /// # Errors
    /// `NotFound` if nothing is there, `LimitExceeded` above [`MAX_LISTED`] objects, `Invalid`
    /// for a source of another bucket, `PermissionDenied`, and `Unavailable` where the bucket
    /// does not answer.
    pub async fn list(&self, source: &AllowedSource) -> Result<Listing> {
        let prefix = self.prefix_of(source)?;
        if !prefix.as_str().is_empty() && !prefix.as_str().ends_with('/') {
            match self.objects.head(&key_path(prefix.as_str())?).await {
                Ok(meta) => {
                    let objects = vec![listed(&meta)];
                    return Ok(Listing { objects, is_collection: false });
                }
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed("list a source", &error)),
            }
        }
        let below = match prefix.as_str() {
            "" => None,
            prefix => Some(key_path(prefix.trim_end_matches('/'))?),
        };
        let mut found = self.objects.list(below.as_ref());
        let mut objects = Vec::new();
        while let Some(meta) =
            found.try_next().await.map_err(|error| self.failed("list a source", &error))?
        {
            if objects.len() >= MAX_LISTED {
                let message = "the source has too many objects";
                return Err(Error::new(ErrorKind::LimitExceeded, "list a source", message)
                    .with("source", source.source())
                    .with("limit", MAX_LISTED)
                    .hint("register parts of it, by longer prefixes"));
            }
            objects.push(listed(&meta));
        }
        if objects.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "list a source", "nothing is there")
                .with("source", source.source()));
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Listing { objects, is_collection: true })
    }

    /// Reads an object of a source.
    ///
    /// # Errors
    /// `PermissionDenied` for a key outside of the source, `NotFound`, and those of
    /// [`list`](Self::list).
    pub async fn read(
        &self,
        source: &AllowedSource,
        key: &str,
    ) -> Result<(u64, ByteStream<'static>)> {
        let prefix = self.prefix_of(source)?;
        let as_prefix: Prefix = key.parse()?;
        if !prefix.covers(&as_prefix) {
            let message = "the object is not in the source";
            return Err(Error::new(ErrorKind::PermissionDenied, "read a source", message)
                .with("source", source.source()));
        }
        let found = self.objects.get(&key_path(key)?).await;
        let found = found.map_err(|error| self.failed("read a source", &error))?;
        let (size, reader) = (found.meta.size, self.clone());
        let bytes = found.into_stream();
        let bytes = bytes.map_err(move |error| reader.failed("read a source", &error));
        Ok((size, bytes.boxed()))
    }

    fn prefix_of<'a>(&self, source: &'a AllowedSource) -> Result<&'a Prefix> {
        match source.source() {
            Source::Bucket { kind, bucket, prefix }
                if *kind == self.kind && *bucket == self.bucket =>
            {
                Ok(prefix)
            }
            other => {
                let message = "the source is not in this bucket";
                Err(Error::new(ErrorKind::Invalid, "read a source", message).with("source", other))
            }
        }
    }

    /// The words of the client are left out: they may hold a signed URL.
    fn failed(&self, operation: &'static str, error: &object_store::Error) -> Error {
        let (kind, message) = match error {
            object_store::Error::NotFound { .. } => {
                (ErrorKind::NotFound, "there is no such object")
            }
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => {
                (ErrorKind::PermissionDenied, "the bucket refuses access")
            }
            object_store::Error::InvalidPath { .. } => (ErrorKind::Invalid, "this is no key"),
            _ => (ErrorKind::Unavailable, "the bucket did not answer as it should"),
        };
        Error::new(kind, operation, message).with("bucket", &self.bucket)
    }
}

fn key_path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|_| Error::new(ErrorKind::Invalid, "name a source", "this is no key"))
}

fn listed(meta: &ObjectMeta) -> SourceObject {
    SourceObject { key: meta.location.to_string(), size: meta.size }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use object_store::memory::InMemory;
    use repo_core::Value;

    use super::super::allow_list::AllowList;
    use super::*;

    async fn reader(keys: &[&str]) -> BucketReader {
        let objects = InMemory::new();
        for key in keys {
            let bytes = Bytes::copy_from_slice(key.as_bytes());
            objects.put(&Path::parse(key).unwrap(), bytes.into()).await.unwrap();
        }
        BucketReader::new(BucketKind::S3, "raw".parse().unwrap(), Arc::new(objects))
    }

    fn allowed(bucket: &str, prefix: &str) -> AllowedSource {
        let rules =
            r#"{"buckets":[{"kind":"s3","bucket":"BUCKET","prefixes":[""],"connection":"x"}]}"#;
        let list: AllowList = serde_json::from_str(&rules.replace("BUCKET", bucket)).unwrap();
        let metadata = format!(r#"{{"bucket_name":"{bucket}","prefix":"{prefix}"}}"#);
        list.allow(&Source::parse("s3", &Value::parse(&metadata).unwrap()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_source_is_an_object_or_a_directory() {
        let reader = reader(&["a/b", "a/c/d", "a-b", "z"]).await;
        let list = async |prefix: &str| {
            let listing = reader.list(&allowed("raw", prefix)).await.unwrap();
            let keys: Vec<_> = listing.objects.into_iter().map(|object| object.key).collect();
            (keys.join(" "), listing.is_collection)
        };
        assert_eq!(list("z").await, ("z".to_owned(), false));
        assert_eq!(list("a").await, ("a/b a/c/d".to_owned(), true));
        assert_eq!(list("a/").await, ("a/b a/c/d".to_owned(), true));
        assert_eq!(list("").await, ("a-b a/b a/c/d z".to_owned(), true));
        for prefix in ["none", "z/", "b"] {
            let error = reader.list(&allowed("raw", prefix)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{prefix}");
        }
        let error = reader.list(&allowed("other", "z")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn only_objects_of_the_source_are_read() {
        let reader = reader(&["a/b", "ab"]).await;
        let source = allowed("raw", "a");
        let (size, bytes) = reader.read(&source, "a/b").await.unwrap();
        let bytes: Vec<Bytes> = bytes.try_collect().await.unwrap();
        assert_eq!((size, bytes.concat()), (3, b"a/b".to_vec()));
        let kind = async |key: &str| reader.read(&source, key).await.err().unwrap().kind();
        assert_eq!(kind("ab").await, ErrorKind::PermissionDenied);
        assert_eq!(kind("a/../ab").await, ErrorKind::Invalid);
        assert_eq!(kind("a/none").await, ErrorKind::NotFound);
    }
}
