//! Commands that need no store, and what is set up before there is one.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use crate::cli_support::{Place, STORES};
use serde_json::json;

#[test]
fn commands_that_need_no_store() {
    let place = Place::new();
    let list = place.line("strategies --format json").ok().json();
    let usable = |name: &str| {
        let rows = list["strategies"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["usable"].clone()
    };
    for (name, expected) in [
        ("json", true),
        ("sql", true),
        ("sqlite", true),
        ("memory", true),
        ("postgresql", true),
        ("dynamodb", true),
        ("object", true),
    ] {
        assert_eq!(usable(name), expected, "{name}");
    }
    place.line("strategies").ok().prints("JSON files");

    assert!(place.contents().is_empty());
}

#[test]
fn the_collections_are_shown() {
    let place = Place::new();
    let shown = place.line("schema show --format json").ok().json();
    assert_eq!(shown["collections"][0]["collection"], "machines");
    assert_eq!(shown["collections"][0]["id_field"], "machine_id");
    place.line("schema show").ok().prints("request_id → requests");
    let one = place.line("schema show machines").ok().json();
    assert_eq!(one["x-repository"]["collection"], "machines");
    place.line("schema show nothing").ends(2).complains("templates");

    assert!(place.contents().is_empty());
}

#[test]
fn the_sql_completions_and_manual_pages_are_printed() {
    let place = Place::new();
    let ddl = place.line("schema ddl --strategy sqlite").ok();
    assert!(ddl.stdout.contains("CREATE TABLE \"machines_records\""), "{ddl:#?}");
    let one = place.line("schema ddl templates --strategy sql --format json").ok().json();
    assert!(!one["sql"].as_str().unwrap().contains("machines_records"));
    place.line("schema ddl --strategy json").ends(2).complains("json");

    for shell in ["bash", "zsh", "fish"] {
        place.line(&format!("completions {shell}")).ok().prints("repoctl");
        place
            .line(&format!("completions {shell} --for migrateRepository"))
            .ok()
            .prints("source-type");
    }
    place.line("man").ok().prints(".TH repoctl");
    place.line("man schema show").ok().prints("show");
    place.line("man nothing").ends(2).complains("nothing");
    assert!(place.contents().is_empty());
}

#[test]
fn the_ddl_is_what_init_runs() {
    let place = Place::new();
    place.line("init --store sqlite:made.db").ok();
    let ddl = place.line("schema ddl --strategy sqlite").ok().stdout;
    let objects = |file: &str, script: Option<&str>| {
        let mut command = std::process::Command::new("sqlite3");
        command.current_dir(place.path("."));
        if let Some(script) = script {
            place.write("script.sql", script);
            assert!(command.arg(file).arg(".read script.sql").status().unwrap().success());
            command = std::process::Command::new("sqlite3");
            command.current_dir(place.path("."));
        }
        command.arg(file).arg("SELECT sql FROM sqlite_schema ORDER BY name");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(objects("other.db", Some(&ddl)), objects("made.db", None));
}

#[test]
fn the_schemas_of_a_folder_are_used() {
    let place = Place::new();
    place.write(
        "schemas/notes.schema.json",
        r#"{"x-repository": {"collection": "notes", "idField": "key", "indexes": [["topic"]]},
            "type": "object", "properties": {"topic": {"type": "string"}}}"#,
    );
    let shown = place.line("schema show --schemas schemas --format json").ok().json();
    assert_eq!(shown["collections"].as_array().unwrap().len(), 1);
    for store in STORES {
        place.line(&format!("init --schemas schemas --store {store}")).ok().prints("notes");
        let line = format!("put notes --schemas schemas --store {store}");
        place.run_with_input(&line, r#"{"key": "n", "topic": "x"}"#).ok();
        place.line(&format!("get notes n --schemas schemas --store {store}")).ok();
    }
}

#[test]
fn validation_on_write_is_a_setting() {
    let place = Place::new();
    let settings = |validate: bool| {
        json!({"storage": {
            "strategy": "sqlite",
            "validate_documents": validate,
            "sql_strategy": {"name": "data.db"},
        }})
    };
    place.write("repository.json", settings(true).to_string());
    place.line("init").ok();
    let broken = r#"{"machine_id": "m", "status": 7}"#;
    place.run_with_input("put machines", broken).ends(1).complains("/status");
    place.write("repository.json", settings(false).to_string());
    place.run_with_input("put machines", broken).ok();
}

#[test]
fn references_are_enforced_where_a_schema_says_so() {
    let place = Place::new();
    place.write(
        "schemas/jobs.schema.json",
        r#"{"x-repository": {"collection": "jobs", "idField": "id", "indexes": [["host"]],
                "references": {"host": "hosts"}, "enforceReferences": true},
            "type": "object", "properties": {"host": {"type": "string"}}}"#,
    );
    place.write(
        "schemas/hosts.schema.json",
        r#"{"x-repository": {"collection": "hosts", "idField": "id"}, "type": "object"}"#,
    );
    place.line("schema show --schemas schemas").ok().prints("host → hosts (enforced)");
    for store in STORES {
        let named = format!("--schemas schemas --store {store}");
        place.line(&format!("init {named}")).ok().prints("jobs");
        let job = || place.run_with_input(&format!("put jobs {named}"), r#"{"id":"j","host":"h"}"#);
        job().ends(1).complains("refers to what is not there").complains("hosts/h");
        place.run_with_input(&format!("put hosts {named}"), r#"{"id":"h"}"#).ok();
        job().ok();
        let delete = |what: &str| place.line(&format!("delete {what} {named}"));
        delete("hosts h")
            .ends(1)
            .complains("what is to be deleted is referred to")
            .complains("jobs");
        delete("jobs j").ok();
        delete("hosts h").ok();
    }
}
