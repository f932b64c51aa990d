//! A source without versions of its own: what was written over the target is
//! equal afterwards, and a source that changed under a run has a way out.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, Run, STORES, machine, pairs, postgres_variables};
use serde_json::{Value as Json, json};

/// The kinds of source that keep no versions.
const SOURCES: [&str; 3] = ["json:plain", "sqlite:broker.db", "postgresql:///"];

const TABLE: &str = "DROP TABLE IF EXISTS machines; CREATE TABLE machines \
     (machine_id TEXT NOT NULL PRIMARY KEY, status TEXT)";

/// Makes the source hold these machines and no others, as its own program would.
fn hold(place: &Place, source: &str, machines: &[(&str, &str)]) {
    let rows: Vec<String> =
        machines.iter().map(|(id, status)| format!("('{id}', '{status}')")).collect();
    let sql = format!("{TABLE}; INSERT INTO machines VALUES {}", rows.join(", "));
    match source.split_once(':').unwrap().0 {
        "json" => {
            let all: serde_json::Map<String, Json> = machines
                .iter()
                .map(|(id, status)| ((*id).to_owned(), json!({"machine_id": id, "status": status})))
                .collect();
            place.write("plain/request_database.json", json!({ "machines": all }).to_string());
        }
        "sqlite" => {
            Run::of(Command::new("sqlite3").arg(place.path("broker.db")).arg(sql)).ok();
        }
        _ => {
            let mut command = Command::new("psql");
            command.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-c", &sql]);
            Run::of(command.envs(postgres_variables(place.postgres()))).ok();
        }
    }
}

/// A target that holds one of the source's machines otherwise.
fn target(place: &Place, source: &str, target: &str) -> Option<String> {
    if source == target || (source.starts_with("postgresql") && target.starts_with("postgresql")) {
        return None;
    }
    if target.starts_with("postgresql") {
        place.postgres();
    }
    place.line(&format!("init --store {target}")).ok();
    let put = format!("put machines --store {target}");
    place.run_with_input(&put, &machine("m-1", "old").to_string()).ok();
    Some(target.to_owned())
}

#[test]
fn what_was_overwritten_is_equal_from_then_on() {
    for (source, store) in pairs(&SOURCES, &STORES) {
        let place = Place::new();
        let Some(target) = target(&place, source, store) else { continue };
        hold(&place, source, &[("m-1", "new"), ("m-2", "new")]);
        let sides = format!("--source {source} --target {target}");
        place.migrate(&sides).ends(1).complains("already holds other records");
        let newer = place.migrate(&format!("{sides} --on-conflict newer")).ends(3);
        newer.prints("differ and were left: m-1");
        place.line(&format!("verify {sides}")).ends(4);

        let plan = place.migrate(&format!("{sides} --on-conflict overwrite --dry-run"));
        plan.ok();
        let run = place.migrate(&format!("{sides} --on-conflict overwrite --format json"));
        let report = run.ok().json();
        assert_eq!(report["outcome"], "verified", "{sides}: {report}");
        let machines = &report["collections"][0];
        assert_eq!(
            (&machines["raised"], &machines["left_differing"]["count"]),
            (&json!(1), &json!(0)),
            "{sides}"
        );

        for words in ["", " --on-conflict newer", " --on-conflict overwrite"] {
            let again = place.migrate(&format!("{sides}{words} --format json")).ok().json();
            assert_eq!(again["totals"]["equal"], 2, "{sides}{words}");
            assert_eq!(again["totals"]["applied"], 0, "{sides}{words}");
        }
        let back = format!("--source {target} --target {source}");
        for words in [sides, back] {
            place.line(&format!("verify {words}")).ok().prints("equal");
            place.line(&format!("verify {words} --quick")).ok().prints("equal");
            place.line(&format!("verify {words} --state state.json")).ok().prints("equal");
        }
    }
}

#[test]
fn a_comparison_by_document_finds_what_differs() {
    for source in SOURCES {
        let place = Place::new();
        hold(&place, source, &[("m-1", "one"), ("m-2", "one")]);
        let sides = format!("--source {source} --target sqlite:target.db");
        place.migrate(&sides).ok();
        hold(&place, source, &[("m-1", "one"), ("m-2", "two"), ("m-3", "three")]);
        for words in ["", " --quick", " --state state.json"] {
            let found = place.line(&format!("verify {sides}{words} --format json")).ends(4).json();
            let machines = &found["collections"][0];
            assert_eq!(
                (&machines["differs"], &machines["missing"], &machines["unexpected"]),
                (&json!(1), &json!(1), &json!(0)),
                "{sides}{words}"
            );
            assert_eq!(found["depth"], "document", "{sides}{words}");
        }
    }
}

#[test]
fn a_source_that_changed_under_the_run_has_a_way_out() {
    for source in SOURCES {
        let place = Place::new();
        hold(&place, source, &[("m-1", "one"), ("m-2", "one"), ("m-3", "one")]);
        let sides = format!("--source {source} --target sqlite:target.db");
        place.migrate(&sides).ok();
        // As after a run that a live writer left differing.
        hold(&place, source, &[("m-1", "one"), ("m-2", "two"), ("m-4", "four")]);
        place.line(&format!("verify {sides}")).ends(4).prints("--on-conflict overwrite");
        let run = place.migrate(&format!("{sides} --on-conflict overwrite")).ends(3);
        run.prints("are only in the target: m-3").prints("repoctl delete machines ID");
        place.line("delete machines m-3 --store sqlite:target.db").ok();
        place.line(&format!("verify {sides}")).ok();
        place.migrate(&format!("{sides} --on-conflict overwrite")).ok().prints("verified");
    }
}

#[test]
fn a_clean_up_after_an_overwrite_removes_what_was_verified() {
    let place = Place::new();
    let target = target(&place, "json:plain", "sqlite:target.db").unwrap();
    hold(&place, "json:plain", &[("m-1", "new"), ("m-2", "new")]);
    let sides = format!("--source json:plain --target {target}");
    let run = place.migrate(&format!("{sides} --on-conflict overwrite --cleanup-source"));
    run.ok().prints("2 of machines are deleted from the source");
    let count = |store: &str| {
        place.line(&format!("count machines --store {store} --format json")).ok().json()["count"]
            .clone()
    };
    assert_eq!((count("json:plain"), count(&target)), (json!(0), json!(2)));
}
