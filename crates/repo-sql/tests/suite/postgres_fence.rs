//! The fence of a live migration against statements that have begun before it.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::sync::Arc;

use crate::common::{Store, key, machine, machines, options};
use crate::postgres::{PostgresPlace, eventually};
use repo_core::strategy::{LiveId, RoleChange, RoleState, StoreRole, StoreUpdate};
use repo_core::{ErrorKind, Precondition, Result, Write};
use serde_json::json;
use tokio_postgres::Client;

async fn step(store: &Store, change: impl FnOnce(&mut RoleState)) -> Result<()> {
    let role = store.store_record().await?.role;
    let mut next = role.clone();
    change(&mut next);
    let change = Box::new(RoleChange::new(role, next));
    store.update_store_record(StoreUpdate::Role(change)).await.map(drop)
}

fn fence(next: &mut RoleState) {
    next.role = StoreRole::Fenced;
    next.attempt += 1;
    next.max_pause_ms = Some(60_000);
}

/// A store in a live migration with one record, and another handle on it.
async fn moving() -> (PostgresPlace, Store, Store) {
    let place = PostgresPlace::new();
    let one = place.open_with(&json!({}), options(&[machines()])).await.unwrap();
    one.prepare(&[machines()]).await.unwrap();
    let other = place.open_with(&json!({}), options(&[machines()])).await.unwrap();
    one.commit(vec![put()]).await.unwrap();
    step(&one, |next| next.live = Some(LiveId::from_bytes([3; LiveId::BYTES]))).await.unwrap();
    (place, one, other)
}

fn put() -> Write {
    Write::put(key("a"), machine("a", ""), Precondition::Any)
}

async fn version(tool: &Client) -> i64 {
    let row =
        tool.query_one("SELECT _version FROM machines_records WHERE machine_id = 'a'", &[]).await;
    row.unwrap().get(0)
}

/// How many sessions wait for a session, themselves or for one that does.
fn waiting_for(pid: i32, many: usize) -> String {
    format!(
        "WITH RECURSIVE waits(pid) AS (SELECT {pid} UNION SELECT a.pid FROM pg_stat_activity a, \
         waits w WHERE w.pid = ANY(pg_blocking_pids(a.pid))) SELECT count(*) > {many} FROM waits"
    )
}

/// A write waits for a row that somebody else holds; then the fence comes. Whatever becomes of
/// the row, the write is there when the fence has answered, or is refused, and nothing comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_for_a_row_is_no_later_than_the_fence() {
    for commits in [true, false] {
        let (place, one, other) = moving().await;
        let look = place.tool().await;
        let mut holder = place.tool().await;
        let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let holding = holder.transaction().await.unwrap();
        let hold = "SELECT 1 FROM machines_records WHERE machine_id = 'a' FOR UPDATE";
        holding.query_one(hold, &[]).await.unwrap();
        let writing = tokio::spawn({
            let other = Arc::clone(&other);
            async move { other.commit(vec![put()]).await }
        });
        eventually(&look, &waiting_for(pid, 1)).await;
        let fencing = tokio::spawn({
            let one = Arc::clone(&one);
            async move { step(&one, fence).await }
        });
        eventually(&look, &waiting_for(pid, 2)).await;
        match commits {
            true => holding.commit().await.unwrap(),
            false => holding.rollback().await.unwrap(),
        }
        fencing.await.unwrap().unwrap();
        let at_the_fence = version(&look).await;
        match writing.await.unwrap() {
            Ok(written) => {
                let acknowledged = written[0].version().unwrap().get();
                assert_eq!((acknowledged, at_the_fence), (2, 2), "{commits}");
            }
            Err(error) => {
                assert_eq!((error.kind(), at_the_fence), (ErrorKind::Locked, 1), "{error}");
            }
        }
        for store in [&one, &other] {
            let late = store.commit(vec![put()]).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Locked, "{late}");
        }
        assert_eq!(version(&look).await, at_the_fence);
    }
}

/// A transaction that has written waits for what the fence holds, while the fence waits for it:
/// one of the two is given up by the server, and the fence is put up all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_meets_a_transaction_is_put_up_all_the_same() {
    let (place, one, _other) = moving().await;
    let look = place.tool().await;
    let holder = place.tool().await;
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let write = "BEGIN; UPDATE machines_records SET _version = 2 WHERE machine_id = 'a'";
    holder.batch_execute(write).await.unwrap();
    let fencing = tokio::spawn({
        let one = Arc::clone(&one);
        async move { step(&one, fence).await }
    });
    eventually(&look, &waiting_for(pid, 1)).await;
    // A read of the record waits for nobody.
    tokio::time::timeout(std::time::Duration::from_secs(20), one.store_record())
        .await
        .expect("a read that waits for the fence")
        .unwrap();
    let held = holder.batch_execute("SELECT 1 FROM _repo_store FOR UPDATE; COMMIT").await;
    if held.is_err() {
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
    fencing.await.unwrap().unwrap();
    let role = one.store_record().await.unwrap().role.role;
    assert_eq!(role, StoreRole::Fenced);
    assert_eq!(version(&look).await, if held.is_ok() { 2 } else { 1 });
}

/// A transaction of another tool that sees the tables as they were before the fence does not
/// write past it, whatever its level of isolation.
#[tokio::test]
async fn a_snapshot_from_before_the_fence_does_not_pass_it() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let (place, one, _other) = moving().await;
        let look = place.tool().await;
        let early = place.tool().await;
        early.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
        assert_eq!(version(&early).await, 1);
        step(&one, fence).await.unwrap();
        let write = "UPDATE machines_records SET _version = _version + 1 WHERE machine_id = 'a'";
        let refused = early.batch_execute(write).await.unwrap_err();
        assert!(refused.as_db_error().is_some(), "{level}: {refused}");
        early.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(version(&look).await, 1, "{level}");
    }
}

/// A transaction that has read the records and is idle keeps nobody from lifting the fence and
/// from putting it up again, and then it holds as before.
#[tokio::test]
async fn a_reader_keeps_no_fence_from_being_lifted_and_put_up_again() {
    let (place, one, _other) = moving().await;
    let reader = place.tool().await;
    reader.batch_execute("BEGIN").await.unwrap();
    assert_eq!(version(&reader).await, 1);
    let tool = place.tool().await;
    let write = "UPDATE machines_records SET _version = _version + 1 WHERE machine_id = 'a'";
    for fenced_before in 0..2 {
        step(&one, fence).await.unwrap();
        let refused = tool.batch_execute(write).await.unwrap_err();
        assert!(refused.as_db_error().is_some(), "{refused}");
        let lift = |next: &mut RoleState| {
            next.role = StoreRole::Authority;
            next.attempt += 1;
            next.max_pause_ms = None;
        };
        step(&one, lift).await.unwrap();
        tool.batch_execute(write).await.unwrap();
        assert_eq!(version(&tool).await, 2 + fenced_before);
    }
    reader.batch_execute("COMMIT").await.unwrap();
}
