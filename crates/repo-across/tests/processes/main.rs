//! Processes that are killed by the system (SIGKILL) after each step of a commit, and of a
//! recovery: another process finds both stores with their writes, or neither.
#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use common::scene::{End, Scene, nothing_is_left};
use common::{Site, World, open, pair};
use repo_across::{Hooks, Step};
use repo_testkit::Process;

const STORES: [[&str; 2]; 2] = [
    ["REPO_ACROSS_FIRST", "REPO_ACROSS_FIRST_ACCESS_KEY"],
    ["REPO_ACROSS_SECOND", "REPO_ACROSS_SECOND_ACCESS_KEY"],
];
const WORK: &str = "REPO_ACROSS_WORK";
const STEP: &str = "REPO_ACROSS_STEP";
/// What the line begins with that a child process says; others are of the test harness.
const SAYS: &str = "@ ";

fn told(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn scene(work: &str) -> Scene {
    if work.starts_with("refused") { Scene::refused(work) } else { Scene::possible(work) }
}

/// Commits or recovers, and stops where it is told to, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn worker() {
    let (Some(work), Some(step)) = (told(WORK), told(STEP)) else { return };
    let at = Step::named(&step).unwrap();
    let mut stores = Vec::new();
    for [url, access_key] in STORES {
        stores.push(open(&told(url).unwrap(), &told(access_key).unwrap()).await);
    }
    let hooks = Hooks::new(move |step| {
        if step == at {
            let mut out = std::io::stdout();
            out.write_all(format!("\n{SAYS}{step:?}\n").as_bytes()).unwrap();
            out.flush().unwrap();
            loop {
                std::thread::park();
            }
        }
        false
    });
    let across = pair(&stores[0], &stores[1]).await.with_hooks(hooks);
    match work.as_str() {
        "recover" => drop(across.recover().await),
        work => drop(scene(work).commit(&across).await),
    }
    panic!("the process passed the step at which it has to stop");
}

/// Runs a process up to a step, and kills it there.
fn kill_at(world: &World, work: &str, step: Step) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "worker", "--nocapture"])
        .env(WORK, work)
        .env(STEP, format!("{step:?}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for ([url, access_key], site) in STORES.into_iter().zip(&world.sites) {
        command.env(url, &site.url).env(access_key, site.access_key());
    }
    let mut process = Process::start(&mut command);
    let mut lines = BufReader::new(process.stdout()).lines().map(Result::unwrap);
    let expected = format!("{SAYS}{step:?}");
    assert!(lines.any(|line| line == expected), "{work}: it ended before {step:?}");
    process.still_runs();
    process.kill();
}

async fn a_killed_process_leaves_both_or_neither(world: World) {
    for (work, step, end) in [
        ("one", Step::Reserved, End::Neither),
        ("two", Step::Recorded, End::Both),
        ("three", Step::Applied, End::Both),
        ("four", Step::IntentRemoved, End::Both),
        ("refused one", Step::Recorded, End::Neither),
        ("refused two", Step::Voided, End::Neither),
        ("refused three", Step::Compensated, End::Neither),
    ] {
        let scene = scene(work);
        scene.set(&world.first, &world.second).await;
        kill_at(&world, work, step);
        let across = world.across().await;
        across.recover().await.unwrap();
        scene.ends_in(&world, end).await;
        nothing_is_left(&across, &world.second).await;
    }
    for (work, step, end) in [
        ("five", Step::Applied, End::Both),
        ("six", Step::IntentRemoved, End::Both),
        ("refused four", Step::Voided, End::Neither),
        ("refused five", Step::Compensated, End::Neither),
    ] {
        let scene = scene(work);
        scene.set(&world.first, &world.second).await;
        kill_at(&world, work, Step::Recorded);
        kill_at(&world, "recover", step);
        let across = world.across().await;
        across.recover().await.unwrap();
        scene.ends_in(&world, end).await;
        nothing_is_left(&across, &world.second).await;
    }
    world.first.close().await.unwrap();
    world.second.close().await.unwrap();
}

macro_rules! on_pairs {
    ($($name:ident: $first:ident, $second:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let world = World::at(Site::$first(), Site::$second()).await;
                a_killed_process_leaves_both_or_neither(world).await;
            }
        )*
    };
}

on_pairs! {
    from_json_files_to_dynamodb: json_files, dynamodb;
    from_dynamodb_to_json_files: dynamodb, json_files;
    from_postgresql_to_sqlite: postgresql, sqlite;
    from_sqlite_to_postgresql: sqlite, postgresql;
}
