//! Open, close, checkpoint, open again: what was acknowledged stays.

use std::time::Duration;

use repo_core::strategy::{JobKind, ScanOptions, StorageStrategyExt as _, StoreUpdate};
use repo_core::{Clock as _, Consistency, ErrorKind, Filter, Query, Timestamp};

use super::support::{
    Sequence, assert_kind, collection, delete, document, everything, id, job, key, live, put, save,
    scan, tombstone,
};
use crate::{Fixture, Store};

/// After `close` every call is `Closed`; closing again is not an error.
pub async fn a_closed_handle_says_so(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    save(&store, &key, "").await;
    store.close().await.unwrap();
    let name = collection("items");
    let raise = StoreUpdate::RaiseFloor { collection: name.clone(), floor: 1 };
    let schemas: Vec<_> = f.schemas.iter().cloned().collect();
    let answers = [
        store.get_many(&name, &[id("a")]).await.map(drop),
        store.query(&name, &Query::all()).await.map(drop),
        store.count(&name, &Filter::default(), Consistency::Strong).await.map(drop),
        scan(&store, "items", ScanOptions::default()).await.map(drop),
        store.commit(vec![put(&key, "")]).await.map(drop),
        store.apply(vec![live(&key, 9, "", 1)]).await.map(drop),
        store.purge(&name, Timestamp::from_micros(1).unwrap()).await.map(drop),
        store.prepare(&schemas).await.map(drop),
        store.collections().await.map(drop),
        store.store_record().await.map(drop),
        store.update_store_record(raise).await.map(drop),
        store.checkpoint().await,
        store.health(&repo_core::HealthDepth::Quick).await.map(drop),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        assert!(answer.is_err(), "call {at} went through");
        assert_kind(answer, ErrorKind::Closed);
    }
    store.close().await.unwrap();
    store.close().await.unwrap();
    let again = f.open().await;
    assert_eq!(save(&again, &key, "").await, 2);
}

/// Closing one handle leaves another one open.
pub async fn closing_one_handle_leaves_the_others(f: Fixture) {
    let store = f.prepared().await;
    if !store.capabilities().multi_process {
        return;
    }
    let other = f.open().await;
    save(&store, &key("items", "a"), "").await;
    store.close().await.unwrap();
    assert_eq!(save(&other, &key("items", "a"), "").await, 2);
    assert_eq!(other.location(), store.location());
}

/// Records of every form: live, deleted, re-created, applied, purged.
async fn write_history(f: &Fixture, store: &Store) {
    let mut random = Sequence(1);
    for round in 0..40_u64 {
        f.clock.advance(Duration::from_micros(1 + random.below(1_000_000)));
        let name = ["items", "notes", "things"][usize::try_from(random.below(3)).unwrap()];
        let key = key(name, &format!("é {}", random.below(9)));
        match random.below(6) {
            0 | 1 => {
                save(store, &key, &format!("\"n\":{round}.50,\"status\":\"s{round}\"")).await;
            }
            2 => drop(store.delete(key.clone()).await.unwrap()),
            3 => {
                let records = vec![live(&key, round + 2, "\"status\":null", 1)];
                drop(store.apply(records).await.unwrap());
            }
            4 => drop(store.apply(vec![tombstone(&key, round + 2, 2)]).await.unwrap()),
            _ => {
                let at = f.clock.now().saturating_sub(Duration::from_secs(5));
                store.purge(&key.collection, at).await.unwrap();
            }
        }
    }
    let job = job(JobKind::Migration, "p", "{\"at\":\"é\"}");
    let begin = StoreUpdate::Job { expected: None, job: Some(job) };
    store.update_store_record(begin).await.unwrap();
}

/// Records, tombstones, versions, times, floors, schema versions and the
/// unfinished job are the same after close and open, as often as one likes.
pub async fn a_reopen_keeps_everything(f: Fixture) {
    let mut store = f.prepared().await;
    write_history(&f, &store).await;
    let (kept, record) = (everything(&store).await, store.store_record().await.unwrap());
    assert!(
        kept.iter().any(|record| !record.is_live())
            && record.collections.values().any(|c| c.floor > 0)
    );
    for _ in 0..3 {
        store = f.reopen(store).await;
        assert_eq!(everything(&store).await, kept);
        assert_eq!(store.store_record().await.unwrap(), record);
    }
}

/// Written, reopened, written again: each opening continues from the last.
pub async fn each_opening_goes_on_from_the_last(f: Fixture) {
    let mut store = f.prepared().await;
    let key = key("things", "a");
    for round in 1..=4 {
        assert_eq!(save(&store, &key, &format!("\"n\":{round}")).await, round * 2 - 1);
        store = f.reopen(store).await;
        assert_eq!(delete(&store, &key).await, round * 2);
        store = f.reopen(store).await;
    }
}

/// A handle that is dropped without a close loses nothing acknowledged.
pub async fn dropping_a_handle_loses_nothing(f: Fixture) {
    let mut store = f.prepared().await;
    for round in 1..=4_u64 {
        let key = key("items", "a");
        assert_eq!(save(&store, &key, &format!("\"n\":{round}")).await, round);
        let kept = everything(&store).await;
        drop(store);
        store = f.open().await;
        assert_eq!(everything(&store).await, kept);
    }
}

/// A checkpoint changes nothing that can be read, on any handle.
pub async fn a_checkpoint_changes_nothing(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    store.checkpoint().await.unwrap();
    write_history(&f, &store).await;
    let (kept, record) = (everything(&store).await, store.store_record().await.unwrap());
    for handle in [&store, &other] {
        handle.checkpoint().await.unwrap();
        for reader in [&store, &other] {
            assert_eq!(everything(reader).await, kept);
            assert_eq!(reader.store_record().await.unwrap(), record);
        }
    }
    let fresh = key("items", "after the checkpoint");
    let expected = record.collections[&collection("items")].floor + 1;
    assert_eq!(save(&other, &fresh, "").await, expected);
    assert_eq!(save(&store, &fresh, "").await, expected + 1);
    let store = f.reopen(store).await;
    let kept = store.get(&fresh.collection, &fresh.id).await.unwrap().unwrap();
    assert!(kept.document.equals(&document(&fresh, "")));
}

/// Checkpoints while others write lose nothing.
pub async fn checkpoints_run_beside_writes(f: Fixture) {
    let store = f.prepared().await;
    let writes = async {
        for n in 0..60 {
            save(&store, &key("items", &format!("{n}")), "\"n\":1").await;
        }
    };
    let checkpoints = async {
        for _ in 0..6 {
            store.checkpoint().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    futures::join!(writes, checkpoints);
    let store = f.reopen(store).await;
    assert_eq!(everything(&store).await.len(), 60);
}
