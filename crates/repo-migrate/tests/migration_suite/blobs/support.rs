//! Records with blobs, and the stores of those.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_blob::{BlobDigest, BlobKey, BlobOptions, BlobStore, Credentials, Expected};
use repo_core::strategy::{Applied, Record};
use repo_core::{CollectionSchema, Document, Entity, EntityId, Schemas};
use repo_migrate::{BlobMove, BlobPlaces, MigrationOptions, MigrationReport, Silent};

use crate::stores::{self, Store, empty, name, time, version};

/// A blob and its record.
pub struct Sample {
    pub key: BlobKey,
    pub bytes: Vec<u8>,
}

impl Sample {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { key: BlobKey::random().unwrap(), bytes: bytes.into() }
    }

    pub fn record(&self) -> Record {
        self.record_with("active", "main", "")
    }

    pub fn record_with(&self, state: &str, store: &str, more: &str) -> Record {
        let BlobDigest { size, sha256, md5 } = BlobDigest::of(&self.bytes);
        record(
            &self.key.to_string(),
            &format!(
                "\"state\":\"{state}\",\"store\":\"{store}\",\"size\":{size},\
                 \"sha256\":\"{sha256}\",\"md5\":\"{md5}\",\"owner\":\"ann\"{more}"
            ),
        )
    }

    pub async fn put(&self, store: &Arc<dyn BlobStore>) {
        let bytes = bytes::Bytes::from(self.bytes.clone());
        let stream = Box::pin(futures::stream::iter([Ok(bytes)]));
        store.put(&self.key, stream, &Expected::NOTHING).await.unwrap();
    }

    /// Where it is in a folder.
    pub fn file(&self, folder: &Path) -> PathBuf {
        let name = self.key.to_string();
        folder.join(&name[..2]).join(name)
    }

    /// Changes one bit of it.
    pub fn flip(&self, folder: &Path) {
        let file = self.file(folder);
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
}

pub fn record(id: &str, fields: &str) -> Record {
    Record::Live(Entity {
        collection: name("blobs"),
        id: EntityId::new(id).unwrap(),
        version: version(1),
        created_at: time(1_000),
        updated_at: time(1_001),
        document: Document::parse(&format!("{{\"id\":\"{id}\",{fields}}}")).unwrap(),
    })
}

pub fn schemas() -> Schemas {
    stores::schemas(&["blobs"])
}

/// A store of the collection `blobs` alone.
pub async fn store(records: &[Record]) -> Store {
    let store = empty();
    store.prepare(&[CollectionSchema::undeclared(name("blobs"))]).await.unwrap();
    let answers = store.apply(records.to_vec()).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Applied::Applied));
    store
}

/// Samples of several sizes: none, few, and more than one block of a folder.
pub fn samples(count: usize) -> Vec<Sample> {
    (0..count)
        .map(|n| {
            let length = match n % 10 {
                0 => 0,
                1 => 300_000,
                n => n * 37,
            };
            Sample::new(
                format!("{n:08}")
                    .into_bytes()
                    .into_iter()
                    .cycle()
                    .take(length)
                    .collect::<Vec<u8>>(),
            )
        })
        .collect()
}

pub async fn folder(path: &Path) -> Arc<dyn BlobStore> {
    let location = path.to_str().unwrap();
    repo_migrate::open_target(location, &BlobOptions::default(), true).await.unwrap()
}

pub async fn filled(path: &Path, samples: &[Sample]) -> Arc<dyn BlobStore> {
    let store = folder(path).await;
    for sample in samples {
        sample.put(&store).await;
    }
    store
}

/// The records of samples, and their store.
pub async fn source(samples: &[Sample]) -> Store {
    store(&samples.iter().map(Sample::record).collect::<Vec<_>>()).await
}

pub fn between(from: &Arc<dyn BlobStore>, to: &Arc<dyn BlobStore>) -> BlobMove {
    let (from, to) = (BlobPlaces::one(Arc::clone(from)), BlobPlaces::one(Arc::clone(to)));
    BlobMove::new(from, to).with_workers(NonZeroUsize::new(4).unwrap())
}

pub async fn migrate(
    (source, target): (&Store, &Store),
    blobs: &BlobMove,
    options: &MigrationOptions,
) -> repo_core::Result<MigrationReport> {
    let schemas = schemas();
    repo_migrate::migrate_with_blobs(source, target, (&schemas, options), blobs, &Silent).await
}

/// The S3 server of `scripts/services`.
pub fn s3_options() -> BlobOptions {
    let credentials =
        Credentials::new(address("REPO_TEST_S3_ACCESS_KEY"), address("REPO_TEST_S3_SECRET_KEY"));
    BlobOptions {
        endpoint: Some(address("REPO_TEST_S3_URL").parse().unwrap()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(credentials),
        ..BlobOptions::default()
    }
}

/// A prefix of its own.
pub fn s3_place() -> String {
    format!("s3://{}/{}", address("REPO_TEST_S3_BUCKET"), BlobKey::random().unwrap())
}

/// What `scripts/services env` says. A missing server fails the tests.
fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start the servers with `scripts/services up` and take their \
             addresses with `eval \"$(scripts/services env)\"`"
        )
    })
}
