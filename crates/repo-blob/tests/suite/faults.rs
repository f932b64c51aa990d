//! What the answers of a server mean, from a server that gives one answer to everything.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use repo_blob::{
    BlobKey, BlobOptions, BlobStore, ByteRange, ByteStream, Credentials, Expected, ObjectBlobs,
    PartNumber, open,
};
use repo_core::{Error, ErrorKind, Result};

/// A server that answers every request with a status and a code, or, without a status, hangs
/// up. It repeats the access key, as S3 does.
fn server(status: Option<u16>, code: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body =
        format!("<Error><Code>{code}</Code><AWSAccessKeyId>hunter2</AWSAccessKeyId></Error>");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 64 * 1024]);
            if let Some(status) = status {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                let _ = write!(connection, "{head}connection: close\r\n\r\n{body}");
            }
        }
    });
    url
}

fn store(url: &str) -> Arc<dyn BlobStore> {
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let s3 = AmazonS3Builder::new()
        .with_endpoint(url)
        .with_allow_http(true)
        .with_bucket_name("bucket")
        .with_access_key_id("hunter2")
        .with_secret_access_key("hunter3")
        .with_disable_bulk_delete(true)
        .with_retry(retry);
    Arc::new(ObjectBlobs::over(Arc::new(s3.build().unwrap()), "s3://bucket"))
}

fn bytes() -> ByteStream<'static> {
    stream::iter([Ok(Bytes::from_static(b"bytes"))]).boxed()
}

fn error<T>(answer: Result<T>) -> Error {
    let error = answer.map(drop).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter"), "{shown}");
    error
}

/// The kinds of a conditional put, and of a read.
async fn kinds(url: &str) -> (ErrorKind, ErrorKind) {
    let (blobs, key) = (store(url), BlobKey::random().unwrap());
    let put = error(blobs.put(&key, bytes(), &Expected::NOTHING).await).kind();
    let get = error(blobs.get(&key, ByteRange::WHOLE).await).kind();
    assert_eq!(error(blobs.head(&key).await).kind(), get);
    let deleted = blobs.delete(&key).await;
    assert_eq!(deleted.err().map_or(ErrorKind::NotFound, |error| error.kind()), get);
    (put, get)
}

#[tokio::test]
async fn each_status_has_its_kind() {
    use ErrorKind::*;
    let expected = [
        (429, "TooManyRequests", (Unavailable, Unavailable)),
        (503, "SlowDown", (Unavailable, Unavailable)),
        (500, "InternalError", (OutcomeUnknown, Unavailable)),
        (502, "BadGateway", (OutcomeUnknown, Unavailable)),
        (403, "SignatureDoesNotMatch", (PermissionDenied, PermissionDenied)),
        (401, "Unauthorized", (PermissionDenied, PermissionDenied)),
        (404, "NoSuchBucket", (NotFound, NotFound)),
        (501, "NotImplemented", (Unsupported, Unsupported)),
        (400, "InvalidRequest", (Unexpected, Unexpected)),
    ];
    for (status, code, kinds_expected) in expected {
        assert_eq!(kinds(&server(Some(status), code)).await, kinds_expected, "{status}");
    }
}

#[tokio::test]
async fn a_condition_that_fails_is_an_existing_blob() {
    for (status, kind) in [(412, ErrorKind::AlreadyExists), (409, ErrorKind::Unavailable)] {
        let (blobs, key) = (store(&server(Some(status), "X")), BlobKey::random().unwrap());
        assert_eq!(error(blobs.put(&key, bytes(), &Expected::NOTHING).await).kind(), kind);
    }
}

#[tokio::test]
async fn no_answer_leaves_it_open_whether_a_put_was_applied() {
    let hangs_up = kinds(&server(None, "")).await;
    assert_eq!(hangs_up, (ErrorKind::OutcomeUnknown, ErrorKind::Unavailable));
    // Nobody listens there, so nothing was applied.
    let nobody = kinds("http://127.0.0.1:1").await;
    assert_eq!(nobody, (ErrorKind::Unavailable, ErrorKind::Unavailable));
}

#[tokio::test]
async fn status_and_code_are_named() {
    let blobs = store(&server(Some(403), "SignatureDoesNotMatch"));
    let error = error(blobs.head(&BlobKey::random().unwrap()).await);
    assert_eq!(error.context_value("status"), Some("403"));
    let error = error_of_part(&server(Some(503), "SlowDown")).await;
    assert_eq!(
        (error.context_value("status"), error.context_value("code")),
        (Some("503"), Some("SlowDown"))
    );
}

async fn error_of_part(url: &str) -> Error {
    let key = BlobKey::random().unwrap();
    let json = format!(r#"{{"key":"{key}","upload":{{"multipart":"1"}}}}"#);
    let session = serde_json::from_str(&json).unwrap();
    error(store(url).put_part(&session, PartNumber::FIRST, bytes(), None).await)
}

#[tokio::test]
async fn opening_tries_again_and_then_says_where() {
    let options = BlobOptions {
        endpoint: Some(server(Some(503), "SlowDown").parse().unwrap()),
        credentials: Some(Credentials::new("hunter2", "hunter3")),
        retries: 1,
        ..BlobOptions::default()
    };
    let error = error(open("s3://bucket/prefix", &options).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.context_value("store"), Some("s3://bucket/prefix"));
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused() {
    let credentials = Some(Credentials::new("hunter2", "hunter3"));
    let endpoint = Some("http://192.0.2.1:9000".parse().unwrap());
    let options = BlobOptions { endpoint, credentials, ..BlobOptions::default() };
    let error = error(open("s3://bucket", &options).await);
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("endpoint"), Some("http://192.0.2.1:9000"));
}
