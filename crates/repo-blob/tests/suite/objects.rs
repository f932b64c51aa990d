//! What a failing object store leads to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::wire::Wire;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_blob::{BlobKey, BlobStore as _, ByteStream, Expected, ObjectBlobs, probe};
use repo_core::{Error, ErrorKind};
use tokio::sync::Notify;

fn mebibytes(count: usize) -> ByteStream<'static> {
    static MEBIBYTE: [u8; 1024 * 1024] = [5; 1024 * 1024];
    stream::iter((0..count).map(|_| Ok(Bytes::from_static(&MEBIBYTE)))).boxed()
}

fn store() -> (Arc<Wire>, ObjectBlobs, BlobKey) {
    let wire = Arc::new(Wire::default());
    let blobs = ObjectBlobs::over(wire.clone(), "wire");
    (wire, blobs, BlobKey::random().unwrap())
}

async fn wait_for_no_upload(wire: &Wire) {
    for _ in 0..500 {
        if wire.open_uploads.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("an upload was not ended");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let (wire, blobs, _) = store();
    probe(&blobs).await.unwrap();
    wire.ignores_conditions.store(true, Ordering::SeqCst);
    let error = probe(&blobs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context_value("store"), Some("wire"));
    let limit = repo_blob::PageLimit::MAX;
    assert!(blobs.list(None, limit).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_whose_part_fails_is_ended() {
    let (wire, blobs, key) = store();
    for part in [0, 2] {
        *wire.failing_part.lock().unwrap() = Some(part);
        let put = blobs.put(&key, mebibytes(20), &Expected::NOTHING).await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!(wire.open_uploads.load(Ordering::SeqCst), 0);
        assert_eq!(blobs.head(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn an_upload_whose_stream_fails_is_ended() {
    let (wire, blobs, key) = store();
    let error = Error::new(ErrorKind::Unavailable, "receive", "the client went away");
    let broken = mebibytes(20).chain(stream::iter([Err(error)])).boxed();
    let put = blobs.put(&key, broken, &Expected::NOTHING).await;
    assert_eq!(put.unwrap_err().operation(), "receive");
    assert_eq!(wire.open_uploads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_ended() {
    let (wire, blobs, key) = store();
    let taken = Arc::new(Notify::new());
    let tell = taken.clone();
    let end = stream::once(async move {
        tell.notify_one();
        std::future::pending().await
    });
    let put = blobs.put(&key, mebibytes(20).chain(end).boxed(), &Expected::NOTHING);
    tokio::select! {
        _ = put => panic!("the stream has not ended"),
        () = taken.notified() => {}
    }
    assert_eq!(wire.begun_uploads.load(Ordering::SeqCst), 1);
    wait_for_no_upload(&wire).await;
    assert_eq!(blobs.head(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_upload_whose_completion_was_not_answered_is_found() {
    let (wire, blobs, key) = store();
    wire.loses_completions.store(true, Ordering::SeqCst);
    let digest = blobs.put(&key, mebibytes(20), &Expected::NOTHING).await.unwrap();
    blobs.verify(&key, &digest).await.unwrap();
}
