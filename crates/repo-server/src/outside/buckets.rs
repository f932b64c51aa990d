//! The buckets of the configuration.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error as Fault, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _,
};
use repo_blob::{ByteRange, ByteStream, Endpoint};
use repo_core::{Error, ErrorKind, Result, Value};
use repo_data::model::{OutsideFile, OutsideLocation, StorageType};
use repo_data::sources::SourceLister;

use crate::config::{BucketConfig, S3Config, SourcesConfig};

/// The buckets of the configuration, by name.
#[derive(Debug, Clone, Default)]
pub struct Buckets(Arc<BTreeMap<String, Vec<Bucket>>>);

#[derive(Debug)]
struct Bucket {
    prefix: String,
    client: Arc<dyn ObjectStore>,
}

/// What is known of an object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Bytes.
    pub size: u64,
    /// What tells this content from others, in quotes.
    pub etag: String,
}

impl Buckets {
    /// Clients for all of them; nothing is asked yet.
    ///
    /// # Errors
    /// `ConfigInvalid` for settings that make no client.
    pub fn of(config: &SourcesConfig) -> Result<Self> {
        let mut by_name: BTreeMap<String, Vec<Bucket>> = BTreeMap::new();
        for bucket in &config.buckets {
            let client = client(bucket)?;
            let opened = Bucket { prefix: bucket.prefix.clone(), client };
            by_name.entry(bucket.name.clone()).or_default().push(opened);
        }
        Ok(Self(Arc::new(by_name)))
    }

    /// The client for a name in a bucket, if the list lets it through.
    fn find(&self, bucket: &str, name: &str) -> Result<(&Bucket, Path)> {
        let mut listed = self.0.get(bucket).into_iter().flatten();
        let found = listed.find(|bucket| covers(&bucket.prefix, name));
        let Some(found) = found else {
            let why = "the bucket is not among those that the configuration lists";
            return Err(Error::new(ErrorKind::PermissionDenied, "read an object", why)
                .with("bucket", format!("{bucket:?}"))
                .hint("ask whoever runs the server to add it to `server.sources.buckets`"));
        };
        // Refuses `..`, empty steps and a slash at the beginning.
        let path = Path::parse(name).map_err(|_| {
            Error::new(ErrorKind::Invalid, "read an object", "this is no name of an object")
        })?;
        Ok((found, path))
    }

    /// What is known of an object.
    ///
    /// # Errors
    /// `PermissionDenied` for a bucket or name that is not listed, `NotFound`, `Unavailable`.
    pub async fn head(&self, bucket: &str, name: &str) -> Result<Object> {
        let (bucket, path) = self.find(bucket, name)?;
        let found = bucket.client.head(&path).await.map_err(|fault| failed(&fault))?;
        let tag = found.e_tag.unwrap_or_else(|| found.last_modified.timestamp_micros().to_string());
        let tag: String = tag.chars().filter(|c| matches!(c, '!'..='~') && *c != '"').collect();
        Ok(Object { size: found.size, etag: format!("\"{tag}\"") })
    }

    /// The bytes of an object of a size that is known, or a range of them.
    ///
    /// # Errors
    /// As [`head`](Self::head); `Invalid` for a range that it ends before.
    pub async fn read(
        &self,
        (bucket, name): (&str, &str),
        size: u64,
        range: ByteRange,
    ) -> Result<(Range<u64>, ByteStream<'static>)> {
        let (bucket, path) = self.find(bucket, name)?;
        let mut options = GetOptions::default();
        if !range.is_whole() {
            options.range = Some(GetRange::Bounded(range.resolve(size)?));
        }
        let got = bucket.client.get_opts(&path, options).await.map_err(|fault| failed(&fault))?;
        let range = got.range.clone();
        Ok((range, got.into_stream().map_err(|fault| failed(&fault)).boxed()))
    }
}

/// Whether a name is within a prefix, by whole steps, as the list of the data service has it.
fn covers(prefix: &str, name: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let rest = name.strip_prefix(prefix);
    rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[async_trait]
impl SourceLister for Buckets {
    async fn list(&self, location: &OutsideLocation, most: usize) -> Result<Vec<OutsideFile>> {
        if location.storage_type != StorageType::Gcs {
            return Ok(Vec::new());
        }
        let Some(Value::Object(fields)) = location.metadata.as_ref().map(|json| json.to_value())
        else {
            return Ok(Vec::new());
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let (bucket, prefix) = (text("bucket_name").to_owned(), text("prefix").to_owned());
        let mut listed = self.0.get(&bucket).into_iter().flatten();
        let Some(found) = listed.find(|one| prefix.starts_with(&one.prefix)) else {
            return Ok(Vec::new());
        };
        let whole = Path::from(prefix.trim_end_matches('/'));
        let mut names = found.client.list(Some(&whole)).take(most);
        let mut files = Vec::new();
        while let Some(object) = names.try_next().await.map_err(|fault| failed(&fault))? {
            files.push(OutsideFile { name: object.location.to_string(), size: object.size });
        }
        // A prefix may be the name of one file, which a list below it does not have.
        if files.is_empty()
            && let Ok(object) = found.client.head(&whole).await
        {
            files.push(OutsideFile { name: object.location.to_string(), size: object.size });
        }
        Ok(files)
    }
}

fn client(bucket: &BucketConfig) -> Result<Arc<dyn ObjectStore>> {
    let S3Config { endpoint, region, virtual_hosted, allow_http } = &bucket.s3;
    let endpoint: Option<Endpoint> = endpoint.as_deref().map(str::parse).transpose()?;
    let plain = endpoint.as_ref().is_some_and(Endpoint::is_plain);
    if plain && !allow_http && !endpoint.as_ref().is_some_and(Endpoint::is_loopback) {
        let why = "the endpoint is plain HTTP: everybody on the way could read";
        return Err(Error::new(ErrorKind::ConfigInvalid, "start", why)
            .with("bucket", &bucket.name)
            .hint("use https, or set allow_http"));
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_virtual_hosted_style_request(*virtual_hosted)
        .with_client_options(ClientOptions::new().with_allow_http(plain));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.to_string());
    }
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    // What is wrong may hold a secret.
    let client = builder.build().map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "start", "these settings make no client for S3")
            .with("bucket", &bucket.name)
    })?;
    Ok(Arc::new(client))
}

/// The answer of a server may repeat the access key: nothing of it is kept.
fn failed(fault: &Fault) -> Error {
    let (kind, why) = match fault {
        Fault::NotFound { .. } => (ErrorKind::NotFound, "the bucket has no such object"),
        Fault::PermissionDenied { .. } | Fault::Unauthenticated { .. } => {
            (ErrorKind::PermissionDenied, "the bucket refuses access to this server")
        }
        _ => (ErrorKind::Unavailable, "the bucket does not answer as it should"),
    };
    Error::new(kind, "read an object", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets {
        let bucket = BucketConfig {
            name: "b".to_owned(),
            prefix: "data/".to_owned(),
            s3: S3Config { endpoint: Some("http://127.0.0.1:1".to_owned()), ..S3Config::default() },
        };
        Buckets::of(&SourcesConfig { buckets: vec![bucket], tables: Vec::new() }).unwrap()
    }

    #[test]
    fn only_listed_names_are_reached() {
        let buckets = buckets();
        let kind = |bucket, name| buckets.find(bucket, name).err().map(|error| error.kind());
        assert_eq!(kind("b", "data/a.bin"), None);
        for (bucket, name) in [("c", "data/a.bin"), ("b", "other/a.bin"), ("b", "")] {
            assert_eq!(kind(bucket, name), Some(ErrorKind::PermissionDenied), "{bucket}/{name}");
        }
        for name in ["data/../other", "data//a", "data/."] {
            assert_eq!(kind("b", name), Some(ErrorKind::Invalid), "{name}");
        }
    }
}
