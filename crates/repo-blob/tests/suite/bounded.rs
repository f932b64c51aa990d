//! A blob of 256 MiB goes in and out, and a few blocks of it are in memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::FolderPlace;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use repo_blob::testkit::BlobPlace as _;
use repo_blob::{BlobKey, BlobStore, ByteRange, ByteStream, Expected, ObjectBlobs};

const MIB: u64 = 1024 * 1024;
const CHUNKS: u64 = 256;

/// Bytes that were given out and are not done with, now and at most.
#[derive(Debug, Default)]
struct InFlight {
    now: AtomicU64,
    most: AtomicU64,
}

impl InFlight {
    fn begin(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self, bytes: u64) {
        self.now.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }
}

/// A chunk that is in flight while it is alive.
struct Tracked(Arc<InFlight>, Vec<u8>);

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.end(self.1.len() as u64);
    }
}

/// Takes parts slowly, keeps none, and gives back zeros.
#[derive(Debug, Default)]
struct Sink {
    in_flight: Arc<InFlight>,
    stored: AtomicU64,
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sink")
    }
}

fn never<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: "sink".to_owned() })
}

#[async_trait]
impl ObjectStore for Sink {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        never("put")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        never("put multipart")
    }

    async fn get_opts(&self, path: &Path, _: GetOptions) -> Result<GetResult> {
        let size = self.stored.load(Ordering::SeqCst);
        if size == 0 {
            return Err(Error::NotFound { path: path.to_string(), source: "nothing".into() });
        }
        let in_flight = self.in_flight.clone();
        let bytes = stream::iter(0..size / MIB).map(move |_| {
            in_flight.begin(MIB);
            Ok(Bytes::from_owner(Tracked(in_flight.clone(), vec![0; 1024 * 1024])))
        });
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size,
            e_tag: None,
            version: None,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(bytes.boxed()),
            meta,
            range: 0..size,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        paths
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        never("list")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        never("copy")
    }
}

#[async_trait]
impl MultipartStore for Sink {
    async fn create_multipart(&self, _: &Path) -> Result<MultipartId> {
        Ok("upload".to_owned())
    }

    async fn put_part(
        &self,
        _: &Path,
        _: &MultipartId,
        _: usize,
        bytes: PutPayload,
    ) -> Result<PartId> {
        // Slower than the bytes come, so that whatever may pile up does.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let length = bytes.content_length() as u64;
        drop(bytes);
        self.in_flight.end(length);
        self.stored.fetch_add(length, Ordering::SeqCst);
        Ok(PartId { content_id: String::new() })
    }

    async fn complete_multipart(
        &self,
        _: &Path,
        _: &MultipartId,
        _: Vec<PartId>,
    ) -> Result<PutResult> {
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort_multipart(&self, _: &Path, _: &MultipartId) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_256_mib_passes_in_four_blocks() {
    static MEBIBYTE: [u8; MIB as usize] = [0; MIB as usize];
    let sink = Arc::new(Sink::default());
    let in_flight = sink.in_flight.clone();
    let blobs = ObjectBlobs::over(sink.clone(), "sink");
    let key = BlobKey::random().unwrap();
    // A byte is in flight from when it is given until the store has it.
    let given = in_flight.clone();
    let bytes: ByteStream<'_> = stream::iter(0..CHUNKS)
        .map(move |_| {
            given.begin(MIB);
            Ok(Bytes::from_static(&MEBIBYTE))
        })
        .boxed();
    let digest = blobs.put(&key, bytes, &Expected::NOTHING).await.unwrap();
    assert_eq!(digest.size, CHUNKS * MIB);
    assert!(in_flight.most() <= 32 * MIB, "{}", in_flight.most());

    in_flight.most.store(0, Ordering::SeqCst);
    let mut blob = blobs.get(&key, ByteRange::WHOLE).await.unwrap();
    let mut read = 0;
    while let Some(bytes) = blob.bytes.try_next().await.unwrap() {
        read += bytes.len() as u64;
    }
    assert_eq!(read, digest.size);
    assert!(in_flight.most() <= 2 * MIB, "{}", in_flight.most());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_256_mib_passes_in_small_blocks() {
    let place = FolderPlace::new();
    let blobs: Arc<dyn BlobStore> = place.open().await.unwrap();
    let key = BlobKey::random().unwrap();
    let in_flight = Arc::new(InFlight::default());
    let given = in_flight.clone();
    let bytes: ByteStream<'_> = stream::iter(0..CHUNKS)
        .map(move |_| {
            given.begin(MIB);
            Ok(Bytes::from_owner(Tracked(given.clone(), vec![0; MIB as usize])))
        })
        .boxed();
    let digest = blobs.put(&key, bytes, &Expected::NOTHING).await.unwrap();
    assert!(in_flight.most() <= 2 * MIB, "{}", in_flight.most());
    let blob = blobs.get(&key, ByteRange::WHOLE).await.unwrap();
    let lengths = blob.bytes.map_ok(|bytes| bytes.len() as u64);
    let lengths: Vec<u64> = lengths.try_collect().await.unwrap();
    assert_eq!(lengths.iter().sum::<u64>(), digest.size);
    assert!(lengths.iter().all(|length| *length <= MIB));
}
