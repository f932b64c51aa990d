//! Migrations that are killed or told to end, and the same command given
//! again.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::cli_support::{Place, STORES, filled, machine_lines, pairs};
use serde_json::{Value as Json, json};

/// `REPO_TEST_ENTITIES` and `REPO_TEST_KILLS` make a longer run of it, `REPO_TEST_PAIRS=all`
/// one of every source, and `REPO_TEST_SOURCE` one from a single kind of store.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The targets of the tests, in the order of [`STORES`].
const TARGETS: [&str; 5] = [
    "json:target",
    "sqlite:target.db",
    "postgresql:///?schema=target",
    "dynamodb:target",
    "object:file:target",
];

/// The sources from which `target` is filled.
fn sources(target: &str) -> impl Iterator<Item = &'static str> {
    let only = std::env::var("REPO_TEST_SOURCE").unwrap_or_default();
    let into_it = pairs(&STORES, &TARGETS).into_iter().filter(move |(_, into)| *into == target);
    into_it.map(|(from, _)| from).filter(move |from| from.starts_with(&only))
}

fn source(store: &str, count: u64) -> Place {
    let place = filled(store, 0);
    // The past travels too: a kill may fall into its copy.
    place.line(&format!("history on machines --store {store}")).ok();
    let lines = machine_lines(usize::try_from(count).unwrap());
    for lines in [lines.replace("running", "pending"), lines] {
        place.run_with_input(&format!("import machines --store {store}"), &lines).ok();
    }
    place.line(&format!("tag add machines m-0001 first --version 1 --store {store}")).ok();
    place.line(&format!("delete machines m-0007 --store {store}")).ok();
    place
}

fn start(place: &Place, words: &str) -> Child {
    place
        .command("migrateRepository")
        .args(words.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the target says: none when it is not there yet, or when nothing is
/// unfinished.
fn unfinished(place: &Place, target: &str) -> Json {
    let run = place.line(&format!("migrate status --target {target} --format json"));
    if run.code == Some(0) { run.json()["unfinished"].clone() } else { Json::Null }
}

fn copied(unfinished: &Json) -> u64 {
    let collections = unfinished["copied"].as_array();
    collections.map_or(0, |all| all.iter().map(|one| one["read"].as_u64().unwrap()).sum())
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on_into_json() {
    kill_and_go_on_from_each(TARGETS[0], "json:whole");
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on_into_sqlite() {
    kill_and_go_on_from_each(TARGETS[1], "sqlite:whole.db");
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on_into_postgresql() {
    kill_and_go_on_from_each(TARGETS[2], "postgresql:///?schema=whole");
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on_into_dynamodb() {
    kill_and_go_on_from_each(TARGETS[3], "dynamodb:whole");
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on_into_objects() {
    kill_and_go_on_from_each(TARGETS[4], "object:file:whole");
}

fn kill_and_go_on_from_each(into: &str, whole: &str) {
    sources(into).for_each(|from| kill_and_go_on(from, into, whole));
}

/// A place with a source, ready to be migrated.
fn ready(from: &str, into: &str, entities: u64) -> Place {
    let place = source(from, entities);
    if into.starts_with("postgresql:") {
        place.postgres();
    }
    place
}

fn kill_and_go_on(from: &str, into: &str, whole: &str) {
    let slow = from.starts_with("dynamodb") || into.starts_with("dynamodb");
    let entities = setting("REPO_TEST_ENTITIES", if slow { 250 } else { 900 });
    let kills = setting("REPO_TEST_KILLS", 3);
    let mut place = ready(from, into, entities);
    let words = format!("--source {from} --target {into} --batch-size 20 --format json");
    let (takes, copy_takes) = uninterrupted(&place, from, whole);
    let mut random = Random::new();
    let (mut before, mut fell, mut resumed) = (0, 0, 0);
    for kill in 0.. {
        if kill >= kills && (fell > 0 || kill > 10 * kills) {
            break;
        }
        kill_at_random(&place, &words, kill % 3 == 0, (takes, copy_takes), &mut random);
        let found = unfinished(&place, into);
        if found.is_null() {
            // It had not begun, or was done: from the start again.
            before = 0;
            place = ready(from, into, entities);
            uninterrupted(&place, from, whole);
            continue;
        }
        let now = copied(&found);
        assert!(now >= before, "{from} {into}: {now} after {before} records");
        (fell, resumed) = (fell + 1, resumed + u64::from(before > 0));
        before = now;
    }
    let last = place.migrate(&words).ok().json();
    println!("{from} to {into}: {fell} of the kills fell into the copy, {resumed} resumed");
    assert!(fell > 0, "no kill fell into the copy of {from} to {into}");
    assert_eq!(last["outcome"], "verified");
    // Machines, and one request and one template.
    assert_eq!(last["totals"]["read"], entities + 2);
    // Records found equal were copied twice: at each kill those since the last
    // checkpoint, and the batches in hand.
    if before > 0 {
        let twice = last["totals"]["equal"].as_u64().unwrap();
        assert!(twice <= fell * 20 * (10 + 4), "{twice} records were copied twice");
        assert!(last["resumed"]["records"].as_u64().unwrap() >= before);
    }
    place.line(&format!("verify --source {from} --target {into}")).ok();
    place.line(&format!("verify --source {whole} --target {into}")).ok();
    let versions = place.line(&format!("versions machines m-0001 --store {into} --format json"));
    assert_eq!(versions.ok().json().as_array().unwrap().len(), 2);
    place.line(&format!("get machines m-0001 --tag first --store {into}")).ok();
    assert_eq!(unfinished(&place, into), Json::Null);
}

/// Starts a run and kills it at some moment of the whole, or of the copy.
fn kill_at_random(
    place: &Place,
    words: &str,
    anywhere: bool,
    (takes, copy_takes): (Duration, Duration),
    random: &mut Random,
) {
    let mut child = start(place, words);
    let mut most = takes;
    if !anywhere {
        let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().starts_with("copying"));
        most = copy_takes;
    }
    std::thread::sleep(most.mul_f64(random.fraction()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Does a whole run elsewhere; how long it took, and its copy alone.
fn uninterrupted(place: &Place, from: &str, whole: &str) -> (Duration, Duration) {
    let began = Instant::now();
    let words = format!("--source {from} --target {whole} --batch-size 20 --format json");
    let report = place.migrate(&words).ok().json();
    let phases = report["phases"].as_array().unwrap();
    let copy = phases.iter().find(|phase| phase["phase"] == "copy").unwrap();
    (began.elapsed(), Duration::from_millis(copy["duration_ms"].as_u64().unwrap()))
}

/// A run that has copied something, and by far not all.
fn in_the_middle(place: &Place, words: &str, into: &str) -> Child {
    let child = start(place, words);
    while copied(&unfinished(place, into)) < 20 {}
    child
}

fn send(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

#[test]
fn the_first_signal_writes_the_checkpoint_and_prints_how_to_go_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = source("json:data", 4_000);
        let words =
            "--source json:data --target sqlite:t.db --batch-size 1 --format json --restart";
        let child = in_the_middle(&place, words, "sqlite:t.db");
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let told: Json = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["outcome"], &told["exit_code"]), (&json!("interrupted"), &json!(code)));
        let command = told["resume_command"].as_str().unwrap();
        let (program, given) = command.split_once(' ').unwrap();
        assert!(program.ends_with("migrateRepository"), "{command}");
        assert_eq!(given, words.trim_end_matches(" --restart"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(command), "{said}");
        let found = unfinished(&place, "sqlite:t.db");
        assert_eq!(copied(&found), told["totals"]["read"].as_u64().unwrap());
        assert_eq!(found["owner"], Json::Null, "its lock was given back");
        let text = place.line("migrate status --target sqlite:t.db").ok();
        text.prints("held by       nobody").prints("of 4000 records");
        place.line("purge machines --older-than 0s --store sqlite:t.db").ends(5);

        let report = place.migrate(&given.replace("--batch-size 1 ", "")).ok().json();
        assert_eq!(report["outcome"], "verified");
        assert_eq!(report["resumed"]["records"], told["totals"]["read"]);
        assert_eq!(
            (&report["totals"]["read"], &report["totals"]["equal"]),
            (&json!(4_002), &json!(0))
        );
        place.line("migrate status --target sqlite:t.db").ok().prints("no migration");
    }
}

#[test]
fn the_second_signal_ends_at_once_and_the_run_is_resumable() {
    let place = source("json:data", 4_000);
    let words = "--source json:data --target json:t --batch-size 1";
    let mut child = in_the_middle(&place, words, "json:t");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    send(&child, "INT");
    assert!(lines.any(|line| line.unwrap().contains("a second signal ends at once")));
    send(&child, "INT");
    let drained = std::thread::spawn(move || lines.count());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drained.join().unwrap();
    let report = place.migrate(&format!("{words} --format json")).ok().json();
    assert_eq!(
        (&report["outcome"], &report["totals"]["read"]),
        (&json!("verified"), &json!(4_002))
    );
}

#[test]
fn one_run_at_a_time() {
    let place = source("json:data", 4_000);
    let words = "--source json:data --target sqlite:t.db --batch-size 1 --quiet";
    let mut child = in_the_middle(&place, words, "sqlite:t.db");
    let run = place.migrate(words).ends(5).complains("another run is at work on the target");
    run.complains(&format!("process: {}", child.id()));
    place
        .line("migrate status --store sqlite:t.db")
        .ok()
        .prints(&format!("process {}", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    place.line("migrate status --store sqlite:t.db").ok().prints("which has ended");
    let run = place.migrate("--source json:data --target sqlite:t.db").ok();
    run.complains("its lock is taken over from process").complains("which has ended");
}

#[test]
fn a_killed_restore_goes_on() {
    let place = source("sqlite:data.db", 4_000);
    let told = place.line("backup --store sqlite:data.db --format json").ok().json();
    let archive = told["archive"].as_str().unwrap();
    let line = format!("restore {archive} --store json:back --batch-size 1");
    let mut child = place.start(&line);
    while copied(&unfinished(&place, "json:back")) < 20 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let before = copied(&unfinished(&place, "json:back"));
    let report = place.line(&format!("restore {archive} --store json:back --format json")).ok();
    let report = report.json();
    assert_eq!(
        (&report["outcome"], &report["totals"]["read"]),
        (&json!("verified"), &json!(4_002))
    );
    assert!(report["resumed"]["records"].as_u64().unwrap() >= before);
    place.line("verify --source sqlite:data.db --target json:back").ok();
}

/// xorshift64: the moments need not be good random numbers, only different.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id()) | 1;
        println!("seed {seed}");
        Self(seed)
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }
}
