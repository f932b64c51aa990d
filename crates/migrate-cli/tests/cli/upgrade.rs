//! `repoctl upgrade`, `init` and `migrate` where the schema files are of a
//! newer version than the documents.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::{Child, Stdio};
use std::time::Instant;

use crate::cli_support::{Place, STORES};
use serde_json::{Value as Json, json};

/// A document that goes through these twice is refused: the new place of `n`
/// holds a value already.
const UPGRADES: &str = r#"[{"from":1,"to":2,"steps":[
    {"rename":{"from":"n","to":"size"}},
    {"default":{"field":"n","value":"new"}},
    {"convert":{"field":"price","to":"number"}}]}]"#;

/// Version 2 has another index than version 1.
fn schema(version: u32, upgrades: &str) -> String {
    let indexes = if version == 1 { r#"[["n"]]"# } else { r#"[["n"],["size","n"]]"# };
    format!(
        r#"{{"type":"object","properties":{{"id":{{"type":"string"}}}},"x-repository":
        {{"collection":"things","idField":"id","indexes":{indexes},"schemaVersion":{version},"upgrades":{upgrades}}}}}"#
    )
}

fn thing(n: usize) -> Json {
    json!({ "id": format!("t-{n:05}"), "n": n, "price": format!("{n}.25") })
}

/// A store of version 1 with `count` things, and the schema files of both
/// versions beside it.
fn filled(store: &str, count: usize) -> Place {
    let place = Place::new();
    place.write("old/things.schema.json", schema(1, "[]"));
    place.write("new/things.schema.json", schema(2, UPGRADES));
    place.line(&format!("init --store {store} --schemas old")).ok();
    let lines: String = (0..count).map(|n| format!("{}\n", thing(n))).collect();
    place.run_with_input(&format!("import things --store {store} --schemas old"), &lines).ok();
    place
}

fn command(store: &str) -> String {
    format!("upgrade things --to 2 --store {store} --schemas new --format json")
}

/// Every document, by id, went through the steps exactly once.
#[track_caller]
fn assert_upgraded(place: &Place, store: &str, count: usize) {
    let run = place.line(&format!("export things --store {store} --schemas new --format ndjson"));
    let mut found = run.ok().ndjson();
    found.sort_by_key(|one| one["id"].as_str().unwrap().to_owned());
    assert_eq!(found.len(), count);
    for (n, one) in found.iter().enumerate() {
        assert_eq!((&one["size"], &one["n"]), (&json!(n), &json!("new")), "{one}");
        assert_eq!(one["price"].to_string().parse::<f64>().unwrap(), n as f64 + 0.25);
        assert_eq!(one["_version"], 2, "{one}");
    }
}

/// So many of its records are done; none when nothing is unfinished.
fn done(place: &Place, store: &str) -> Option<u64> {
    let found = place.line(&format!("migrate status --target {store} --format json"));
    let unfinished = found.ok().json()["unfinished"].take();
    unfinished["copied"][0]["read"].as_u64()
}

fn start(place: &Place, line: &str) -> Child {
    place
        .command("repoctl")
        .args(line.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_collection_is_upgraded_in_every_store() {
    for store in STORES {
        let place = filled(store, 150);
        let dry = place.line(&format!("{} --dry-run", command(store))).ok().json();
        assert_eq!((&dry["outcome"], &dry["upgraded"]), (&json!("dry_run"), &json!(150)));
        let told = place.line(&command(store)).ok().json();
        assert_eq!((&told["outcome"], &told["upgraded"]), (&json!("upgraded"), &json!(150)));
        assert_eq!(told["versions"], json!([1, 2]));
        assert_upgraded(&place, store, 150);
        for filter in [r#"{"size":7}"#, r#"{"size":7,"n":"new"}"#] {
            let words = ["query", "things", "--filter", filter, "--format", "json"];
            let more = ["--store", store, "--schemas", "new"];
            let found = place.run(words.into_iter().chain(more)).ok();
            assert_eq!(found.stdout.matches("t-00007").count(), 1, "{store}: {found:?}");
        }
        let again = place.line(&command(store)).ok().json();
        assert_eq!(again["outcome"], "current", "{store}");
        let human = command(store).replace(" --format json", "");
        place.line(&human).ok().prints("things is at schema version 2 already");
    }
}

#[test]
fn killed_in_the_middle_the_same_command_goes_on_in_json() {
    killed_in_the_middle("json:data", 4_000);
}

#[test]
fn killed_in_the_middle_the_same_command_goes_on_in_sqlite() {
    killed_in_the_middle("sqlite:data.db", 4_000);
}

#[test]
fn killed_in_the_middle_the_same_command_goes_on_in_postgresql() {
    killed_in_the_middle("postgresql:///", 4_000);
}

#[test]
fn killed_in_the_middle_the_same_command_goes_on_in_dynamodb() {
    killed_in_the_middle("dynamodb:data", 600);
}

#[test]
fn killed_in_the_middle_the_same_command_goes_on_in_objects() {
    killed_in_the_middle("object:file:objects", 1_000);
}

fn killed_in_the_middle(store: &str, count: usize) {
    let place = filled(store, count);
    let line = format!("{} --batch-size 1", command(store));
    let mut before = 0;
    for _ in 0..2 {
        let mut child = start(&place, &line);
        while done(&place, store).unwrap_or_default() < before + 10 {
            assert!(child.try_wait().unwrap().is_none(), "{store}: it ended before it was killed");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        before = done(&place, store).unwrap();
    }
    assert!(before < count as u64);
    nothing_else_may_mix(&place, store);
    let told = place.line(&command(store)).ok().json();
    assert_eq!((&told["outcome"], &told["upgraded"]), (&json!("upgraded"), &json!(count)));
    assert!(told["resumed_after"].as_u64().unwrap() >= before);
    assert_upgraded(&place, store, count);
    assert_eq!(done(&place, store), None);
    place
        .run_with_input(
            &format!("put things --store {store} --schemas new"),
            r#"{"id":"one more","n":"new"}"#,
        )
        .ok();
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on() {
    for store in ["json:data", "sqlite:data.db"] {
        let line = format!("{} --batch-size 7", command(store));
        let count = 1_500;
        let begun = Instant::now();
        filled(store, count).line(&line).ok();
        let takes = begun.elapsed();
        let place = filled(store, count);
        let mut fell = 0;
        // Later and later, from before the check to after the end.
        for moment in 1..=4 {
            let mut child = start(&place, &line);
            std::thread::sleep(takes.mul_f64(f64::from(moment) / 5.0));
            child.kill().unwrap();
            child.wait().unwrap();
            fell += u32::from(done(&place, store).is_some());
        }
        println!("{store}: after {fell} of 4 kills it was unfinished");
        place.line(&line).ok();
        assert_upgraded(&place, store, count);
        assert_eq!(done(&place, store), None);
    }
}

/// What a store with an unfinished upgrade refuses, and what it says.
fn nothing_else_may_mix(place: &Place, store: &str) {
    let hint = "repoctl upgrade things --to 2";
    let with = format!("--store {store} --schemas new");
    let other = if store.starts_with("json") { "sqlite:other.db" } else { "json:other" };
    let input = thing(0).to_string();
    for line in [format!("put things {with}"), format!("import things {with}")] {
        place.run_with_input(&line, &input).ends(5).complains(hint);
    }
    for line in [
        format!("delete things t-00000 {with}"),
        format!("export things {with}"),
        format!("backup {with}"),
        format!("migrate --source {store} --target {other} --schemas new --restart"),
        format!("purge things --older-than 0s {with}"),
    ] {
        let run = place.line(&line).ends(5);
        if !line.starts_with("purge") {
            run.complains(hint);
        }
    }
    // Reading by id is safe, and shows which version a document is of.
    place.line(&format!("get things t-00000 {with}")).ok();
    place.line(&format!("count things {with}")).ok();
}

#[test]
fn the_first_signal_ends_it_between_two_batches() {
    let place = filled("sqlite:data.db", 4_000);
    let line = format!("{} --batch-size 1", command("sqlite:data.db"));
    let child = place
        .command("repoctl")
        .args(line.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while done(&place, "sqlite:data.db").unwrap_or_default() < 10 {}
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"], "interrupted");
    assert!(told["resume_command"].as_str().unwrap().contains("upgrade things --to 2"), "{told}");
    place.line(&command("sqlite:data.db")).ok();
    assert_upgraded(&place, "sqlite:data.db", 4_000);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_written() {
    let place = filled("json:data", 20);
    place.write("none/things.schema.json", schema(2, "[]"));
    let wrong = UPGRADES.replace("convert", "konvert");
    place.write("wrong/things.schema.json", schema(2, &wrong));
    let bad = r#"{"id":"bad","price":"abc"}"#;
    place.run_with_input("put things --store json:data --schemas old", bad).ok();
    let before = place.contents();
    let shown = place.line("schema show things --schemas new --format json").ok().json();
    assert_eq!(shown["upgrades"], json!([[1, 2]]));
    let line = |rest: &str| format!("upgrade things --store json:data {rest}");
    place.line(&line("--schemas new --no-backup")).ends(2).complains("which entities are upgraded");
    place.line(&line("--schemas none")).ends(2).complains("no upgrade leads to that version");
    place.line(&line("--schemas new --to 7")).ends(2).complains("does not reach that version");
    place
        .line(&line("--schemas wrong"))
        .ends(2)
        .complains("/x-repository/upgrades/0/steps/2/konvert")
        .complains("did you mean `convert`?");
    place
        .line("upgrade nothing --store json:data --schemas new")
        .ends(1)
        .complains("never prepared");
    place
        .line(&line("--schemas new"))
        .ends(1)
        .complains("things/bad")
        .complains("convert price to number");
    let migrate = "migrate --source json:data --target sqlite:t.db";
    place.line(&format!("{migrate} --schemas none")).ends(2).complains("declare it");
    place.line(&format!("{migrate} --schemas new")).ends(1).complains("things/bad");
    assert_eq!(place.contents(), before);
}

#[test]
fn a_migration_upgrades_on_the_way_and_says_so() {
    for (from, into) in [
        ("json:data", "sqlite:t.db"),
        ("sqlite:data.db", "json:t"),
        ("json:data", "postgresql:///"),
        ("dynamodb:data", "json:t"),
        ("sqlite:data.db", "dynamodb:t"),
    ] {
        let place = filled(from, 60);
        let line = format!("migrate --source {from} --target {into} --schemas new");
        place.line(&format!("{line} --dry-run")).ok().prints("things: schema 1 → 2 by 1→2");
        let told = place.line(&format!("{line} --format json")).ok().json();
        assert_eq!(told["collections"][0]["upgrade"], json!([1, 2]), "{from} {into}");
        assert_eq!(told["outcome"], "verified");
        let again = place.line(&format!("{line} --format json")).ok().json();
        assert_eq!(again["totals"]["equal"], 60, "{from} {into}");
        place
            .line(&format!("verify --source {from} --target {into} --schemas new"))
            .ok()
            .prints("things: compared as schema 1 → 2 by 1→2");
        let get = format!("get things t-00007 --store {into} --schemas new --format json");
        let one = place.line(&get).ok().json();
        let one = if one["size"].is_null() { one["entity"].clone() } else { one };
        assert_eq!((&one["size"], &one["_version"]), (&json!(7), &json!(1)), "{one}");
    }
}

#[test]
fn init_leaves_the_version_of_documents_that_have_to_be_upgraded() {
    for store in STORES {
        let place = filled(store, 5);
        place
            .line(&format!("init --store {store} --schemas new"))
            .ok()
            .complains("repoctl upgrade things --to 2");
        place.line(&command(store)).ok();
        assert_upgraded(&place, store, 5);
        let run = place.line(&format!("init --store {store} --schemas new")).ok();
        assert!(!run.stderr.contains("upgrade"), "{run:?}");
    }
}
