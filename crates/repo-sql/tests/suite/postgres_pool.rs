//! The connections of one handle, as the server sees them.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::task::Poll;
use std::time::{Duration, Instant};

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::proxy::{Fate, Proxy};
use crate::postgres::role::Role;
use crate::postgres::{PostgresPlace, eventually, tool};
use futures::future::join_all;
use repo_core::strategy::{Applied, Record, StorageStrategyExt as _};
use repo_core::{
    Consistency, Entity, ErrorKind, Filter, Key, Precondition, Query, Timestamp, Version, Write,
};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_postgres::Client;

/// A prepared store with one machine, whose connections can be told apart.
async fn prepared(further: &Json) -> (PostgresPlace, Role, Store) {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let store = place.open_with(&role.with(further), options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    (place, role, store)
}

/// Holds the row of machine `a` until it is told otherwise or dropped.
async fn lock_a(place: &PostgresPlace) -> Client {
    let other = place.tool().await;
    let sql = "BEGIN; SELECT 1 FROM machines_records WHERE machine_id = 'a' FOR UPDATE";
    other.batch_execute(sql).await.unwrap();
    other
}

fn sessions(role: &Role, how_many: &str) -> String {
    format!("SELECT count(*) {how_many} FROM pg_stat_activity WHERE {}", role.sessions())
}

fn waits_for_lock(role: &Role) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {} AND wait_event_type = 'Lock')",
        role.sessions()
    )
}

async fn get_a(store: &Store) -> repo_core::Result<Option<repo_core::Entity>> {
    store.get(&collection("machines"), &key("a").id).await
}

#[tokio::test]
async fn more_connections_are_opened_under_load_and_closed_afterwards() {
    let (place, role, store) =
        prepared(&json!({ "pool_size": 2, "max_overflow": 3, "pool_timeout": 1 })).await;
    let other = lock_a(&place).await;
    let tool = tool().await;
    let released = async {
        eventually(&tool, &sessions(&role, "= 5")).await;
        // All five are busy, so a sixth caller waits, and then gives up.
        let begin = Instant::now();
        let error = get_a(&store).await.unwrap_err();
        let waited = begin.elapsed();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.context_value("connections"), Some("5"), "{error}");
        assert!(error.hint_text().unwrap().contains("pool_size"), "{error}");
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(4), "{waited:?}");
        other.batch_execute("COMMIT").await.unwrap();
    };
    let five = join_all((0..5).map(|_| store.save(key("a"), machine("a", ""))));
    let (saved, ()) = tokio::join!(five, released);
    let mut versions: Vec<u64> =
        saved.into_iter().map(|entity| entity.unwrap().version.get()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5, 6]);
    eventually(&tool, &sessions(&role, "= 2")).await;
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    let connections = health.checks.iter().find(|check| check.name == "connections").unwrap();
    assert_eq!(connections.detail, "2 open of at most 5");
    store.close().await.unwrap();
    eventually(&tool, &sessions(&role, "= 0")).await;
    assert_eq!(get_a(&store).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn who_waits_gets_the_next_free_connection() {
    let (place, role, store) =
        prepared(&json!({ "pool_size": 1, "max_overflow": 0, "pool_timeout": 30 })).await;
    let other = lock_a(&place).await;
    let released = async {
        eventually(&tool().await, &waits_for_lock(&role)).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let saves = join_all((0..20).map(|_| store.save(key("a"), machine("a", ""))));
    let (saved, ()) = tokio::join!(saves, released);
    assert!(saved.into_iter().all(|saved| saved.is_ok()));
    assert_eq!(get_a(&store).await.unwrap().unwrap().version.get(), 21);
}

/// `how_many` new machines whose ids begin with `batch`.
fn load(batch: &str, how_many: usize) -> Vec<Record> {
    let time = Timestamp::from_micros(0).unwrap();
    let record = |number| {
        let key = key(&format!("{batch}-{number}"));
        let document = machine(key.id.as_str(), "");
        let Key { collection, id } = key;
        let version = Version::FIRST;
        Record::Live(Entity {
            collection,
            id,
            version,
            created_at: time,
            updated_at: time,
            document,
        })
    };
    (0..how_many).map(record).collect()
}

/// A load by COPY has connections of its own kind, within the same bound, and
/// gives them back to whoever waits.
#[tokio::test]
async fn a_load_leaves_connections_to_others() {
    for connections in [1, 2] {
        let further = json!({ "pool_size": connections, "max_overflow": 0, "pool_timeout": 20 });
        let (place, role, store) = prepared(&further).await;
        let tool = tool().await;
        let loads = join_all((0..4).map(async |load_number| {
            for batch in 0..12 {
                let batch = load(&format!("{load_number}-{batch}"), 60);
                let applied = store.apply(batch).await.unwrap();
                assert!(applied.iter().all(|answer| *answer == Applied::Applied));
            }
        }));
        let reads = join_all((0..3).map(async |_| {
            for _ in 0..40 {
                get_a(&store).await.unwrap().unwrap();
            }
        }));
        tokio::join!(loads, reads);
        let (machines, all) = (collection("machines"), Filter::default());
        let count = store.count(&machines, &all, Consistency::Strong).await.unwrap();
        assert_eq!(count, 1 + 4 * 12 * 60);
        eventually(&tool, &sessions(&role, &format!("<= {connections}"))).await;
        let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
        let open = health.checks.iter().find(|check| check.name == "connections").unwrap();
        assert!(open.detail.ends_with(&format!("of at most {connections}")), "{}", open.detail);
        store.close().await.unwrap();
        eventually(&tool, &sessions(&role, "= 0")).await;
        drop(place);
    }
}

/// Whatever becomes of COPY, the records go another way, and the answers are
/// of what is stored then.
#[tokio::test]
async fn a_load_goes_on_when_copy_breaks_off() {
    for (text, fate, answer) in [
        ("COPY \"machines", Fate::Break, Applied::Applied),
        ("PGCOPY", Fate::Break, Applied::Applied),
        ("PGCOPY", Fate::Lose, Applied::Equal),
    ] {
        let place = PostgresPlace::new();
        let proxy = Proxy::start().await;
        let store = place.open_with(&proxy.settings(), options(&[machines()])).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        store.apply(load("first", 60)).await.unwrap();
        proxy.when(text, fate);
        proxy.expect(&[]);
        assert_eq!(store.apply(load("second", 60)).await.unwrap(), vec![answer; 60]);
        assert!(proxy.seen().iter().any(|request| request.contains(text)));
        proxy.when("nothing", Fate::Forward);
        for batch in ["third", "fourth", "fifth"] {
            let applied = store.apply(load(batch, 60)).await.unwrap();
            assert_eq!(applied, vec![Applied::Applied; 60]);
        }
        let copied = |request: &String| request.contains("PGCOPY") && request.contains("fifth-0");
        assert!(proxy.seen().iter().any(copied));
    }
}

#[tokio::test]
async fn an_old_connection_is_renewed() {
    let (_place, role, store) =
        prepared(&json!({ "pool_size": 1, "max_overflow": 0, "pool_recycle": 1 })).await;
    let tool = tool().await;
    let pids = async || -> Vec<i32> {
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE {}", role.sessions());
        tool.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    get_a(&store).await.unwrap();
    let before = pids().await;
    assert_eq!(before.len(), 1);
    let begin = Instant::now();
    while pids().await == before {
        assert!(begin.elapsed() < Duration::from_secs(10), "it was never renewed");
        tokio::time::sleep(Duration::from_millis(20)).await;
        get_a(&store).await.unwrap();
    }
    eventually(&tool, &sessions(&role, "= 1")).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Accepted by the system, and never by us.
    let given_up = async |sslmode: &str| {
        let further = json!({
            "host": "127.0.0.1", "port": port, "timeout": 1, "sslmode": sslmode,
        });
        let begin = Instant::now();
        let error = PostgresPlace::new().open_with(&further, options(&[])).await.unwrap_err();
        let waited = begin.elapsed();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.hint_text().unwrap().contains("`timeout`"), "{error}");
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(4), "{waited:?}");
    };
    tokio::join!(given_up("disable"), given_up("require"));
}

#[tokio::test]
async fn prepared_statements_are_kept_unless_told_otherwise() {
    let place = PostgresPlace::new();
    let proxy = Proxy::start().await;
    let mut answers = Vec::new();
    for keep in [true, false] {
        let mut further = proxy.settings();
        further["enable_query_cache"] = json!(keep);
        further["pool_size"] = json!(1);
        let store = place.open_with(&further, options(&[machines()])).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        let query = Query::new(Filter::parse(r#"{"status":"on"}"#).unwrap());
        for round in 0..2 {
            proxy.expect(&[]);
            store.save(key("a"), machine("a", r#""status":"on""#)).await.unwrap();
            let page = store.query(&collection("machines"), &query).await.unwrap();
            let seen = proxy.seen();
            let parsed = seen.iter().filter(|request| request.contains("machines_records")).count();
            assert_eq!(parsed > 0, round == 0 || !keep, "{keep} {round}: {seen:?}");
            answers.push(page.entities[0].document.clone());
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

fn two_puts(round: u64) -> Vec<Write> {
    let note = format!("\"note\":\"{round}\"");
    ["a", "b"].map(|id| Write::put(key(id), machine(id, &note), Precondition::Any)).to_vec()
}

/// Does a commit, and drops it when it could go on for the `times`th time;
/// whether it came to its end before.
async fn dropped_after(store: &Store, times: u64) -> bool {
    let mut commit = store.commit(two_puts(times));
    let mut polled = 0;
    let ended = std::future::poll_fn(|context| {
        if polled == times {
            return Poll::Ready(None);
        }
        polled += 1;
        commit.as_mut().poll(context).map(Some)
    });
    match ended.await {
        None => false,
        Some(written) => written.is_ok(),
    }
}

#[tokio::test]
async fn a_commit_that_is_dropped_anywhere_leaves_nothing_half() {
    let (place, role, store) = prepared(&json!({ "pool_size": 1, "max_overflow": 0 })).await;
    let tool = place.tool().await;
    for times in 0.. {
        assert!(times < 100, "it never came to its end");
        let ended = dropped_after(&store, times).await;
        // The next call gets a connection on which nothing is left over.
        get_a(&store).await.unwrap();
        if ended {
            break;
        }
    }
    let open = format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE {} AND state <> 'idle'",
        role.sessions()
    );
    eventually(&tool, &open).await;
    let sql = "SELECT a.document ->> 'note' = b.document ->> 'note' \
               FROM machines_records AS a, machines_records AS b \
               WHERE a.machine_id = 'a' AND b.machine_id = 'b'";
    assert!(tool.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn a_commit_that_is_dropped_while_it_waits_is_rolled_back() {
    let (place, role, store) = prepared(&json!({ "pool_size": 1, "max_overflow": 0 })).await;
    let other = lock_a(&place).await;
    let tool = place.tool().await;
    let waits = waits_for_lock(&role);
    tokio::select! {
        done = store.commit(two_puts(1)) => panic!("it did not wait: {done:?}"),
        () = eventually(&tool, &waits) => {}
    }
    // The one connection of the pool is not lost with it, nor waits for it.
    assert_eq!(get_a(&store).await.unwrap().unwrap().version.get(), 1);
    // The server notices by itself, though the lock is still held.
    eventually(&tool, &sessions(&role, "= 1")).await;
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(get_a(&store).await.unwrap().unwrap().version.get(), 1);
    assert!(store.get(&collection("machines"), &key("b").id).await.unwrap().is_none());
}

/// A lone write may be done or not when its future is dropped, but nobody
/// else waits for it.
#[tokio::test]
async fn a_write_that_is_dropped_while_it_waits_holds_up_nobody() {
    let (place, role, store) = prepared(&json!({ "pool_size": 1, "max_overflow": 0 })).await;
    let other = lock_a(&place).await;
    let tool = place.tool().await;
    let waits = waits_for_lock(&role);
    tokio::select! {
        done = store.save(key("a"), machine("a", "")) => panic!("it did not wait: {done:?}"),
        () = eventually(&tool, &waits) => {}
    }
    let get = tokio::time::timeout(Duration::from_secs(5), get_a(&store));
    assert!(get.await.expect("it waits for a call that is long gone").unwrap().is_some());
    other.batch_execute("ROLLBACK").await.unwrap();
}
