//! A build without PostgreSQL, DynamoDB and object stores: one configuration still serves
//! it, and what it cannot open is refused in words. Run by `scripts/check-features`.
#![cfg(all(feature = "json", feature = "sqlite"))]
#![cfg(not(any(feature = "postgres", feature = "dynamodb", feature = "object")))]

use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

/// Runs `repoctl` in a folder: its exit code and what it printed.
fn repoctl(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_repoctl"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

fn refuses(folder: &Path, line: &str, strategy: &str, feature: &str) {
    let (code, _, stderr) = repoctl(folder, line);
    assert_eq!(code, Some(2), "{line}: {stderr}");
    let why = format!("the strategy `{strategy}` was left out of this build");
    assert!(stderr.contains(&why), "{line}: {stderr}");
    assert!(stderr.contains(&format!("the cargo feature `{feature}`")), "{line}: {stderr}");
}

#[test]
fn what_was_left_out_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"storage": {
        "strategy": "sql",
        "sql_strategy": {"type": "postgresql", "name": "broker", "username": "broker"},
    }});
    std::fs::write(folder.path().join("repository.json"), config.to_string()).unwrap();
    for line in [
        "health",
        "migrate --source json:data --target-type sql",
        "--store postgresql://u:secret@host/name health",
        "--strategy postgresql health",
    ] {
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        refuses(folder.path(), line, "postgresql", "postgres");
    }
    refuses(folder.path(), "--store dynamodb:prefix health", "dynamodb", "dynamodb");
    refuses(folder.path(), "--strategy dynamodb init", "dynamodb", "dynamodb");
    refuses(folder.path(), "--store object:s3://bucket health", "object", "object");
}

#[cfg(not(feature = "data"))]
#[test]
fn a_data_service_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["data list --server http://127.0.0.1:1", "data put x", "data"] {
        let (code, _, stderr) = repoctl(folder.path(), line);
        assert_eq!(code, Some(2), "{line}: {stderr}");
        assert!(stderr.contains("the feature data"), "{line}: {stderr}");
    }
}

#[test]
fn blocks_of_what_was_left_out_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"storage": {
        "strategy": "sqlite",
        "sql_strategy": {"name": "a.db"},
        "dynamodb_strategy": {"region": "eu-central-1"},
    }});
    std::fs::write(folder.path().join("repository.json"), config.to_string()).unwrap();
    for line in ["config validate", "init", "health"] {
        let (code, _, stderr) = repoctl(folder.path(), line);
        assert_eq!(code, Some(0), "{line}: {stderr}");
    }
    let (code, _, stderr) = repoctl(folder.path(), "--strategy sql health");
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn strategies_lists_what_this_build_can_open() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = repoctl(folder.path(), "strategies --format json");
    assert_eq!(code, Some(0));
    let told: Json = serde_json::from_str(&stdout).unwrap();
    let usable: Vec<_> = told["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["usable"].as_bool().unwrap()))
        .collect();
    let expected = [
        ("dynamodb", false),
        ("files", false),
        ("json", true),
        ("memory", true),
        ("object", false),
        ("postgresql", false),
        ("sql", true),
        ("sqlite", true),
    ];
    assert_eq!(usable, expected);
}
