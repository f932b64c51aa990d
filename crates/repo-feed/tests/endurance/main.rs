//! Writers in several processes, commits that are rolled back, checkpoints, a transaction
//! that is open all the time where a store has such, capture switched on while writers
//! are at work, writers and the consumer killed at random: every version whose write
//! began after that is delivered once it was acknowledged, versions of a key in order,
//! without a gap; and an aggregate counts each of them once. (On DynamoDB a version that nobody acknowledged may be missing: of a
//! request that took longer than capture takes to begin, or whose writer was killed then.)
//!
//! `REPO_TESTKIT_SECONDS` says for how long; 10 seconds a store without it.
//! `scripts/feed-endurance` runs it for two minutes a store.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod check;
mod counting;
mod older;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions as FileOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use check::{Counts, check};
use repo_core::strategy::{OpenOptions, RecordChange, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, ErrorKind, Key, Precondition,
    Write,
};
use repo_engine::{Chosen, registry};
use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions, SubscribeOptions};
use repo_testkit::Process;

const PROCESSES: usize = 4;
const WRITERS_EACH: usize = 2;
const KEYS: usize = 40;
/// Of how many commits one is followed by a checkpoint.
const COMMITS_A_CHECKPOINT: u32 = 100;
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

/// What the processes tell each other, in one folder.
#[derive(Clone)]
struct Logs(PathBuf);

impl Logs {
    /// What was acknowledged, as far as it has to be delivered.
    fn oracle(&self) -> PathBuf {
        self.0.join("oracle")
    }

    /// What was acknowledged by commits that began before the subscription.
    fn early(&self) -> PathBuf {
        self.0.join("early")
    }

    /// Why the store refused a program of the layout before.
    fn refused(&self) -> PathBuf {
        self.0.join("refused.older")
    }

    /// What the consumer was given.
    fn delivered(&self) -> PathBuf {
        self.0.join("delivered")
    }

    /// Is there once the consumer is subscribed.
    fn subscribed(&self) -> PathBuf {
        self.0.join("subscribed")
    }
}

/// Writes until it is killed, and notes each version once it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test below"]
async fn writer() {
    let Some(url) = told("REPO_ENDURANCE_STORE") else { return };
    let logs = Logs(PathBuf::from(told("REPO_ENDURANCE_LOGS").unwrap()));
    let store = open(&url).await;
    let writers = (0..WRITERS_EACH).map(|_| write(Arc::clone(&store), logs.clone()));
    futures::future::join_all(writers).await;
}

async fn write(store: Arc<dyn StorageStrategy>, logs: Logs) {
    let (mut early, mut oracle) = (append(&logs.early()), append(&logs.oracle()));
    loop {
        let counts = logs.subscribed().exists();
        let (keys, writes) = random_writes();
        match store.commit(writes).await {
            Ok(written) => {
                let lines: String = keys
                    .iter()
                    .zip(written)
                    .filter_map(|(key, written)| Some((key, written.version()?)))
                    .map(|(key, version)| format!("{} {version}\n", key.id))
                    .collect();
                let log = if counts { &mut oracle } else { &mut early };
                log.write_all(lines.as_bytes()).unwrap();
            }
            Err(error) if is_harmless(&error) => {}
            Err(error) => panic!("{error:?}"),
        }
        if fastrand::u32(..COMMITS_A_CHECKPOINT) == 0
            && let Err(error) = store.checkpoint().await
            && !is_harmless(&error)
        {
            panic!("{error:?}");
        }
    }
}

/// A commit of one to three keys, of which some are rolled back.
fn random_writes() -> (Vec<Key>, Vec<Write>) {
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
    (keys, writes)
}

/// Nothing was acknowledged.
fn is_harmless(error: &Error) -> bool {
    [ErrorKind::NotFound, ErrorKind::Unavailable, ErrorKind::OutcomeUnknown].contains(&error.kind())
}

/// Follows until it is killed, and notes what it was given before it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test below"]
async fn follower() {
    let Some(url) = told("REPO_ENDURANCE_STORE") else { return };
    let logs = Logs(PathBuf::from(told("REPO_ENDURANCE_LOGS").unwrap()));
    let store = open(&url).await;
    let (options, delivered) = (FollowOptions::default(), logs.delivered());
    tokio::join!(follow(&store, &delivered, options), counting::count(&store, options));
}

/// Opens a consumer once a process that was killed has lost it.
async fn opened(store: &Arc<dyn StorageStrategy>, name: &ConsumerName) -> Consumer {
    loop {
        match Consumer::open(&consumers(store), name).await {
            Err(error) if error.kind() == ErrorKind::Locked => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

async fn follow(store: &Arc<dyn StorageStrategy>, log: &Path, options: FollowOptions) {
    let mut consumer = opened(store, &name()).await;
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

fn start(role: &str, url: &str, logs: &Logs) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", role])
        .env("REPO_ENDURANCE_STORE", url)
        .env("REPO_ENDURANCE_LOGS", &logs.0)
        .stdout(Stdio::null());
    Process::start(&mut command)
}

fn kill(mut process: Process) {
    process.still_runs();
    process.kill();
}

fn seconds() -> u64 {
    told("REPO_TESTKIT_SECONDS").map_or(10, |text| text.parse().unwrap())
}

/// Whether a version that nobody acknowledged may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    None,
    OfUnacknowledged,
}

/// The whole: `url` names a store that is not there yet.
async fn endure(url: &str, gaps: Gaps) {
    let dir = tempfile::TempDir::new().unwrap();
    let logs = Logs(dir.path().to_owned());
    let older = older::start(url, &logs).await;
    let store = open(url).await;
    if older.is_some() {
        assert_eq!(store.upgrade_layout().await.unwrap(), Some(2));
    }
    store.prepare(&[CollectionSchema::undeclared(key(0).collection)]).await.unwrap();
    // Writers are at work when capture is switched on.
    let mut writers: Vec<Process> = (0..PROCESSES).map(|_| start("writer", url, &logs)).collect();
    while std::fs::metadata(logs.early()).map_or(0, |early| early.len()) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    consumers(&store).subscribe(&name(), SubscribeOptions::default()).await.unwrap();
    consumers(&store).subscribe(&counting::name(), SubscribeOptions::default()).await.unwrap();
    File::create(logs.subscribed()).unwrap();
    let at = Instant::now();
    let mut follower = start("follower", url, &logs);
    let mut kills = 0;
    while at.elapsed() < Duration::from_secs(seconds()) {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..1_200))).await;
        let one = fastrand::usize(..PROCESSES);
        kill(std::mem::replace(&mut writers[one], start("writer", url, &logs)));
        kills += 1;
        if fastrand::bool() {
            kill(std::mem::replace(&mut follower, start("follower", url, &logs)));
            kills += 1;
        }
    }
    writers.into_iter().for_each(kill);
    kill(follower);
    if let Some(older) = older {
        older::end(older, &logs);
    }
    follow(&store, &logs.delivered(), FollowOptions::default().until_head()).await;
    counting::count(&store, FollowOptions::default().until_head()).await;
    assert!(consumers(&store).list().await.unwrap().iter().all(|consumer| consumer.dead == 0));
    let states = counting::states(&store).await;
    store.close().await.unwrap();
    let Counts { acknowledged, by_older, delivered, missing } = check(&logs, &states);
    let store = url.split(':').next().unwrap();
    println!(
        "{store}: {acknowledged} acknowledged, {by_older} of them to a program of the layout \
         before, {delivered} delivered, {missing} missing that nobody acknowledged, {kills} killed"
    );
    assert!(missing == 0 || gaps == Gaps::OfUnacknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_json_files() {
    let dir = tempfile::TempDir::new().unwrap();
    endure(&format!("json:{}", dir.path().join("data").display()), Gaps::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_objects() {
    let dir = tempfile::TempDir::new().unwrap();
    endure(&format!("object:file:{}", dir.path().join("data").display()), Gaps::None).await;
}

/// The client of DynamoDB takes its server and its access key from the environment: so
/// the test runs in a process that has them.
#[test]
fn nothing_is_lost_on_dynamodb() {
    let key = repo_testkit::servers::new_access_key();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "nothing_is_lost_on_dynamodb_of_the_environment"])
        .arg("--nocapture")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ENDPOINT_URL_DYNAMODB", repo_testkit::servers::dynamodb())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", &key)
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test above"]
async fn nothing_is_lost_on_dynamodb_of_the_environment() {
    if told("AWS_ENDPOINT_URL_DYNAMODB").is_some() {
        endure("dynamodb:endurance", Gaps::OfUnacknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_sqlite() {
    let dir = tempfile::TempDir::new().unwrap();
    endure(&format!("sqlite:{}", dir.path().join("m.db").display()), Gaps::None).await;
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
    endure(&format!("{server}?schema={schema}"), Gaps::None).await;
    drop((idle, busy));
    connect().await.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
}
