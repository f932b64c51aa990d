//! A record that cannot be read is in quarantine, whatever refers to it, and
//! with its own bytes.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, Run, filled, postgres_variables};
use serde_json::{Value as Json, json};

/// More digits than a document may have.
const TOO_LONG: &str = "1234567890123456789012345678901234567890";

/// Every kind of source in which a record can be made that cannot be read.
const SOURCES: [&str; 6] = [
    "json:data",
    "sqlite:data.db",
    "postgresql:///",
    "dynamodb:data",
    "sqlite:broker.db",
    "postgresql:///?schema=broker",
];

const BROKER: &str = "
    CREATE TABLE templates (template_id TEXT NOT NULL PRIMARY KEY, name TEXT, subnet_ids TEXT);
    CREATE TABLE requests (request_id TEXT NOT NULL PRIMARY KEY, template_id TEXT NOT NULL);
    INSERT INTO templates VALUES ('t-1', 'one', '[broken'), ('t-2', 'two', '[]');
    INSERT INTO requests VALUES ('r-1', 't-1'), ('r-2', 't-2'), ('r-3', 't-none');";

fn sqlite(place: &Place, file: &str, sql: &str) {
    Run::of(Command::new("sqlite3").arg("-bail").arg(place.path(file)).arg(sql)).ok();
}

fn psql(place: &Place, sql: &str) {
    let mut command = Command::new("psql");
    command.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    Run::of(command.envs(postgres_variables(place.postgres()))).ok();
}

/// Three requests, of which one refers to a template that cannot be read and
/// one to none that is there.
fn source(source: &str) -> Place {
    let place = match source {
        "sqlite:broker.db" => {
            let place = Place::new();
            sqlite(&place, "broker.db", BROKER);
            return place;
        }
        "postgresql:///?schema=broker" => {
            let place = Place::new();
            psql(&place, &format!("CREATE SCHEMA broker; SET search_path = broker; {BROKER}"));
            return place;
        }
        _ => filled(source, 0),
    };
    for (collection, document) in [
        ("templates", json!({"template_id": "t-2", "name": "two"})),
        ("requests", json!({"request_id": "r-2", "template_id": "t-2"})),
        ("requests", json!({"request_id": "r-3", "template_id": "t-none"})),
    ] {
        let put = format!("put {collection} --store {source}");
        place.run_with_input(&put, &document.to_string()).ok();
    }
    match source {
        "json:data" => {
            let text = place.read("data/request_database.json");
            let mut all: Json = serde_json::from_str(&text).unwrap();
            all["templates"]["t-1"]["template_id"] = json!("other");
            // As another program would have written it.
            std::fs::remove_dir_all(place.path("data")).unwrap();
            place.write("data/request_database.json", all.to_string());
        }
        "sqlite:data.db" => sqlite(
            &place,
            "data.db",
            &format!(
                "PRAGMA ignore_check_constraints = ON; UPDATE templates_records SET document = \
                 '{{\"template_id\":\"t-1\",\"n\":{TOO_LONG}}}' WHERE template_id = 't-1'"
            ),
        ),
        "postgresql:///" => psql(
            &place,
            &format!(
                "UPDATE templates_records SET document = document || \
                 jsonb_build_object('n', {TOO_LONG}) WHERE template_id = 't-1'"
            ),
        ),
        _ => {
            let update = json!({
                "TableName": "data_templates",
                "Key": {"template_id": {"S": "t-1"}},
                "UpdateExpression": "SET #v = :v, extra = :b",
                "ExpressionAttributeNames": {"#v": "_version"},
                "ExpressionAttributeValues": {":v": {"S": "not a number"}, ":b": {"B": "AP8="}},
            });
            crate::cli_support::wire::dynamodb(&place.aws_access_key, "UpdateItem", &update);
        }
    }
    place
}

#[test]
fn what_refers_to_it_arrives() {
    for name in SOURCES {
        let place = source(name);
        let sides = format!("--source {name} --target json:other");
        for dry in [" --dry-run", ""] {
            let run = place.migrate(&format!("{sides}{dry}")).ends(1);
            run.complains("t-1").complains("--quarantine").one_message();
        }
        assert!(!place.path("other").exists() && !place.path("backups").exists(), "{name}");
        for backup in ["", " --no-backup"] {
            let line = format!("{sides} --quarantine aside.jsonl --format json{backup}");
            let report = place.migrate(&line).ends(3).json();
            assert_eq!(report["totals"]["quarantined"], 1, "{name}");
            let of = |collection: &str| {
                let all = report["collections"].as_array().unwrap();
                all.iter().find(|one| one["name"] == collection).unwrap().clone()
            };
            // Two of the requests refer to nothing else than what is missing.
            let dangling = &of("requests")["dangling"][0];
            assert_eq!(
                (&dangling["count"], &dangling["first"][0]["missing"]),
                (&json!(1), &json!("t-none")),
                "{name}"
            );
            assert_eq!(report["verification"]["equal"], true, "{name}");
            let kept = place.read("aside.jsonl");
            let entry: Json = serde_json::from_str(kept.trim_end()).unwrap();
            assert_eq!((&entry["collection"], &entry["id"]), (&json!("templates"), &json!("t-1")));
            assert!(!entry["stored"].as_str().unwrap().is_empty(), "{name}: {entry}");
            if name.starts_with("dynamodb") {
                let item: Json = serde_json::from_str(entry["stored"].as_str().unwrap()).unwrap();
                assert_eq!(item["extra"], json!({"B": "AP8="}), "{item}");
            }
        }
        go_on_past_it(&place, name);
        place.line("get requests r-1 --store json:other").ok();
        place.line("get templates t-1 --store json:other").ends(1);
    }
}

/// Other commands go on past it as well, where that is asked for.
fn go_on_past_it(place: &Place, source: &str) {
    for command in ["export templates", "backup --backup-location archives"] {
        let line = format!("{command} --store {source}");
        place.line(&line).ends(1).complains("t-1").complains("--quarantine");
        let run = place.line(&format!("{line} --quarantine past.jsonl")).ends(3);
        if command.starts_with("export") {
            assert_eq!(
                (run.stdout.lines().count(), run.ndjson()[0]["name"].clone()),
                (1, json!("two")),
                "{source}"
            );
        }
        let kept = place.read("past.jsonl");
        assert!(kept.lines().count() == 1 && kept.contains("\"t-1\""), "{source}: {kept}");
        std::fs::remove_file(place.path("past.jsonl")).unwrap();
    }
    let verify = format!("verify --source {source} --target json:other");
    place.line(&verify).ends(1).complains("t-1").complains("--quarantine");
    place.line(&format!("{verify} --quarantine past.jsonl")).ends(3).complains("past.jsonl");
    assert!(place.read("past.jsonl").contains("\"t-1\""), "{source}");
    std::fs::remove_file(place.path("past.jsonl")).unwrap();
}

#[test]
fn what_the_target_holds_of_it_stays() {
    let place = source("sqlite:broker.db");
    place.line("init --store json:other").ok();
    let held = json!({"template_id": "t-1", "name": "of the target"}).to_string();
    place.run_with_input("put templates --store json:other", &held).ok();
    let line = "--source sqlite:broker.db --target json:other --quarantine aside.jsonl";
    let report = place.migrate(&format!("{line} --format json")).ends(3).json();
    assert_eq!(report["verification"]["equal"], true, "{report}");
    assert_eq!(report["totals"]["quarantined"], 1);
    place.line("get templates t-1 --store json:other").ok().prints("of the target");
}

#[test]
fn all_of_them_are_named() {
    let place = Place::new();
    sqlite(
        &place,
        "broker.db",
        &format!("{BROKER} INSERT INTO templates VALUES ('t-3', 'x', '}}'), ('t-4', 'x', 'no')"),
    );
    let run = place.migrate("--source sqlite:broker.db --target json:other").ends(1);
    run.complains("t-1").complains("t-3").complains("t-4").complains("--quarantine");
}

#[test]
fn bytes_are_kept_as_they_are() {
    let place = Place::new();
    sqlite(
        &place,
        "broker.db",
        "CREATE TABLE templates (template_id TEXT NOT NULL PRIMARY KEY, name TEXT); \
         INSERT INTO templates VALUES ('t-1', X'00ff10'), ('t-2', CAST(X'6de9' AS TEXT)), \
         ('t-3', 'fine')",
    );
    let line = "--source sqlite:broker.db --target json:other --quarantine aside.jsonl";
    place.migrate(line).ends(3);
    let kept = place.read("aside.jsonl");
    let stored = |id: &str| -> Json {
        let line = kept.lines().find(|line| line.contains(id)).unwrap();
        let entry: Json = serde_json::from_str(line).unwrap();
        serde_json::from_str(entry["stored"].as_str().unwrap()).unwrap()
    };
    assert_eq!(stored("t-1")["name"], json!({"base64": "AP8Q"}));
    assert_eq!(stored("t-2")["name"], json!({"base64": "bek="}));
    place.line("get templates t-3 --store json:other").ok();
}
