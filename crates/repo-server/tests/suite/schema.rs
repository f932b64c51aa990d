//! `repo-server schema`: check, migrate, backup, restore.

use std::process::Output;

use crate::support::Place;
use serde_json::{Value as Json, json};

const DOCUMENTS: &str = "/api/v1/collections/things/documents";
const UPGRADES: &str = r#"[{"from":1,"to":2,"steps":[{"rename":{"from":"n","to":"size"}}]}]"#;

/// Declares the collection `things` at a version.
fn declare(place: &Place, version: u32, upgrades: &str) {
    place.write(
        "schemas/things.schema.json",
        &format!(
            r#"{{"type":"object","properties":{{"id":{{"type":"string"}}}},"x-repository":
            {{"collection":"things","idField":"id","schemaVersion":{version},"upgrades":{upgrades}}}}}"#
        ),
    );
}

/// A place with a configuration for this store, and one thing of version 1 in it.
fn filled(strategy: &str) -> Place {
    let place = Place::new();
    let storage = match strategy {
        "json" => json!({ "strategy": "json", "schemas": "schemas",
            "json_strategy": { "storage_type": "detect", "base_path": "store" } }),
        _ => json!({ "strategy": "sqlite", "schemas": "schemas",
            "sql_strategy": { "type": "sqlite", "name": "store" } }),
    };
    place.write("repository.json", &json!({ "storage": storage }).to_string());
    declare(&place, 1, "[]");
    let server = place.serve("");
    server.put(&format!("{DOCUMENTS}/a"), r#"{"id":"a","n":1}"#).expect(200);
    stop(server);
    place
}

/// Stops a server in order, so that nothing of it is left.
fn stop(mut server: crate::support::Server) {
    let id = server.process.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(server.process.wait().success());
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[cfg(unix)]
#[test]
fn a_store_of_an_older_version_is_refused_with_the_command_that_mends_it() {
    for strategy in ["sqlite", "json"] {
        let place = filled(strategy);
        assert!(place.run("schema check").status.success());
        declare(&place, 2, UPGRADES);
        let refused = place.run("--listen 127.0.0.1:0");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("repo-server schema migrate"), "{}", said(&refused));
        let checked = place.run("schema check --format json");
        assert_eq!(checked.status.code(), Some(1));
        let checked: Json = serde_json::from_slice(&checked.stdout).unwrap();
        let things =
            checked["collections"].as_array().unwrap().iter().find(|c| c["collection"] == "things");
        let things = things.unwrap();
        assert_eq!((&things["stored"], &things["declared"]), (&json!(1), &json!(2)));
        assert_eq!(things["state"], "upgradable");
        let migrated = place.run("schema migrate");
        assert!(migrated.status.success(), "{}", said(&migrated));
        assert!(place.run("schema check").status.success());
        let server = place.serve("");
        let read = server.get(&format!("{DOCUMENTS}/a")).expect(200).json();
        assert_eq!(read, json!({ "id": "a", "size": 1 }));
        stop(server);
        // A program that declares an older version does not touch what a newer one wrote.
        declare(&place, 1, "[]");
        let newer = place.run("--listen 127.0.0.1:0");
        assert_eq!(newer.status.code(), Some(2));
        assert!(said(&newer).contains("a newer program"), "{}", said(&newer));
        // Nor does one that knows no way.
        declare(&place, 3, "[]");
        let no_way = place.run("--listen 127.0.0.1:0");
        assert!(said(&no_way).contains("no upgrade leads"), "{}", said(&no_way));
    }
}

#[cfg(unix)]
#[test]
fn an_archive_is_restored_beside_the_store_and_swapped() {
    for strategy in ["sqlite", "json"] {
        let place = filled(strategy);
        let archive = place.json("schema backup --backup-location backups");
        let archive = archive["archive"].as_str().unwrap().to_owned();
        let server = place.serve("");
        server.put(&format!("{DOCUMENTS}/a"), r#"{"id":"a","n":2}"#).expect(200);
        let busy = place.run(&format!("schema restore {archive}"));
        assert_eq!(busy.status.code(), Some(5), "{}", said(&busy));
        assert_eq!(server.get(&format!("{DOCUMENTS}/a")).expect(200).json()["n"], 2);
        stop(server);
        // What a killed restore left is no obstacle.
        place.write("store.restoring", "half");
        let restored = place.json(&format!("schema restore {archive}"));
        let before = restored["before"].as_str().unwrap().to_owned();
        assert!(place.path(&before).exists() && !place.path("store.restoring").exists());
        let server = place.serve("");
        assert_eq!(server.get(&format!("{DOCUMENTS}/a")).expect(200).json()["n"], 1);
        stop(server);
        // The store before is whole, under its other name.
        let scheme = if strategy == "json" { "json" } else { "sqlite" };
        let old = place.serve(&format!("--store {scheme}:{before}"));
        assert_eq!(old.get(&format!("{DOCUMENTS}/a")).expect(200).json()["n"], 2);
    }
}

#[cfg(unix)]
#[test]
fn a_damaged_archive_changes_nothing_and_other_stores_are_restored_into_a_url() {
    let place = filled("sqlite");
    let archive = place.json("schema backup --backup-location backups");
    let archive = archive["archive"].as_str().unwrap().to_owned();
    let elsewhere = place.run(&format!("schema restore {archive} --into sqlite:other.db"));
    assert!(elsewhere.status.success(), "{}", said(&elsewhere));
    let other = place.serve("--store sqlite:other.db");
    assert_eq!(other.get(&format!("{DOCUMENTS}/a")).expect(200).json()["n"], 1);
    drop(other);
    let unsupported = place.run(&format!("schema restore {archive} --store memory:"));
    assert_eq!(unsupported.status.code(), Some(2));
    assert!(said(&unsupported).contains("--into URL"), "{}", said(&unsupported));
    let damaged = std::fs::read_dir(place.path(&archive)).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.file_name().unwrap().to_string_lossy().starts_with("things").then_some(path)
    });
    let damaged = damaged.expect("the archive has a file of the collection");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let before = std::fs::read(place.path("store")).unwrap();
    let refused = place.run(&format!("schema restore {archive}"));
    assert!(!refused.status.success());
    assert_eq!(std::fs::read(place.path("store")).unwrap(), before);
}
