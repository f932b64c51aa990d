//! A store takes part in a live migration, as its source or as its target, and a process that
//! moves it or writes to it is killed within a checkpoint: after the journal was kept under its
//! second name, and before the fresh one took its place. The same command resumes the move.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{EntityId, Precondition, Version, Write};
use repo_migrate::live::{LivePhase, LivePlace};
use repo_routed::RoutedStrategy;
use repo_testkit::Process;

use super::live_move::{AT_THE_STEP, Move, Place, stopping_at};
use super::{document, key, name};
use crate::hooks::Step;

/// The steps after the link of the journal and before the renaming of the fresh one.
const BETWEEN: [Step; 2] = [Step::Kept, Step::JournalWritten];
/// The file in which a process notes what it was acknowledged.
const NOTES: &str = "notes";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// What a process does that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Switch,
    Back,
    Write,
}

const SIDES: [Side; 2] = [Side::Source, Side::Target];
const PARTS: [Part; 4] = [Part::Start, Part::Switch, Part::Back, Part::Write];

/// What one process does, on a store that stops it.
async fn run(moving: &Move, part: Part, side: Side) {
    match part {
        Part::Start => moving.start_until_ready().await,
        Part::Switch => moving.hand_over(true).await,
        Part::Back => moving.hand_over(false).await,
        Part::Write => {
            let place = if side == Side::Source { &moving.source } else { &moving.target };
            write_some(place, &moving.folder.join(NOTES)).await;
        }
    }
}

/// Runs a part in a process of its own, which is killed at a step. False when it came to its
/// end before.
async fn killed(moving: &Move, part: Part, side: Side, step: Step, nth: usize) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tests::live_crash::process", "--ignored", "--nocapture"])
        .env("JSON_TEST_LIVE_FOLDER", &moving.folder)
        .env("JSON_TEST_LIVE_PART", format!("{part:?}"))
        .env("JSON_TEST_LIVE_SIDE", format!("{side:?}"))
        .env("JSON_TEST_LIVE_STEP", format!("{step:?}"))
        .env("JSON_TEST_LIVE_NTH", nth.to_string())
        .stdout(Stdio::piped());
    let run = move || {
        let mut process = Process::start(&mut command);
        let mut lines = BufReader::new(process.stdout()).lines().map_while(std::io::Result::ok);
        let is_there = lines.any(|line| line == AT_THE_STEP);
        match is_there {
            true => process.kill(),
            false => assert!(process.wait().success(), "{part:?} {side:?} {step:?} {nth}"),
        }
        is_there
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn process() {
    let told = |what: &str| std::env::var(format!("JSON_TEST_LIVE_{what}"));
    let Ok(folder) = told("FOLDER") else { return };
    let (part, side, step) = (told("PART").unwrap(), told("SIDE").unwrap(), told("STEP").unwrap());
    let part = PARTS.into_iter().find(|known| format!("{known:?}") == part).unwrap();
    let side = SIDES.into_iter().find(|known| format!("{known:?}") == side).unwrap();
    let step = BETWEEN.into_iter().find(|known| format!("{known:?}") == step).unwrap();
    let hooks = Some(stopping_at(step, told("NTH").unwrap().parse().unwrap()));
    let mut moving = Move::at(folder.as_ref());
    match side {
        Side::Source => moving.source.hooks = hooks,
        Side::Target => moving.target.hooks = hooks,
    }
    run(&moving, part, side).await;
}

/// Writes some records through the router until it is told to end: what was acknowledged last.
async fn write_until(
    store: RoutedStrategy,
    ended: Arc<AtomicBool>,
) -> BTreeMap<String, (u64, u64)> {
    let mut acknowledged: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut n = 0;
    while !ended.load(Ordering::Relaxed) {
        n += 1;
        let id = format!("w-{}", n % 5);
        let before = acknowledged.get(&id).map_or(0, |(version, _)| *version);
        let expected = match before {
            0 => Precondition::Absent,
            version => Precondition::Version(Version::new(version).unwrap()),
        };
        let write = Write::put(key("machines", &id), document(&id, n), expected);
        let written = store.commit(vec![write]).await.unwrap();
        let version = written[0].version().unwrap();
        assert_eq!(version.get(), before + 1, "{id}");
        acknowledged.insert(id.clone(), (version.get(), n));
        let read = store.get(&name("machines"), &EntityId::new(&id).unwrap()).await.unwrap();
        assert_eq!(read.map(|read| read.version), Some(version), "a stale read of {id}");
        // So that whoever follows on the same machine keeps up.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acknowledged
}

/// A whole move, there and back and there, with one part of it killed at a step; whether it was.
async fn moved(part: Part, side: Side, step: Step, nth: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let moving = Move::new(folder.path()).await;
    let store = moving.routed().await;
    let ended = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write_until(store, Arc::clone(&ended)));
    let at = async |now: Part| now == part && killed(&moving, part, side, step, nth).await;
    let mut was_killed = at(Part::Start).await;
    let mover = moving.clone();
    let mover = tokio::spawn(async move { mover.start().await });
    moving.until(LivePhase::Ready).await;
    was_killed |= at(Part::Switch).await;
    moving.hand_over(true).await;
    was_killed |= at(Part::Back).await;
    moving.hand_over(false).await;
    moving.hand_over(true).await;
    ended.store(true, Ordering::Relaxed);
    let acknowledged = writer.await.unwrap();
    assert!(!acknowledged.is_empty());
    moving.finish(&acknowledged).await;
    mover.await.unwrap().unwrap();
    was_killed
}

/// Kills a part within some of its checkpoints, each in a move of its own.
async fn every_step(part: Part, side: Side) {
    let [kept, written] = BETWEEN;
    let runs = [(kept, 1), (written, 1), (kept, 2), (written, 3)];
    let killed = join_all(runs.map(|(step, nth)| moved(part, side, step, nth))).await;
    assert!(killed[0] && killed[1], "{part:?} {side:?}: {killed:?}");
}

macro_rules! killed_movers {
    ($($name:ident: $part:ident, $side:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_step(Part::$part, Side::$side).await;
        }
    )*};
}

killed_movers! {
    a_beginning_killed_within_a_checkpoint_of_the_source_is_resumed: Start, Source;
    a_beginning_killed_within_a_checkpoint_of_the_target_is_resumed: Start, Target;
    a_switch_killed_within_a_checkpoint_of_the_source_is_resumed: Switch, Source;
    a_switch_killed_within_a_checkpoint_of_the_target_is_resumed: Switch, Target;
    a_way_back_killed_within_a_checkpoint_of_the_source_is_resumed: Back, Source;
    a_way_back_killed_within_a_checkpoint_of_the_target_is_resumed: Back, Target;
}

/// Writes some records over what is there, and notes what was acknowledged.
async fn write_some(place: &Place, notes: &Path) {
    let store = LivePlace::open(place, None).await.unwrap();
    let mut notes = File::options().create(true).append(true).open(notes).unwrap();
    for n in 0..12 {
        let id = format!("k-{}", n % 3);
        let ids = [EntityId::new(&id).unwrap()];
        let stored = store.get_many(&name("machines"), &ids).await.unwrap().remove(0);
        let expected =
            stored.map_or(Precondition::Absent, |record| Precondition::Version(record.version()));
        let content = u64::from(std::process::id()) * 100 + n;
        let write = Write::put(key("machines", &id), document(&id, content), expected);
        let written = store.commit(vec![write]).await.unwrap();
        let version = written[0].version().unwrap();
        notes.write_all(format!("{id} {version} {content}\n").as_bytes()).unwrap();
    }
}

/// What was acknowledged last, of processes of which so many were killed: each may have written
/// one version that nobody was told of.
fn acknowledged(notes: &str, killed: u64) -> BTreeMap<String, (u64, u64)> {
    let (mut last, mut untold) = (BTreeMap::new(), 0);
    for line in notes.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, version, content] = words[..] else { panic!("{line}") };
        let (version, content): (u64, u64) = (version.parse().unwrap(), content.parse().unwrap());
        let before = last.insert(id.to_owned(), (version, content)).map_or(0, |(before, _)| before);
        assert!(version > before, "twice, or out of order: {line}");
        untold += version - before - 1;
    }
    assert!(untold <= killed, "{untold} of {killed}:\n{notes}");
    last
}

/// While it is the authority of a live migration that goes on.
async fn killed_writers(side: Side) {
    let folder = tempfile::tempdir().unwrap();
    let moving = Move::new(folder.path()).await;
    let mover = moving.clone();
    let mover = tokio::spawn(async move { mover.start().await });
    moving.until(LivePhase::Ready).await;
    if side == Side::Target {
        moving.hand_over(true).await;
    }
    let kills = [1, 2, 5, 6];
    for nth in kills {
        let step = BETWEEN[nth % BETWEEN.len()];
        assert!(killed(&moving, Part::Write, side, step, nth).await, "{nth}");
    }
    // The last one comes to its end, so every record was acknowledged in its last version.
    assert!(!killed(&moving, Part::Write, side, Step::Kept, usize::MAX).await);
    if side == Side::Source {
        moving.hand_over(true).await;
    }
    moving.hand_over(false).await;
    moving.hand_over(true).await;
    let notes = fs::read_to_string(moving.folder.join(NOTES)).unwrap();
    let acknowledged = acknowledged(&notes, kills.len() as u64);
    assert_eq!(acknowledged.len(), 3);
    moving.finish(&acknowledged).await;
    mover.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_killed_within_a_checkpoint_of_the_source_lose_nothing() {
    killed_writers(Side::Source).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_killed_within_a_checkpoint_of_the_target_lose_nothing() {
    killed_writers(Side::Target).await;
}
