//! `repoctl history` and what it makes possible, as operators use it.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, filled, machine};
use serde_json::{Value as Json, json};

/// The stores that keep histories.
const KEEPING: [&str; 4] = ["json:data", "sqlite:data.db", "postgresql:///", "dynamodb:data"];

fn put(place: &Place, store: &str, id: &str, status: &str) {
    let line = format!("put machines - --store {store}");
    place.run_with_input(&line, &machine(id, status).to_string()).ok();
}

fn versions(place: &Place, store: &str, more: &str) -> Vec<Json> {
    let line = format!("versions machines m --format json {more} --store {store}");
    place.line(&line).ok().json().as_array().unwrap().clone()
}

fn numbers(versions: &[Json]) -> Vec<u64> {
    versions.iter().map(|version| version["version"].as_u64().unwrap()).collect()
}

/// A store that keeps a history with four versions of one machine, of which the third
/// is a deletion; and when each was written.
fn with_history(store: &str) -> (Place, Vec<String>) {
    let place = filled(store, 2);
    place.line(&format!("history on machines --store {store}")).ok().prints("is kept since");
    put(&place, store, "m", "one");
    put(&place, store, "m", "two");
    place.line(&format!("delete machines m --store {store}")).ok();
    put(&place, store, "m", "four");
    let times = versions(&place, store, "");
    assert_eq!(numbers(&times), [4, 3, 2, 1]);
    let time = |version: &Json| version["updated_at"].as_str().unwrap().to_owned();
    let times = times.iter().rev().map(time).collect();
    (place, times)
}

#[test]
fn every_version_is_listed() {
    for store in KEEPING {
        let (place, times) = with_history(store);
        let all = versions(&place, store, "");
        let deleted =
            json!({ "version": 3, "updated_at": times[2], "deleted": true, "document": null });
        assert_eq!(all[1], deleted);
        assert_eq!(
            (&all[2]["deleted"], &all[2]["document"]["status"]),
            (&json!(false), &json!("two"))
        );
        assert_eq!(numbers(&versions(&place, store, "--limit 2")), [4, 3]);
        assert_eq!(numbers(&versions(&place, store, "--below 3")), [2, 1]);
        let lines = place.line(&format!("versions machines m --format ndjson --store {store}"));
        assert_eq!(lines.ok().ndjson(), all);
        place
            .line(&format!("versions machines m --store {store}"))
            .ok()
            .prints("deleted")
            .prints("\"two\"");
        place.line(&format!("history list --store {store}")).ok().prints("machines");
    }
}

#[test]
fn who_wrote_a_version_is_listed_with_it() {
    for store in KEEPING {
        let place = filled(store, 1);
        place.line(&format!("history on machines --store {store}")).ok();
        let put = format!("put machines - --author ada --store {store}");
        place.run_with_input(&put, &machine("m", "one").to_string()).ok();
        let of = |args: &[&str]| {
            let store = ["--store", store];
            place.run([args, &store].concat())
        };
        let reason = "lease\nhas ended";
        of(&["delete", "machines", "m", "--author", "bob", "--reason", reason]).ok();
        of(&["restore-version", "machines", "m", "1", "--reason", "a mistake"]).ok();
        self::put(&place, store, "m", "four");
        let listed = versions(&place, store, "");
        let by = |at: usize| (listed[at].get("author"), listed[at].get("reason"));
        assert_eq!(by(0), (None, None));
        assert_eq!(by(1), (Some(&Json::Null), Some(&json!("a mistake"))));
        assert_eq!(by(2), (Some(&json!("bob")), Some(&json!(reason))));
        assert_eq!(by(3), (Some(&json!("ada")), Some(&Json::Null)));
        of(&["versions", "machines", "m"]).ok().prints("bob (lease\\nhas ended)").prints("ada");
        let wrong = [("--author", ""), ("--author", "two\nlines"), ("--reason", "")];
        for (flag, text) in wrong {
            of(&["delete", "machines", "m", flag, text]).ends(2).complains("1 to");
        }
        assert_eq!(versions(&place, store, "").len(), 4, "nothing was deleted");
    }
}

#[test]
fn an_entity_is_printed_as_it_was() {
    for store in KEEPING {
        let (place, times) = with_history(store);
        let get = |more: &str| {
            place.line(&format!("get machines m {more} --format json --store {store}"))
        };
        assert_eq!(get("--at-version 1").ok().json()["status"], "one");
        assert_eq!(get(&format!("--as-of {}", times[1])).ok().json()["status"], "two");
        assert_eq!(get(&format!("--as-of {}", times[3])).ok().json()["_version"], 4);
        get("--at-version 3").ends(1).complains("deleted then");
        get(&format!("--as-of {}", times[2])).ends(1).complains("deleted then");
        get("--at-version 9").ends(1).complains("no such version yet");
        get("--as-of 2001-01-01T00:00:00Z").ends(1).complains("history_begins");
        get("--tag x").ends(1).complains("no such tag");
        get("--as-of yesterday").ends(2).complains("for example");
        get("--as-of 2001-01-01T00:00:00Z --at-version 1").ends(2);
        get("--at-version 0").ends(2);

        let diff = format!("diff machines m 1 2 --format json --store {store}");
        let patch = json!([{ "op": "replace", "path": "/status", "value": "two" }]);
        assert_eq!(place.line(&diff).ok().json()["patch"], patch);
        place
            .line(&format!("diff machines m 1 2 --store {store}"))
            .ok()
            .prints("~ /status: \"one\" -> \"two\"");
        let restore =
            |more: &str| place.line(&format!("restore-version machines m {more} --store {store}"));
        restore("1 --expect-version 2").ends(1).complains("expected version 2");
        restore("3").ends(1).complains("deleted in this version");
        restore("1 --expect-version 4").ok().prints("as version 5");
        assert_eq!(get("").ok().json()["status"], "one");
    }
}

#[test]
fn a_collection_is_searched_and_exported_as_it_was() {
    for store in KEEPING {
        let (place, times) = with_history(store);
        put(&place, store, "later", "x");
        let export = |time: &str| {
            let line = format!("export machines --as-of {time} --store {store}");
            place.line(&line).ok().ndjson()
        };
        let of = |records: &[Json]| {
            let mut all: Vec<String> = records
                .iter()
                .map(|r| format!("{}@{}", r["machine_id"].as_str().unwrap(), r["_version"]))
                .collect();
            all.sort();
            all
        };
        let two = of(&export(&times[1]));
        assert_eq!(two, ["m-0001@1", "m-0002@1", "m@2"]);
        assert_eq!(of(&export(&times[2])).len(), 2);
        let query = |more: &str| {
            let line =
                format!("query machines --as-of {} {more} --format json --store {store}", times[1]);
            place.line(&line)
        };
        let found = query(r#"--filter {"status":"two"}"#).ok().json()["entities"].clone();
        assert_eq!(of(found.as_array().unwrap()), ["m@2"]);
        let found = query("--order-by machine_id:desc --limit 1").ok().json()["entities"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1);
        query("--order-by machine_id").ends(2).complains("--limit");
        query("--cursor x --limit 1").ends(2);
        place
            .line(&format!("export machines --as-of 2001-01-01T00:00:00Z --store {store}"))
            .ends(1)
            .complains("before the history begins");
    }
}

#[test]
fn retention_and_tags() {
    for store in KEEPING {
        let (place, _) = with_history(store);
        let line = |line: &str| place.line(&format!("{line} --store {store}"));
        line("tag add machines m first --version 1 --note why").ok().prints("version 1");
        line("tag add machines m first --version 2").ends(1).complains("another version");
        line("tag add machines m none --version 9").ends(1);
        line("tag add machines m ''").ends(2);
        line("tag list machines m").ok().prints("first");
        line("history prune machines").ends(2).complains("--keep-age");
        line("history prune machines --keep-versions 1").ok().prints("1 kept by tags");
        let all = versions(&place, store, "");
        assert_eq!(numbers(&all), [4, 3, 2, 1]);
        assert_eq!(
            (&all[2]["removed"], &all[3]["document"]["status"]),
            (&json!(true), &json!("one"))
        );
        line("get machines m --at-version 2").ends(1).complains("retention removed");
        line("get machines m --tag first").ok().prints("\"one\"");
        line("tag remove machines m first").ok();
        line("history on machines --keep-versions 1").ok();
        line("history prune machines").ok().prints("1 versions");
        assert_eq!(numbers(&versions(&place, store, "")), [4, 3, 2]);
        line("history off machines").ends(2).complains("--yes");
        line("history off machines --yes").ok();
        line("versions machines m").ends(1).complains("repoctl history on");
        line("history list").ok().prints("no history");
    }
}

/// What was printed of the versions before a damaged one is whole JSON.
#[test]
fn a_damaged_version_ends_the_list_with_the_error() {
    let (place, _) = with_history("sqlite:data.db");
    let script: String = (0..150)
        .map(|n| {
            format!(
                "UPDATE machines_records SET document = json_set(document, '$.n', {n}), \
                 _version = _version + 1 WHERE machine_id = 'm';\n"
            )
        })
        .collect();
    let damage = "PRAGMA ignore_check_constraints = ON;\n\
                  UPDATE \"machines-versions\" SET document = '{' WHERE _version = 1;";
    let sql = Command::new("sqlite3")
        .args(["-bail", place.path("data.db").to_str().unwrap(), &format!("{script}{damage}")])
        .output()
        .unwrap();
    assert!(sql.status.success(), "{sql:?}");
    let run = place.line("versions machines m --store sqlite:data.db --format json");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let list: Json = serde_json::from_str(&run.stdout).unwrap();
    let list = list.as_array().unwrap();
    assert!(list.len() > 100, "{}", list.len());
    assert_eq!(list.last().unwrap()["error"]["kind"], "Corrupt");
}

#[test]
fn what_no_history_has_is_refused_in_words() {
    for store in KEEPING {
        let place = filled(store, 1);
        let line = |line: &str| place.line(&format!("{line} --store {store}"));
        for command in ["versions machines m-0001", "get machines m-0001 --at-version 1"] {
            line(command).ends(1).complains("no history of the collection is kept");
        }
        line("export machines --as-of 2026-01-01T00:00:00Z").ends(1).complains("history on");
        line("history prune machines --keep-versions 1").ends(1);
        line("history on nowhere").ends(1).complains("never prepared");
        line("history on machines --keep-age soon").ends(2).complains("duration");
        line("history on machines --keep-versions 0").ends(2);
        line("history list").ok().prints("no history");
    }
}
