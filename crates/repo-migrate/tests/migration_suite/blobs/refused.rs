//! What is refused before anything is written.

use std::fs::File;

use repo_blob::BlobOptions;
use repo_core::ErrorKind;
use repo_migrate::{BlobMove, BlobPlaces, MigrationOptions};

use super::support::{Sample, between, filled, folder, migrate, record, samples, source, store};
use crate::stores::{empty, name, options};

#[tokio::test]
async fn one_blob_store_under_two_names() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(3);
    let path = place.path().join("blobs");
    let from = filled(&path, &of).await;
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for also in [folder(&path).await, folder(&link).await] {
        let moved = between(&from, &also);
        let error = migrate((&source(&of).await, &empty()), &moved, &options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.message().contains("same store"), "{error}");
    }
    let left = from.list(None, repo_blob::PageLimit::MAX).await.unwrap().len();
    assert_eq!(left, 3, "the mark is gone");
}

#[tokio::test]
async fn what_is_no_blob_store() {
    let place = tempfile::tempdir().unwrap();
    let options = BlobOptions::default();
    let missing = place.path().join("missing");
    let error = repo_migrate::open_source(missing.to_str().unwrap(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!missing.exists());
    std::fs::write(place.path().join("letter.txt"), "mine").unwrap();
    let foreign = place.path().to_str().unwrap();
    let error = repo_migrate::open_source(foreign, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    let error = repo_migrate::open_target(foreign, &options, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    let file = place.path().join("letter.txt");
    let error = repo_migrate::open_target(file.to_str().unwrap(), &options, true).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Foreign);
}

#[tokio::test]
async fn records_that_stay_behind_and_stores_that_are_not_named() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(2);
    let from = filled(&place.path().join("from"), &of).await;
    let to = folder(&place.path().join("to")).await;
    let source = source(&of).await;
    let only = MigrationOptions { collections: Some(vec![name("machines")]), ..options() };
    let error = migrate((&source, &empty()), &between(&from, &to), &only).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let cleaning = MigrationOptions { clean_up: true, ..options() };
    let error = migrate((&source, &empty()), &between(&from, &to), &cleaning).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);

    let mut named = BlobPlaces::default();
    named.add(Some("archive"), to).unwrap();
    let moved = BlobMove::new(BlobPlaces::one(from.clone()), named);
    let target = empty();
    let error = migrate((&source, &target), &moved, &options()).await.unwrap_err();
    assert_eq!(error.context_value("stores"), Some("main"), "{error:?}");
    assert!(target.collections().await.unwrap().is_empty());

    let other = crate::stores::store(&[]).await;
    let to = folder(&place.path().join("other")).await;
    let error = migrate((&other, &empty()), &between(&from, &to), &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_disk_without_room() {
    let place = tempfile::tempdir().unwrap();
    let huge = Sample::new("x");
    let from = filled(&place.path().join("from"), std::slice::from_ref(&huge)).await;
    // A file with a hole: it takes no room here, and would there.
    let size = 8 * 1_024_u64.pow(4);
    let file = huge.file(&place.path().join("from"));
    File::options().write(true).open(file).unwrap().set_len(size).unwrap();
    let sha256 = repo_blob::BlobDigest::of(b"").sha256;
    let fields =
        format!("\"state\":\"active\",\"store\":\"main\",\"size\":{size},\"sha256\":\"{sha256}\"");
    let source = store(&[record(&huge.key.to_string(), &fields)]).await;
    let to = folder(&place.path().join("to")).await;
    let target = empty();
    for dry_run in [true, false] {
        let options = MigrationOptions { dry_run, ..options() };
        let error = migrate((&source, &target), &between(&from, &to), &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.context_value("free_bytes").is_some());
    }
    assert!(target.collections().await.unwrap().is_empty());
}
