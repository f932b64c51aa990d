//! Blobs and archives on a server that speaks S3.

use repo_blob::{BlobOptions, NamedObjects};
use repo_core::ErrorKind;
use repo_migrate::{BlobProblemKind, Outcome};

use super::assert_holds;
use super::support::{between, filled, folder, migrate, s3_options, s3_place, samples, source};
use crate::stores::{empty, options};

/// `REPO_TEST_BLOBS` makes more of them.
fn count() -> usize {
    std::env::var("REPO_TEST_BLOBS").map_or(60, |text| text.parse().unwrap())
}

#[tokio::test]
async fn from_a_folder_to_s3_and_back_every_byte_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(count());
    let first = filled(&place.path().join("first"), &of).await;
    let bucket = repo_migrate::open_target(&s3_place(), &s3_options(), true).await.unwrap();
    let last = folder(&place.path().join("last")).await;
    let (source, middle, end) = (source(&of).await, empty(), empty());
    let there = migrate((&source, &middle), &between(&first, &bucket), &options()).await.unwrap();
    assert_eq!(there.outcome, Outcome::Verified);
    let back = migrate((&middle, &end), &between(&bucket, &last), &options()).await.unwrap();
    assert_eq!(back.outcome, Outcome::Verified);
    assert_eq!(back.blobs.unwrap().copied.blobs, of.len() as u64);
    assert_holds(&last, &of).await;

    // One flipped byte is named on the way to S3.
    of[1].flip(&place.path().join("last"));
    let other = repo_migrate::open_target(&s3_place(), &s3_options(), true).await.unwrap();
    let report = migrate((&end, &empty()), &between(&last, &other), &options()).await.unwrap();
    let problems = report.blobs.unwrap().problems;
    assert_eq!((report.outcome, problems.differs), (Outcome::Differs, 1));
    assert_eq!(problems.first[0].key, of[1].key.to_string());
    assert_eq!(problems.first[0].kind, BlobProblemKind::Digest);
}

#[tokio::test]
async fn a_missing_bucket_is_told() {
    for may_write in [true, false] {
        let place = "s3://no-such-bucket/x";
        let opened = repo_migrate::open_target(place, &s3_options(), may_write).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    let error = repo_migrate::open_source("s3://no-such-bucket", &s3_options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn objects_have_names_and_are_created_once() {
    let objects = NamedObjects::open(&s3_place(), &s3_options()).unwrap();
    objects.create("a/one.txt", "1".into()).await.unwrap();
    let error = objects.create("a/one.txt", "2".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    objects.replace("a/one.txt", "22".into()).await.unwrap();
    assert_eq!(objects.read("a/one.txt").await.unwrap().0, 2);
    assert_eq!(objects.folders().await.unwrap(), ["a"]);
    for name in ["", "/a", "a//b", "../a", "a/.", "a b", "a?b"] {
        let error = objects.create(name, "1".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
    }
    let error = NamedObjects::open("some/folder", &BlobOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}
