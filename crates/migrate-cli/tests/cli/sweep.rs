//! A time to live on the command line: what has passed is out of sight, is moved like everything
//! else, and goes with `sweep`.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use serde_json::{Value as Json, json};

use crate::cli_support::{Place, Run, STORES};

const SESSIONS: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "sessions", "idField": "id", "ttlField": "expires_at"},
    "properties": {"id": {"type": "string"}, "expires_at": {"type": ["string", "null"]}}
}"#;
const HOSTS: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "hosts", "idField": "id"},
    "properties": {"id": {"type": "string"}}
}"#;

const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "9999-12-31T23:59:59Z";

/// A store with these collections.
struct Sessions {
    place: Place,
    store: &'static str,
}

impl Sessions {
    fn new(store: &'static str) -> Self {
        let place = Place::new();
        place.write("schemas/sessions.schema.json", SESSIONS);
        place.write("schemas/hosts.schema.json", HOSTS);
        let sessions = Self { place, store };
        sessions.line("init").ok();
        sessions
    }

    fn line(&self, line: &str) -> Run {
        self.place.line(&format!("{line} --store {} --schemas schemas", self.store))
    }

    fn put(&self, id: &str, until: &Json) -> Run {
        let line = format!("put sessions - --store {} --schemas schemas", self.store);
        self.place.run_with_input(&line, &json!({"id": id, "expires_at": until}).to_string())
    }
}

#[test]
fn what_has_passed_is_out_of_sight_and_goes_with_a_sweep() {
    for store in STORES {
        let sessions = Sessions::new(store);
        sessions.put("over", &json!(PAST)).ok().prints("version 1");
        sessions.put("later", &json!(FUTURE)).ok();
        sessions.put("forever", &Json::Null).ok();
        sessions.put("wrong", &json!("soon")).ends(1).complains("/expires_at").complains("UTC");

        sessions.line("get sessions over").ends(1).complains("was deleted").complains("2020-01-01");
        sessions.line("count sessions").ok().prints("2");
        let lines = sessions.line("export sessions").ok().ndjson();
        assert!(lines.len() == 2 && lines.iter().all(|line| line["id"] != "over"), "{lines:?}");

        sessions.line("sweep --dry-run").ok().prints("sessions: 1 would be deleted");
        let done = sessions.line("sweep sessions --format json").ok().json();
        assert_eq!(done["collections"][0]["collection"], "sessions", "{done}");
        assert_eq!(done["collections"][0]["removed"], 1, "{done}");
        sessions.line("get sessions over").ends(1).complains("version: 2");
        sessions.line("sweep").ok().prints("sessions: 0 deleted");
        sessions.put("over", &json!(FUTURE)).ok().prints("version 3");
    }
}

#[test]
fn what_has_passed_is_moved_and_backed_up_as_it_is_stored() {
    for store in ["json:data", "sqlite:data.db"] {
        let sessions = Sessions::new(store);
        sessions.put("over", &json!(PAST)).ok();
        sessions.put("later", &json!(FUTURE)).ok();
        let moved = format!("migrate --source {store} --target sqlite:copy.db --schemas schemas");
        sessions.place.line(&moved).ok();
        let copy = |line: &str| {
            sessions.place.line(&format!("{line} --store sqlite:copy.db --schemas schemas"))
        };
        copy("count sessions").ok().prints("1");
        copy("sweep").ok().prints("sessions: 1 deleted");
        sessions.line("count sessions").ok().prints("1");
        let backup = sessions.line("backup --backup-location kept --format json").ok().json();
        assert_eq!(backup["records"], 2, "{backup}");
    }
}

#[test]
fn a_time_to_live_that_cannot_be_is_refused_at_init() {
    let place = Place::new();
    for (field, words) in [
        ("expired_at", "expires_at"),
        ("count", "does not declare"),
        ("id", "the id"),
        ("open", "not declared to hold a time"),
    ] {
        let schema = SESSIONS
            .replace(r#""ttlField": "expires_at""#, &format!(r#""ttlField": "{field}""#))
            .replace(r#""id": {"#, r#""open": {"type": "boolean"}, "id": {"#);
        place.write("schemas/sessions.schema.json", schema);
        let run = place.line("init --store json:data --schemas schemas").ends(2);
        run.complains(words).complains("sessions.schema.json");
    }
}

#[test]
fn a_sweep_of_what_lives_forever_is_refused() {
    let sessions = Sessions::new("json:data");
    sessions.line("sweep hosts").ends(2).complains("hosts").complains("ttlField");
    sessions.place.line("sweep --store json:data").ends(2).complains("no declared collection");
}
