//! JSON files that another tool wrote or edited, as an operator meets them.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::io::{BufRead as _, BufReader, Write as _};

use crate::cli_support::{Place, filled, machine};
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

/// One file of another program: a collection, and what is none of ours.
fn file_with_more_in_it(place: &Place) {
    let file = json!({
        "version": 3,
        "machines": { "m-1": machine("m-1", "running"), "m-2": machine("m-2", "idle") },
        "events": [{ "at": 1 }],
        "Not a name": { "a": {} },
        "requests": { "r-1": { "request_id": "another" } },
    });
    place.write(FILE, file.to_string());
}

#[test]
fn what_is_not_selected_of_a_file_is_skipped_and_not_checked() {
    let place = Place::new();
    file_with_more_in_it(&place);
    place
        .line("migrate --source json:data --target sqlite:all.db")
        .ends(1)
        .complains("request_database.json")
        .complains("select the collections");
    let sides = "--source json:data --target sqlite:t.db --collections machines";
    place.line(&format!("migrate {sides} --dry-run")).ok();
    place.line(&format!("migrate {sides}")).ok();
    place.line(&format!("verify {sides}")).ok();
    place.line("backup --store json:data --collections machines").ok();
    let found = place.line("export machines --store json:data").ok().ndjson();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(place.line("count machines --store json:data").ok().stdout, "2\n");
    place.line("get machines m-1 --store json:data").ok();
    let by_status = ["query", "machines", "--store", "json:data", "--filter"];
    let found = place.run(by_status.into_iter().chain([r#"{"status": "idle"}"#])).ok();
    found.prints("m-2");
    place.line("get requests r-1 --store json:data").ends(1).complains("/requests/r-1");
    let misspelt = "migrate --source json:data --target sqlite:u.db --collections machine";
    place.line(misspelt).ends(2).complains("did you mean `machines`?");
}

#[test]
fn split_files_that_are_not_selected_are_not_opened() {
    let place = Place::new();
    place.write("data/machines.json", json!({ "m-1": machine("m-1", "x") }).to_string());
    place.write("data/requests.json", "{{{ not JSON");
    std::os::unix::fs::symlink("/nowhere/at/all", place.path("data/templates.json")).unwrap();
    place.line("export requests --store json:data").ends(1);
    let sides = "--source json:data --target sqlite:t.db --collections machines";
    place.line(&format!("migrate {sides}")).ok();
    place.line(&format!("verify {sides}")).ok();
    assert_eq!(place.line("export machines --store json:data").ok().ndjson().len(), 1);
}

#[test]
fn files_of_a_store_of_ours_stay_closed_too() {
    let place = Place::new();
    place.write("data/machines.json", json!({ "m-1": machine("m-1", "x") }).to_string());
    place.write("data/requests.json", json!({ "r-1": { "request_id": "r-1" } }).to_string());
    place.line("init --store json:data").ok();
    place.write("data/requests.json", "damaged");
    place.line("count requests --store json:data").ends(1);
    assert_eq!(place.line("count machines --store json:data").ok().stdout, "1\n");
    place.line("migrate --source json:data --target sqlite:t.db --collections machines").ok();
}

/// Moves a file away and puts a link to it in its place.
fn link_away(place: &Place, name: &str) {
    std::fs::rename(place.path(name), place.path("real")).unwrap();
    std::os::unix::fs::symlink(place.path("real"), place.path(name)).unwrap();
}

#[test]
fn a_linked_data_file_of_a_store_is_read_and_never_replaced() {
    let place = filled("json:data", 2);
    link_away(&place, FILE);
    place.line("get machines m-0001 --store json:data").ok();
    let before = place.contents();
    let put =
        place.run_with_input("put machines --store json:data", &machine("m", "x").to_string());
    put.ends(1).complains("it is a link");
    assert!(place.path(FILE).is_symlink());
    assert!(place.contents() == before);
    // A folder that is reached by a link is another matter.
    std::fs::remove_file(place.path(FILE)).unwrap();
    std::fs::rename(place.path("real"), place.path(FILE)).unwrap();
    std::os::unix::fs::symlink(place.path("data"), place.path("linked")).unwrap();
    let put =
        place.run_with_input("put machines --store json:linked", &machine("m", "x").to_string());
    put.ok();
    place.line("get machines m --store json:data").ok();
}

#[test]
fn a_file_with_two_names_is_not_healthy_and_is_not_written() {
    for (store, file) in [("sqlite:data.db", "data.db"), ("json:data", "data/.journal")] {
        let place = filled(store, 2);
        std::fs::hard_link(place.path(file), place.path("other")).unwrap();
        let before = place.contents();
        let input = machine("m", "x").to_string();
        for line in ["health", "get machines m-0001", "put machines", "init"] {
            let run = place.run_with_input(&format!("{line} --store {store}"), &input);
            run.ends(2).complains("second name");
        }
        assert!(place.contents() == before, "{store}");
        std::fs::remove_file(place.path("other")).unwrap();
        place.line(&format!("health --store {store}")).ok();
    }
}

#[test]
fn a_report_is_not_written_over_a_link() {
    let place = filled("json:data", 1);
    place.line("migrate --source json:data --target sqlite:t.db").ok();
    place.write("precious", "{}");
    std::os::unix::fs::symlink(place.path("precious"), place.path("state")).unwrap();
    let verify = place.line("verify --source json:data --target sqlite:t.db --state state");
    verify.ends(2).complains("link");
    assert!(place.path("state").is_symlink());
    let sides = "--source json:data --target sqlite:u.db";
    place.line(&format!("migrate {sides} --quarantine state")).ends(1);
    assert_eq!(place.read("precious"), "{}");
}

#[test]
fn more_files_than_the_system_opens_are_told_with_the_limit() {
    let place = Place::new();
    for n in 0..60 {
        place.write(&format!("data/c{n:02}.json"), "{}");
    }
    let program = place.command("repoctl").get_program().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(place.path(""));
    shell.args(["-c", "ulimit -n 48; exec \"$0\" health --store json:data"]).arg(program);
    let run = crate::cli_support::Run::of(&mut shell);
    run.ends(1).complains("too many files are open").complains("ulimit -n");
    place.line("health --store json:data").ok();
}
