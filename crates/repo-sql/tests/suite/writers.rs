//! Many writers at once: in one transaction, in one process, in several.
#![cfg(feature = "sqlite")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{collection, key, machine, open, prepared, tool, try_open};
use futures::future::join_all;
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{Consistency, ErrorKind, Filter, Precondition, Version, Write, Written};
use rusqlite::TransactionBehavior;
use tempfile::TempDir;

/// What the commits of one group do stays apart: they all wait behind a lock,
/// so they share a transaction once it is free.
#[tokio::test]
async fn a_failing_commit_of_a_group_takes_no_other_with_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("there"), machine("there", "")).await.unwrap();
    let mut other = tool(&file);
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();

    let put = |id: &str, n: usize, condition| {
        Write::put(key(id), machine(id, &format!("\"n\":{n}")), condition)
    };
    let groups: Vec<Vec<Write>> = (0..40)
        .map(|n| match n % 4 {
            0 => vec![put(&format!("m{n}"), n, Precondition::Absent)],
            // The second write cannot be; the first must not stay.
            1 => vec![
                put(&format!("m{n}"), n, Precondition::Absent),
                put("there", n, Precondition::Absent),
            ],
            2 => vec![Write::delete(key(&format!("m{n}")), Precondition::Exists)],
            _ => vec![put("counter", n, Precondition::Any)],
        })
        .collect();
    let mut commits: Vec<_> = groups.into_iter().map(|writes| store.commit(writes)).collect();
    // The first poll hands each commit to the writer.
    for commit in &mut commits {
        assert!(futures::poll!(commit).is_pending());
    }
    lock.rollback().unwrap();
    let done = join_all(commits).await;

    let mut counted = 0;
    for (n, result) in done.into_iter().enumerate() {
        let stored = store.get(&collection("machines"), &key(&format!("m{n}")).id).await.unwrap();
        match n % 4 {
            0 => assert_eq!(stored.unwrap().version, Version::FIRST, "{result:?}"),
            1 => {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::AlreadyExists);
                assert_eq!(stored, None);
            }
            2 => assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound),
            _ => {
                counted += 1;
                let version = result.unwrap()[0].version().unwrap();
                assert_eq!(version.get(), counted, "in the order in which they came");
            }
        }
    }
    assert_eq!(counted, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_of_one_key_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let stores = [prepared(&file).await, open(&file).await];
    let tasks = (0..16_usize).map(|task| {
        let store = std::sync::Arc::clone(&stores[task % 2]);
        tokio::spawn(async move {
            let mut versions = Vec::new();
            for n in 0..25 {
                let document = machine("m", &format!("\"n\":{n}"));
                versions.push(store.save(key("m"), document).await.unwrap().version.get());
            }
            versions
        })
    });
    let mut versions: Vec<u64> =
        join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=400).collect::<Vec<u64>>());
}

/// Also before the file is there: one of them makes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_prepare_at_once() {
    for _ in 0..10 {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let tasks = (0..8).map(|_| {
            let file = file.clone();
            tokio::spawn(async move {
                let store = open(&file).await;
                let done = store.prepare(&[crate::common::machines()]).await.unwrap();
                store.save(key("m"), machine("m", "")).await.unwrap();
                done[0].change
            })
        });
        let changes: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let made = |change: &&PrepareChange| **change == PrepareChange::Created;
        assert_eq!(changes.iter().filter(made).count(), 1, "{changes:?}");
        let store = open(&file).await;
        let stored = store.get(&collection("machines"), &key("m").id).await.unwrap();
        assert_eq!(stored.unwrap().version.get(), 8);
    }
}

#[tokio::test]
async fn a_lock_held_too_long_is_unavailable() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    let settings = serde_json::json!({ "name": file.to_str().unwrap(), "timeout": 0 });
    let factory = repo_sql::SqliteFactory;
    let options = crate::common::options(&[crate::common::machines()]);
    let store =
        repo_core::strategy::StrategyFactory::open(&factory, &settings, options).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    let mut other = tool(&file);
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let errors = join_all((0..5).map(|_| store.save(key("a"), machine("a", "")))).await;
    for error in errors {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    // Readers do not wait for writers.
    assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
    drop(lock);
    assert_eq!(saved_at_last(&store).await, 2);
}

/// Saves, and does what `Unavailable` says: nothing was applied, try again. With
/// a timeout of 0 the database may be busy for a moment with itself.
async fn saved_at_last(store: &repo_testkit::Store) -> u64 {
    for _ in 0..1_000 {
        match store.save(key("a"), machine("a", "")).await {
            Ok(entity) => return entity.version.get(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
        }
        tokio::task::yield_now().await;
    }
    panic!("the lock is never given back");
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    // A trigger that gives the transaction up is what a full disk does to it.
    tool(&file)
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON machines_records
             WHEN new.machine_id = 'big' BEGIN SELECT RAISE(ROLLBACK, 'no room'); END",
        )
        .unwrap();
    let mut other = tool(&file);
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let save = |id: &'static str| store.save(key(id), machine(id, ""));
    let mut saves: Vec<_> = ["b", "c", "big", "d"].into_iter().map(save).collect();
    for save in &mut saves {
        assert!(futures::poll!(save).is_pending());
    }
    lock.rollback().unwrap();
    let answers = join_all(saves).await;
    assert!(answers[2].is_err());
    for (id, answer) in ["b", "c", "big", "d"].into_iter().zip(&answers) {
        let there = store.get(&collection("machines"), &key(id).id).await.unwrap().is_some();
        assert_eq!(there, answer.is_ok(), "{id}: {answer:?}");
    }
    assert!(answers[3].is_ok(), "what comes after is not concerned");
    store.save(key("e"), machine("e", "")).await.unwrap();
}

const CHILD_FILE: &str = "REPO_SQL_TEST_FILE";
const CHILD_NAME: &str = "REPO_SQL_TEST_NAME";

/// Starts `child_saves` below in a process of its own.
fn child(file: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["writers::child_saves", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_FILE, file)
        .env(CHILD_NAME, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test: what the processes of the tests below do.
#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn child_saves() {
    let (Ok(file), Ok(name)) = (std::env::var(CHILD_FILE), std::env::var(CHILD_NAME)) else {
        return;
    };
    let options = crate::common::options(&[crate::common::machines()]);
    let store = try_open(Path::new(&file), options).await.unwrap();
    for n in 0..500 {
        let id = format!("{name}-{n}");
        store.create(key(&id), machine(&id, "")).await.unwrap();
        println!("saved {id}");
    }
}

#[tokio::test]
async fn two_processes_save_side_by_side() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    let children = ["a", "b"].map(|name| child(&file, name));
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let all = Filter::default();
    let count = store.count(&collection("machines"), &all, Consistency::Strong).await.unwrap();
    assert_eq!(count, 1_000);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    drop(prepared(&file).await);
    for (round, killed_after) in [1, 20, 77].into_iter().enumerate() {
        let name = format!("r{round}");
        let mut child = child(&file, &name);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut saved: Vec<String> = Vec::new();
        for line in lines {
            saved.extend(line.split("saved ").nth(1).map(str::to_owned));
            if saved.len() == killed_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = open(&file).await;
        let ids: Vec<_> = saved.iter().map(|id| key(id).id).collect();
        let found = store.get_many(&collection("machines"), &ids).await.unwrap();
        assert!(saved.len() >= killed_after && found.iter().all(Option::is_some));
        assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_dropped_handle_ends_its_thread() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    let written = store
        .commit(vec![Write::put(key("a"), machine("a", ""), Precondition::Any)])
        .await
        .unwrap();
    assert!(matches!(written[0], Written::Put { .. }));
    drop(store);
    let store = open(&file).await;
    assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
}
