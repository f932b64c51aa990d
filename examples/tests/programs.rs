//! The examples run, and the orchestrator prints the same on every strategy.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

fn run(program: &str, arguments: &[&Path], environment: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_orchestrator_prints_the_same_on_every_strategy() {
    let dir = tempfile::tempdir().unwrap();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/collections");
    let config = serde_json::json!({ "storage": {
        "schemas": schemas,
        "json_strategy": { "base_path": dir.path().join("json") },
        "sql_strategy": { "type": "sqlite", "name": dir.path().join("store.db") },
    }});
    let file = dir.path().join("repository.json");
    std::fs::write(&file, config.to_string()).unwrap();

    let program = env!("CARGO_BIN_EXE_orchestrator");
    let [memory, json, sqlite] = ["memory", "json", "sqlite"]
        .map(|strategy| run(program, &[&file], &[("REPO_STORAGE__STRATEGY", strategy)]));
    assert!(memory.contains("created example-req-0001 at version 1"), "{memory}");
    assert!(memory.contains("example-req-0001 is complete at version 2"), "{memory}");
    assert!(memory.contains("an update of the old version: Conflict"), "{memory}");
    assert!(memory.contains("example-req-0001-m3 is running"), "{memory}");
    assert_eq!(json, memory);
    assert_eq!(sqlite, memory);

    // What is on disk is there the second time.
    for strategy in ["json", "sqlite"] {
        let second = run(program, &[&file], &[("REPO_STORAGE__STRATEGY", strategy)]);
        assert!(second.contains("created example-req-0002"), "{strategy}: {second}");
    }
}

#[test]
fn a_strategy_of_ones_own_is_registered_and_used() {
    let printed = run(env!("CARGO_BIN_EXE_custom_strategy"), &[], &[]);
    assert_eq!(
        printed,
        "saved: notes/note-1 is now at version 1\n\
         saved: notes/note-1 is now at version 2\n\
         saved: notes/note-1 is now at version 3\n"
    );
}
