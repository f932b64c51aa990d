//! The examples run, and the orchestrator prints the same on every strategy.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use repo_testkit::servers;

fn run(program: &str, arguments: &[&Path], environment: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A configuration for every strategy; the servers' parts of it are this
/// test's own.
fn configuration(folder: &Path) -> serde_json::Value {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/collections");
    serde_json::json!({ "storage": {
        "schemas": schemas,
        "json_strategy": { "base_path": folder.join("json") },
        "sql_strategy": { "name": folder.join("store.db") },
        "dynamodb_strategy": {
            "table_prefix": "orchestrator", "region": "eu-central-1",
            "endpoint_url": servers::dynamodb(),
        },
        "object_strategy": { "location": format!("file://{}/objects", folder.display()) },
    }})
}

/// The same with a schema of its own on the PostgreSQL server.
fn with_postgres(mut config: serde_json::Value, schema: &str) -> serde_json::Value {
    let [host, port, username, password, name] = servers::postgres_parts();
    config["storage"]["sql_strategy"] = serde_json::json!({
        "host": host, "port": port.parse::<u16>().unwrap(), "username": username,
        "password": password, "name": name, "schema": schema,
    });
    config
}

#[test]
fn the_orchestrator_prints_the_same_on_every_strategy() {
    let dir = tempfile::tempdir().unwrap();
    let key = servers::new_access_key();
    let config = configuration(dir.path());
    std::fs::write(dir.path().join("local.json"), config.to_string()).unwrap();
    let schema = servers::unique_name();
    let config = with_postgres(config, &schema);
    std::fs::write(dir.path().join("server.json"), config.to_string()).unwrap();

    let on = |strategy: &str, id: &str| {
        let file = if strategy == "postgresql" { "server.json" } else { "local.json" };
        let environment = [
            ("REPO_STORAGE__STRATEGY", strategy),
            ("AWS_ACCESS_KEY_ID", &*key),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let arguments = [&*dir.path().join(file), Path::new(id)];
        run(env!("CARGO_BIN_EXE_orchestrator"), &arguments, &environment)
    };
    let memory = on("memory", "req-1");
    assert!(memory.contains("created req-1 at version 1"), "{memory}");
    assert!(memory.contains("req-1 is complete at version 2"), "{memory}");
    assert!(memory.contains("an update of the old version: Conflict"), "{memory}");
    assert!(memory.contains("req-1-m3 is running"), "{memory}");
    for strategy in ["json", "sqlite", "postgresql", "dynamodb", "object"] {
        assert_eq!(on(strategy, "req-1"), memory, "{strategy}");
        // What is stored is there the second time.
        assert!(on(strategy, "req-2").contains("req-2-m3 is running"), "{strategy}");
        let arguments = ["local.json", "server.json"].map(|file| dir.path().join(file));
        let file = &arguments[usize::from(strategy == "postgresql")];
        let again = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
            .args([file.as_path(), Path::new("req-1")])
            .envs([("REPO_STORAGE__STRATEGY", strategy), ("AWS_ACCESS_KEY_ID", &*key)])
            .envs([("AWS_SECRET_ACCESS_KEY", "not-a-secret")])
            .output()
            .unwrap();
        assert!(!again.status.success(), "{strategy}");
        assert!(String::from_utf8_lossy(&again.stderr).contains("AlreadyExists"), "{strategy}");
    }
    let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
    let psql = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &drop]).output();
    assert!(psql.unwrap().status.success());
}

#[test]
fn the_first_page_is_the_same_on_every_url() {
    let dir = tempfile::tempdir().unwrap();
    let key = servers::new_access_key();
    let environment = [
        ("AWS_ACCESS_KEY_ID", &*key),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &servers::dynamodb()),
    ];
    let on = |url: &str| run(env!("CARGO_BIN_EXE_first_page"), &[Path::new(url)], &environment);
    let memory = on("memory:");
    for line in [
        "created m-3 at version 1",
        "m-3 is running since 2026-03-01T03:00:00Z\nm-2 is running since",
        "m-2 is stopped at version 2",
        "an update of the old version: Err(Conflict)",
    ] {
        assert!(memory.contains(line), "{memory}");
    }
    assert!(!memory.contains("m-1 is running"), "{memory}");
    let schema = servers::unique_name();
    for url in [
        format!("sqlite:{}", dir.path().join("first.db").display()),
        format!("json:{}", dir.path().join("first").display()),
        format!("{}?schema={schema}", servers::postgres()),
        "dynamodb:first".to_owned(),
        format!("object:file://{}/first-objects", dir.path().display()),
    ] {
        assert_eq!(on(&url), memory, "{url}");
    }
    let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
    let psql = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &drop]).output();
    assert!(psql.unwrap().status.success());
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

#[test]
fn a_program_migrates_with_a_progress_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let migrate = || {
        Command::new(env!("CARGO_BIN_EXE_migration"))
            .arg(format!("json:{}", root.join("examples/host-factory/data").display()))
            .arg(format!("sqlite:{}", dir.path().join("moved.db").display()))
            .current_dir(&root)
            .output()
            .expect("the program starts")
    };
    let moved = migrate();
    let text = String::from_utf8(moved.stdout).unwrap();
    assert!(moved.status.success(), "{text}{}", String::from_utf8_lossy(&moved.stderr));
    for line in ["checking ", "copying ", "verifying ", "verified: true"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Again there is nothing to copy.
    let text = String::from_utf8(migrate().stdout).unwrap();
    assert!(!text.contains("copying") && text.contains("verified: true"), "{text}");
}
