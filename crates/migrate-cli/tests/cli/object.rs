//! Stores in object storage from the outside: by URL and by configuration, on a server and in a
//! folder.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "object"))]

use repo_testkit::servers::{address, unique_name};
use serde_json::json;

use crate::cli_support::{OBJECTS, Place, Run, filled, machine, machine_lines};

/// With the S3 server of `scripts/services` in the variables of AWS.
fn with_s3() -> (Place, String) {
    let mut place = Place::new();
    place.variables = vec![
        ("AWS_ENDPOINT_URL", address("REPO_TEST_S3_URL")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", address("REPO_TEST_S3_ACCESS_KEY")),
        ("AWS_SECRET_ACCESS_KEY", address("REPO_TEST_S3_SECRET_KEY")),
    ];
    let store = format!("object:s3://{}/{}", address("REPO_TEST_S3_BUCKET"), unique_name());
    (place, store)
}

#[test]
fn a_store_on_a_server_is_made_used_and_left() {
    let (place, store) = with_s3();
    place.line(&format!("init --store {store}")).ok().prints("machines");
    place.run_with_input(&format!("import machines --store {store}"), &machine_lines(40)).ok();
    place.line(&format!("delete machines m-0007 --store {store}")).ok();
    place.line(&format!("checkpoint --store {store}")).ok();
    place.line(&format!("health --deep --store {store}")).ok().prints("is healthy");
    place.migrate(&format!("--source {store} --target sqlite:left.db")).ok().prints("verified");
    let (_, other) = with_s3();
    place.migrate(&format!("--source sqlite:left.db --target {other}")).ok().prints("verified");
    place.line(&format!("verify --source {store} --target {other}")).ok().prints("equal");
    let count = place.line(&format!("count machines --store {other}")).ok();
    assert_eq!(count.stdout, "39\n");
}

#[test]
fn a_configuration_names_the_server_and_shows_no_secret() {
    let (mut place, store) = with_s3();
    place.line(&format!("init --store {store}")).ok();
    let [(_, endpoint), (_, region), (_, key), (_, secret)] =
        <[_; 4]>::try_from(std::mem::take(&mut place.variables)).unwrap();
    let location = store.strip_prefix("object:").unwrap();
    let config = json!({"storage": {"strategy": "object", "object_strategy": {
        "location": location, "endpoint": endpoint, "region": region,
        "access_key_id": key, "secret_access_key": secret,
    }}});
    place.write("repository.json", config.to_string());
    let shown = place.line("config show").ok();
    assert!(shown.stdout.contains("***") && !shown.stdout.contains(&secret), "{shown:?}");
    place.run_with_input("put machines", &machine("m", "running").to_string()).ok();
    place.line("get machines m").ok().prints("running");
}

#[test]
fn what_cannot_be_a_store_is_refused_in_words() {
    let place = Place::new();
    let refused = |url: &str, code: i32, words: &str| {
        let run = place.run(["health", "--store", url]).ends(code).complains(words);
        assert!(run.stderr.contains("hint:"), "{run:?}");
    };
    refused("object:gs://bucket/x", 2, "Google");
    refused("object:az://container/x", 2, "Azure");
    refused("object:s3://Bucket", 2, "bucket");
    refused("object:", 2, "s3://BUCKET");
    refused("object:file://srv/data", 2, "file:///");
    refused("object:file:nowhere", 1, "there is no store in this place");
    assert!(place.contents().is_empty());
    place.write("notes/todo.txt", "mine");
    let run = place.line("init --store object:file:notes").ends(1);
    run.complains("objects that are not ours").complains("todo.txt");
    assert_eq!(place.contents().len(), 2);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (mut place, store) = with_s3();
    place.variables[0].1 = "http://127.0.0.1:1".to_owned();
    let config = json!({"storage": {"strategy": "object", "object_strategy": {
        "location": store.strip_prefix("object:").unwrap(), "retries": 0,
    }}});
    place.write("repository.json", config.to_string());
    place.line("health").ends(1).complains("is not reached");
}

/// Without indexes every query reads all, and says so.
#[test]
fn a_query_is_explained_as_a_scan() {
    let place = filled(OBJECTS, 3);
    let line = ["query", "machines", "--explain", "--format", "json", "--store", OBJECTS];
    let explained = place.run(line.into_iter().chain(["--filter", r#"{"status":"stopped"}"#]));
    assert_eq!(explained.ok().json()["plan"]["kind"], "scan");
}

/// Programs that each write one record come and go: all of them are there, and the log does not
/// grow for ever.
#[test]
fn programs_that_write_once_make_checkpoints_too() {
    let place = Place::new();
    let config = json!({"storage": {"strategy": "object", "object_strategy": {
        "location": "file:objects", "checkpoint_every": 5,
    }}});
    place.write("repository.json", config.to_string());
    place.line("init").ok();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..10 {
                    let document = machine(&format!("m-{writer}-{n}"), "x").to_string();
                    let file = format!("{writer}.json");
                    place.write(&file, document);
                    let line = format!("put machines {file}");
                    let run = Run::of(place.command("repoctl").args(line.split(' ')));
                    run.ok();
                }
            });
        }
    });
    assert_eq!(place.line("count machines").ok().stdout, "40\n");
    let made = std::fs::read_dir(place.path("objects/checkpoint")).unwrap().count();
    assert!(made >= 4, "{made}");
    place.line("health --deep").ok().prints("behind checkpoint");
}
