//! What holds at every moment, and what holds when the sweeper has had its time.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, Query};
use repo_data::model::{
    BlobRecord, BlobState, Content, Datapoint, DatapointStatus, Entry, EntryStatus, Revision,
    Scope, UploadRecord,
};
use repo_data::{DataService, collections};
use serde::de::DeserializeOwned;

use super::{DAY, Place};

pub async fn all<T: DeserializeOwned>(service: &DataService, collection: &str) -> Vec<T> {
    let collection = CollectionName::new(collection).unwrap();
    let strategy = service.store().strategy();
    let entities = strategy.stream(&collection, Query::all().strong());
    let entities: Vec<_> = entities.try_collect().await.unwrap();
    entities.iter().map(|entity| entity.document.deserialize().unwrap()).collect()
}

/// No active record without its verified bytes, and the counters are right.
pub async fn holds_now(service: &DataService) {
    let mut bytes = 0;
    let mut active = Vec::new();
    let entries: Vec<Entry> = all(service, collections::ENTRIES).await;
    let ours = |entry: &Entry| entry.owner == super::ada();
    for entry in entries.iter().filter(|entry| entry.status == EntryStatus::Active) {
        assert!(!matches!(entry.content, Content::Awaited { .. }), "{entry:?}");
        active.extend(entry.content.blob().copied());
        bytes += if ours(entry) { entry.size } else { 0 };
    }
    let datapoints: Vec<Datapoint> = all(service, collections::DATAPOINTS).await;
    for datapoint in datapoints.iter().filter(|one| one.status == DatapointStatus::Active) {
        active.extend(datapoint.blob().copied());
        bytes += datapoint.size;
    }
    for revision in all::<Revision>(service, collections::REVISIONS).await {
        let entry = entries.iter().find(|entry| entry.id == revision.entry).unwrap();
        let current = match &entry.revision {
            Some(current) => *current == revision.id,
            None => revision.number == 0,
        };
        if !current {
            active.extend(revision.snapshot.content.blob().copied());
            bytes += revision.snapshot.content.size();
        }
    }
    for blob in active {
        let record = service.blob(&blob.key).await.unwrap().value;
        assert_eq!((record.state, record.digest()), (BlobState::Active, Some(blob.digest())));
        service.verify_blob(&blob.key).await.unwrap();
    }
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!(usage.bytes, i64::try_from(bytes).unwrap(), "{usage:?}");
    let active = |entry: &&Entry| entry.status == EntryStatus::Active && ours(entry);
    let entries = entries.iter().filter(active).count();
    assert_eq!(usage.entries, i64::try_from(entries).unwrap());
}

/// After all times are over nothing is left but what is active.
pub async fn holds_in_the_end(place: &Place) {
    let service = place.open().await;
    holds_now(&service).await;
    for _ in 0..4 {
        let report = service.sweep().await.unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
        place.clock.advance(8 * DAY);
    }
    holds_now(&service).await;
    assert!(service.sweep().await.unwrap().is_idle());
    assert!(all::<UploadRecord>(&service, collections::UPLOADS).await.is_empty());
    let entries: Vec<Entry> = all(&service, collections::ENTRIES).await;
    assert!(entries.iter().all(|entry| entry.status == EntryStatus::Active), "{entries:?}");
    let blobs: Vec<BlobRecord> = all(&service, collections::BLOBS).await;
    assert!(blobs.iter().all(|blob| blob.state == BlobState::Active), "{blobs:?}");
    let recorded: BTreeSet<String> = blobs.iter().map(|blob| blob.id.to_string()).collect();
    // Sessions that nobody recorded are files by their age, which is that of the system.
    for (_, store) in service.blob_stores().iter() {
        store.remove_leftovers(Duration::ZERO).await.unwrap();
    }
    assert_eq!(files(&place.blobs()), recorded);
    assert_eq!(files(&place.spool()), BTreeSet::new());
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!(usage.condemned_bytes, 0);
}

/// The names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(listed) = std::fs::read_dir(folder) else { return found };
    for file in listed {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            found.extend(files(&file.path()));
        } else {
            found.insert(file.file_name().into_string().unwrap());
        }
    }
    found
}
