//! Connections to PostgreSQL that break, before and after the server acted.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::proxy::{Fate, Proxy};
use crate::postgres::role::Role;
use crate::postgres::{PostgresPlace, eventually, tool};
use repo_core::strategy::{Record, ScanOptions, StorageStrategyExt as _, StoreUpdate};
use repo_core::{
    Consistency, Document, Entity, Error, ErrorKind, FieldPath, Filter, Precondition, Query,
    Timestamp, Version, Write,
};
use repo_testkit::Place as _;
use serde_json::json;

/// A prepared store behind a proxy, with the statements prepared, and one
/// that goes straight to the server.
struct Behind {
    _place: PostgresPlace,
    proxy: Proxy,
    store: Store,
    direct: Store,
}

impl Behind {
    async fn new() -> Self {
        let place = PostgresPlace::new();
        let direct = place.open(options(&[machines()])).await.unwrap();
        direct.prepare(&[machines()]).await.unwrap();
        let proxy = Proxy::start().await;
        let mut settings = proxy.settings();
        settings["pool_size"] = json!(1);
        let store = place.open_with(&settings, options(&[machines()])).await.unwrap();
        let warm = ["warm-1", "warm-2"].map(put);
        store.commit(warm.to_vec()).await.unwrap();
        store.commit(warm.to_vec()).await.unwrap();
        for write in warm {
            store.commit(vec![write]).await.unwrap();
        }
        Self { _place: place, proxy, store, direct }
    }

    /// The note of a machine, as the server has it.
    async fn note(&self, id: &str) -> Option<String> {
        let entity = self.direct.get(&collection("machines"), &key(id).id).await.unwrap()?;
        let note = entity.document.get(&FieldPath::parse("note").unwrap())?;
        note.as_str().map(str::to_owned)
    }

    /// The proxy passes everything on again, and the next call works.
    async fn assert_well_again(&self) {
        self.proxy.when("", Fate::Forward);
        self.store.commit(["well-1", "well-2"].map(put).to_vec()).await.unwrap();
        let name = collection("machines");
        assert!(self.store.get(&name, &key("well-1").id).await.unwrap().is_some());
    }
}

fn noted(id: &str, note: &str) -> Document {
    machine(id, &format!(r#""note":"{note}""#))
}

fn put(id: &str) -> Write {
    Write::put(key(id), noted(id, "written"), Precondition::Any)
}

fn assert_unknown(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(error.hint_text().unwrap().contains("read what is stored"), "{error}");
}

#[tokio::test]
async fn a_write_that_never_arrives_may_have_been_done() {
    let behind = Behind::new().await;
    behind.proxy.when("lone-write", Fate::Break);
    let error = behind.store.commit(vec![put("lone-write")]).await.unwrap_err();
    assert_unknown(&error);
    assert_eq!(error.context_value("key"), Some("machines/lone-write"), "{error}");
    assert_eq!(behind.note("lone-write").await, None);
    behind.assert_well_again().await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_been_done_and_is() {
    let behind = Behind::new().await;
    behind.proxy.when("lone-write", Fate::Lose);
    assert_unknown(&behind.store.commit(vec![put("lone-write")]).await.unwrap_err());
    assert_eq!(behind.note("lone-write").await.as_deref(), Some("written"));
    let remove = Write::delete(key("lone-write"), Precondition::Exists);
    assert_unknown(&behind.store.commit(vec![remove]).await.unwrap_err());
    assert_eq!(behind.note("lone-write").await, None);
    behind.assert_well_again().await;
}

#[tokio::test]
async fn a_commit_that_breaks_before_its_end_is_not_done() {
    let behind = Behind::new().await;
    // While it begins, while it locks, and while it writes.
    for (text, fate) in [
        ("BEGIN", Fate::Break),
        ("BEGIN", Fate::Lose),
        ("several-1", Fate::Break),
        ("several-1", Fate::Lose),
        ("\"note\":\"written\"", Fate::Break),
        ("\"note\":\"written\"", Fate::Lose),
    ] {
        behind.proxy.when(text, fate);
        let writes = ["several-1", "several-2"].map(put).to_vec();
        let error = behind.store.commit(writes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{text} {fate:?}: {error}");
        assert_eq!(behind.note("several-1").await, None, "{text} {fate:?}");
        behind.assert_well_again().await;
    }
}

#[tokio::test]
async fn a_commit_that_breaks_at_its_end_may_have_been_done() {
    let behind = Behind::new().await;
    for (fate, expected) in [(Fate::Break, None), (Fate::Lose, Some("written".to_owned()))] {
        behind.proxy.when("COMMIT\0", fate);
        let writes = ["several-1", "several-2"].map(put).to_vec();
        assert_unknown(&behind.store.commit(writes).await.unwrap_err());
        for id in ["several-1", "several-2"] {
            assert_eq!(behind.note(id).await, expected, "{fate:?}");
        }
        behind.assert_well_again().await;
    }
}

#[tokio::test]
async fn a_broken_commit_of_the_stores_record_may_have_been_done() {
    let behind = Behind::new().await;
    let name = collection("machines");
    let raise = || StoreUpdate::RaiseFloor { collection: name.clone(), floor: 7 };
    for (fate, floor) in [(Fate::Break, 0), (Fate::Lose, 7)] {
        behind.proxy.when("COMMIT\0", fate);
        assert_unknown(&behind.store.update_store_record(raise()).await.unwrap_err());
        let record = behind.direct.store_record().await.unwrap();
        assert_eq!(record.collections[&name].floor, floor, "{fate:?}");
        behind.assert_well_again().await;
    }
    let everything = Timestamp::parse("9999-01-01T00:00:00Z").unwrap();
    behind.proxy.when("COMMIT\0", Fate::Lose);
    assert_unknown(&behind.store.purge(&name, everything).await.unwrap_err());
    behind.assert_well_again().await;
}

#[tokio::test]
async fn reads_that_break_are_unavailable() {
    let behind = Behind::new().await;
    let name = collection("machines");
    let record = |id: &str| {
        let number = Version::new(9).unwrap();
        let time = Timestamp::from_micros(0).unwrap();
        Record::Live(Entity {
            collection: name.clone(),
            id: key(id).id,
            version: number,
            created_at: time,
            updated_at: time,
            document: noted(id, "applied"),
        })
    };
    for fate in [Fate::Break, Fate::Lose] {
        behind.proxy.when("machines_records", fate);
        let store = &behind.store;
        let fresh = &Query::new(Filter::parse(r#"{"note":"x"}"#).unwrap());
        let mut scan = store.scan(&name, ScanOptions::default()).await.unwrap();
        let first = futures::StreamExt::next(&mut scan).await.unwrap();
        for error in [
            store.query(&name, fresh).await.unwrap_err(),
            store.count(&name, fresh.filter(), Consistency::Strong).await.unwrap_err(),
            first.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{fate:?}: {error}");
        }
        behind.proxy.when("applied-1", fate);
        // Idempotent, and any part may be stored.
        let error = store.apply(vec![record("applied-1")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{fate:?}: {error}");
        behind.assert_well_again().await;
        store.apply(vec![record("applied-1")]).await.unwrap();
        assert_eq!(behind.note("applied-1").await.as_deref(), Some("applied"));
    }
}

/// A prepared store with one connection, which can be told apart.
async fn with_role() -> (PostgresPlace, Role, Proxy, Store) {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let proxy = Proxy::start().await;
    let mut further = role.with(&proxy.settings());
    further["pool_size"] = json!(1);
    let store = place.open_with(&further, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.commit(vec![put("a")]).await.unwrap();
    (place, role, proxy, store)
}

fn terminate(role: &Role) -> String {
    format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {}",
        role.sessions()
    )
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced() {
    let (_place, role, proxy, store) = with_role().await;
    let name = collection("machines");
    let tool = tool().await;
    // One was for the store's own tables.
    let mut closed = 1;
    for call in 0..4 {
        let row = tool.query_one(&terminate(&role), &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
        closed += 1;
        proxy.closed(closed).await;
        // The news is here before the answer to what is asked after it.
        tool.simple_query("SELECT 1").await.unwrap();
        match call {
            0 => drop(store.get(&name, &key("a").id).await.unwrap().unwrap()),
            1 => drop(store.commit(vec![put("a")]).await.unwrap()),
            2 => drop(store.commit(vec![put("a"), put("b")]).await.unwrap()),
            _ => drop(store.query(&name, &Query::all()).await.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closes_at_work_is_said_truthfully() {
    let (place, role, _proxy, store) = with_role().await;
    let name = collection("machines");
    let tool = place.tool().await;
    let waits = format!(
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {} AND wait_event_type = 'Lock')",
        role.sessions()
    );
    let lock = "BEGIN; LOCK TABLE machines_records IN ACCESS EXCLUSIVE MODE";
    for (writes, kind) in [
        (vec![], ErrorKind::Unavailable),
        (vec![put("b")], ErrorKind::OutcomeUnknown),
        (vec![put("b"), put("c")], ErrorKind::Unavailable),
    ] {
        let other = place.tool().await;
        other.batch_execute(lock).await.unwrap();
        let count = writes.len();
        let call = async {
            match count {
                0 => store.get(&name, &key("b").id).await.map(drop),
                _ => store.commit(writes).await.map(drop),
            }
        };
        let terminated = async {
            eventually(&tool, &waits).await;
            tool.query_one(&terminate(&role), &[]).await.unwrap();
        };
        let (error, ()) = tokio::join!(call, terminated);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "{count}: {error}");
        assert!(error.to_string().contains("terminating connection"), "{error}");
        other.batch_execute("ROLLBACK").await.unwrap();
        assert!(store.get(&name, &key("b").id).await.unwrap().is_none(), "{count}");
    }
}
