//! `get` and `get_many`: strong, in the order asked for.

use repo_core::strategy::{ScanOptions, StorageStrategyExt as _, StoreUpdate};
use repo_core::{Consistency, EntityId, ErrorKind, Filter, Query};

use super::support::{
    assert_kind, collection, count, delete, document, fill, find_ids, id, key, live, put, records,
    save,
};
use crate::Fixture;

/// The records of `get_many` are in the order of the ids; what is missing is
/// `None`; an id may stand twice; tombstones are shown.
pub async fn get_many_answers_in_the_order_of_the_ids(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        fill(&store, ["a", "b", "c"].map(|text| put(&key(name, text), "")).into()).await;
        delete(&store, &key(name, "b")).await;
        let ids = ["c", "missing", "b", "a", "c", "missing"].map(id);
        let found = store.get_many(&collection(name), &ids).await.unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|record| {
                record.as_ref().map(|r| (r.id().as_str(), r.version().get(), r.is_live()))
            })
            .collect();
        let (a, b, c) = (Some(("a", 1, true)), Some(("b", 2, false)), Some(("c", 1, true)));
        assert_eq!(seen, [c, None, b, a, c, None]);
    }
}

/// No ids, no records; and many ids in one call.
pub async fn get_many_takes_any_number_of_ids(f: Fixture) {
    let store = f.prepared().await;
    assert_eq!(store.get_many(&collection("items"), &[]).await.unwrap(), []);
    let ids: Vec<EntityId> = (0..1_500).map(|n| id(&format!("{n:04}"))).collect();
    let even = ids.iter().step_by(2);
    fill(&store, even.map(|id| put(&key("items", id.as_str()), "")).collect()).await;
    let found = store.get_many(&collection("items"), &ids).await.unwrap();
    assert_eq!(found.len(), ids.len());
    for (at, (record, id)) in found.iter().zip(&ids).enumerate() {
        assert_eq!(
            record.as_ref().map(repo_core::strategy::Record::id),
            (at % 2 == 0).then_some(id)
        );
    }
}

/// `get` shows live entities only.
pub async fn get_shows_no_tombstones(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    assert_eq!(store.get(&key.collection, &key.id).await.unwrap(), None);
    save(&store, &key, "\"n\":1").await;
    let kept = store.get(&key.collection, &key.id).await.unwrap().unwrap();
    assert_eq!(kept.key(), key);
    assert!(kept.document.equals(&document(&key, "\"n\":1")));
    delete(&store, &key).await;
    assert_eq!(store.get(&key.collection, &key.id).await.unwrap(), None);
}

/// A client sees its own acknowledged writes, also through another handle on
/// the same store that was open before.
pub async fn acknowledged_writes_are_seen_at_once(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for n in 0..20 {
        let key = key(["items", "things"][n % 2], &format!("{}", n / 4));
        let (writer, reader) = if n % 3 == 0 { (&other, &store) } else { (&store, &other) };
        let fields = format!("\"n\":{n}");
        let written = writer.save(key.clone(), document(&key, &fields)).await.unwrap();
        for handle in [writer, reader] {
            let kept = handle.get(&key.collection, &key.id).await.unwrap().unwrap();
            assert_eq!(kept, written);
        }
    }
    delete(&other, &key("items", "0")).await;
    assert_eq!(store.get(&collection("items"), &id("0")).await.unwrap(), None);
}

/// `query`, `count` and `scan` see every acknowledged write when asked to be
/// strong, also through another handle.
pub async fn strong_reads_see_every_acknowledged_write(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for n in 0..10_usize {
        let key = key("things", &format!("{n}"));
        save(&store, &key, "\"status\":\"on\"").await;
        for handle in [&store, &other] {
            let on = repo_core::Filter::parse(r#"{"status":"on"}"#).unwrap();
            assert_eq!(count(handle, "things", &on).await, n as u64 + 1);
            assert_eq!(find_ids(handle, "things", Query::new(on)).await.len(), n + 1);
            assert_eq!(records(handle, "things").await.len(), n + 1);
        }
    }
}

/// Reads that promise eventual consistency only still read what was committed.
pub async fn eventual_reads_show_committed_entities(f: Fixture) {
    let store = f.prepared().await;
    save(&store, &key("items", "a"), "").await;
    let name = collection("items");
    let page = store.query(&name, &Query::all()).await.unwrap();
    assert!(page.entities.iter().all(|entity| entity.id.as_str() == "a"));
    let counted = store.count(&name, &Filter::default(), Consistency::Eventual).await.unwrap();
    assert!(counted <= 1);
    assert!(store.scan(&name, ScanOptions::default()).await.is_ok());
}

/// Where a store marks its states, every write of any handle changes the mark,
/// and reading does not.
pub async fn a_mark_of_the_state_tells_of_every_write(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let a = key("items", "a");
    let Some(mut mark) = store.state_mark().await.unwrap() else {
        save(&other, &a, "").await;
        assert_eq!(store.state_mark().await.unwrap(), None);
        return;
    };
    let record = |version| vec![live(&a, version, "", 1)];
    for step in 0..7 {
        match step {
            0 => drop(save(&store, &a, "\"n\":1").await),
            1 => drop(save(&other, &a, "\"n\":1").await),
            2 => drop(save(&other, &a, "\"n\":1").await),
            3 => drop(delete(&store, &a).await),
            4 => drop(store.apply(record(10)).await.unwrap()),
            5 => drop(other.apply(record(11)).await.unwrap()),
            _ => {
                let raise = StoreUpdate::RaiseFloor { collection: collection("items"), floor: 99 };
                drop(other.update_store_record(raise).await.unwrap());
            }
        }
        let now = store.state_mark().await.unwrap().unwrap();
        assert_ne!(now, mark, "step {step}");
        store.get_many(&collection("items"), &[id("a")]).await.unwrap();
        records(&store, "items").await;
        count(&store, "items", &Filter::default()).await;
        assert_eq!(store.state_mark().await.unwrap().unwrap(), now, "step {step}");
        mark = now;
    }
    store.close().await.unwrap();
    assert_kind(store.state_mark().await, ErrorKind::Closed);
}
