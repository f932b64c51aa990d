//! Eight writers in four processes, which are killed at random; where it is told how, the server
//! too. Nothing that was acknowledged is lost, nothing is there twice, and commits over several
//! keys are whole.
//!
//! `REPO_TESTKIT_SECONDS` says for how long; 5 seconds a place without it.
//! `REPO_OBJECT_RESTART` is a command that kills the server and starts it again.
//! `scripts/object-endurance` runs all of it for two minutes, and the figures.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ObjectPlace, random};
use futures::future::join_all;
use repo_core::strategy::{
    OpenOptions, ScanOptions, StorageStrategy as _, StorageStrategyExt as _,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Document, Error, ErrorKind, Key, Precondition,
    Result, Version, Write,
};
use repo_object::{ObjectSettings, ObjectStrategy};
use repo_testkit::Process;
use serde_json::{Value as Json, json};

const PROCESSES: usize = 4;
const WRITERS_EACH: usize = 2;
/// Keys that all writers change.
const SHARED: u64 = 4;

fn machines() -> CollectionName {
    "machines".parse().unwrap()
}

fn key(id: &str) -> Key {
    Key::new(machines(), id.parse().unwrap())
}

fn told(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn time() -> Duration {
    let seconds = told("REPO_TESTKIT_SECONDS").map_or(5, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Nothing is known to be stored, and another try may do better.
fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unavailable
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Conflict
        | ErrorKind::AlreadyExists => true,
        // A server that has just begun knows of no bucket.
        ErrorKind::NotFound => error.message().contains("bucket"),
        _ => false,
    }
}

async fn open(settings: &ObjectSettings) -> Arc<ObjectStrategy> {
    loop {
        match ObjectStrategy::open(settings.clone(), OpenOptions::default()).await {
            Err(error) if is_passing(&error) => tokio::time::sleep(PAUSE).await,
            opened => return Arc::new(opened.unwrap()),
        }
    }
}

const PAUSE: Duration = Duration::from_millis(50);

/// Writes until it is killed, and notes each commit once it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn writer() {
    let Some(settings) = told("REPO_OBJECT_ENDURANCE") else { return };
    let settings: ObjectSettings = serde_json::from_str(&settings).unwrap();
    let (folder, process) =
        (told("REPO_OBJECT_FOLDER").unwrap(), told("REPO_OBJECT_PROCESS").unwrap());
    let store = open(&settings).await;
    let writers = (0..WRITERS_EACH).map(|writer| {
        let name = format!("{process}-{writer}");
        let log = Path::new(&folder).join(&name);
        let log = File::options().create(true).append(true).open(log).unwrap();
        write(Arc::clone(&store), name, log)
    });
    join_all(writers).await;
}

async fn write(store: Arc<ObjectStrategy>, name: String, mut log: File) {
    loop {
        match step(&store, &name).await {
            Ok(line) => log.write_all(line.as_bytes()).unwrap(),
            Err(error) if is_passing(&error) => tokio::time::sleep(PAUSE).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What a key holds, and the condition that it still does.
async fn seen(store: &ObjectStrategy, key: &Key) -> Result<(Json, Precondition)> {
    let found = store.get(&key.collection, &key.id).await?;
    Ok(match found {
        None => (json!({ "n": 0, "with": 0 }), Precondition::Absent),
        Some(found) => (found.document.deserialize()?, Precondition::Version(found.version)),
    })
}

fn put(key: Key, n: u64, with: u64, condition: Precondition) -> Write {
    let document = json!({ "id": key.id.as_str(), "n": n, "with": with });
    Write::put(key, Document::from_serialize(&document).unwrap(), condition)
}

/// One commit: a key of its own, the writer's counter, and in half of the cases a counter of all.
async fn step(store: &ObjectStrategy, name: &str) -> Result<String> {
    let number = |value: &Json, field: &str| value[field].as_u64().unwrap();
    let (own, once) = (key(&format!("writer-{name}")), format!("once-{name}-{:016x}", random()));
    let (mine, is_mine) = seen(store, &own).await?;
    let (n, mut with) = (number(&mine, "n") + 1, number(&mine, "with"));
    // Whatever stands there: were it written twice, it would have the second version.
    let mut writes = vec![put(key(&once), 1, 0, Precondition::Any)];
    if random().is_multiple_of(2) {
        let shared = key(&format!("shared-{}", random() % SHARED));
        let (theirs, is_theirs) = seen(store, &shared).await?;
        writes.push(put(shared, number(&theirs, "n") + 1, 0, is_theirs));
        with += 1;
    }
    writes.push(put(own, n, with, is_mine));
    store.commit(writes).await?;
    Ok(format!("{n} {once}\n"))
}

fn start(process: usize, settings: &ObjectSettings, folder: &Path) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "writer"])
        .env("REPO_OBJECT_ENDURANCE", serde_json::to_string(settings).unwrap())
        .env("REPO_OBJECT_FOLDER", folder)
        .env("REPO_OBJECT_PROCESS", process.to_string())
        .stdout(Stdio::null());
    Process::start(&mut command)
}

fn kill(mut process: Process) {
    process.still_runs();
    process.kill();
}

async fn endure(place: &str, settings: ObjectSettings, restart: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&settings).await;
    store.prepare(&[CollectionSchema::undeclared(machines())]).await.unwrap();
    let mut writers: Vec<Process> =
        (0..PROCESSES).map(|process| start(process, &settings, folder.path())).collect();
    let (begun, mut killed, mut restarted) = (Instant::now(), 0, 0);
    while begun.elapsed() < time() {
        tokio::time::sleep(Duration::from_millis(400 + random() % 1_000)).await;
        if let Some(command) = restart.clone()
            && random().is_multiple_of(3)
        {
            let run = move || Command::new("sh").args(["-c", &command]).status().unwrap();
            assert!(tokio::task::spawn_blocking(run).await.unwrap().success());
            restarted += 1;
            continue;
        }
        let process = killed % PROCESSES;
        kill(std::mem::replace(&mut writers[process], start(process, &settings, folder.path())));
        killed += 1;
    }
    writers.into_iter().for_each(kill);
    let late = open(&settings).await;
    // A request of a process that was killed may still be under way.
    let found = loop {
        match (all(&store).await, all(&late).await) {
            (Ok(ours), Ok(theirs)) if ours == theirs => break ours,
            (Err(error), _) | (_, Err(error)) if !is_passing(&error) => panic!("{error:?}"),
            _ => tokio::time::sleep(PAUSE).await,
        }
    };
    let (acknowledged, others) = check(&found, folder.path());
    let health = late.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    println!(
        "{place}: {acknowledged} commits acknowledged, none lost, none twice, {others} more of \
         which nobody learned; {killed} processes killed, {restarted} servers"
    );
}

/// Every record: its version and its document.
async fn all(store: &ObjectStrategy) -> Result<BTreeMap<String, (Version, Json)>> {
    let strong = ScanOptions::default().with_consistency(Consistency::Strong);
    let scan = store.scan(&machines(), strong).await?;
    let records = repo_testkit::batches(scan).await?.concat();
    let live = records.into_iter().filter_map(repo_core::strategy::Record::into_live);
    let of = |entity: repo_core::Entity| {
        let document = entity.document.deserialize().unwrap();
        (entity.id.to_string(), (entity.version, document))
    };
    Ok(live.map(of).collect())
}

/// What has to be true; how many commits were acknowledged, and how many were done besides.
fn check(found: &BTreeMap<String, (Version, Json)>, logs: &Path) -> (u64, u64) {
    let (mut with, mut shared, mut commits, mut once) = (0, 0, 0, 0);
    for (id, (version, document)) in found {
        assert_eq!(document["n"], version.get(), "{id}: each version is one commit");
        match id.split('-').next().unwrap() {
            "writer" => {
                with += document["with"].as_u64().unwrap();
                commits += version.get();
            }
            "shared" => shared += version.get(),
            _ => once += 1,
        }
    }
    assert_eq!(with, shared, "both keys of a commit were written, or none");
    assert_eq!(once, commits, "and the third");
    let mut acknowledged = 0;
    for log in std::fs::read_dir(logs).unwrap() {
        let log = log.unwrap();
        let name = log.file_name().into_string().unwrap();
        let mut last = 0;
        let text = std::fs::read_to_string(log.path()).unwrap();
        for (n, id) in text.lines().filter_map(|line| line.split_once(' ')) {
            let n: u64 = n.parse().unwrap();
            assert!(n > last, "{name}: {n} after {last}");
            assert!(found.contains_key(id), "{name}: {id} is lost");
            last = n;
            acknowledged += 1;
        }
        let stored = found[&format!("writer-{name}")].0.get();
        assert!(stored >= last, "{name}: {last} was acknowledged, and {stored} is there");
    }
    assert!(acknowledged > 0);
    (acknowledged, commits - acknowledged)
}

/// Checkpoints all the time.
fn restless(settings: ObjectSettings) -> ObjectSettings {
    let checkpoint_every = std::num::NonZeroU32::new(20).unwrap();
    ObjectSettings { checkpoint_every, ..settings }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_folder() {
    let place = ObjectPlace::in_folder();
    endure("folder", restless(place.settings().clone()), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_s3() {
    let place = ObjectPlace::on_s3();
    let settings = restless(place.settings().clone());
    endure("s3", settings, told("REPO_OBJECT_RESTART")).await;
}

/// How many of something are done in a second, by so many at once.
async fn per_second(at_once: u64, one: impl AsyncFn(u64)) -> f64 {
    let (begun, time, one) = (Instant::now(), time(), &one);
    let workers = (0..at_once).map(|worker| async move {
        let mut done = 0_u32;
        while begun.elapsed() < time {
            one(worker).await;
            done += 1;
        }
        done
    });
    let done: u32 = join_all(workers).await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// Commits, alone and together, beside the plain request that each is at least.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures, for scripts/object-endurance"]
async fn figures() {
    for (name, place) in [("folder", ObjectPlace::in_folder()), ("s3", ObjectPlace::on_s3())] {
        let bytes = bytes::Bytes::from(vec![b'x'; 700]);
        let create = async |_: u64| {
            let name = format!("raw/{:016x}", random());
            place.objects().create(&name, bytes.clone()).await.unwrap();
        };
        let (raw, raw_16) = (per_second(1, &create).await, per_second(16, &create).await);
        let place = if name == "s3" { ObjectPlace::on_s3() } else { ObjectPlace::in_folder() };
        let store = open(place.settings()).await;
        store.prepare(&[CollectionSchema::undeclared(machines())]).await.unwrap();
        let save = async |worker: u64| {
            let key = key(&format!("m-{worker}-{}", random() % 100));
            let document = json!({ "id": key.id.as_str(), "text": "x".repeat(450) });
            store.save(key, Document::from_serialize(&document).unwrap()).await.unwrap();
        };
        let (alone, grouped) = (per_second(1, &save).await, per_second(64, &save).await);
        let get = async |worker: u64| {
            let key = key(&format!("m-{worker}-{}", random() % 100));
            store.get(&key.collection, &key.id).await.unwrap();
        };
        let (read, reads) = (per_second(1, &get).await, per_second(64, &get).await);
        println!(
            "{name}, a second: {raw:.0} conditional writes one after the other, {raw_16:.0} of 16 \
             at once; {alone:.0} commits of one writer ({:.2} of a plain write), {grouped:.0} of \
             64 in one process; {read:.0} strong reads of one reader, {reads:.0} of 64",
            alone / raw
        );
        store.close().await.unwrap();
    }
}
