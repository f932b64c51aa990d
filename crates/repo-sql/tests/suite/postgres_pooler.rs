//! Stores behind a real pgbouncer that gives each transaction another connection of the
//! server.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::pooler::Pooler;
use crate::postgres::proxy::Proxy;
use crate::postgres::{PostgresPlace, eventually};
use futures::future::join_all;
use repo_core::strategy::{
    Applied, CaptureHolder, HistoryState, Record, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    Consistency, Entity, ErrorKind, Filter, HealthDepth, Precondition, Query, Timestamp, Version,
    Write,
};
use repo_testkit::Place as _;
use serde_json::{Value as Json, json};
use tokio_postgres::Client;

async fn open(pooler: &Pooler, place: &PostgresPlace, further: &Json) -> Store {
    let settings = pooler.settings("transaction", further);
    place.open_with(&settings, options(&[machines()])).await.unwrap()
}

fn put(id: &str, note: &str) -> Write {
    let document = machine(id, &format!(r#""note":"{note}","status":"on""#));
    Write::put(key(id), document, Precondition::Any)
}

/// Nobody takes a pooler for the server unawares, whatever its mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_not_named_is_refused() {
    let pooler = Pooler::start().await;
    let place = PostgresPlace::new();
    for name in ["repo", "repo_session"] {
        let settings = pooler.settings("none", &json!({ "name": name }));
        let error = place.open_with(&settings, options(&[machines()])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(error.to_string().contains("pooler"), "{error}");
        assert!(error.hint_text().unwrap().contains("`pooler`"), "{error}");
    }
    // One that keeps sessions is as good as none.
    let settings = pooler.settings("session", &json!({ "name": "repo_session" }));
    let store = place.open_with(&settings, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.commit(vec![put("a", "x")]).await.unwrap();
    store.commit(vec![put("a", "y"), put("b", "y")]).await.unwrap();
    let entity = store.get(&collection("machines"), &key("a").id).await.unwrap().unwrap();
    assert_eq!(entity.version.get(), 2);
}

/// Everything that a connection could keep, through one that keeps nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_does_all_through_a_pooler() {
    let pooler = Pooler::start().await;
    let place = PostgresPlace::new();
    let store = open(&pooler, &place, &json!({})).await;
    do_all(&store).await;
    assert_untouched(&pooler).await;
}

/// As the server is sent it: no lock is one of a session, and through a pooler nothing
/// else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_needs_a_session() {
    for pooler in ["none", "transaction"] {
        let place = PostgresPlace::new();
        let proxy = Proxy::start().await;
        let mut settings = proxy.settings();
        settings["pooler"] = json!(pooler);
        let store = place.open_with(&settings, options(&[machines()])).await.unwrap();
        do_all(&store).await;
        let seen = proxy.seen();
        let holds = |text: &str| seen.iter().find(|request| request.contains(text));
        assert!(holds("LOCK TABLE").is_some() && holds("FOR UPDATE").is_some(), "{seen:?}");
        assert_eq!(holds("advisory"), None, "{pooler}");
        if pooler == "transaction" {
            assert!(holds("SET LOCAL search_path").is_some(), "{seen:?}");
            for of_session in [
                "SET search_path",
                "SET standard_conforming_strings",
                "SET default_",
                "SET row_security",
                "SET lc_messages",
                "SET client_connection",
                "LISTEN ",
                "TEMP ",
                "DECLARE ",
                "COPY ",
            ] {
                assert_eq!(holds(of_session), None, "{of_session}");
            }
        }
    }
}

/// Who prepares waits for another one who does, by the lock of a table; nobody else waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_prepares_waits_for_who_prepares() {
    let place = PostgresPlace::new();
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    let (tool, other) = (place.tool().await, place.tool().await);
    let lock = "BEGIN; LOCK TABLE _repo_objects IN SHARE ROW EXCLUSIVE MODE";
    tool.batch_execute(lock).await.unwrap();
    let preparing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.prepare(&[machines()]).await }
    });
    let waits = format!(
        "SELECT EXISTS (SELECT 1 FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = '{}' \
         AND c.relname = '_repo_objects' AND NOT l.granted)",
        place.schema
    );
    eventually(&other, &waits).await;
    store.commit(vec![put("a", "x")]).await.unwrap();
    store.commit(vec![put("a", "y"), put("b", "y")]).await.unwrap();
    place.open(options(&[machines()])).await.unwrap();
    let advisory = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(other.query_one(advisory, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert!(!preparing.is_finished());
    tool.batch_execute("COMMIT").await.unwrap();
    preparing.await.unwrap().unwrap();
}

async fn do_all(store: &Store) {
    let name = collection("machines");
    store.check_prepare(&[machines()]).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    let holder = CaptureHolder::new("consumer", "a").unwrap();
    store.update_store_record(StoreUpdate::HoldCapture(holder)).await.unwrap();
    store
        .update_store_record(StoreUpdate::History {
            collection: name.clone(),
            expected: None,
            history: Some(HistoryState::new(Timestamp::from_micros(0).unwrap())),
        })
        .await
        .unwrap();
    store.commit(vec![put("a", "one")]).await.unwrap();
    store.commit(vec![put("a", "two"), put("b", "two")]).await.unwrap();
    // What is absent is locked by a row that comes and goes.
    let checked = vec![Write::check(key("nowhere"), Precondition::Absent), put("c", "three")];
    store.commit(checked).await.unwrap();
    store.commit(vec![Write::delete(key("b"), Precondition::Exists)]).await.unwrap();
    let refused = store.commit(vec![Write::put(key("a"), machine("a", ""), Precondition::Absent)]);
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    let filter = Filter::parse(r#"{"status":"on"}"#).unwrap();
    assert_eq!(store.count(&name, &filter, Consistency::Strong).await.unwrap(), 2);
    let query = Query::new(filter).order_by("note:desc").unwrap();
    let page = store.query(&name, &query).await.unwrap();
    let ids: Vec<&str> = page.entities.iter().map(|entity| entity.id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    let changes = store.changes(None, NonZeroUsize::new(100).unwrap()).await.unwrap();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for change in &changes.changes {
        let last = last.entry(change.key.id.as_str()).or_default();
        *last = change.version.get().max(*last);
    }
    assert_eq!(last, BTreeMap::from([("a", 2), ("b", 2), ("c", 1)]));
    store.trim_changes(&changes.next).await.unwrap();
    store.scrub(&name, &[key("b").id]).await.unwrap();
    assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
}

/// Loads do not use COPY, whose statement would stay on a connection of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_goes_through_a_pooler() {
    let pooler = Pooler::start().await;
    let place = PostgresPlace::new();
    let store = open(&pooler, &place, &json!({})).await;
    store.prepare(&[machines()]).await.unwrap();
    for batch in 0..4 {
        let records = (0..500).map(|number| {
            let id = format!("{batch}-{number}");
            let time = Timestamp::from_micros(0).unwrap();
            Record::Live(Entity {
                collection: collection("machines"),
                id: key(&id).id,
                version: Version::new(3).unwrap(),
                created_at: time,
                updated_at: time,
                document: machine(&id, ""),
            })
        });
        let records: Vec<Record> = records.collect();
        assert_eq!(store.apply(records.clone()).await.unwrap(), vec![Applied::Applied; 500]);
        assert_eq!(store.apply(records).await.unwrap(), vec![Applied::Equal; 500]);
    }
    let (name, all) = (collection("machines"), Filter::default());
    assert_eq!(store.count(&name, &all, Consistency::Strong).await.unwrap(), 2_000);
}

/// Two stores in two schemas, one of them opened for reading only, whose transactions run
/// on the same few connections of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_share_connections_share_nothing_else() {
    let pooler = Pooler::start().await;
    let places = [PostgresPlace::new(), PostgresPlace::new()];
    let many = json!({ "pool_size": 12, "max_overflow": 0 });
    let mut stores = Vec::new();
    for place in &places {
        let store = open(&pooler, place, &many).await;
        store.prepare(&[machines()]).await.unwrap();
        stores.push(store);
    }
    let reader = pooler.settings("transaction", &many);
    let read_only = options(&[machines()]).with_read_only(true);
    let reader = places[0].open_with(&reader, read_only).await.unwrap();
    let name = collection("machines");
    for round in 0..20 {
        let writes = (0..20).flat_map(|n| [(n, 0), (n, 1)]).map(|(n, of)| {
            let (store, id) = (&stores[of], format!("{round}-{n}"));
            async move {
                let other = format!("{id}-other");
                let writes = match n % 2 {
                    0 => vec![put(&id, &of.to_string())],
                    _ => vec![put(&id, &of.to_string()), put(&other, &of.to_string())],
                };
                store.commit(writes).await.unwrap();
            }
        });
        let reads = (0..20).map(|_| async {
            let page = reader.query(&name, &Query::all()).await.unwrap();
            let note = repo_core::FieldPath::parse("note").unwrap();
            for entity in page.entities {
                assert_eq!(entity.document.get_text(&note), Some("\"0\""), "{entity:?}");
            }
        });
        tokio::join!(join_all(writes), join_all(reads));
    }
    for (of, store) in stores.iter().enumerate() {
        let filter = Filter::parse(&format!(r#"{{"note":"{of}"}}"#)).unwrap();
        for filter in [filter, Filter::default()] {
            let found = store.count(&name, &filter, Consistency::Strong).await.unwrap();
            assert_eq!(found, 20 * 30, "store {of}");
        }
    }
    assert_untouched(&pooler).await;
}

/// Holds every connection that the pooler has to the server, and looks at each.
async fn assert_untouched(pooler: &Pooler) {
    let mut held: Vec<Client> = Vec::new();
    for _ in 0..20 {
        let tool = pooler.tool().await;
        tool.batch_execute("BEGIN").await.unwrap();
        held.push(tool);
    }
    for tool in &held {
        // Without anything prepared: one text, which holds the answer.
        let sql = "SELECT current_setting('search_path') || ' ' \
                   || current_setting('default_transaction_read_only') || ' ' \
                   || current_setting('row_security') || ' ' \
                   || (SELECT count(*) FROM pg_prepared_statements)";
        let answer = tool.simple_query(sql).await.unwrap();
        let row = answer.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(row, Some("\"$user\", public off on 0"));
        tool.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Of several that prepare at once each finds the store made, by itself or another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_prepare_at_once_make_one_store() {
    let pooler = Pooler::start().await;
    for _ in 0..5 {
        let place = PostgresPlace::new();
        let handles = join_all((0..6).map(|_| async {
            let store = open(&pooler, &place, &json!({})).await;
            store.prepare(&[machines()]).await.unwrap();
            store
        }));
        let handles = handles.await;
        let ids = join_all(
            handles.iter().map(|store| async { store.store_record().await.unwrap().id.unwrap() }),
        );
        let ids = ids.await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        handles[0].commit(vec![put("a", "x")]).await.unwrap();
        let name = collection("machines");
        assert!(handles[5].get(&name, &key("a").id).await.unwrap().is_some());
    }
}

/// A write whose pooler is killed is not taken for done, and the store goes on once
/// another one is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_gone_is_unavailable() {
    let pooler = Pooler::start().await;
    let place = PostgresPlace::new();
    let store = open(&pooler, &place, &json!({ "timeout": 5 })).await;
    store.prepare(&[machines()]).await.unwrap();
    store.commit(vec![put("a", "x")]).await.unwrap();
    pooler.kill().await;
    let error = store.commit(vec![put("a", "y")]).await.unwrap_err();
    let expected = [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown];
    assert!(expected.contains(&error.kind()), "{error}");
    let pooler = Pooler::start().await;
    let again = open(&pooler, &place, &json!({})).await;
    let entity = again.get(&collection("machines"), &key("a").id).await.unwrap().unwrap();
    assert_eq!(entity.version.get(), 1);
}
