//! Opening by settings that a program made, and what tells one store from another.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{random, s3_settings};
use repo_core::strategy::{OpenOptions, Sameness, StorageStrategy as _};
use repo_core::{Error, ErrorKind};
use repo_object::{ObjectSettings, ObjectStrategy};

async fn refused(settings: ObjectSettings, options: OpenOptions) -> Error {
    ObjectStrategy::open(settings, options).await.unwrap_err()
}

fn at(location: &str) -> ObjectSettings {
    ObjectSettings { location: location.to_owned(), ..ObjectSettings::default() }
}

#[tokio::test]
async fn settings_that_a_program_made_are_checked() {
    for (settings, kind) in [
        (ObjectSettings::default(), ErrorKind::ConfigInvalid),
        (at("gs://bucket"), ErrorKind::Unsupported),
        (at("s3://Bucket"), ErrorKind::ConfigInvalid),
        (at("file://srv/data"), ErrorKind::ConfigInvalid),
        (
            ObjectSettings { access_key_id: Some("KEY".to_owned()), ..at("s3://bucket") },
            ErrorKind::ConfigInvalid,
        ),
    ] {
        let error = refused(settings, OpenOptions::default()).await;
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn nothing_is_made_by_opening() {
    let folder = tempfile::tempdir().unwrap();
    let location = format!("file://{}/store", folder.path().display());
    let read_only = || OpenOptions::default().with_read_only(true);
    let error = refused(at(&location), read_only()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.hint_text().is_some());
    let store = ObjectStrategy::open(at(&location), OpenOptions::default()).await.unwrap();
    assert!(!folder.path().join("store").exists());
    store.prepare(&[]).await.unwrap();
    assert!(folder.path().join("store/log").exists());
    let reader = ObjectStrategy::open(at(&location), read_only()).await.unwrap();
    let error = reader.prepare(&[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn what_the_server_refuses_is_named() {
    let good = || s3_settings(&format!("opening-{:016x}", random()));
    let bucket = ObjectSettings { location: "s3://no-such-bucket/x".to_owned(), ..good() };
    let error = refused(bucket, OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.message().contains("bucket"), "{error}");
    let secret = ObjectSettings { secret_access_key: Some("hunter2".to_owned()), ..good() };
    let error = refused(secret, OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    let nobody =
        ObjectSettings { endpoint: Some("http://127.0.0.1:1".to_owned()), retries: 0, ..good() };
    let error = refused(nobody, OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_folder_is_known_under_each_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["one", "other"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::os::unix::fs::symlink(path("one"), path("link")).unwrap();
    let open = async |name: &str| {
        let location = format!("file:{}", path(name).display());
        let store = ObjectStrategy::open(at(&location), OpenOptions::default()).await.unwrap();
        store.prepare(&[]).await.unwrap();
        let identity = store.physical_identity().await.unwrap().unwrap();
        (store.location().to_owned(), identity)
    };
    let (one, link, other) = (open("one").await, open("link").await, open("other").await);
    assert_eq!(one.0, link.0);
    assert_eq!(one.1.compare(&link.1), Sameness::Same);
    assert_eq!(one.1.compare(&other.1), Sameness::Different);
}
