//! Blobs in archives.

use std::path::Path;

use repo_core::ErrorKind;
use repo_migrate::{
    Archive, ArchiveDirectory, BackupOptions, BlobBackup, BlobMove, BlobPlaces, KeptBlobs, Outcome,
    RestoreOptions, Silent, back_up, back_up_with_blobs, restore, restore_with_blobs,
};

use super::assert_holds;
use super::support::{Sample, filled, folder, samples, schemas, source};
use crate::stores::{Store, Told, contents, empty};

fn options(folder: &Path) -> BackupOptions {
    BackupOptions::whole(folder.to_owned(), std::num::NonZeroUsize::new(100).unwrap())
}

async fn backed_up(
    store: &Store,
    places: BlobPlaces,
    kept: KeptBlobs,
    folder: &Path,
) -> repo_core::Result<Archive> {
    let blobs = BlobBackup::new(places, kept);
    back_up_with_blobs(store, &schemas(), &options(folder), &blobs, &Silent).await
}

async fn restored(archive: &Archive, to: BlobPlaces) -> (Store, repo_migrate::MigrationReport) {
    let target = empty();
    let moved = BlobMove::new(BlobPlaces::default(), to);
    let (schemas, options) = (schemas(), RestoreOptions::default());
    let how = (&schemas, &options);
    let report = restore_with_blobs(archive, &target, how, &moved, &Silent).await.unwrap();
    (target, report)
}

#[tokio::test]
async fn contents_come_back() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(25);
    let from = filled(&place.path().join("from"), &of).await;
    let store = source(&of).await;
    let backups = place.path().join("backups");
    let archive =
        backed_up(&store, BlobPlaces::one(from), KeptBlobs::Contents, &backups).await.unwrap();
    let kept = archive.manifest().blobs.clone().unwrap();
    assert_eq!((kept.contents, kept.blobs, archive.manifest().format_version), (true, 25, 3));
    let to = folder(&place.path().join("to")).await;
    let (target, report) = restored(&archive, BlobPlaces::one(to.clone())).await;
    assert_eq!(report.outcome, Outcome::Verified);
    let blobs = report.blobs.unwrap();
    assert_eq!((blobs.copied.blobs, blobs.verification.unwrap().sound.blobs), (25, 25));
    assert_holds(&to, &of).await;
    assert_eq!(contents(&target, "blobs").await.len(), 25);

    // Without a store for them they stay in the archive, which is said.
    let (schemas, told) = (schemas(), Told::default());
    let plain = restore(&archive, &empty(), &schemas, &RestoreOptions::default(), &told).await;
    assert_eq!(plain.unwrap().outcome, Outcome::Verified);
    let warnings = told.warnings.lock().unwrap().join("\n");
    assert!(warnings.contains("holds 25 blobs, which are not put back"), "{warnings}");
}

#[tokio::test]
async fn a_damaged_blob_of_an_archive_is_found() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(5);
    let from = filled(&place.path().join("from"), &of).await;
    let backups = place.path().join("backups");
    let store = source(&of).await;
    let archive =
        backed_up(&store, BlobPlaces::one(from), KeptBlobs::Contents, &backups).await.unwrap();
    archive.verify(&Silent).await.unwrap();
    of[3].flip(&archive.path().join("blobs"));
    let error = archive.verify(&Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context_value("key"), Some(&*of[3].key.to_string()));
    std::fs::remove_file(of[3].file(&archive.path().join("blobs"))).unwrap();
    assert_eq!(archive.verify(&Silent).await.unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::remove_dir_all(archive.path().join("blobs")).unwrap();
    assert_eq!(archive.verify(&Silent).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn digests_alone_prove_what_other_means_bring_back() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(9);
    let path = place.path().join("from");
    let from = filled(&path, &of).await;
    let store = source(&of).await;
    let backups = place.path().join("backups");
    let places = BlobPlaces::one(from);
    let archive = backed_up(&store, places.clone(), KeptBlobs::Digests, &backups).await.unwrap();
    assert!(!archive.path().join("blobs").exists());
    let (_, report) = restored(&archive, places.clone()).await;
    assert_eq!(report.outcome, Outcome::Verified);
    of[4].flip(&path);
    let (_, report) = restored(&archive, places.clone()).await;
    assert_eq!(report.outcome, Outcome::Differs);
    let found = report.blobs.unwrap().verification.unwrap();
    assert_eq!(found.problems.first[0].key, of[4].key.to_string());

    // What is damaged makes no archive.
    let before = ArchiveDirectory::read(&backups).await.unwrap().archives.len();
    for kept in [KeptBlobs::Digests, KeptBlobs::Contents] {
        let error = backed_up(&store, places.clone(), kept, &backups).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.context_value("keys").unwrap().contains(&of[4].key.to_string()));
    }
    let directory = ArchiveDirectory::read(&backups).await.unwrap();
    assert_eq!((directory.archives.len(), directory.leftovers.len()), (before, 0));
}

#[tokio::test]
async fn an_archive_without_blobs_says_so() {
    let place = tempfile::tempdir().unwrap();
    let of = [Sample::new("bytes")];
    let store = source(&of).await;
    let told = Told::default();
    let archive = back_up(&store, &schemas(), &options(place.path()), &told).await.unwrap();
    assert_eq!(archive.manifest().format_version, 1, "older tools read it");
    let warnings = told.warnings.lock().unwrap().join("\n");
    assert!(warnings.contains("the archive holds none of them"), "{warnings}");
    let told = Told::default();
    let plain = restore(&archive, &empty(), &schemas(), &RestoreOptions::default(), &told).await;
    plain.unwrap();
    let warnings = told.warnings.lock().unwrap().join("\n");
    assert!(warnings.contains("does not hold their bytes"), "{warnings}");
}
