//! Bad input: a clear message on standard error, the exit code of the table,
//! and nothing lost, changed or created.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::os::unix::fs::PermissionsExt as _;

use crate::cli_support::{Place, Run, STORES, filled, machine, machine_lines};
use serde_json::{Value as Json, json};

/// Runs a line; the folder has to stay as it is, byte for byte.
#[track_caller]
fn refused(place: &Place, line: &[&str], code: i32, words: &[&str]) -> Run {
    let before = place.contents();
    let run = place.run(line).ends(code);
    let run = words.iter().fold(run, |run, words| run.complains(words));
    assert!(run.stderr.lines().any(|line| line.starts_with("error: ")), "{run:#?}");
    assert_eq!(run.stdout, "", "{line:?}");
    let after = place.contents();
    assert!(before.keys().eq(after.keys()), "{line:?}: {:?}", after.keys());
    assert!(before == after, "{line:?} changed a file");
    for format in ["json", "ndjson"] {
        let told = place.run(line.iter().chain(&["--format", format])).ends(code);
        // Before it, `ndjson` has the events of a run.
        let error = &told.ndjson_or_json()["error"];
        assert_eq!(error["exit_code"], code, "{told:#?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{told:#?}");
    }
    assert!(place.contents() == before, "{line:?} changed a file");
    run
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn a_source_that_is_not_there_is_not_made() {
    let place = Place::new();
    for source in ["json:nowhere", "sqlite:nowhere.db"] {
        for line in [
            format!("migrate --source {source} --target sqlite:target.db"),
            format!("migrate --source {source} --target json:target"),
            format!("verify --source {source} --target json:target"),
            format!("health --store {source}"),
            format!("count machines --store {source}"),
            format!("export machines --store {source}"),
        ] {
            refused(&place, &words(&line), 1, &["nowhere", "hint: "]);
        }
    }
}

#[test]
fn a_configuration_is_needed_unless_flags_name_the_store() {
    let place = Place::new();
    for line in ["health", "init", "migrate --source-type json --target-type sql", "config show"] {
        refused(&place, &words(line), 2, &["--config", "./repository.json"]);
    }
    place.migrate("--source-type json --target-type sql").ends(2).complains("--config");
    refused(&place, &words("health --config nowhere.json"), 2, &["nowhere.json"]);
}

/// What each JSON file is, and the words that have to name what is wrong.
fn broken_files() -> Vec<(Vec<u8>, Vec<&'static str>)> {
    let whole = json!({ "machines": { "m-1": machine("m-1", "x"), "m-2": machine("m-2", "y") } });
    let whole = whole.to_string();
    let mut binary = whole.clone().into_bytes();
    binary[30] = 0xff;
    vec![
        (whole.as_bytes()[..whole.len() - 20].to_vec(), vec!["byte"]),
        (Vec::new(), vec!["byte"]),
        (whole.replacen(':', ";", 3).into_bytes(), vec!["byte"]),
        (binary, vec!["byte"]),
        (format!("{whole} tail").into_bytes(), vec!["byte"]),
        (b"[]".to_vec(), vec![]),
        (b"{\"machines\": []}".to_vec(), vec!["machines"]),
        (b"{\"machines\": {\"m-1\": [1]}}".to_vec(), vec!["m-1"]),
        (b"\"text\"".to_vec(), vec![]),
        (
            br#"{"machines": {"m-1": {"machine_id": "m-1"}, "m-1": {"machine_id": "m-1"}}}"#
                .to_vec(),
            vec!["m-1"],
        ),
        (br#"{"machines": {"m-1": {"machine_id": "m-9"}}}"#.to_vec(), vec!["m-1"]),
        (br#"{"machines": {"m-1": {"status": "x"}}}"#.to_vec(), vec!["m-1", "machine_id"]),
    ]
}

#[test]
fn a_broken_json_file_is_named_with_its_place_and_never_empty() {
    for (bytes, expected) in broken_files() {
        let place = Place::new();
        place.write("data/request_database.json", &bytes);
        let mut expected = expected;
        expected.push("request_database.json");
        for line in [
            "migrate --source json:data --target sqlite:target.db --backup-location b",
            "count machines --store json:data",
            "export machines --store json:data",
            "query machines --store json:data",
            "init --store json:data",
        ] {
            refused(&place, &words(line), 1, &expected);
        }
        let told = place.line("health --store json:data --format json").ends(1);
        assert!(
            told.stderr.contains("request_database.json")
                || told.stdout.contains("request_database.json")
        );
    }
}

fn documents_against_the_rules() -> Vec<(String, &'static str)> {
    let with = |field: &str| format!(r#"{{"machine_id": "m", {field}}}"#);
    let deep = format!("{}1{}", "[".repeat(31), "]".repeat(31));
    vec![
        ("[1]".to_owned(), "object"),
        ("nothing".to_owned(), "byte"),
        (r#"{"machine_id": "m""#.to_owned(), "byte"),
        (r#"{"status": "x"}"#.to_owned(), "/machine_id"),
        (r#"{"machine_id": 7}"#.to_owned(), "/machine_id"),
        (r#"{"machine_id": ""}"#.to_owned(), "/machine_id"),
        (with(r#""a": 1, "a": 2"#), "/a"),
        (with(r#""a": {"": 1}"#), "/a"),
        (with(&format!(r#""a": {{"{}": 1}}"#, "k".repeat(65_536))), "/a"),
        (with(r#""a": "\u0000""#), "/a"),
        (with(r#""a": "\ud800""#), "/a"),
        (with(&format!(r#""a": {deep}"#)), "/a"),
        (with(&format!(r#""a": {}"#, "1".repeat(39))), "/a"),
        (with(r#""a": 1e126"#), "/a"),
        (with(r#""a": 1e-131"#), "/a"),
        (with(&format!(r#""a": "{}""#, "x".repeat(390 * 1024))), "limit"),
        (with(&format!(r#""status": "{}""#, "x".repeat(1001))), "/status"),
        (with(r#""_version": 1"#), "_version"),
        (with(r#""_deleted": true"#), "_deleted"),
    ]
}

#[test]
fn a_document_against_a_rule_is_refused_with_its_place() {
    for store in STORES {
        let place = filled(store, 3);
        for (document, words) in documents_against_the_rules() {
            place.write("document.json", &document);
            let line = ["put", "machines", "document.json", "--store", store];
            refused(&place, &line, 1, &[words]);
        }
        place.write("document.json", b"\xff");
        refused(&place, &["put", "machines", "document.json", "--store", store], 1, &["UTF-8"]);
        refused(&place, &["put", "machines", "none.json", "--store", store], 1, &["none.json"]);
    }
}

#[test]
fn a_bad_line_of_an_import_is_named_and_its_batch_is_not_written() {
    for store in STORES {
        for (bad, words) in [
            ("{".to_owned(), "byte"),
            (r#"{"status": "x"}"#.to_owned(), "machine_id"),
            (r#"{"machine_id": "m", "_version": 0}"#.to_owned(), "_version"),
            (r#"{"machine_id": "m", "_version": 1}"#.to_owned(), "_updated_at"),
            (format!(r#"{{"machine_id": "m", "status": "{}"}}"#, "x".repeat(1001)), "/status"),
            ("x".repeat(4 * 1024 * 1024), "longer"),
        ] {
            let place = filled(store, 0);
            let input = format!("{}{bad}\n{}", machine_lines(4), machine("m-9", "x"));
            let line = format!("import machines --batch-size 2 --store {store}");
            let run = place.run_with_input(&line, &input).ends(1);
            let run = run.complains(words).complains("stored_before: 4");
            run.complains("line: 5");
            let count = place.line(&format!("count machines --store {store}")).ok();
            assert_eq!(count.stdout, "4\n");
        }
        let place = filled(store, 0);
        let line = ["import", "machines", "none.ndjson", "--store", store];
        refused(&place, &line, 1, &["none.ndjson"]);
    }
}

/// Words that were typed, and the part of the message that has to name what
/// is wrong with them.
const WRONG_WORDS: &[(&[&str], &str)] = &[
    (&["query", "machines", "--filter", r#"{"status": {"$below": 1}}"#], "$below"),
    (&["query", "machines", "--filter", r#"{"status": "#], "byte"),
    (&["query", "machines", "--filter", r#"["status"]"#], "filter"),
    (&["query", "machines", "--filter", r#"{"status": {"$regex": "("}}"#], "regular"),
    (&["count", "machines", "--filter", r#"{"$nor": []}"#], "$nor"),
    (&["query", "machines", "--order-by", "status:up"], "up"),
    (&["query", "machines", "--limit", "0"], "limit"),
    (&["query", "machines", "--limit", "10001"], "limit"),
    (&["query", "machines", "--limit", "1", "--cursor", "x"], "cursor"),
    (&["query", "machines", "--cursor", "x"], "--limit"),
    (&["query", "Machines"], "Machines"),
    (&["get", "machines", ""], "empty"),
    (&["get", "machines"], "<ID>"),
    (&["put", "machines", "-", "--expect-version", "0"], "version"),
    (&["put", "machines", "-", "--expect-version", "1", "--create"], "--create"),
    (&["import", "machines", "--batch-size", "0"], "batch size"),
    (&["import", "machines", "--batch-size", "-1"], "-1"),
    (&["purge", "machines", "--older-than", "1 month"], "fixed length"),
    (&["purge", "machines"], "--older-than"),
    (&["resolve", "--keep", "both"], "both"),
    (&["nothing"], "nothing"),
    (&["health", "--format", "xml"], "xml"),
];

#[test]
fn words_that_cannot_be_meant_are_wrong_usage() {
    for store in STORES {
        let place = filled(store, 3);
        for (line, expected) in WRONG_WORDS {
            let line: Vec<&str> = line.iter().chain(&["--store", store]).copied().collect();
            // A second --format is wrong usage as well, and would hide the first.
            if line.contains(&"--format") {
                place.run(&line).ends(2).complains(expected);
            } else {
                refused(&place, &line, 2, &[expected]);
            }
        }
        let flags = format!("--source {store} --target sqlite:target.db");
        place.migrate(&format!("{flags} --batch-size 0")).ends(2).complains("batch size");
        place.migrate(&format!("{flags} --on-conflict x")).ends(2).complains("overwrite");
        place.migrate(&format!("{flags} --collections A")).ends(2).complains("A");
        place.migrate(&format!("{flags} --target-type sql")).ends(2).complains("--target-type");
        refused(&place, &["get", "machines", "m-9", "--store", store], 1, &["no such entity"]);
        assert!(!place.path("target.db").exists());
    }
    let place = Place::new();
    refused(&place, &words("health --store tape:1"), 2, &["tape"]);
    refused(&place, &words("health --store sqlite:"), 2, &["sqlite:"]);
}

#[test]
fn a_wrong_configuration_names_the_key_and_the_nearest_known_one() {
    let cases = [
        (json!({"storage": {"strategie": "json"}}), "did you mean `strategy`"),
        (json!({"storage": {"strategy": "jsn"}}), "json"),
        (json!({"storage": {"strategy": "json", "json_strategy": {"base_pth": "x"}}}), "base_path"),
        (json!({"storage": {"strategy": "sql", "sql_strategy": {"pool_sise": 1}}}), "pool_size"),
        (json!({"storage": {"strategy": "json"}, "migration": {"batchsize": 1}}), "batch_size"),
        (json!({"storage": {"strategy": "json"}, "migration": {"batch_size": 0}}), "batch_size"),
        (
            json!({"storage": {"strategy": "sql", "sql_strategy": {"name": "${NOT_SET}"}}}),
            "NOT_SET",
        ),
        (json!([]), "object"),
    ];
    for (config, expected) in cases {
        let place = Place::new();
        place.write("repository.json", config.to_string());
        for line in ["health", "init", "config show", "migrate --target sqlite:t.db"] {
            refused(&place, &words(line), 2, &[expected]);
        }
    }
    let place = Place::new();
    place.write("repository.json", "{");
    refused(&place, &words("health"), 2, &["repository.json", "not JSON"]);
}

#[test]
fn one_store_is_not_source_and_target() {
    let place = filled("sqlite:data.db", 2);
    place.write("data/request_database.json", r#"{"machines": {}}"#);
    place.write(
        "repository.json",
        json!({"storage": {
            "strategy": "json",
            "json_strategy": {"base_path": "data"},
            "sql_strategy": {"name": "data.db"},
        }})
        .to_string(),
    );
    for line in [
        "migrate --source sqlite:data.db --target sqlite:data.db",
        "migrate --source sqlite:data.db --target sqlite:./data.db",
        "migrate --source json:data --target json:data",
        "migrate --source json:data --target json:./data/",
        "migrate --source-type json --target-type json",
        "migrate --source-type sql --target-type sqlite",
        "migrate --target json:data",
        "verify --source json:data --target json:data",
    ] {
        refused(&place, &words(line), 2, &["same store"]);
    }
    refused(&place, &words("migrate --source json:data"), 2, &["--target-type"]);
    let two = "--store and --strategy name one store";
    refused(&place, &words("migrate --store json:data --target sqlite:x.db"), 2, &[two]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_a_backup_is_made() {
    let place = filled("json:data", 2);
    place.write("file", "not a folder");
    place.write("folder/locked", "");
    // No write bit at all is a refusal for the superuser as well.
    let set_mode = |mode| {
        let folder = place.path("folder");
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o555);
    for (target, named) in [
        ("sqlite:/proc/nothing/t.db", "/proc"),
        ("json:/proc/nothing", "/proc"),
        ("json:file/x", "file"),
        ("json:folder", "folder"),
        ("json:folder/new", "folder"),
        ("sqlite:folder/t.db", "folder"),
    ] {
        let line = format!("migrate --source json:data --target {target} --backup-location b");
        refused(&place, &words(&line), 1, &[named]);
    }
    for backups in ["/proc/nothing", "folder/b"] {
        let line = "migrate --source json:data --target sqlite:t.db --backup-location";
        refused(&place, &words(&format!("{line} {backups}")), 1, &["path:"]);
    }
    set_mode(0o755);
}

#[test]
fn a_target_with_other_content_is_refused_unchanged() {
    for (source, target) in [("json:data", "sqlite:data.db"), ("sqlite:data.db", "json:data")] {
        let place = filled(source, 3);
        place.line(&format!("init --store {target}")).ok();
        let other = machine("m-0002", "other").to_string();
        place.run_with_input(&format!("put machines --store {target}"), &other).ok();
        let line = format!("migrate --source {source} --target {target} --backup-location b");
        refused(&place, &words(&line), 1, &["m-0002", "--on-conflict"]);
    }
}

#[test]
fn a_collection_that_was_never_prepared_is_named_with_the_command() {
    for store in STORES {
        let place = filled(store, 1);
        place.write("note.json", r#"{"id": "n"}"#);
        place.write("notes.ndjson", "{\"id\": \"n\"}\n");
        for line in [
            "get notes n",
            "put notes note.json",
            "delete notes n",
            "query notes",
            "count notes",
            "export notes",
            "import notes notes.ndjson",
            "purge notes --older-than 1d",
            "schema validate notes",
        ] {
            let line: Vec<&str> = words(line).into_iter().chain(["--store", store]).collect();
            refused(&place, &line, 1, &["notes", "repoctl init"]);
        }
    }
}

#[test]
fn only_a_json_store_is_resolved() {
    let place = filled("sqlite:data.db", 1);
    let line = ["resolve", "--keep", "file", "--store", "sqlite:data.db"];
    refused(&place, &line, 2, &["sqlite", "journal"]);
}

#[test]
fn failed_preconditions_are_told_one_by_one() {
    for store in STORES {
        let place = filled(store, 1);
        place.write("m.json", machine("m-0001", "x").to_string());
        let line = format!("put machines m.json --expect-version 7 --format json --store {store}");
        let told: Json = place.line(&line).ends(1).json();
        let failed = &told["error"]["failed_preconditions"][0];
        assert_eq!(failed["id"], "m-0001");
        assert_eq!(failed["actual_version"], 1);
        assert_eq!(told["error"]["kind"], "Conflict");
    }
}

/// With however few files it may open, a command ends well or says that these are
/// too few.
#[cfg(unix)]
#[test]
fn too_few_open_files_are_called_that() {
    for store in ["json:data", "sqlite:a.db"] {
        let place = filled(store, 1);
        let mut told = 0;
        for most in 5..=24 {
            let program = env!("CARGO_BIN_EXE_repoctl");
            let line = format!("ulimit -n {most}; exec {program} count machines --store {store}");
            let mut command = std::process::Command::new("sh");
            command.current_dir(place.path(".")).args(["-c", &line]);
            let run = crate::cli_support::Run::of(&mut command);
            if run.code == Some(0) || run.stderr.contains("shared libraries") {
                continue;
            }
            let said = run.stderr.contains("Too many open files") || run.stderr.contains("ulimit");
            assert!(said, "{most}: {run:#?}");
            told += usize::from(run.stderr.contains("ulimit -n"));
        }
        assert!(told > 0, "{store}: the limit was never met");
    }
}

/// Also where a command opens only the collection that it names.
#[test]
fn a_mistyped_collection_gets_a_suggestion() {
    for store in ["json:data", "sqlite:data.db"] {
        let place = filled(store, 2);
        for line in ["get machine m-0001", "count machinse", "query machine", "export machine"] {
            let run = place.line(&format!("{line} --store {store}")).ends(1);
            run.complains("did you mean `machines`?");
        }
    }
    let place = Place::new();
    place.write("data/machines.json", json!({ "m-1": machine("m-1", "x") }).to_string());
    place.line("get machine m-1 --store json:data").ends(1).complains("did you mean `machines`?");
}
