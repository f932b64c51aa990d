//! Collections are used after they were prepared, and not before.

use std::sync::Arc;

use repo_core::strategy::{PrepareChange, ScanOptions, StoreUpdate};
use repo_core::{
    CollectionSchema, Consistency, ErrorKind, FieldPath, Filter, Precondition, Query, Schemas,
    Timestamp, Write,
};

use super::support::{
    assert_kind, collection, delete, document, everything, fill, filter, find_ids, id, key, live,
    put, save, scan,
};
use crate::{Fixture, Store};

fn undeclared(name: &str) -> CollectionSchema {
    CollectionSchema::undeclared(collection(name))
}

async fn changes(store: &Store, schemas: &[CollectionSchema]) -> Vec<(String, PrepareChange)> {
    let prepared = store.prepare(schemas).await.unwrap();
    prepared.iter().map(|prepared| (prepared.collection.to_string(), prepared.change)).collect()
}

/// Every method on a collection that was not prepared is `NotFound`, with a
/// hint that names the command.
async fn assert_unknown(store: &Store) {
    let name = collection("nowhere");
    let unknown = key("nowhere", "a");
    let everything = Filter::default();
    let raise = StoreUpdate::RaiseFloor { collection: name.clone(), floor: 1 };
    let at = Timestamp::from_micros(1).unwrap();
    let answers = [
        store.get_many(&name, &[id("a")]).await.map(drop),
        store.get_many(&name, &[]).await.map(drop),
        store.query(&name, &Query::all()).await.map(drop),
        store.query(&name, &Query::all().order_by("a").unwrap()).await.map(drop),
        store.count(&name, &everything, Consistency::Eventual).await.map(drop),
        scan(store, "nowhere", ScanOptions::default()).await.map(drop),
        store.commit(vec![put(&unknown, "")]).await.map(drop),
        store.commit(vec![Write::delete(unknown.clone(), Precondition::Any)]).await.map(drop),
        store.commit(vec![Write::check(unknown.clone(), Precondition::Any)]).await.map(drop),
        store.apply(vec![live(&unknown, 1, "", 1)]).await.map(drop),
        store.purge(&name, at).await.map(drop),
        store.update_store_record(raise).await.map(drop),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        assert!(answer.is_err(), "call {at} went through");
        let error = assert_kind(answer, ErrorKind::NotFound);
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.contains("`prepare`"), "call {at}: {error:?}");
    }
}

/// On a store with other collections.
pub async fn an_unprepared_collection_is_not_found(f: Fixture) {
    let store = f.prepared().await;
    let before = store.collections().await.unwrap();
    assert_unknown(&store).await;
    assert_eq!(store.collections().await.unwrap(), before, "using it has made it");
}

/// What `check_prepare` accepts, `prepare` makes, and the check makes nothing:
/// before the store is there, and for a handle that is open for reading only.
pub async fn what_is_checked_is_as_it_will_be_made(f: Fixture) {
    let schemas = [undeclared("one"), undeclared("two")];
    let read_only = f.options().with_read_only(true);
    let store = f.open().await;
    for _ in 0..2 {
        store.check_prepare(&schemas).await.unwrap();
        assert_eq!(store.collections().await.unwrap(), []);
    }
    let store = f.reopen(store).await;
    assert_eq!(store.collections().await.unwrap(), []);
    let made = changes(&store, &schemas).await;
    assert!(made.iter().all(|(_, change)| *change == PrepareChange::Created), "{made:?}");
    let before = store.store_record().await.unwrap();
    store.check_prepare(&[undeclared("one"), undeclared("three")]).await.unwrap();
    assert_eq!(store.store_record().await.unwrap(), before, "the check has changed it");
    store.close().await.unwrap();
    let reader = f.open_with(read_only).await.unwrap();
    reader.check_prepare(&[undeclared("two"), undeclared("three")]).await.unwrap();
    reader.close().await.unwrap();
    assert!(reader.check_prepare(&schemas).await.is_err(), "it is closed");
}

/// Of two schemas for one collection none is meant more than the other.
pub async fn a_collection_given_twice_is_refused(f: Fixture) {
    let store = f.open().await;
    let twice = [undeclared("one"), undeclared("two"), undeclared("one")];
    for refused in [
        store.check_prepare(&twice).await.unwrap_err(),
        store.prepare(&twice).await.unwrap_err(),
        store.prepare_for_load(&twice).await.unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        assert_eq!(refused.context_value("collection"), Some("one"), "{refused}");
    }
    assert_eq!(store.collections().await.unwrap(), []);
}

/// What `check_prepare` refuses, `prepare` refuses in the same way; what it
/// accepts, `prepare` makes.
pub async fn what_the_check_refuses_prepare_refuses(f: Fixture) {
    let store = f.prepared().await;
    let other_id = |name: &str| {
        let text = format!(
            r#"{{"type": "object", "x-repository": {{"collection": "{name}", "idField": "other"}},
                "properties": {{"other": {{"type": "string"}}}}}}"#
        );
        CollectionSchema::parse(&text).unwrap()
    };
    save(&store, &key("items", "there"), "").await;
    let many: Vec<String> = (0..30).map(|n| format!("[\"f{n}\"]")).collect();
    let indexed = format!(
        r#"{{"type": "object", "x-repository": {{"collection": "indexed", "idField": "id",
            "indexes": [{}]}}, "properties": {{"id": {{"type": "string"}}}}}}"#,
        many.join(", ")
    );
    for schemas in [
        vec![undeclared("fine"), other_id("items")],
        vec![undeclared("near"), undeclared("near_records")],
        vec![CollectionSchema::parse(&indexed).unwrap()],
    ] {
        let names: Vec<_> = schemas.iter().map(|schema| &schema.collection).collect();
        let before = store.collections().await.unwrap();
        let checked = store.check_prepare(&schemas).await;
        let prepared = store.prepare(&schemas).await;
        match (checked, prepared) {
            (Ok(()), Ok(_)) => {}
            (Err(checked), Err(prepared)) => {
                assert_eq!(checked.to_string(), prepared.to_string());
                assert_eq!(checked.kind(), prepared.kind());
                assert_eq!(store.collections().await.unwrap(), before, "{names:?}: half made");
            }
            (checked, prepared) => panic!("{names:?}: {checked:?}, {prepared:?}"),
        }
    }
}

/// On a store in which nothing was prepared: it is empty, and using it makes
/// nothing.
pub async fn a_store_without_collections_is_empty(f: Fixture) {
    let store = f.open().await;
    assert_eq!(store.collections().await.unwrap(), []);
    assert_unknown(&store).await;
    assert_eq!(store.collections().await.unwrap(), []);
    let store = f.reopen(store).await;
    assert_unknown(&store).await;
    assert_eq!(store.store_record().await.unwrap().collections, Default::default());
    // A declared collection is not a prepared one.
    let declared = store.get_many(&collection("things"), &[id("a")]).await;
    assert_kind(declared, ErrorKind::NotFound);
}

/// `prepare` says for each collection, in their order, what it did; repeated
/// it does nothing and keeps what is there.
pub async fn prepare_may_be_repeated(f: Fixture) {
    let store = f.open().await;
    let things = f.schemas.get(&collection("things"));
    let schemas = [things, undeclared("items"), undeclared("notes")];
    let named = |change| ["things", "items", "notes"].map(|name| (name.to_owned(), change));
    assert_eq!(changes(&store, &schemas).await, named(PrepareChange::Created));
    assert_eq!(changes(&store, &schemas).await, named(PrepareChange::Unchanged));
    save(&store, &key("things", "a"), "\"status\":\"on\"").await;
    delete(&store, &key("things", "a")).await;
    save(&store, &key("items", "a"), "").await;
    let before = everything(&store).await;
    let store = f.reopen(store).await;
    assert_eq!(changes(&store, &schemas).await, named(PrepareChange::Unchanged));
    assert_eq!(everything(&store).await, before);
    assert_eq!(store.prepare(&[]).await.unwrap(), []);
    let names = ["items", "notes", "things"].map(collection);
    assert_eq!(store.collections().await.unwrap(), names);
    let one_more = [undeclared("items"), undeclared("extra")];
    let expected = [("items", PrepareChange::Unchanged), ("extra", PrepareChange::Created)];
    let expected = expected.map(|(name, change)| (name.to_owned(), change));
    assert_eq!(changes(&store, &one_more).await, expected);
    let names = ["extra", "items", "notes", "things"].map(collection);
    assert_eq!(store.collections().await.unwrap(), names);
}

/// The schema of `notes` with these indexes, in this version.
fn notes(indexes: &[&[&str]], schema_version: u32) -> CollectionSchema {
    let path = |text: &&str| FieldPath::parse(text).unwrap();
    CollectionSchema {
        indexes: indexes.iter().map(|fields| fields.iter().map(path).collect()).collect(),
        schema_version,
        ..undeclared("notes")
    }
}

/// Opens the store with another schema for `notes`.
async fn open_with(f: &Fixture, schema: &CollectionSchema) -> Store {
    let schemas: Schemas = [schema.clone(), undeclared("items")].into_iter().collect();
    f.open_with(f.options().with_schemas(Arc::new(schemas))).await.unwrap()
}

/// An index that a schema gained is added and filled; one that it lost is no
/// longer needed. The entities stay as they are, and are found as before.
pub async fn an_index_is_added_to_a_filled_collection(f: Fixture) {
    let steps: [(&[&[&str]], u32, PrepareChange); 5] = [
        (&[], 1, PrepareChange::Created),
        (&[&["v"]], 2, PrepareChange::Updated),
        (&[&["v"], &["o.k", "v"]], 3, PrepareChange::Updated),
        (&[&["v"], &["o.k", "v"]], 3, PrepareChange::Unchanged),
        (&[&["o.k"]], 4, PrepareChange::Updated),
    ];
    let values = super::query_operators::values();
    let mut expected = Vec::new();
    for (at, (indexes, schema_version, change)) in steps.into_iter().enumerate() {
        let schema = notes(indexes, schema_version);
        let store = open_with(&f, &schema).await;
        assert_eq!(changes(&store, &[schema]).await, [("notes".to_owned(), change)]);
        let record = store.store_record().await.unwrap();
        assert_eq!(record.collections[&collection("notes")].schema_version, schema_version);
        if at == 0 {
            let write = |(n, value): (usize, &String)| {
                let fields = format!("\"v\":{value},\"o\":{{\"k\":{value}}}");
                put(&key("notes", &format!("{n:03}")), &fields)
            };
            fill(&store, values.iter().enumerate().map(write).collect()).await;
            delete(&store, &key("notes", "000")).await;
            expected = answers(&store).await;
        }
        assert_eq!(answers(&store).await, expected, "with {indexes:?}");
        // New writes are indexed as the old ones are.
        let fresh = key("notes", "fresh");
        save(&store, &fresh, "\"v\":\"fresh\",\"o\":{\"k\":\"fresh\"}").await;
        for text in [r#"{"v":"fresh"}"#, r#"{"o.k":"fresh"}"#, r#"{"o.k":"fresh","v":"fresh"}"#] {
            assert_eq!(find_ids(&store, "notes", Query::new(filter(text))).await, ["fresh"]);
        }
        delete(&store, &fresh).await;
        store.close().await.unwrap();
    }
}

/// Filled between `prepare_for_load` and `prepare`, a collection answers as
/// ever: its indexes may be missing meanwhile, and are there afterwards.
pub async fn what_is_loaded_before_its_indexes_is_found(f: Fixture) {
    let schema = notes(&[&["v"], &["o.k", "v"]], 1);
    let alone = std::slice::from_ref(&schema);
    let store = open_with(&f, &schema).await;
    let change = async |store: &Store| store.prepare_for_load(alone).await.unwrap()[0].change;
    assert_eq!(change(&store).await, PrepareChange::Created);
    assert_eq!(change(&store).await, PrepareChange::Unchanged);
    let values = super::query_operators::values();
    let record = |(n, value): (usize, &String)| {
        let fields = format!("\"v\":{value},\"o\":{{\"k\":{value}}}");
        live(&key("notes", &format!("{n:03}")), 1, &fields, 1)
    };
    let records: Vec<_> = values.iter().enumerate().map(record).collect();
    store.apply(records.clone()).await.unwrap();
    save(&store, &key("notes", "saved"), "\"v\":\"a\"").await;
    let without = answers(&store).await;
    assert!(without[0].contains(&"saved".to_owned()));
    // Resumed by another handle.
    let store = f.reopen(store).await;
    assert_eq!(change(&store).await, PrepareChange::Unchanged);
    store.apply(records).await.unwrap();
    let made = if store.capabilities().indexes_after_load {
        PrepareChange::Updated
    } else {
        PrepareChange::Unchanged
    };
    for change in [made, PrepareChange::Unchanged] {
        assert_eq!(changes(&store, alone).await, [("notes".to_owned(), change)]);
        assert_eq!(answers(&store).await, without);
    }
    assert_eq!(change(&store).await, PrepareChange::Unchanged);
    save(&store, &key("notes", "later"), "\"v\":\"later\"").await;
    let found = find_ids(&store, "notes", Query::new(filter(r#"{"v":"later"}"#))).await;
    assert_eq!(found, ["later"]);
}

/// What some queries answer.
async fn answers(store: &Store) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for text in [
        r#"{"v":"a"}"#,
        r#"{"v":1}"#,
        r#"{"v":{"$gt":5}}"#,
        r#"{"v":{"$ne":null}}"#,
        r#"{"o.k":"a"}"#,
        r#"{"o.k":{"$le":"b"}}"#,
        r#"{"o.k":null,"v":null}"#,
        "{}",
    ] {
        for order in ["v", "v:desc", "o.k"] {
            let query = Query::new(filter(text)).order_by(order).unwrap();
            answers.push(find_ids(store, "notes", query).await);
        }
    }
    answers
}

/// What one handle prepares another one on the same store can use.
pub async fn prepared_is_prepared_for_every_handle(f: Fixture) {
    let store = f.open().await;
    let other = f.second(&store).await;
    store.prepare(&[undeclared("items")]).await.unwrap();
    assert_eq!(save(&other, &key("items", "a"), "").await, 1);
    assert_eq!(save(&store, &key("items", "a"), "").await, 2);
    assert_eq!(other.collections().await.unwrap(), [collection("items")]);
}

/// Programs that begin at once: each opens the store, before or after another one has made
/// its collections.
pub async fn many_open_and_prepare_at_once(f: Fixture) {
    const HANDLES: u64 = 6;
    if !f.open().await.capabilities().multi_process {
        return;
    }
    let stores = futures::future::join_all((0..HANDLES).map(|_| f.prepared())).await;
    let key = key("items", "a");
    let write = async |store: &Store| store.commit(vec![put(&key, "")]).await.unwrap();
    futures::future::join_all(stores.iter().map(write)).await;
    let ids = std::slice::from_ref(&key.id);
    let stored = stores[0].get_many(&key.collection, ids).await.unwrap();
    assert_eq!(stored[0].as_ref().unwrap().version().get(), HANDLES);
}

/// The rules of a collection's own schema hold: its id field, its indexes.
pub async fn a_collection_has_the_id_field_of_its_schema(f: Fixture) {
    let store = f.prepared().await;
    let key = key("things", "a");
    let wrong = repo_core::Document::parse(r#"{"id":"a"}"#).unwrap();
    let write = Write::put(key.clone(), wrong, Precondition::Any);
    assert_kind(store.commit(vec![write]).await, ErrorKind::Invalid);
    let right = Write::put(key.clone(), document(&key, "\"id\":\"free\""), Precondition::Any);
    store.commit(vec![right]).await.unwrap();
}

/// A collection that is mistyped is answered with the one that may be meant.
pub async fn a_mistyped_collection_is_recognised(f: Fixture) {
    let store = f.prepared().await;
    for (typed, meant) in [("item", Some("`items`")), ("ntoes", Some("`notes`")), ("xyz", None)] {
        let name = collection(typed);
        let errors = [
            store.get_many(&name, &[id("a")]).await.map(drop),
            store.query(&name, &Query::all()).await.map(drop),
            store.commit(vec![put(&key(typed, "a"), "")]).await.map(drop),
        ];
        for answer in errors {
            let error = assert_kind(answer, ErrorKind::NotFound);
            let hint = error.hint_text().unwrap_or_default();
            assert!(hint.contains("`prepare`"), "{error:?}");
            match meant {
                Some(meant) => assert!(hint.contains(meant), "{error:?}"),
                None => assert!(!hint.contains("did you mean"), "{error:?}"),
            }
        }
    }
}
