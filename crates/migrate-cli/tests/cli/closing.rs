//! What happens after a command has done its work: an error of closing the
//! store is a warning beside the result, and never its replacement.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use crate::cli_support::{Place, Run, filled, machine, machine_lines};
use serde_json::{Value as Json, json};

/// What the warning says.
const STAYS: &str = "what was done stays";

/// A configuration of the store in `folder` whose checkpoints fail: the folder
/// of copies is a file. Commits go into the journal as ever.
fn cannot_close(place: &Place, folder: &str) -> String {
    place.write("not-a-folder", "");
    let settings = json!({
        "base_path": folder, "backup_enabled": true, "backup_location": "not-a-folder",
    });
    let name = format!("{folder}.config.json");
    let config = json!({ "storage": { "strategy": "json", "json_strategy": settings } });
    place.write(&name, config.to_string());
    name
}

/// Success, one object, and a warning.
#[track_caller]
fn done_with_warning(run: Run) -> Json {
    let run = run.ok().complains(STAYS).complains("warning: ");
    assert!(!run.stderr.contains("error: "), "{run:#?}");
    run.json()
}

#[test]
fn writes_are_told_as_done_when_only_closing_failed() {
    let place = filled("json:data", 3);
    let config = cannot_close(&place, "data");
    let flags = format!("--config {config} --format json");
    let put =
        place.run_with_input(&format!("put machines {flags}"), &machine("m-1", "x").to_string());
    assert_eq!(done_with_warning(put)["version"], 1);
    let deleted = done_with_warning(place.line(&format!("delete machines m-0001 {flags}")));
    assert_eq!(deleted["version"], 2);
    let lines = machine_lines(5);
    let imported = place.run_with_input(&format!("import machines {flags}"), &lines);
    assert_eq!(done_with_warning(imported)["saved"], 5);
    let made = done_with_warning(place.line(&format!("init others {flags}")));
    assert_eq!(made["collections"][0]["change"], "created");
    place.line(&format!("delete machines m-0002 --config {config}")).ok();
    let purged = place.line(&format!("purge machines --older-than 0s {flags}"));
    assert_eq!(done_with_warning(purged)["removed"], 1);
    let found = place.line("export machines --tombstones --store json:data").ok().ndjson();
    assert_eq!(found.len(), 5, "{found:?}");
    // What is asked for itself is an error, told once.
    let failed = place.line(&format!("checkpoint {flags}")).ends(1);
    assert!(failed.json()["error"]["message"].is_string());
    place.line("checkpoint --store json:data").ok();
}

#[test]
fn jobs_are_told_as_done_when_only_closing_failed() {
    let place = filled("json:data", 3);
    for (folder, line) in [
        ("migrated", "migrate --source json:data --target-config migrated.config.json"),
        ("restored", "restore archive --config restored.config.json"),
    ] {
        place.line(&format!("init --store json:{folder}")).ok();
        cannot_close(&place, folder);
        if folder == "restored" {
            place.line("backup --store json:data --backup-location shelf").ok();
            let made = std::fs::read_dir(place.path("shelf")).unwrap().next().unwrap().unwrap();
            std::fs::rename(made.path(), place.path("archive")).unwrap();
        }
        let told = done_with_warning(place.line(&format!("{line} --format json")));
        assert_eq!(told["outcome"], "verified", "{told}");
        assert!(told["warnings"].to_string().contains(STAYS), "{told}");
        let count = place.line(&format!("count machines --store json:{folder}")).ok();
        assert_eq!(count.stdout, "3\n");
    }
}

#[test]
fn an_upgrade_is_told_as_done_when_only_closing_failed() {
    let place = Place::new();
    let schema = |version: u32, upgrades: &str| {
        format!(
            r#"{{"type":"object","x-repository":{{"collection":"things","idField":"id",
            "schemaVersion":{version},"upgrades":{upgrades}}}}}"#
        )
    };
    let steps = r#"[{"from":1,"to":2,"steps":[{"rename":{"from":"n","to":"size"}}]}]"#;
    place.write("old/things.schema.json", schema(1, "[]"));
    place.write("new/things.schema.json", schema(2, steps));
    place.line("init --store json:data --schemas old").ok();
    let thing = json!({ "id": "t-1", "n": 1 }).to_string();
    place.run_with_input("put things --store json:data --schemas old", &thing).ok();
    let config = cannot_close(&place, "data");
    let line = format!("upgrade things --to 2 --schemas new --config {config} --format json");
    assert_eq!(done_with_warning(place.line(&line))["upgraded"], 1);
}

#[test]
fn a_command_that_fails_prints_one_object() {
    let place = filled("json:data", 1);
    let flags = "--store json:data --format json";
    for line in [
        "get machines none",
        "delete machines none",
        "put machines nothing.json",
        "import machines nothing.json",
        "export nothing",
        "query nothing",
        "count nothing",
        "purge nothing --older-than 0s",
        "restore nothing",
        "upgrade nothing --to 7",
        "backup --collections nothing",
        "init Not-A-Name",
        "schema validate nothing",
    ] {
        let run = place.line(&format!("{line} {flags}"));
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert!(run.json()["error"]["message"].is_string(), "{run:#?}");
    }
    let sides = "--source json:data --target json:none/of/them --format json";
    for line in ["verify", "migrate --collections nothing"] {
        let run = place.line(&format!("{line} {sides}"));
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert!(run.json()["error"]["message"].is_string(), "{run:#?}");
    }
}
