//! `repoctl changes` as operators and programs use it.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use crate::cli_support::{Place, filled, machine, machine_lines};
use serde_json::{Value as Json, json};

/// The stores that have a feed.
const STORES: [&str; 2] = ["sqlite:data.db", "postgresql:///"];

fn put(place: &Place, store: &str, id: &str, status: &str) {
    let line = format!("put machines - --store {store}");
    place.run_with_input(&line, &machine(id, status).to_string()).ok();
}

fn sqlite(place: &Place, file: &str, sql: &str) -> String {
    let run = Command::new("sqlite3").arg(place.path(file)).arg(sql).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// What `follow` printed: id, version, whether it deleted.
fn seen(lines: &[Json]) -> Vec<(String, u64, bool)> {
    lines
        .iter()
        .map(|line| {
            let id = line["id"].as_str().unwrap().to_owned();
            (id, line["version"].as_u64().unwrap(), line["deleted"].as_bool().unwrap())
        })
        .collect()
}

fn follow(place: &Place, store: &str, more: &str) -> Vec<Json> {
    let line = format!("changes follow feed --until-head {more} --store {store}");
    place.line(&line).ok().ndjson()
}

#[test]
fn a_consumer_follows_what_is_written() {
    for store in STORES {
        let place = filled(store, 2);
        place.line(&format!("changes list --store {store}")).ok().prints("no consumer");
        place.line(&format!("changes subscribe feed --store {store}")).ok().prints("captured");
        put(&place, store, "x", "running");
        place.line(&format!("delete machines x --store {store}")).ok();
        put(&place, store, "y", "stopped");
        let lines = follow(&place, store, "");
        let expected = [("x", 1, false), ("x", 2, true), ("y", 1, false)];
        let expected = expected.map(|(id, version, gone)| (id.to_owned(), version, gone));
        assert_eq!(seen(&lines), expected, "{store}");
        let names: Vec<&String> = lines[2].as_object().unwrap().keys().collect();
        let members = ["position", "collection", "id", "version", "deleted", "exact", "document"];
        assert!(members.iter().all(|member| names.iter().any(|name| name == member)));
        assert_eq!(lines[2]["document"]["status"], "stopped");
        assert_eq!((&lines[1]["document"], &lines[2]["exact"]), (&Json::Null, &Json::Bool(true)));
        assert!(follow(&place, store, "").is_empty());

        let list = format!("changes list --format json --store {store}");
        let consumer = place.line(&list).ok().json()["consumers"][0].clone();
        assert_eq!((&consumer["at_head"], &consumer["process"]), (&Json::Bool(true), &Json::Null));
        put(&place, store, "z", "running");
        put(&place, store, "w", "stopped");
        let filter = r#"--filter {"status":"running"} --collection machines"#;
        assert_eq!(seen(&follow(&place, store, filter)), [("z".to_owned(), 1, false)]);
        put(&place, store, "v", "running");
        let fields = "--fields status,price.amount,nothing";
        let lines = follow(&place, store, fields);
        assert_eq!(lines[0]["document"], json!({ "status": "running" }), "{store}");
        assert_eq!(lines[0]["version"], 1);
        place.line(&format!("changes unsubscribe feed --store {store}")).ok().prints("no longer");
    }
}

/// What was printed by a process that was killed comes again at most, and nothing is
/// missing.
#[test]
fn a_follower_that_is_killed_loses_nothing() {
    for store in STORES {
        let place = filled(store, 0);
        place.line(&format!("changes subscribe feed --store {store}")).ok();
        let mut child = place.start(&format!("changes follow feed --batch 3 --store {store}"));
        place
            .run_with_input(
                &format!("import machines --batch-size 5 --store {store}"),
                &machine_lines(40),
            )
            .ok();
        let mut printed: Vec<Json> = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().take(10) {
            printed.push(serde_json::from_str(&line.unwrap()).unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had printed is delivered; the last line may be broken off.
        printed.extend(lines.filter_map(|line| serde_json::from_str(&line.unwrap()).ok()));
        printed.extend(follow(&place, store, ""));
        let mut all = seen(&printed);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40, "{store}");
    }
}

#[test]
fn a_command_that_fails_leaves_a_dead_letter() {
    for store in STORES {
        let place = filled(store, 0);
        place.line(&format!("changes subscribe feed --store {store}")).ok();
        for (id, status) in [("good", "x"), ("bad", "x"), ("bad", "y"), ("fine", "x")] {
            put(&place, store, id, status);
        }
        place.write(
            "handle",
            "read line; case \"$line\" in *'\"bad\"'*) exit 7;; esac; echo \"$line\" >>handled",
        );
        let exec =
            ["changes", "follow", "feed", "--until-head", "--exec", "sh handle", "--store", store];
        place.run(exec).ok();
        let handled = |place: &Place| {
            let text = place.read("handled");
            seen(&text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        };
        let good = [("good", 1), ("fine", 1)].map(|(id, n)| (id.to_owned(), n, false));
        assert_eq!(handled(&place), good, "{store}");
        let dead = format!("changes dead list feed --format json --store {store}");
        let letters = place.line(&dead).ok().json()["dead_letters"].clone();
        assert_eq!((&letters[0]["version"], &letters[0]["attempts"]), (&1.into(), &5.into()));
        assert!(letters[0]["error"].as_str().unwrap().contains("exit status: 7"));
        assert_eq!((&letters[1]["version"], &letters[1]["attempts"]), (&2.into(), &0.into()));
        place.line(&format!("changes dead list feed --store {store}")).ok().prints("machines/bad");

        place.line(&format!("changes dead skip feed machines bad --store {store}")).ok();
        place.line(&format!("changes dead retry feed --store {store}")).ok();
        place.write("handle", "cat >>handled");
        place.run(exec).ok();
        assert_eq!(handled(&place)[2], ("bad".to_owned(), 2, false));
        place.line(&format!("changes dead list feed --store {store}")).ok().prints("no dead");
        place
            .line(&format!("changes dead skip feed machines bad --store {store}"))
            .ends(1)
            .complains("no dead letter of this record");
    }
}

#[test]
fn what_cannot_be_followed_is_refused_in_words() {
    for store in STORES {
        let place = filled(store, 0);
        let run = |words: &str| place.line(&format!("changes {words} --store {store}"));
        run("follow feed").ends(1).complains("no consumer of this name");
        run("unsubscribe feed").ends(1).complains("no consumer of this name");
        run("dead list feed").ends(1).complains("no consumer of this name");
        run("subscribe a/b").ends(2).complains("name of a consumer");
        run("subscribe feed").ok();
        run("subscribe feed").ends(1).complains("subscribed already");
        run("follow feed --format json").ends(2).complains("--format json");
        run("follow feed --filter {").ends(2);
        run("follow feed --fields a..b").ends(2);
        run("follow feed --batch 0").ends(2);
        run("follow feed --wait soon").ends(2);
        run("dead retry feed machines").ends(2);
        run("dead retry feed machines nobody").ends(1).complains("no dead letter");
        assert!(follow(&place, store, "").is_empty());
    }
}

/// Two processes of one consumer: the second one waits for a lease that a killed one
/// may have left, and is refused while the first one lives.
#[test]
fn two_processes_of_one_consumer_are_refused() {
    let place = filled("sqlite:data.db", 0);
    place.line("changes subscribe feed --store sqlite:data.db").ok();
    let mut first = place.start("changes follow feed --store sqlite:data.db");
    put(&place, "sqlite:data.db", "x", "running");
    let mut printed = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(printed.next().unwrap().unwrap().contains("\"x\""));
    place
        .line("changes unsubscribe feed --store sqlite:data.db")
        .ends(5)
        .complains("another process runs the consumer");
    place.line("changes follow feed --until-head --store sqlite:data.db").ends(5);
    first.kill().unwrap();
    first.wait().unwrap();
}

/// A store that was put back to an older state, and a consumer that comes too late.
#[test]
fn an_expired_position_is_said_in_words() {
    let place = filled("sqlite:data.db", 1);
    place.line("changes subscribe feed --store sqlite:data.db").ok();
    let copy = std::fs::read(place.path("data.db")).unwrap();
    put(&place, "sqlite:data.db", "x", "running");
    assert_eq!(follow(&place, "sqlite:data.db", "").len(), 1);
    let consumer =
        sqlite(&place, "data.db", "SELECT value FROM _repo_items WHERE collection = 'consumers'");
    std::fs::write(place.path("data.db"), copy).unwrap();
    let ahead = format!(
        "UPDATE _repo_items SET value = '{}' WHERE collection = 'consumers'",
        consumer.trim()
    );
    sqlite(&place, "data.db", &ahead);
    place
        .line("changes follow feed --until-head --store sqlite:data.db")
        .ends(1)
        .complains("put back to an older state");
}
