//! What a server does in a task: every call can be spawned.

use crate::common::id;
use repo_blob::{BlobKey, ByteRange, PartNumber};
use repo_core::Filter;
use repo_data::model::{Scope, UploadKind};
use repo_data::{
    DataService, DatasetPatch, EntryFilter, EntryPatch, FileStream, NewContent, NewDatapoint,
    NewDataset, NewEntry, NewRevision, NewUpload, PageRequest, Piece, Search, WhichRevision,
};

fn spawned<T>(future: impl Future<Output = T> + Send) {
    drop(future);
}

/// Nothing runs: that it compiles is the test.
fn everything(
    service: &DataService,
    (new, datapoint, file): (NewEntry, NewDatapoint, FileStream<'_>),
    (revision, search, piece): (&NewRevision, &Search, Piece<'_>),
) {
    let (a, key, page) = (&id("a"), &BlobKey::random().unwrap(), &PageRequest::default());
    spawned(service.create_entry(new));
    spawned(service.activate_entry(a, None));
    spawned(service.delete_entry(a, None));
    spawned(service.restore_entry(a, None));
    spawned(service.patch_entry(a, &EntryPatch::default(), None));
    spawned(service.list_entries(&EntryFilter::default(), page));
    spawned(service.open_entry(a, ByteRange::WHOLE));
    spawned(service.submit_datapoint(datapoint, Some(file)));
    spawned(service.datapoint_value(a, ByteRange::WHOLE));
    spawned(service.query_datapoints(Filter::default(), page));
    spawned(service.create_dataset(NewDataset::new("a", crate::common::ada())));
    spawned(service.patch_dataset(a, &DatasetPatch::default(), None));
    spawned(service.delete_dataset(a, None));
    spawned(service.restore_dataset(a, None));
    spawned(service.begin_upload(&NewUpload::new(a.clone(), UploadKind::Gcs)));
    spawned(service.append(key, piece));
    spawned(service.put_part(key, PartNumber::FIRST, crate::common::bytes(b""), None));
    spawned(service.complete_parts(key, &[]));
    spawned(service.abort_upload(key));
    spawned(service.revise_entry(a, revision));
    spawned(service.publish_revision(a, a, None));
    spawned(service.entry_at(a, &WhichRevision::Number(0)));
    spawned(service.search(search));
    spawned(service.usage(Scope::Owner, "a"));
    spawned(service.sweep());
}

#[tokio::test]
async fn a_call_runs_in_a_task() {
    let place = crate::common::Place::memory().await;
    let service = place.open().await;
    let new = crate::common::story::entry("a", NewContent::Directory);
    let made = tokio::spawn(async move { service.create_entry(new).await }).await.unwrap();
    made.unwrap();
    let _ = everything;
}
