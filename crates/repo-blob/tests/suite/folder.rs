//! What only a folder has: modes, links, what killed processes leave.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use crate::common::{FolderPlace, files_below};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::testkit::BlobPlace as _;
use repo_blob::{
    BlobDigest, BlobKey, BlobOptions, BlobStore, ByteRange, ByteStream, Expected, PageLimit,
    PartNumber,
};
use repo_core::{ErrorKind, Result};

fn of(bytes: &'static [u8]) -> ByteStream<'static> {
    stream::iter([Ok(Bytes::from_static(bytes))]).boxed()
}

async fn put(blobs: &dyn BlobStore, key: &BlobKey) -> Result<BlobDigest> {
    blobs.put(key, of(b"some bytes"), &Expected::NOTHING).await
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn kind<T>(answer: Result<T>) -> ErrorKind {
    answer.map(drop).unwrap_err().kind()
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let (place, key) = (FolderPlace::new(), BlobKey::random().unwrap());
    let blobs = place.open().await.unwrap();
    put(&*blobs, &key).await.unwrap();
    let session = blobs.begin_parts(&BlobKey::random().unwrap()).await.unwrap();
    blobs.put_part(&session, PartNumber::FIRST, of(b"part"), None).await.unwrap();
    let mut folders = vec![place.folder()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert_eq!(files, 2);
}

/// Every way to a blob, where something else stands in its place.
async fn assert_foreign(blobs: &dyn BlobStore, key: &BlobKey) {
    assert_eq!(kind(blobs.get(key, ByteRange::WHOLE).await), ErrorKind::Foreign);
    assert_eq!(kind(blobs.head(key).await), ErrorKind::Foreign);
    assert_eq!(kind(blobs.delete(key).await), ErrorKind::Foreign);
    assert_eq!(kind(put(blobs, key).await), ErrorKind::Foreign);
    assert_eq!(kind(blobs.begin_parts(key).await), ErrorKind::Foreign);
    assert_eq!(kind(blobs.verify(key, &BlobDigest::of(b"")).await), ErrorKind::Foreign);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_blob_is_refused() {
    let (place, key) = (FolderPlace::new(), BlobKey::random().unwrap());
    let blobs = place.open().await.unwrap();
    put(&*blobs, &key).await.unwrap();
    let outside = place.folder().with_file_name("outside");
    fs::rename(place.file(&key), &outside).unwrap();
    symlink(&outside, place.file(&key)).unwrap();
    assert_foreign(&*blobs, &key).await;
    assert_eq!(fs::read(outside).unwrap(), b"some bytes");
    assert!(blobs.list(None, PageLimit::MAX).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_or_a_pipe_in_the_place_of_a_blob_is_refused() {
    let place = FolderPlace::new();
    let blobs = place.open().await.unwrap();
    for make in ["mkdir", "mkfifo"] {
        let key = BlobKey::random().unwrap();
        fs::create_dir_all(place.file(&key).parent().unwrap()).unwrap();
        let made = std::process::Command::new(make).arg(place.file(&key)).status().unwrap();
        assert!(made.success());
        assert_foreign(&*blobs, &key).await;
    }
}

#[tokio::test]
async fn a_link_in_the_place_of_a_folder_is_refused() {
    let (place, key) = (FolderPlace::new(), BlobKey::random().unwrap());
    let blobs = place.open().await.unwrap();
    put(&*blobs, &key).await.unwrap();
    let folder = place.file(&key).parent().unwrap().to_owned();
    let outside = place.folder().with_file_name("outside");
    fs::rename(&folder, &outside).unwrap();
    symlink(&outside, &folder).unwrap();
    assert_foreign(&*blobs, &key).await;
    assert_eq!(files_below(&outside), 1);

    let incoming = place.folder().join(".incoming");
    fs::remove_dir(&incoming).unwrap();
    symlink(&outside, &incoming).unwrap();
    assert_eq!(kind(place.open().await), ErrorKind::Foreign);
}

#[tokio::test]
async fn a_blob_that_is_cut_while_it_is_read_is_corrupt() {
    let (place, key) = (FolderPlace::new(), BlobKey::random().unwrap());
    let blobs = place.open().await.unwrap();
    let chunks = stream::iter((0..16).map(|_| Ok(Bytes::from_static(&[7; 64 * 1024]))));
    blobs.put(&key, chunks.boxed(), &Expected::NOTHING).await.unwrap();
    let blob = blobs.get(&key, ByteRange::WHOLE).await.unwrap();
    fs::File::options().write(true).open(place.file(&key)).unwrap().set_len(300_000).unwrap();
    let error = blob.bytes.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("found")), (ErrorKind::Corrupt, Some("300000")));
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_when_it_is_old() {
    let place = FolderPlace::new();
    let blobs = place.open().await.unwrap();
    let session = blobs.begin_parts(&BlobKey::random().unwrap()).await.unwrap();
    blobs.put_part(&session, PartNumber::FIRST, of(b"part"), None).await.unwrap();
    fs::write(place.folder().join(".incoming/half.new"), b"half").unwrap();
    let key = BlobKey::random().unwrap();
    put(&*blobs, &key).await.unwrap();
    assert_eq!(blobs.remove_leftovers(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(place.leftovers().await, Some(3));
    assert_eq!(blobs.remove_leftovers(Duration::ZERO).await.unwrap(), 2);
    assert_eq!(place.leftovers().await, Some(0));
    blobs.head(&key).await.unwrap();
    let part = blobs.put_part(&session, PartNumber::FIRST, of(b"part"), None).await;
    assert_eq!(kind(part), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_folder_is_opened_by_its_url() {
    let place = FolderPlace::new();
    let key = BlobKey::random().unwrap();
    let path = place.folder().to_str().unwrap().to_owned();
    for location in [path.clone(), format!("file:{path}"), format!("file://{path}")] {
        let blobs = repo_blob::open(&location, &BlobOptions::default()).await.unwrap();
        assert_eq!(blobs.location(), format!("file:{path}"));
        let put = put(&*blobs, &key).await;
        assert!(put.is_ok() || kind(put) == ErrorKind::AlreadyExists);
        assert_eq!(blobs.list(None, PageLimit::MAX).await.unwrap().len(), 1);
    }
    // The probe leaves nothing but empty folders.
    assert_eq!(place.leftovers().await, Some(0));
}

#[tokio::test]
async fn a_session_of_a_bucket_is_refused() {
    let place = FolderPlace::new();
    let blobs = place.open().await.unwrap();
    let key = BlobKey::random().unwrap();
    let json = format!(r#"{{"key":"{key}","upload":{{"multipart":"1"}}}}"#);
    let session = serde_json::from_str(&json).unwrap();
    assert_eq!(kind(blobs.abort_parts(&session).await), ErrorKind::Invalid);
}
