//! Uploads whose bytes break off, come too late, or do not fit on the disk.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_core::{Error, ErrorKind, ManualClock, Timestamp};
use repo_data::model::{Owner, StoreName, UploadKind};
use repo_data::{
    BlobStores, DataOptions, DataService, NewContent, NewEntry, NewUpload, Piece, collections,
};
use repo_engine::Store;

struct Bench {
    service: DataService,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

async fn bench(spool_quota: u64) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open("memory:").schemas(collections::schemas().unwrap()).await.unwrap();
    let location = folder.path().join("blobs");
    let blobs = repo_blob::open(location.to_str().unwrap(), &Default::default()).await.unwrap();
    let blobs = BlobStores::new(StoreName::new("main").unwrap(), blobs);
    let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()));
    let options = DataOptions {
        spool: Some(folder.path().join("spool")),
        spool_quota,
        clock: clock.clone(),
        ..DataOptions::default()
    };
    let service = DataService::open(store, blobs, options).await.unwrap();
    Bench { service, clock, folder }
}

async fn upload(
    bench: &Bench,
    kind: UploadKind,
) -> (repo_core::EntityId, repo_data::model::UploadId) {
    let new = NewEntry::new("f", Owner::new("o").unwrap(), NewContent::File);
    let entry = bench.service.create_entry(new).await.unwrap().value.id;
    let begun = bench.service.begin_upload(&NewUpload::new(entry.clone(), kind)).await.unwrap();
    (entry, begun.value.id)
}

fn piece<'a>(start: u64, total: Option<u64>, bytes: repo_blob::ByteStream<'a>) -> Piece<'a> {
    Piece { start, total, checksum: None, bytes }
}

fn block(length: usize) -> Bytes {
    Bytes::from(vec![7; length])
}

/// The first range breaks off. The client said that there are 100 bytes; an activation must not
/// make an empty file of them.
#[tokio::test]
async fn a_broken_first_range_is_no_empty_file() {
    let bench = bench(10_000).await;
    let (entry, id) = upload(&bench, UploadKind::Gcs).await;
    let cut = || Error::new(ErrorKind::Unavailable, "read", "the line is cut");
    let bytes = stream::iter([Ok(block(50)), Err(cut())]).boxed();
    bench.service.append(&id, piece(0, Some(100), bytes)).await.unwrap_err();
    let activated = bench.service.activate_entry(&entry, None).await;
    assert!(activated.is_err(), "active with {} bytes", activated.unwrap().value.size);
}

/// An activation that comes while the first range is on its way is refused, and the upload goes on.
#[tokio::test]
async fn an_activation_that_is_too_early_does_not_end_the_upload() {
    let bench = bench(10_000).await;
    let (entry, id) = upload(&bench, UploadKind::Gcs).await;
    let (release, wait) = tokio::sync::oneshot::channel::<()>();
    let bytes = stream::once(async move {
        wait.await.ok();
        Ok(block(50))
    });
    let service = bench.service.clone();
    let first =
        tokio::spawn(async move { service.append(&id, piece(0, None, bytes.boxed())).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let (service, of) = (bench.service.clone(), entry.clone());
    let early = tokio::spawn(async move { service.activate_entry(&of, None).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap().offset, 50);
    assert!(early.await.unwrap().is_err());
    let rest = stream::iter([Ok(block(50))]).boxed();
    let progress = bench.service.append(&id, piece(50, Some(100), rest)).await.unwrap();
    assert_eq!(progress.complete.unwrap().size, 100);
}

/// The sweeper ends an upload whose bytes are arriving. The room in the spool has to be free
/// again once the request is over.
#[tokio::test]
async fn an_upload_that_is_swept_while_it_arrives_gives_its_room_back() {
    let bench = bench(1_000).await;
    let (_, id) = upload(&bench, UploadKind::Gcs).await;
    let (service, clock) = (bench.service.clone(), bench.clock.clone());
    let bytes = stream::iter([0, 1]).then(move |at| {
        let (service, clock) = (service.clone(), clock.clone());
        async move {
            if at == 1 {
                clock.advance(Duration::from_secs(3 * 24 * 3_600));
                service.sweep().await?;
            }
            Ok(block(400))
        }
    });
    bench.service.append(&id, piece(0, Some(800), bytes.boxed())).await.unwrap_err();
    // While bytes arrive it is left alone.
    bench.service.sweep().await.unwrap();
    let (_, other) = upload(&bench, UploadKind::Gcs).await;
    let bytes = stream::iter([Ok(block(900))]).boxed();
    let stored = bench.service.append(&other, piece(0, Some(900), bytes)).await;
    assert!(stored.is_ok(), "{}", stored.unwrap_err());
}

/// The disk takes 64 KiB of a file and no more. What is said to be there is there.
#[test]
fn a_full_disk_is_not_counted_as_written() {
    let small = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --include-ignored \
                 broken_uploads::on_a_full_disk";
    let mut run = std::process::Command::new("bash");
    let output = run.args(["-c", small]).arg(std::env::current_exe().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "runs under a limit of the size of files, see above"]
async fn on_a_full_disk() {
    let bench = bench(10_000_000).await;
    let (_, id) = upload(&bench, UploadKind::Tus).await;
    let bytes = stream::iter([Ok(block(100 * 1024)), Ok(block(100 * 1024))]).boxed();
    bench.service.append(&id, piece(0, Some(200 * 1024), bytes)).await.unwrap_err();
    let said = bench.service.upload(&id).await.unwrap().offset;
    let file = bench.folder.path().join("spool").join(id.to_string());
    let there = file.metadata().unwrap().len();
    assert!(said <= there && there <= 64 * 1024, "said {said}, there {there}");
}
