//! Processes that raise one counter under one lease.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions as FileOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Error, ErrorKind, Precondition};
use repo_lease::Leases;
use repo_testkit::Process;
use tokio::time::sleep;

use crate::common::{Site, Store, item, number, put, put_if, scope, stored};
use crate::{FOLDER, TTL, start, told, told_store, ttl};

const PROCESSES: usize = 2;
const COUNTER: &str = "counter";

fn log_in(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// Raises the counter until it is killed, and notes what became of each attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn worker() {
    let Some(store) = told_store().await else { return };
    let folder = PathBuf::from(told(FOLDER).unwrap());
    let mut log = FileOptions::new().append(true).open(log_in(&folder)).unwrap();
    let leases = Leases::new(store.clone());
    for turn in 0_u64.. {
        if let Some(line) = raise(&store, &leases, turn).await {
            log.write_all(line.as_bytes()).unwrap();
        }
    }
}

/// One turn: what is noted of it. Some holders renew, some are late, some do not give the
/// lease back.
async fn raise(store: &Store, leases: &Leases, turn: u64) -> Option<String> {
    let lease = match leases.acquire(&scope(), ttl()).await {
        Err(error) if is_harmless(&error) => return None,
        acquired => acquired.unwrap(),
    };
    let renewing = (turn % 4 != 3).then(|| lease.keep_alive());
    let key = item(COUNTER);
    let next = match store.get(&key.collection, &key.id).await {
        Err(error) if is_harmless(&error) => return None,
        read => number(&read.unwrap()?) + 1,
    };
    if turn % 4 == 3 {
        sleep(3 * TTL).await;
    }
    // The lease alone keeps others from writing in between.
    let line = match lease.commit(vec![put(COUNTER, next)]).await {
        Ok(_) => Some(format!("done {} {next}\n", lease.token())),
        Err(error) if lease.is_lost(&error) => Some(format!("late {} {next}\n", lease.token())),
        Err(error) if is_harmless(&error) => None,
        Err(error) => panic!("{error:?}"),
    };
    drop(renewing);
    if turn % 5 != 4
        && let Err(error) = lease.release().await
        && error.kind() != ErrorKind::Conflict
        && !is_harmless(&error)
    {
        panic!("{error:?}");
    }
    line
}

/// Another process was stopped in the middle of a commit, or an answer was lost.
fn is_harmless(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown)
}

/// What was noted: by their number, the tokens of the writes that were acknowledged; and how
/// many holders were late.
fn noted(log: &Path) -> (BTreeMap<u64, u64>, usize) {
    let (mut done, mut late) = (BTreeMap::new(), 0);
    for line in BufReader::new(File::open(log).unwrap()).lines() {
        let line = line.unwrap();
        let parts: Vec<&str> = line.split(' ').collect();
        let [what, token, number] = parts[..] else { panic!("{line}") };
        if what == "late" {
            late += 1;
        } else {
            let before = done.insert(number.parse().unwrap(), token.parse().unwrap());
            assert_eq!(before, None, "{number} was written twice");
        }
    }
    (done, late)
}

fn seconds() -> u64 {
    told("REPO_TESTKIT_SECONDS").map_or(3, |text| text.parse().unwrap())
}

async fn the_counter_never_breaks(site: Site) {
    let store = site.prepared().await;
    store.commit(vec![put_if(COUNTER, 0, Precondition::Absent)]).await.unwrap();
    let log = log_in(site.folder.path());
    File::create(&log).unwrap();
    let begin = Instant::now();
    let mut workers: Vec<Process> =
        (0..PROCESSES).map(|_| start("counting::worker", &site)).collect();
    let (mut kills, mut stops) = (0, 0);
    // Until somebody was stopped for longer than the lease lasts, and somebody was late.
    while begin.elapsed() < Duration::from_secs(seconds()) || stops == 0 || noted(&log).1 == 0 {
        sleep(Duration::from_millis(fastrand::u64(500..1_500))).await;
        let worker = &mut workers[fastrand::usize(..PROCESSES)];
        worker.still_runs();
        worker.pause();
        if fastrand::u8(..3) == 0 {
            worker.kill();
            *worker = start("counting::worker", &site);
            kills += 1;
        } else {
            sleep(2 * TTL).await;
            worker.go_on();
            stops += 1;
        }
    }
    for mut worker in workers {
        worker.still_runs();
        worker.kill();
    }
    let (done, late) = noted(&log);
    // Each write is of the number after the one before, so every version has its number.
    let kept = stored(&store, COUNTER).await.unwrap();
    assert_eq!(number(&kept), kept.version.get() - 1);
    let acknowledged = done.len();
    assert!(acknowledged > 0 && acknowledged as u64 <= number(&kept));
    let mut last = 0;
    for (number, token) in done {
        assert!(token >= last, "{number} was written with the token {token} after {last}");
        last = token;
    }
    store.close().await.unwrap();
    let store = site.url.split(':').next().unwrap();
    println!(
        "{store}: the counter never broke in {} s and {PROCESSES} processes: {acknowledged} \
         acknowledged, {late} late and refused, {stops} stopped past their time, {kills} killed",
        begin.elapsed().as_secs()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_never_breaks_on_json_files() {
    the_counter_never_breaks(Site::json_files()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_never_breaks_on_sqlite() {
    the_counter_never_breaks(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_never_breaks_on_postgresql() {
    the_counter_never_breaks(Site::postgresql()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_never_breaks_on_dynamodb() {
    the_counter_never_breaks(Site::dynamodb()).await;
}
