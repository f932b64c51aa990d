//! What only a server that speaks S3 has: buckets, prefixes, signatures.

use crate::common::{S3Place, address, s3_options};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_blob::testkit::BlobPlace as _;
use repo_blob::{BlobKey, BlobOptions, Credentials, Expected, PageLimit, open};
use repo_core::ErrorKind;

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let credentials = Credentials::new(address("REPO_TEST_S3_ACCESS_KEY"), "hunter2");
    let options = BlobOptions { credentials: Some(credentials), ..s3_options() };
    let error = open("s3://repo-test", &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!format!("{error} {error:?} {options:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_missing_bucket_is_not_found() {
    let error = open("s3://no-such-bucket", &s3_options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert_eq!(error.context_value("store"), Some("s3://no-such-bucket"));
}

#[tokio::test]
async fn prefixes_are_stores_of_their_own() {
    let (one, other) = (S3Place::new(), S3Place::new());
    let (one, other) = (one.open().await.unwrap(), other.open().await.unwrap());
    let key = BlobKey::random().unwrap();
    let bytes = || stream::iter([Ok(Bytes::from_static(b"bytes"))]).boxed();
    one.put(&key, bytes(), &Expected::NOTHING).await.unwrap();
    assert_eq!(other.head(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(other.list(None, PageLimit::MAX).await.unwrap().is_empty());
    other.put(&key, bytes(), &Expected::NOTHING).await.unwrap();
    other.delete(&key).await.unwrap();
    one.head(&key).await.unwrap();
    assert_eq!(one.list(None, PageLimit::MAX).await.unwrap().len(), 1);
}
