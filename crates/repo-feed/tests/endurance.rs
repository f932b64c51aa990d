//! Writers in several processes, commits that are rolled back, a transaction that is
//! open all the time, writers and the consumer killed at random: every acknowledged
//! version is delivered, versions of a key in order, without a gap.
//!
//! `REPO_TESTKIT_SECONDS` says for how long; 10 seconds a store without it.
//! `scripts/feed-endurance` runs it for two minutes a store.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions as FileOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use repo_core::strategy::{OpenOptions, RecordChange, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, Precondition, Write,
};
use repo_engine::{Chosen, registry};
use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions, SubscribeOptions};

const PROCESSES: usize = 4;
const WRITERS_EACH: usize = 2;
const KEYS: usize = 40;
const LEASE: Duration = Duration::from_millis(1_500);

async fn open(url: &str) -> Arc<dyn StorageStrategy> {
    let chosen = Chosen::by_url(&registry(), url).unwrap();
    chosen.open(OpenOptions::default()).await.unwrap()
}

fn consumers(store: &Arc<dyn StorageStrategy>) -> Consumers {
    Consumers::new(Arc::clone(store)).with_lease(LEASE)
}

fn name() -> ConsumerName {
    ConsumerName::new("endurance").unwrap()
}

fn key(number: usize) -> Key {
    let items = CollectionName::new("items").unwrap();
    Key::new(items, EntityId::new(&format!("k{number:02}")).unwrap())
}

fn put(key: &Key, precondition: Precondition) -> Write {
    let text = format!(r#"{{"id":"{}","n":{}}}"#, key.id, fastrand::u32(..));
    Write::put(key.clone(), Document::parse(&text).unwrap(), precondition)
}

fn append(path: &Path) -> File {
    FileOptions::new().create(true).append(true).open(path).unwrap()
}

/// What a child process is told.
fn told(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// Writes until it is killed, and notes each version once it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test below"]
async fn writer() {
    let Some(url) = told("REPO_ENDURANCE_STORE") else { return };
    let oracle = PathBuf::from(told("REPO_ENDURANCE_LOG").unwrap());
    let store = open(&url).await;
    let writers = (0..WRITERS_EACH).map(|_| write(Arc::clone(&store), append(&oracle)));
    futures::future::join_all(writers).await;
}

async fn write(store: Arc<dyn StorageStrategy>, mut oracle: File) {
    loop {
        let keys: BTreeSet<usize> =
            (0..fastrand::usize(1..4)).map(|_| fastrand::usize(..KEYS)).collect();
        let keys: Vec<Key> = keys.into_iter().map(key).collect();
        let mut writes: Vec<Write> = keys.iter().map(|key| put(key, Precondition::Any)).collect();
        match fastrand::u8(..10) {
            // Rolled back.
            0 | 1 => writes.push(put(
                &Key { id: EntityId::new("never").unwrap(), ..key(0) },
                Precondition::Exists,
            )),
            2 => writes[0] = Write::delete(keys[0].clone(), Precondition::Any),
            3 => writes.push(Write::check(
                Key { id: EntityId::new("absent").unwrap(), ..key(0) },
                Precondition::Absent,
            )),
            _ => {}
        }
        match store.commit(writes).await {
            Ok(written) => {
                let lines: String = keys
                    .iter()
                    .zip(written)
                    .filter_map(|(key, written)| Some((key, written.version()?)))
                    .map(|(key, version)| format!("{} {version}\n", key.id))
                    .collect();
                oracle.write_all(lines.as_bytes()).unwrap();
            }
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::Unavailable, ErrorKind::OutcomeUnknown]
                    .contains(&error.kind()) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Follows until it is killed, and notes what it was given before it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test below"]
async fn follower() {
    let Some(url) = told("REPO_ENDURANCE_STORE") else { return };
    let log = PathBuf::from(told("REPO_ENDURANCE_LOG").unwrap());
    let store = open(&url).await;
    follow(&store, &log, FollowOptions::default()).await;
}

async fn follow(store: &Arc<dyn StorageStrategy>, log: &Path, options: FollowOptions) {
    let consumers = consumers(store);
    let mut consumer = loop {
        match Consumer::open(&consumers, &name()).await {
            Err(error) if error.kind() == ErrorKind::Locked => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            opened => break opened.unwrap(),
        }
    };
    let mut log = append(log);
    log.write_all(b"begin\n").unwrap();
    let handler = async |changes: &[RecordChange]| {
        let line = |change: &RecordChange| {
            let stored = change.record.as_ref().map_or(0, |record| record.version().get());
            format!("{} {} {stored}\n", change.key.id, change.version)
        };
        let lines: String = changes.iter().map(line).collect();
        log.write_all(lines.as_bytes()).unwrap();
        Ok(())
    };
    consumer.follow(&options, handler).await.unwrap();
    consumer.close().await.unwrap();
}

fn start(role: &str, url: &str, log: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", role])
        .env("REPO_ENDURANCE_STORE", url)
        .env("REPO_ENDURANCE_LOG", log)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    let ended = child.try_wait().unwrap();
    assert!(ended.is_none(), "a process ended by itself: {ended:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn seconds() -> u64 {
    told("REPO_TESTKIT_SECONDS").map_or(10, |text| text.parse().unwrap())
}

/// The whole: `url` names a store that is not there yet.
async fn endure(url: &str) {
    let dir = tempfile::TempDir::new().unwrap();
    let (oracle, delivered) = (dir.path().join("oracle"), dir.path().join("delivered"));
    let store = open(url).await;
    store.prepare(&[CollectionSchema::undeclared(key(0).collection)]).await.unwrap();
    // Writers are at work when capture is switched on.
    let early = dir.path().join("early");
    let mut writers: Vec<Child> = (0..PROCESSES).map(|_| start("writer", url, &early)).collect();
    while !early.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    consumers(&store).subscribe(&name(), SubscribeOptions::default()).await.unwrap();
    let at = Instant::now();
    let mut follower = start("follower", url, &delivered);
    let mut kills = 0;
    while at.elapsed() < Duration::from_secs(seconds()) {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..1_200))).await;
        let one = fastrand::usize(..PROCESSES);
        kill(std::mem::replace(&mut writers[one], start("writer", url, &oracle)));
        if fastrand::bool() {
            kill(std::mem::replace(&mut follower, start("follower", url, &delivered)));
        }
        kills += 1;
    }
    writers.into_iter().for_each(kill);
    kill(follower);
    follow(&store, &delivered, FollowOptions::default().until_head()).await;
    assert_eq!(consumers(&store).list().await.unwrap()[0].dead, 0);
    store.close().await.unwrap();
    let (acknowledged, versions) = check(&oracle, &delivered);
    println!("{url}: {acknowledged} acknowledged, {versions} delivered, {kills} killed");
}

/// Compares what was acknowledged with what was delivered.
fn check(oracle: &Path, delivered: &Path) -> (usize, usize) {
    let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    // The highest version so far: by this process, and by all.
    let mut here: BTreeMap<String, u64> = BTreeMap::new();
    for line in BufReader::new(File::open(delivered).unwrap()).lines() {
        let line = line.unwrap();
        let parts: Vec<&str> = line.split(' ').collect();
        let [id, version, stored] = parts[..] else {
            here.clear();
            continue;
        };
        let (version, stored): (u64, u64) = (version.parse().unwrap(), stored.parse().unwrap());
        assert!(stored >= version, "{id}: {version} came with the record of {stored}");
        let before = here.insert(id.to_owned(), version);
        assert!(before < Some(version), "{id}: {version} after {before:?}");
        let versions = by_key.entry(id.to_owned()).or_default();
        match versions.last() {
            Some(last) if version > *last => {
                assert_eq!(version, last + 1, "{id}: a gap");
                versions.push(version);
            }
            // What comes again after a process was killed.
            Some(_) => assert!(versions.contains(&version), "{id}: {version}"),
            None => versions.push(version),
        }
    }
    let mut acknowledged = 0;
    for line in BufReader::new(File::open(oracle).unwrap()).lines() {
        let line = line.unwrap();
        let (id, version) = line.split_once(' ').unwrap();
        let version: u64 = version.parse().unwrap();
        let versions = by_key.get(id).unwrap_or_else(|| panic!("{id} was never delivered"));
        assert!(versions.contains(&version), "{id}: {version} was never delivered");
        acknowledged += 1;
    }
    assert!(acknowledged > 0 && !by_key.contains_key("never") && !by_key.contains_key("absent"));
    (acknowledged, by_key.values().map(Vec::len).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_sqlite() {
    let dir = tempfile::TempDir::new().unwrap();
    endure(&format!("sqlite:{}", dir.path().join("m.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_postgresql() {
    let server = repo_testkit::servers::postgres();
    let schema = repo_testkit::servers::unique_name();
    let connect = async || {
        let (client, connection) =
            tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    // A transaction that sees one state all the time, and one that wrote something.
    let (idle, busy) = (connect().await, connect().await);
    idle.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        .await
        .unwrap();
    busy.batch_execute("BEGIN; CREATE TEMPORARY TABLE held (n int); INSERT INTO held VALUES (1)")
        .await
        .unwrap();
    endure(&format!("{server}?schema={schema}")).await;
    drop((idle, busy));
    connect().await.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
}
