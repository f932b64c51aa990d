//! A store in memory that misbehaves as it is told.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

/// What goes wrong, and what was asked.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    inner: InMemory,
    /// A write replaces what is there.
    pub(crate) ignores_conditions: AtomicBool,
    /// The part with this index fails.
    pub(crate) failing_part: Mutex<Option<usize>>,
    /// Uploads are completed, and the answer is lost.
    pub(crate) loses_completions: AtomicBool,
    /// Uploads that were begun.
    pub(crate) begun_uploads: AtomicUsize,
    /// Those of them that were not ended.
    pub(crate) open_uploads: AtomicUsize,
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wire")
    }
}

fn lost() -> Error {
    Error::Generic { store: "wire", source: "the answer is lost".into() }
}

#[async_trait]
impl ObjectStore for Wire {
    async fn put_opts(
        &self,
        path: &Path,
        bytes: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        if self.ignores_conditions.load(Ordering::SeqCst) {
            options.mode = PutMode::Overwrite;
        }
        self.inner.put_opts(path, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Wire {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.begun_uploads.fetch_add(1, Ordering::SeqCst);
        self.open_uploads.fetch_add(1, Ordering::SeqCst);
        self.inner.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        bytes: PutPayload,
    ) -> Result<PartId> {
        if *self.failing_part.lock().unwrap() == Some(index) {
            return Err(lost());
        }
        self.inner.put_part(path, id, index, bytes).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let completed = self.inner.complete_multipart(path, id, parts).await;
        self.open_uploads.fetch_sub(1, Ordering::SeqCst);
        if self.loses_completions.load(Ordering::SeqCst) { Err(lost()) } else { completed }
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.inner.abort_multipart(path, id).await?;
        self.open_uploads.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}
