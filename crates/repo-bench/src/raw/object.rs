//! Objects by the crate `object_store` alone.

use std::path::Path as File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use repo_core::Result;

use crate::errors;
use crate::measure::{Timed, timed};

/// An S3 server, by the variables of `scripts/services env`.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) bucket: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// Objects below a prefix.
pub(crate) struct Raw {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    next: AtomicU64,
}

impl Raw {
    pub(crate) fn on_s3(server: &Server, prefix: &str) -> Result<Self> {
        let store = AmazonS3Builder::new()
            .with_endpoint(&server.url)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(&server.bucket)
            .with_access_key_id(&server.access_key)
            .with_secret_access_key(&server.secret_key)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // One request a key: not every server knows the other one.
            .with_disable_bulk_delete(true)
            .build()
            .map_err(errors::raw("make a client"))?;
        Ok(Self::over(Arc::new(store), prefix))
    }

    /// In a folder, which is there; each object and its name are synced.
    pub(crate) fn in_folder(folder: &File) -> Result<Self> {
        let store =
            LocalFileSystem::new_with_prefix(folder).map_err(errors::raw("open a folder"))?;
        Ok(Self::over(Arc::new(store.with_fsync(true)), "raw"))
    }

    fn over(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self { store, prefix: prefix.to_owned(), next: AtomicU64::new(0) }
    }

    /// Creates so many objects of so many bytes, one after the other, each on condition that
    /// there is none.
    pub(crate) async fn create(&self, bytes: usize, times: usize) -> Result<Timed> {
        let bytes = Bytes::from(vec![b'x'; bytes]);
        let failed = errors::raw("create an object");
        timed(times, async {
            for _ in 0..times {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let path = Path::from(format!("{}/{number:020}", self.prefix));
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let put = self.store.put_opts(&path, bytes.clone().into(), options).await;
                put.map_err(&failed)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes everything below a prefix.
    pub(crate) async fn remove(&self, prefix: &str) -> Result<()> {
        let failed = errors::raw("remove objects");
        let prefix = Path::from(prefix);
        let found: Vec<_> = self.store.list(Some(&prefix)).try_collect().await.map_err(&failed)?;
        for object in found {
            self.store.delete(&object.location).await.map_err(&failed)?;
        }
        Ok(())
    }
}
