//! The places that the tests use.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::memory::InMemory;
use repo_blob::testkit::BlobPlace;
use repo_blob::{BlobKey, BlobOptions, BlobStore, Credentials, FolderBlobs, ObjectBlobs, open};
use repo_core::Result;
use tempfile::TempDir;

/// A folder of its own.
pub(crate) struct FolderPlace(TempDir);

impl FolderPlace {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().join("blobs")
    }

    /// Where a blob is.
    pub(crate) fn file(&self, key: &BlobKey) -> PathBuf {
        let name = key.to_string();
        self.folder().join(&name[..2]).join(name)
    }
}

#[async_trait]
impl BlobPlace for FolderPlace {
    async fn open(&self) -> Result<Arc<dyn BlobStore>> {
        Ok(Arc::new(FolderBlobs::open(&self.folder()).await?))
    }

    async fn spoil(&self, key: &BlobKey) -> bool {
        let mut bytes = std::fs::read(self.file(key)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(self.file(key), bytes).unwrap();
        true
    }

    async fn leftovers(&self) -> Option<usize> {
        let count = |name| files_below(&self.folder().join(name));
        Some(count(".incoming") + count(".parts"))
    }
}

/// Files and folders below a folder.
pub(crate) fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| 1 + if path.is_dir() { files_below(&path) } else { 0 }).sum()
}

/// The memory of this process: the reference.
pub(crate) struct MemoryPlace(Arc<InMemory>);

impl MemoryPlace {
    pub(crate) fn new() -> Self {
        Self(Arc::new(InMemory::new()))
    }
}

#[async_trait]
impl BlobPlace for MemoryPlace {
    async fn open(&self) -> Result<Arc<dyn BlobStore>> {
        let store = self.0.clone();
        Ok(Arc::new(ObjectBlobs::over(store, "memory")))
    }
}

/// A prefix of its own on the S3 server of `scripts/services`. It goes with the server.
pub(crate) struct S3Place(String);

impl S3Place {
    pub(crate) fn new() -> Self {
        Self(format!("s3://{}/{}", address("REPO_TEST_S3_BUCKET"), BlobKey::random().unwrap()))
    }
}

#[async_trait]
impl BlobPlace for S3Place {
    async fn open(&self) -> Result<Arc<dyn BlobStore>> {
        open(&self.0, &s3_options()).await
    }

    // SeaweedFS takes two seconds for writers that wait for each other.
    fn races(&self) -> u64 {
        1
    }

    fn many(&self) -> usize {
        300
    }
}

/// How the S3 server is spoken to.
pub(crate) fn s3_options() -> BlobOptions {
    let credentials =
        Credentials::new(address("REPO_TEST_S3_ACCESS_KEY"), address("REPO_TEST_S3_SECRET_KEY"));
    BlobOptions {
        endpoint: Some(address("REPO_TEST_S3_URL").parse().unwrap()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(credentials),
        ..BlobOptions::default()
    }
}

/// What `scripts/services env` says. A missing server fails the tests.
pub(crate) fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start the servers with `scripts/services up` and take their \
             addresses with `eval \"$(scripts/services env)\"`"
        )
    })
}
