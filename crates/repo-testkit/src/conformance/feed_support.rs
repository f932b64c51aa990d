//! What the behaviours of the change feed are written in.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use repo_core::strategy::{
    CaptureHolder, Changes, FeedPosition, RecordChange, StoreRecord, StoreUpdate,
};
use repo_core::{ErrorKind, Key};

use super::support::assert_kind;
use crate::{Fixture, Store};

/// A change as it is compared: id, version, whether it deleted.
pub(super) type Seen = (String, u64, bool);

pub(super) fn holder(name: &str) -> CaptureHolder {
    CaptureHolder::new("consumer", name).unwrap()
}

pub(super) async fn hold(store: &Store, name: &str) -> StoreRecord {
    store.update_store_record(StoreUpdate::HoldCapture(holder(name))).await.unwrap()
}

pub(super) async fn release(store: &Store, name: &str) -> StoreRecord {
    store.update_store_record(StoreUpdate::ReleaseCapture(holder(name))).await.unwrap()
}

pub(super) fn most(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

pub(super) async fn read(store: &Store, after: Option<&FeedPosition>, count: usize) -> Changes {
    store.changes(after, most(count)).await.unwrap()
}

/// Everything after a position, `page` changes at a time.
pub(super) async fn all_after(
    store: &Store,
    after: Option<&FeedPosition>,
    page: usize,
) -> (Vec<RecordChange>, FeedPosition) {
    let mut all = Vec::new();
    let mut found = read(store, after, page).await;
    loop {
        assert!(found.changes.len() <= page, "more changes than were asked for");
        let ended = found.changes.is_empty();
        all.append(&mut found.changes);
        if ended {
            return (all, found.next);
        }
        found = read(store, Some(&found.next), page).await;
    }
}

pub(super) fn seen(changes: &[RecordChange]) -> Vec<Seen> {
    let one =
        |change: &RecordChange| (change.key.id.to_string(), change.version.get(), change.deleted);
    changes.iter().map(one).collect()
}

/// What is expected of several keys, whose changes may stand in any order between
/// each other.
#[track_caller]
pub(super) fn assert_seen(changes: &[RecordChange], expected: &[(&str, u64, bool)]) {
    let by_id = |all: Vec<Seen>| {
        let mut sorted: BTreeMap<String, Vec<(u64, bool)>> = BTreeMap::new();
        for (id, version, deleted) in all {
            sorted.entry(id).or_default().push((version, deleted));
        }
        sorted
    };
    let expected = expected.iter().map(|(id, version, gone)| ((*id).to_owned(), *version, *gone));
    assert_eq!(by_id(seen(changes)), by_id(expected.collect()));
}

/// A prepared store that captures, and where its feed begins.
pub(super) async fn capturing(f: &Fixture) -> (Store, FeedPosition) {
    let store = f.prepared().await;
    hold(&store, "a").await;
    let head = store.head().await.unwrap();
    (store, head)
}

/// Within a page and over all pages: versions of a key rise.
#[track_caller]
pub(super) fn assert_rising(changes: &[RecordChange]) {
    let mut last: BTreeMap<&Key, u64> = BTreeMap::new();
    for change in changes {
        let before = last.insert(&change.key, change.version.get());
        assert!(before < Some(change.version.get()), "{change:?} after version {before:?}");
    }
}

/// Whether the store offers a feed; one that does not refuses it, and no write of it
/// is captured.
pub(super) async fn offered(f: &Fixture) -> bool {
    let store = f.open().await;
    let offered = store.capabilities().changes;
    if !offered {
        assert_kind(store.head().await, ErrorKind::Unsupported);
    }
    store.close().await.unwrap();
    offered
}
