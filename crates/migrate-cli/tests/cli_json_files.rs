//! JSON files that another tool wrote or edited, as an operator meets them.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli_support;

use std::io::{BufRead as _, BufReader, Write as _};

use cli_support::{Place, filled, machine};
use serde_json::{Value as Json, json};

const FILE: &str = "data/request_database.json";

/// Changes the data file as another tool would: without any lock of ours.
fn edit(place: &Place, change: impl FnOnce(&mut Json)) {
    let mut file: Json = serde_json::from_str(&place.read(FILE)).unwrap();
    change(&mut file);
    place.write(FILE, file.to_string());
}

fn records(place: &Place) -> Vec<(String, u64, Json)> {
    let export = place.line("export machines --tombstones --store json:data").ok();
    let mut records: Vec<_> = export
        .ndjson()
        .into_iter()
        .map(|line| {
            let id = line["machine_id"].as_str().unwrap().to_owned();
            let what =
                if line["_deleted"] == true { json!("deleted") } else { line["status"].clone() };
            (id, line["_version"].as_u64().unwrap(), what)
        })
        .collect();
    records.sort_by(|a, b| a.0.cmp(&b.0));
    records
}

fn record(id: &str, version: u64, what: &str) -> (String, u64, Json) {
    (id.to_owned(), version, json!(what))
}

#[test]
fn a_file_rewritten_between_two_runs_becomes_new_versions() {
    let place = filled("json:data", 3);
    edit(&place, |file| {
        file["machines"]["m-0001"]["status"] = json!("edited");
        file["machines"]["m-new"] = machine("m-new", "added");
        file["machines"].as_object_mut().unwrap().remove("m-0003");
    });
    let expected = [
        record("m-0001", 2, "edited"),
        record("m-0002", 1, "running"),
        record("m-0003", 2, "deleted"),
        record("m-new", 1, "added"),
    ];
    assert_eq!(records(&place), expected, "reading alone");
    let run = place.line("checkpoint --store json:data").ok();
    let run = run.complains("warning: a data file was changed by something else and taken in (");
    // Where in the program that was said is nothing to the operator.
    assert!(!run.stderr.contains("repo_json") && !run.stderr.contains("WARN"), "{run:#?}");
    assert_eq!(records(&place), expected, "after a writer took it in");
    let back = machine("m-0003", "back").to_string();
    place.run_with_input("put machines --store json:data", &back).ok().prints("version 3");
}

#[test]
fn files_of_another_tool_are_a_store_at_version_one() {
    let place = Place::new();
    place.write("data/machines.json", json!({ "m-1": machine("m-1", "x") }).to_string());
    place.write("data/templates.json", json!({ "t-1": { "template_id": "t-1" } }).to_string());
    let before = place.contents();
    let got = place.line("get machines m-1 --store json:data --format json").ok().json();
    assert_eq!(got["_version"], 1);
    assert_eq!(place.line("count templates --store json:data").ok().stdout, "1\n");
    place.line("health --store json:data").ok();
    place.line("schema validate machines --store json:data").ends(3);
    assert!(place.contents() == before, "reading made something");
}

/// A store that was killed with commits in its journal, and whose file was
/// edited afterwards.
fn edited_over_a_journal() -> Place {
    let place = filled("json:data", 2);
    let mut child = place.start("import machines --batch-size 1 --format ndjson --store json:data");
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", machine("m-0001", "journal")).unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(answers.next().unwrap().unwrap().contains("committed"));
    child.kill().unwrap();
    child.wait().unwrap();
    edit(&place, |file| file["machines"]["m-0001"]["status"] = json!("file"));
    place
}

#[test]
fn an_edit_over_a_journal_is_refused_until_somebody_decides() {
    for (keep, status) in [("file", "file"), ("journal", "journal")] {
        let place = edited_over_a_journal();
        let before = place.contents();
        for line in ["get machines m-0001", "count machines", "init", "checkpoint"] {
            let refused = place.line(&format!("{line} --store json:data")).ends(1);
            refused.complains("repoctl resolve").complains("request_database.json");
        }
        assert!(place.contents() == before);

        let line = format!("resolve --keep {keep} --store json:data --format json");
        let done = place.line(&line).ok().json();
        assert_eq!(done["needed"], true);
        assert!(!done["copies"].as_array().unwrap().is_empty(), "{done}");
        let found = records(&place);
        assert_eq!(found[0].2, status, "{found:?}");
        assert!(found[0].1 >= 2, "{found:?}");
        assert_eq!(found[1], record("m-0002", 1, "running"));
        place.line("health --store json:data").ok();
        let again = place.line(&format!("resolve --keep {keep} --store json:data")).ok();
        again.prints("nothing to decide");
    }
}
