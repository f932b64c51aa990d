//! A store opened for reading only reads, and makes nothing.

use repo_core::strategy::{JobKind, OpenOptions, StoreUpdate};
use repo_core::{Clock as _, Consistency, ErrorKind, Filter, Precondition, Query, Write};

use super::support::{
    assert_kind, collection, count, delete, everything, find_ids, id, job, key, live, put, save,
};
use crate::{Fixture, Store};

fn read_only(f: &Fixture) -> OpenOptions {
    f.options().with_read_only(true)
}

/// Opens for reading only, beside the writer where the store allows it.
async fn beside(f: &Fixture, writer: &Store) -> Store {
    if !writer.capabilities().multi_process {
        writer.close().await.unwrap();
    }
    f.open_with(read_only(f)).await.unwrap()
}

/// A store that does not exist cannot be opened read-only, and is not made by
/// trying.
pub async fn opening_makes_nothing(f: Fixture) {
    for _ in 0..2 {
        assert_kind(f.open_with(read_only(&f)).await, ErrorKind::NotFound);
    }
    let store = f.open().await;
    assert_eq!(store.collections().await.unwrap(), []);
}

/// Every write is `Unsupported`, and nothing changes.
pub async fn every_write_is_refused(f: Fixture) {
    let writer = f.prepared().await;
    let (there, gone) = (key("items", "there"), key("items", "gone"));
    save(&writer, &there, "").await;
    save(&writer, &gone, "").await;
    delete(&writer, &gone).await;
    let before = everything(&writer).await;
    let record = writer.store_record().await.unwrap();
    let store = beside(&f, &writer).await;
    assert!(store.capabilities().read_only);
    assert!(!writer.capabilities().read_only);
    let job = job(JobKind::Migration, "p", "");
    let schemas: Vec<_> = f.schemas.iter().cloned().collect();
    let name = collection("items");
    let answers = [
        store.commit(vec![put(&there, "")]).await.map(drop),
        store.commit(vec![put(&key("items", "new"), "")]).await.map(drop),
        store.commit(vec![Write::delete(there.clone(), Precondition::Any)]).await.map(drop),
        store.apply(vec![live(&there, 9, "", 1)]).await.map(drop),
        store.purge(&name, f.clock.now()).await.map(drop),
        store.prepare(&schemas).await.map(drop),
        store.prepare_for_load(&schemas).await.map(drop),
        store
            .update_store_record(StoreUpdate::RaiseFloor { collection: name.clone(), floor: 9 })
            .await
            .map(drop),
        store
            .update_store_record(StoreUpdate::Job { expected: None, job: Some(job) })
            .await
            .map(drop),
    ];
    for answer in answers {
        assert_kind(answer, ErrorKind::Unsupported);
    }
    assert_eq!(everything(&store).await, before);
    assert_eq!(store.store_record().await.unwrap(), record);
    store.close().await.unwrap();
    let again = f.open().await;
    assert_eq!(everything(&again).await, before);
    assert_eq!(again.store_record().await.unwrap(), record);
}

/// Every read answers as it does for the writer, and also what the writer
/// commits later where both may be open.
pub async fn every_read_answers(f: Fixture) {
    let writer = f.prepared().await;
    save(&writer, &key("things", "a"), "\"status\":\"on\"").await;
    let before = everything(&writer).await;
    let store = beside(&f, &writer).await;
    assert_eq!(everything(&store).await, before);
    assert_eq!(store.location(), writer.location());
    assert_eq!(store.collections().await.unwrap().len(), 3);
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    let by_status = Query::all().order_by("status").unwrap();
    assert_eq!(find_ids(&store, "things", by_status).await, ["a"]);
    if store.capabilities().multi_process {
        save(&writer, &key("things", "b"), "").await;
        assert_eq!(count(&store, "things", &Filter::default()).await, 2);
        let found = store.get_many(&collection("things"), &[id("b")]).await.unwrap();
        assert!(found[0].is_some());
    }
}

/// What was not prepared is not made by reading.
pub async fn reading_prepares_nothing(f: Fixture) {
    let writer = f.open().await;
    let one = repo_core::CollectionSchema::undeclared(collection("items"));
    writer.prepare(&[one]).await.unwrap();
    let store = beside(&f, &writer).await;
    let name = collection("things");
    assert_kind(store.get_many(&name, &[id("a")]).await, ErrorKind::NotFound);
    assert_kind(store.query(&name, &Query::all()).await, ErrorKind::NotFound);
    let counted = store.count(&name, &Filter::default(), Consistency::Strong).await;
    assert_kind(counted, ErrorKind::NotFound);
    assert_eq!(store.collections().await.unwrap(), [collection("items")]);
}

/// A selection changes nothing for what is selected, and nothing at all for
/// who writes.
pub async fn a_selection_reads_what_it_names(f: Fixture) {
    let writer = f.prepared().await;
    let (item, note) = (key("items", "i"), key("notes", "n"));
    save(&writer, &item, "").await;
    save(&writer, &note, "").await;
    let only = Some(std::sync::Arc::new([collection("items")].into()));
    let writing = f.options().with_only(only.clone());
    let all = if writer.capabilities().multi_process {
        f.open_with(writing).await.unwrap()
    } else {
        std::sync::Arc::clone(&writer)
    };
    assert_eq!(count(&all, "notes", &Filter::default()).await, 1);
    let expected = writer.get_many(&item.collection, &[id("i")]).await.unwrap();
    if !writer.capabilities().multi_process {
        writer.close().await.unwrap();
    }
    let store = f.open_with(read_only(&f).with_only(only)).await.unwrap();
    assert!(store.collections().await.unwrap().contains(&item.collection));
    assert_eq!(store.get_many(&item.collection, &[id("i")]).await.unwrap(), expected);
    assert_eq!(count(&store, "items", &Filter::default()).await, 1);
}
