//! A record that the source cannot read: refused by name, or put aside.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::path::Path;
use std::process::Command;

use crate::cli_support::{Place, Run, STORES, filled, machine, postgres_variables};
use serde_json::{Value as Json, json};

const BAD: &str = "m-0042";
/// More digits than a document may have.
const TOO_LONG: &str = "1234567890123456789012345678901234567890";

/// A store with this many machines, of which one is damaged.
fn damaged(store: &str, count: usize) -> Place {
    let place = filled(store, count);
    match store.split_once(':').unwrap().0 {
        "json" => {
            let text = place.read("data/request_database.json");
            let name = format!("\"machine_id\": \"{BAD}\"");
            let damaged = text.replacen(&name, "\"machine_id\": \"another\"", 1);
            assert_ne!(damaged, text);
            // As another program would have written it.
            std::fs::remove_dir_all(place.path("data")).unwrap();
            place.write("data/request_database.json", damaged);
        }
        "sqlite" => sqlite(
            &place.path("data.db"),
            &format!(
                "PRAGMA ignore_check_constraints = ON; UPDATE machines_records \
                 SET document = '{{\"machine_id\":\"{BAD}\",\"n\":{TOO_LONG}}}' \
                 WHERE machine_id = '{BAD}'"
            ),
        ),
        "postgresql" => psql(
            &place,
            &format!(
                "UPDATE machines_records SET document = document || \
                 jsonb_build_object('n', {TOO_LONG}) \
                 WHERE machine_id = '{BAD}'"
            ),
        ),
        "object" => object(&place),
        _ => dynamodb(&place),
    }
    place
}

fn sqlite(file: &Path, sql: &str) {
    let run = Run::of(Command::new("sqlite3").arg(file).arg(sql));
    assert!(run.code == Some(0) && run.stderr.is_empty(), "{run:?}");
}

fn psql(place: &Place, sql: &str) {
    let mut command = Command::new("psql");
    command.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    let run = Run::of(command.envs(postgres_variables(place.postgres())));
    assert!(run.code == Some(0), "{run:?}");
}

/// Alters the document in every object that has it.
fn object(place: &Place) {
    let text = format!("\"machine_id\":\"{BAD}\"");
    let damaged = text.replace(BAD, "m-004x");
    for (path, mut bytes) in place.contents() {
        let found = bytes.windows(text.len()).position(|part| part == text.as_bytes());
        let Some(at) = found else { continue };
        bytes[at..at + text.len()].copy_from_slice(damaged.as_bytes());
        std::fs::write(path, bytes).unwrap();
    }
}

fn dynamodb(place: &Place) {
    let update = json!({
        "TableName": "data_machines",
        "Key": {"machine_id": {"S": BAD}},
        "UpdateExpression": "SET #v = :v",
        "ExpressionAttributeNames": {"#v": "_version"},
        "ExpressionAttributeValues": {":v": {"S": "not a number"}},
    });
    crate::cli_support::wire::dynamodb(&place.aws_access_key, "UpdateItem", &update);
}

#[test]
fn it_is_refused_by_name_or_the_others_arrive() {
    for store in STORES {
        let count = if store.starts_with("dynamodb") { 200 } else { 10_000 };
        let place = damaged(store, count);
        let words = format!("--source {store} --target json:other --no-backup --batch-size 50");
        let before = place.contents();
        for words in [words.clone(), format!("{words} --dry-run")] {
            place.migrate(&words).ends(1).complains(BAD).one_message();
        }
        assert_eq!(place.contents(), before, "{store}: nothing is written");
        for (target, backup) in [("json:other", ""), ("json:unbacked", " --no-backup")] {
            let words = format!(
                "--source {store} --target {target} --quarantine {}.jsonl --format json{backup}",
                &target[5..]
            );
            let report = place.migrate(&words).ends(3).json();
            expect(&report, count, store);
            let kept = place.read(&format!("{}.jsonl", &target[5..]));
            let entry: Json = serde_json::from_str(kept.trim_end()).unwrap();
            assert_eq!((&entry["collection"], &entry["id"]), (&json!("machines"), &json!(BAD)));
            assert!(!entry["rule"].as_str().unwrap().is_empty(), "{entry}");
            if !store.starts_with("dynamodb") {
                assert!(!entry["stored"].as_str().unwrap().is_empty(), "{store}: {entry}");
            }
            let there = place.line(&format!("count machines --store {target} --format json"));
            assert_eq!(there.ok().json()["count"], count - 1, "{store}");
            place.line(&format!("get machines {BAD} --store {target}")).ends(1);
            // The same command again meets the same.
            expect(&place.migrate(&words).ends(3).json(), count, store);
        }
    }
}

fn expect(report: &Json, count: usize, store: &str) {
    assert_eq!(report["outcome"], "partly", "{store}");
    let machines = &report["collections"][0];
    assert_eq!(machines["name"], "machines");
    assert_eq!(machines["quarantined"], 1, "{store}");
    assert_eq!(machines["read"], count, "{store}");
    let done = machines["applied"].as_u64().unwrap() + machines["equal"].as_u64().unwrap();
    assert_eq!(done, count as u64 - 1, "{store}");
    assert!(machines["quarantined_entities"]["first"][0].as_str().unwrap().starts_with(BAD));
    assert_eq!(report["verification"]["equal"], true, "{store}: the others are the same");
}

#[test]
fn an_entity_that_was_damaged_in_an_edited_file_never_counts_as_deleted() {
    let place = filled("json:data", 50);
    let text = place.read("data/request_database.json");
    let damaged = text.replacen(&format!("\"machine_id\": \"{BAD}\""), "\"machine_id\": 1", 1);
    place.write("data/request_database.json", damaged);
    let words = "--source json:data --target sqlite:other.db --quarantine aside.jsonl";
    place.migrate(words).ends(1).complains(BAD);
    assert!(!place.path("other.db").exists());
}

#[test]
fn many_of_them_are_counted() {
    let place = Place::new();
    let entities: serde_json::Map<String, Json> = (0..3_000)
        .map(|n| {
            let id = format!("m-{n:04}");
            let inner = if n % 3 == 0 { "other".to_owned() } else { id.clone() };
            (id, machine(&inner, "running"))
        })
        .collect();
    place.write("data/request_database.json", json!({ "machines": entities }).to_string());
    let words = "--source json:data --target sqlite:other.db --quarantine aside.jsonl";
    let report = place.migrate(&format!("{words} --format json")).ends(3).json();
    assert_eq!(
        (&report["totals"]["quarantined"], &report["totals"]["applied"]),
        (&json!(1_000), &json!(2_000))
    );
    assert_eq!(place.read("aside.jsonl").lines().count(), 1_000);
}
