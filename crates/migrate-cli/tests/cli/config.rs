//! The configuration as the programs read, show and check it.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use crate::cli_support::{Place, Run};
use serde_json::{Value as Json, json};

fn with(config: &Json) -> Place {
    let place = Place::new();
    place.write("repository.json", config.to_string());
    place
}

fn sqlite() -> Json {
    json!({"storage": {"strategy": "sqlite", "sql_strategy": {"type": "sqlite", "name": "a.db"}}})
}

#[test]
fn the_default_file_is_used_and_another_can_be_named() {
    let place = with(&sqlite());
    place.line("init").ok();
    assert!(place.path("a.db").exists());
    let mut other = sqlite();
    other["storage"]["sql_strategy"]["name"] = json!("b.db");
    place.write("other.json", other.to_string());
    place.line("init --config other.json").ok();
    assert!(place.path("b.db").exists());
    place.line("init --config none.json").ends(2).complains("none.json");
}

#[test]
fn flags_stand_over_the_environment_over_the_file() {
    let place = with(&sqlite());
    let shown = Run::of(
        place
            .command("repoctl")
            .args(["config", "show", "--format", "json", "--strategy", "sql"])
            .env("REPO_MIGRATION__BATCH_SIZE", "7")
            .env("REPO_STORAGE__SQL_STRATEGY__NAME", "env.db"),
    )
    .ok()
    .json();
    let entry = |path: &str| {
        let entries = shown["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["path"] == path).unwrap().clone()
    };
    assert_eq!(entry("storage.strategy")["value"], "sql");
    assert_eq!(entry("storage.strategy")["origin"], "command line");
    assert_eq!(entry("migration.batch_size")["value"], 7);
    assert_eq!(entry("migration.batch_size")["origin"], "environment");
    assert_eq!(entry("storage.sql_strategy.name")["value"], "env.db");
    assert_eq!(entry("storage.sql_strategy.type")["origin"], "repository.json");
    assert_eq!(entry("storage.sql_strategy.pool_size")["origin"], "default");
    assert_eq!(shown["file"], "repository.json");
    let human = place.line("config show").ok();
    human.prints("storage.sql_strategy.name").prints("repository.json").prints("default");
    let lines = place.line("config show --format ndjson").ok().ndjson();
    assert!(lines.iter().all(|line| line["origin"].is_string()));
}

#[test]
fn other_sections_are_ignored_and_listed() {
    let mut config = sqlite();
    config["logging"] = json!({"level": "debug"});
    config["json_strategy"] = json!({"cache_size": 1});
    let place = with(&config);
    let valid = place.line("config validate").ok().prints("is valid").prints("logging");
    assert!(valid.stderr.contains("json_strategy"), "{valid:#?}");
    let told = place.line("config validate --format json").ok().json();
    assert_eq!(told["valid"], true);
    assert_eq!(told["ignored"], json!(["json_strategy", "logging"]));
    assert_eq!(told["notices"].as_array().unwrap().len(), 1);
}

#[test]
fn validate_names_every_problem_and_also_of_blocks_not_in_use() {
    let place = with(&json!({"storage": {
        "strategy": "sqlite",
        "sql_strategy": {"pool_sise": 5},
        "dynamodb_strategy": {"enable_dax": true},
        "schemas": "nowhere",
    }}));
    let told = place.line("config validate --format json").ends(2);
    assert!(told.stderr.contains("pool_size") && told.stderr.contains("enable_dax"), "{told:#?}");
    let told = told.json();
    assert_eq!(told["valid"], false);
    let kinds: Vec<_> = told["problems"].as_array().unwrap().iter().map(|p| &p["kind"]).collect();
    assert_eq!(kinds, ["ConfigInvalid", "Unsupported", "ConfigInvalid"]);
}

/// Each configuration block that operators have, on its own.
fn known_blocks() -> Vec<Json> {
    let storage = |strategy: &str, block: &str, settings: Json| json!({"storage": {"strategy": strategy, block: settings}});
    vec![
        storage(
            "json",
            "json_strategy",
            json!({"storage_type": "single_file", "base_path": "data",
                   "filenames": {"single_file": "request_database.json"}}),
        ),
        storage(
            "json",
            "json_strategy",
            json!({"storage_type": "split_files", "base_path": "data", "filenames": {
                "split_files": {"templates": "templates.json", "requests": "requests.json",
                                "machines": "machines.json"}}}),
        ),
        storage(
            "sql",
            "sql_strategy",
            json!({"type": "sqlite", "name": "request_database.db", "host": "", "port": 0,
                   "pool_size": 5, "max_overflow": 10, "timeout": 30}),
        ),
        storage(
            "sql",
            "sql_strategy",
            json!({"pool_size": 20, "max_overflow": 30, "pool_timeout": 30,
                   "pool_recycle": 3600, "enable_query_cache": true}),
        ),
        storage(
            "json",
            "json_strategy",
            json!({"enable_compression": true, "cache_size": 1000,
                   "write_buffer_size": 64000, "sync_writes": false}),
        ),
        storage(
            "dynamodb",
            "dynamodb_strategy",
            json!({"region": "us-east-1", "profile": "production",
                   "table_prefix": "hostfactory", "read_capacity": 5, "write_capacity": 5,
                   "billing_mode": "PAY_PER_REQUEST"}),
        ),
        json!({"storage": {"strategy": "json"}, "migration": {
            "batch_size": 100, "create_backup": true, "backup_location": "backups/",
            "validate_after_migration": true, "cleanup_source": false, "parallel_workers": 4}}),
    ]
}

#[test]
fn the_blocks_that_operators_have_load() {
    for config in known_blocks() {
        let place = with(&config);
        place.line("config validate").ok();
        place.line("config show").ok();
        assert_eq!(place.contents().len(), 1, "{config}");
    }
}

#[test]
fn what_is_not_yet_supported_is_refused_by_name() {
    let scaling = json!({"enabled": true, "min_read_capacity": 1, "max_read_capacity": 100,
        "min_write_capacity": 1, "max_write_capacity": 100, "target_utilization": 70});
    let cases = [
        ("dynamodb", "dynamodb_strategy", json!({"enable_dax": true}), "enable_dax"),
        ("dynamodb", "dynamodb_strategy", json!({"auto_scaling": true}), "auto_scaling"),
        ("dynamodb", "dynamodb_strategy", json!({"auto_scaling": scaling}), "auto_scaling"),
    ];
    for (strategy, block, settings, words) in cases {
        let place = with(&json!({"storage": {"strategy": strategy, block: settings}}));
        let line = |line: &str| {
            let mut command = place.command("repoctl");
            Run::of(command.args(line.split(' ')).env("DB_PASSWORD", "hunter2"))
        };
        line("config validate").ends(2).complains(words);
        let refused = line("health").ends(2).complains("not yet supported");
        assert!(!refused.stderr.contains("hunter2"));
        assert_eq!(place.contents().len(), 1);
    }
    let place = with(&sqlite());
    place.line("init --strategy postgresql").ends(2).complains("postgresql");
}

#[test]
fn a_server_block_loads_and_an_unreachable_server_is_named() {
    let postgresql = json!({"type": "postgresql", "host": "127.0.0.1", "port": 1,
        "name": "hostfactory", "username": "hostfactory_user", "password": "${DB_PASSWORD}",
        "pool_size": 20, "max_overflow": 30, "timeout": 60});
    let place = with(&json!({"storage": {"strategy": "sql", "sql_strategy": postgresql}}));
    let line = |line: &str| {
        let mut command = place.command("repoctl");
        Run::of(command.args(line.split(' ')).env("DB_PASSWORD", "hunter2"))
    };
    line("config validate").ok();
    let run = line("health").ends(1).complains("cannot be reached");
    assert!(run.stderr.contains("postgresql://127.0.0.1:1/hostfactory"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let url = "postgresql://u:s3cret@127.0.0.1:1/d";
    let run = place.run(["init", "--store", url]).ends(1).complains("cannot be reached");
    assert!(!run.stderr.contains("s3cret"), "{run:?}");
}

#[test]
fn no_output_shows_a_secret() {
    let secrets = [json!("s3cret-Pa55"), json!(733_155_001), json!(["s3cret-Pa55"])];
    for secret in secrets {
        let place = with(&json!({"storage": {"strategy": "sql", "sql_strategy":
            {"type": "postgresql", "host": "h", "username": "u", "password": secret}}}));
        for line in [
            "config show",
            "config show --format json",
            "config validate --format json",
            "health --format json",
            "init --store postgresql://u:s3cret-Pa55@h/d",
            "init --store postgresql//u:s3cret-Pa55@h/d --format json",
            "postgresql://u:s3cret-Pa55@h/d",
        ] {
            let run =
                Run::of(place.command("repoctl").args(line.split(' ')).env("REPO_LOG", "trace"));
            let all = format!("{}{}", run.stdout, run.stderr);
            for text in ["s3cret-Pa55", "733155001"] {
                assert!(!all.contains(text), "{line}: {all}");
            }
        }
    }
    let shown = json!({"storage": {"strategy": "sqlite", "sql_strategy":
        {"name": "a.db", "password": "s3cret-Pa55"}}});
    let run = with(&shown).line("config show").ok();
    assert!(run.stdout.contains("***") && !run.stdout.contains("s3cret"));
    // The settings of a strategy that is not chosen are not checked: a name may
    // be misspelt.
    let shown = json!({"storage": {"strategy": "sqlite", "sql_strategy": {"name": "a.db"},
        "dynamodb_strategy": {"region": "eu-1", "api_kee": "s3cret", "more": {"pin": 733_155_001}}}});
    let place = with(&shown);
    for format in ["human", "json"] {
        let run = place.line(&format!("config show --format {format}")).ok();
        assert!(run.stdout.contains("api_kee") && run.stdout.contains("eu-1"), "{run:#?}");
        assert!(!run.stdout.contains("s3cret") && !run.stdout.contains("733155001"), "{run:#?}");
    }
}

#[test]
fn a_log_shows_no_user_of_an_endpoint() {
    let place = with(&json!({"storage": {"strategy": "dynamodb", "dynamodb_strategy": {
        "endpoint_url": "http://us3r:s3cret@127.0.0.1:9", "region": "eu-central-1"}}}));
    for level in ["debug", "trace"] {
        let mut command = place.command("repoctl");
        command.arg("health").env("REPO_LOG", level).env("AWS_ACCESS_KEY_ID", "key");
        command.env("AWS_SECRET_ACCESS_KEY", "other").env("AWS_EC2_METADATA_DISABLED", "true");
        let run = Run::of(&mut command).ends(1);
        assert!(run.stderr.contains("endpoint"), "the log was asked for: {}", run.stderr);
        for secret in ["us3r", "s3cret"] {
            let line = run.stderr.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
}

#[test]
fn a_variable_fills_the_configuration_and_an_unset_one_is_named() {
    let mut config = sqlite();
    config["storage"]["sql_strategy"]["name"] = json!("${DB_NAME}.db");
    config["storage"]["sql_strategy"]["password"] = json!("${DB_PASSWORD}");
    let place = with(&config);
    place.line("init").ends(2).complains("DB_");
    let run = Run::of(
        place.command("repoctl").arg("init").env("DB_NAME", "filled").env("DB_PASSWORD", "1"),
    );
    run.ok();
    assert!(place.path("filled.db").exists());
    // A store that is named by URL needs no variable of the file.
    place.line("health --store sqlite:filled.db").ok();
}

#[test]
fn the_schema_of_the_configuration_is_current() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/config.schema.json");
    let made = Place::new().line("config schema").ok().stdout;
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == made, "run `repoctl config schema > schemas/config.schema.json`");
}

/// Variables are a configuration too, with or without a file.
#[test]
fn variables_alone_are_a_configuration() {
    let place = Place::new();
    let run = |words: &[&str]| {
        let mut command = place.command("repoctl");
        command.args(words).env("REPO_STORAGE__STRATEGY", "json");
        Run::of(command.env("REPO_STORAGE__JSON_STRATEGY__BASE_PATH", "data"))
    };
    run(&["config", "validate"]).ok().prints("the configuration in the environment is valid");
    let shown = run(&["config", "show", "--format", "json"]).ok().json();
    assert_eq!(shown["file"], Json::Null);
    let entries = shown["entries"].as_array().unwrap();
    let strategy = entries.iter().find(|entry| entry["path"] == "storage.strategy").unwrap();
    assert_eq!((&strategy["value"], &strategy["origin"]), (&json!("json"), &json!("environment")));
    run(&["init"]).ok();
    assert!(place.path("data").is_dir());
    run(&["count", "machines"]).ok();
    run(&["migrate", "--target", "sqlite:t.db", "--no-backup"]).ok();
    let mut wrong = place.command("repoctl");
    wrong.args(["config", "validate"]).env("REPO_STORAGE__STRATEGY", "jsno");
    Run::of(&mut wrong).ends(2).complains("did you mean `json`?");
    // Of a migration alone no store is known.
    let mut other = place.command("repoctl");
    other.args(["config", "show"]).env("REPO_MIGRATION__BATCH_SIZE", "7");
    let none = Run::of(&mut other).ends(2);
    assert!(none.stderr.contains("REPO_STORAGE__STRATEGY"), "{none:#?}");
    place.line("count machines").ends(2).complains("no configuration");
}

/// What a message says a setting has to be is no type of the program, and our
/// own words on URLs are not taken for secrets.
#[test]
fn messages_are_words_for_people() {
    for (settings, words) in [
        (json!({"pool_size": "many"}), "a whole number"),
        (json!({"timeout": -1}), "a whole number"),
        (json!({"enable_query_cache": 3}), "a boolean"),
    ] {
        let place = with(&json!({"storage": {"strategy": "sqlite", "sql_strategy": settings}}));
        let run = place.line("config validate").ends(2).complains(words);
        for name in ["u16", "u32", "u64", "usize", "nonzero", "struct "] {
            assert!(!run.stderr.contains(name), "{name}: {run:#?}");
        }
    }
    let place = Place::new();
    let run = place.line("health --store postgre:x").ends(2);
    assert!(run.stderr.contains("postgresql://USER@HOST/NAME"), "{run:#?}");
    let run = place.line("health --store sqllite:a.db").ends(2);
    assert!(run.stderr.contains("did you mean `sqlite:`?"), "{run:#?}");
}

#[test]
fn a_schema_that_is_no_json_schema_is_refused_before_anything_is_made() {
    let place = with(&sqlite());
    let schema = json!({
        "x-repository": {"collection": "hosts", "idField": "id"},
        "properties": {"status": {"type": "stringy"}},
    });
    std::fs::create_dir(place.path("schemas")).unwrap();
    place.write("schemas/hosts.schema.json", schema.to_string());
    place.line("init --schemas schemas").ends(2).complains("/properties/status/type");
    assert!(!place.path("a.db").exists());
}

#[test]
fn configured_layers_are_around_the_store() {
    let mut config = sqlite();
    config["storage"]["layers"] = json!([
        {"layer": "tracing"},
        {"layer": "metrics"},
        {"layer": "cache", "ttl_ms": 500},
        {"layer": "retry", "max_attempts": 5},
        {"layer": "timeout", "read_ms": 5_000, "write_ms": 10_000},
        {"layer": "concurrency_limit", "max_operations": 64},
        {"layer": "validation"},
    ]);
    let place = with(&config);
    place.line("config validate").ok();
    let shown = place.line("config show --format json").ok().json();
    let entries = shown["entries"].as_array().unwrap();
    let layers = entries.iter().find(|entry| entry["path"] == "storage.layers").unwrap();
    assert_eq!(layers["value"], config["storage"]["layers"]);

    place.line("init").ok();
    let broken = r#"{"machine_id": "m", "status": 7}"#;
    place.run_with_input("put machines", broken).ends(1).complains("/status");
    let good = r#"{"machine_id": "m", "status": "running"}"#;
    place.run_with_input("put machines", good).ok();
    let seen = place.line_with("get machines m", |command| {
        command.env("REPO_LOG", "repo_layers=debug");
    });
    seen.ok().complains("operation=\"get_many\" collection=\"machines\" items=1 outcome=\"ok\"");

    config["storage"]["layers"] = json!([{"layer": "retry"}, {"layer": "retry"}]);
    place.write("repository.json", config.to_string());
    place.line("config validate").ends(2).complains("stands twice");
    place.line("get machines m").ends(2).complains("leave one of them out");
}
