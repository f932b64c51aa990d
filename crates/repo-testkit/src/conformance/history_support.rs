//! Short words for the behaviours of the history.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    HistoryState, OlderState, OlderThan, OlderVersion, StoreRecord, StoreUpdate,
};
use repo_core::{Clock as _, ErrorKind, Key, Result, Timestamp};

use super::support::{assert_kind, collection, document, id, record, version};
use crate::{Fixture, Store};

/// Whether the store offers histories; one that does not refuses to begin one.
pub(super) async fn offered(f: &Fixture) -> bool {
    let store = f.prepared().await;
    let offered = store.capabilities().history;
    if !offered {
        let begin = Some(HistoryState::new(f.clock.now()));
        assert_kind(change_history(&store, "items", begin).await, ErrorKind::Unsupported);
        assert_kind(older(&store, &[("items", "a", 2)], 1).await, ErrorKind::Unsupported);
    }
    store.close().await.unwrap();
    offered
}

/// Changes whether the history of a collection is kept, whatever is stored.
pub(super) async fn change_history(
    store: &Store,
    name: &str,
    history: Option<HistoryState>,
) -> Result<StoreRecord> {
    let collection = collection(name);
    let expected = store.store_record().await?.history.get(&collection).copied();
    store.update_store_record(StoreUpdate::History { collection, expected, history }).await
}

/// Begins the history of a collection now.
pub(super) async fn keep(f: &Fixture, store: &Store, name: &str) -> StoreRecord {
    change_history(store, name, Some(HistoryState::new(f.clock.now()))).await.unwrap()
}

/// A prepared store that keeps the history of `items`.
pub(super) async fn keeping(f: &Fixture) -> Store {
    let store = f.prepared().await;
    keep(f, &store, "items").await;
    store
}

/// At most `most` older versions of ids of one collection, below these versions.
pub(super) async fn older(
    store: &Store,
    of: &[(&str, &str, u64)],
    most: usize,
) -> Result<Vec<OlderVersion>> {
    let name = collection(of[0].0);
    let of: Vec<OlderThan> =
        of.iter().map(|(_, i, v)| OlderThan::new(id(i), version(*v))).collect();
    store.older_versions(&name, &of, NonZeroUsize::new(most).unwrap()).await
}

/// Everything that the stored record of a key replaced, newest first.
pub(super) async fn replaced(store: &Store, key: &Key) -> Vec<OlderVersion> {
    let current = record(store, key).await.map_or(version(u64::MAX >> 1), |r| r.version());
    let of = OlderThan::new(key.id.clone(), current);
    store.older_versions(&key.collection, &[of], NonZeroUsize::new(10_000).unwrap()).await.unwrap()
}

/// The versions of these.
pub(super) fn numbers(versions: &[OlderVersion]) -> Vec<u64> {
    versions.iter().map(|older| older.version.get()).collect()
}

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// A live version, all of whose times are `micros`.
pub(super) fn was_live(key: &Key, number: u64, fields: &str, micros: i64) -> OlderVersion {
    let state = OlderState::Live { created_at: at(micros), document: document(key, fields) };
    OlderVersion::new(key.id.clone(), version(number), at(micros), state)
}

/// A deleted version.
pub(super) fn was_deleted(key: &Key, number: u64, micros: i64) -> OlderVersion {
    OlderVersion::new(key.id.clone(), version(number), at(micros), OlderState::Deleted)
}

/// A version of which only that is known.
pub(super) fn was_removed(key: &Key, number: u64, micros: i64) -> OlderVersion {
    OlderVersion::new(key.id.clone(), version(number), at(micros), OlderState::Removed)
}
