//! What the statements and locks of the PostgreSQL strategy promise when many
//! meet, over two handles, as two processes would.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use futures::future::join_all;
use repo_core::strategy::{Applied, Record, StorageStrategyExt as _};
use repo_core::{Document, Entity, Error, Precondition, Timestamp, Version, Write, Written};
use serde_json::json;

async fn two_handles() -> (PostgresPlace, Store, Store) {
    let place = PostgresPlace::new();
    // Enough that no connection is closed and made anew in between.
    let all = json!({ "pool_size": 10 });
    let one = place.open_with(&all, options(&[machines()])).await.unwrap();
    one.prepare(&[machines()]).await.unwrap();
    let other = place.open_with(&all, options(&[machines()])).await.unwrap();
    (place, one, other)
}

fn put(id: &str, precondition: Precondition) -> Write {
    Write::put(key(id), machine(id, ""), precondition)
}

fn is_precondition(error: &Error) -> bool {
    !error.failed_preconditions().is_empty()
}

/// Each makes its own key if the other's is absent: below serializable, both
/// would see nothing and write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_check_the_others_key_as_absent_never_both_succeed() {
    let (_place, one, other) = two_handles().await;
    let claim = async |store: &Store, mine: &str, theirs: &str| {
        let writes =
            vec![put(mine, Precondition::Absent), Write::check(key(theirs), Precondition::Absent)];
        store.commit(writes).await
    };
    let round = async |n: usize| -> usize {
        let (a, b) = (format!("{n}-a"), format!("{n}-b"));
        let (first, second) = tokio::join!(claim(&one, &a, &b), claim(&other, &b, &a));
        let won = usize::from(first.is_ok()) + usize::from(second.is_ok());
        for error in [first, second].into_iter().filter_map(Result::err) {
            assert!(is_precondition(&error), "{error}");
        }
        won
    };
    for start in (0..1_000).step_by(8) {
        let won = join_all((start..start + 8).map(&round)).await;
        assert_eq!(won, [1; 8], "from {start}");
    }
}

/// The same with keys that are there: each changes its own if the other's is
/// as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_check_the_others_version_never_both_succeed() {
    let (_place, one, other) = two_handles().await;
    one.commit(vec![put("a", Precondition::Any), put("b", Precondition::Any)]).await.unwrap();
    let versions = async || -> BTreeMap<String, Version> {
        let ids = ["a", "b"].map(|id| key(id).id);
        let found = one.get_many(&collection("machines"), &ids).await.unwrap();
        found.into_iter().flatten().map(|r| (r.id().to_string(), r.version())).collect()
    };
    for _ in 0..200 {
        let seen = versions().await;
        let change = async |store: &Store, mine: &str, theirs: &str| {
            let writes = vec![
                put(mine, Precondition::Version(seen[mine])),
                Write::check(key(theirs), Precondition::Version(seen[theirs])),
            ];
            store.commit(writes).await
        };
        let (first, second) = tokio::join!(change(&one, "a", "b"), change(&other, "b", "a"));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let error = first.err().or(second.err()).unwrap();
        assert!(is_precondition(&error), "{error}");
    }
}

/// A check on a key that a lone write may change at any moment, and a get that
/// follows a commit: what a commit relied on holds at one moment between its
/// beginning and its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_and_lone_writes_take_their_turns() {
    let (_place, one, other) = two_handles().await;
    let name = collection("machines");
    one.commit(vec![put("switch", Precondition::Any)]).await.unwrap();
    let done = AtomicBool::new(false);
    // The switch, written alone again and again; its version at the last
    // acknowledged write.
    let acknowledged = AtomicU64::new(1);
    let writer = async {
        for _ in 0..150 {
            let written = other.commit(vec![put("switch", Precondition::Exists)]).await.unwrap();
            acknowledged.store(written[0].version().unwrap().get(), Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    };
    let committer = async {
        let mut made = 0_u64;
        while !done.load(Ordering::SeqCst) {
            let seen = one.get(&name, &key("switch").id).await.unwrap().unwrap().version;
            let before = acknowledged.load(Ordering::SeqCst);
            let id = format!("made-{made}");
            let writes = vec![
                Write::check(key("switch"), Precondition::Version(seen)),
                put(&id, Precondition::Absent),
            ];
            match one.commit(writes).await {
                Ok(_) => {
                    // A write that was acknowledged before the commit began
                    // cannot come after it.
                    assert!(before <= seen.get(), "{before} was there, {seen} was relied on");
                    assert!(other.get(&name, &key(&id).id).await.unwrap().is_some());
                    made += 1;
                }
                Err(error) => assert!(is_precondition(&error), "{error}"),
            }
        }
    };
    tokio::join!(writer, committer);
    let switch = one.get(&name, &key("switch").id).await.unwrap().unwrap();
    assert_eq!(switch.version.get(), 151);
}

/// A lone read follows what was acknowledged, on whichever handle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_sees_every_write_that_was_acknowledged() {
    let (_place, one, other) = two_handles().await;
    let name = collection("machines");
    let acknowledged = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let writer = async {
        for number in 0..150 {
            // By turns alone and with a second key.
            let mut writes = vec![put("a", Precondition::Any)];
            if number % 2 == 1 {
                writes.push(put("b", Precondition::Any));
            }
            let written = one.commit(writes).await.unwrap();
            acknowledged.store(written[0].version().unwrap().get(), Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    };
    let reader = async {
        while !done.load(Ordering::SeqCst) {
            let before = acknowledged.load(Ordering::SeqCst);
            let found = other.get(&name, &key("a").id).await.unwrap();
            let version = found.map_or(0, |entity| entity.version.get());
            assert!(version >= before, "{version} after {before}");
        }
    };
    tokio::join!(writer, reader);
}

/// Creates, deletes and creates again while tombstones are purged: an id never
/// gets a version that it had before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_never_falls_through_a_purge() {
    let (_place, one, other) = two_handles().await;
    let name = collection("machines");
    let everything = Timestamp::parse("9999-01-01T00:00:00Z").unwrap();
    let (done, removed) = (AtomicBool::new(false), AtomicU64::new(0));
    let worker = async |id: &'static str, store: &Store, several: bool| {
        let mut last = 0;
        let beside = format!("{id}-beside");
        // Until purges met it often enough.
        for number in 0.. {
            if number >= 40 && removed.load(Ordering::SeqCst) >= 20 {
                break;
            }
            assert!(number < 5_000, "no purge ever met a tombstone");
            let precondition = [Precondition::Any, Precondition::Absent][number % 2];
            let mut writes = vec![put(id, precondition)];
            if several {
                writes.push(put(&beside, Precondition::Any));
            }
            for writes in [writes, vec![Write::delete(key(id), Precondition::Exists)]] {
                let written: Vec<Written> = store.commit(writes).await.unwrap();
                let version = written[0].version().unwrap().get();
                assert!(version > last, "{id}: {version} after {last}");
                last = version;
            }
        }
    };
    let purges = async {
        while !done.load(Ordering::SeqCst) {
            let purged = other.purge(&name, everything).await.unwrap();
            removed.fetch_add(purged.removed, Ordering::SeqCst);
        }
    };
    let workers = async {
        tokio::join!(
            worker("w1", &one, false),
            worker("w2", &other, false),
            worker("w3", &one, true),
            worker("w4", &other, true),
        );
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(workers, purges);
}

/// Keys that many want, each in an order of its own: nobody is given up for a
/// deadlock, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_on_the_same_keys_in_any_order_never_deadlock() {
    let (_place, one, other) = two_handles().await;
    let ids = ["k1", "k2", "k3", "k4", "k5"];
    let committer = async |store: &Store, number: usize| -> BTreeMap<&'static str, u64> {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let mut written = BTreeMap::new();
        for _ in 0..25 {
            let mut mine = ids.to_vec();
            random.shuffle(&mut mine);
            mine.truncate(random.usize(2..=ids.len()));
            let writes = mine.iter().map(|id| match random.u8(..) % 4 {
                0 => Write::delete(key(id), Precondition::Any),
                1 => Write::check(key(id), Precondition::Any),
                _ => put(id, Precondition::Any),
            });
            let writes: Vec<Write> = writes.collect();
            let answers = store.commit(writes).await.unwrap();
            for (id, answer) in mine.iter().zip(answers) {
                if answer.version().is_some() {
                    *written.entry(*id).or_insert(0) += 1;
                }
            }
        }
        written
    };
    let handles = [&one, &other];
    let all = join_all((0..8).map(|number| committer(handles[number % 2], number))).await;
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, count) in all.into_iter().flatten() {
        *expected.entry(id).or_insert(0) += count;
    }
    let name = collection("machines");
    let keys = ids.map(|id| key(id).id);
    for record in one.get_many(&name, &keys).await.unwrap().into_iter().flatten() {
        assert_eq!(record.version().get(), expected[record.id().as_str()], "{}", record.id());
    }
}

/// Two that apply the same records in opposite orders, in one statement each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_applied_in_any_order_never_deadlock() {
    let (_place, one, other) = two_handles().await;
    let record = |id: usize, version: u64| {
        let id = format!("r-{id:03}");
        let time = Timestamp::from_micros(0).unwrap();
        let document: Document = machine(&id, &format!(r#""note":"{version}""#));
        let version = Version::new(version).unwrap();
        let (created_at, updated_at, collection) = (time, time, collection("machines"));
        Record::Live(Entity {
            collection,
            id: key(&id).id,
            version,
            created_at,
            updated_at,
            document,
        })
    };
    for version in 1..40 {
        let up: Vec<Record> = (0..200).map(|id| record(id, version)).collect();
        let down: Vec<Record> = up.iter().rev().cloned().collect();
        let (first, second) = tokio::join!(one.apply(up), other.apply(down));
        let (first, mut second) = (first.unwrap(), second.unwrap());
        second.reverse();
        for pair in first.into_iter().zip(second) {
            let expected = [(Applied::Applied, Applied::Equal), (Applied::Equal, Applied::Applied)];
            assert!(expected.contains(&pair), "{pair:?}");
        }
    }
}
