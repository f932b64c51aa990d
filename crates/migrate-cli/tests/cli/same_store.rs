//! One store under two names is refused and stays whole; a copy of a store is
//! another one.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::cli_support::{Place, filled, machine_lines};
use repo_testkit::servers;
use serde_json::{Value as Json, json};

fn count(place: &Place, store: &str) -> Json {
    place.line(&format!("count machines --store {store} --format json")).ok().json()["count"]
        .clone()
}

/// Every command on two names of one store is refused, and nothing is gone.
fn refused(place: &Place, words: &str, named: &[&str]) {
    for options in ["--cleanup-source", "--cleanup-source --dry-run", "", "--dry-run"] {
        place.migrate(&format!("{words} {options}")).ends(2).complains("are the same store");
    }
    place.line(&format!("verify {words}")).ends(2).complains("are the same store");
    for name in named {
        assert_eq!(count(place, name), 5, "{name}");
    }
    assert!(!place.path("backups").exists(), "an archive was made before the refusal");
}

/// A database of the test's own, named through a host.
fn database(place: &Place) -> impl Fn(&str) -> String + use<> {
    let [_, port, user, password, _] = servers::postgres_parts();
    let name = place.postgres().to_owned();
    move |host| format!("postgresql://{user}:{password}@{host}:{port}/{name}")
}

fn fill(place: &Place, store: &str) {
    place.line(&format!("init --store {store}")).ok();
    place.run_with_input(&format!("import machines --store {store}"), &machine_lines(5)).ok();
}

#[test]
fn a_postgresql_database_under_two_hosts() {
    let place = Place::new();
    let url = database(&place);
    let (one, two) = (url("127.0.0.1"), url("localhost"));
    fill(&place, &one);
    refused(&place, &format!("--source {one} --target {two}"), &[&one, &two]);
}

#[test]
fn a_dynamodb_endpoint_under_two_hosts() {
    let place = filled("dynamodb:data", 5);
    let url = std::env::var("REPO_TEST_DYNAMODB_URL").unwrap();
    for (file, host) in [("one.json", "127.0.0.1"), ("two.json", "localhost")] {
        let endpoint = url.replace("127.0.0.1", host);
        assert!(endpoint.contains(host), "{endpoint}");
        let settings = json!({ "storage": {
            "strategy": "dynamodb",
            "dynamodb_strategy": {
                "table_prefix": "data", "endpoint_url": endpoint, "region": "eu-central-1",
            },
        }});
        place.write(file, settings.to_string());
    }
    let words = "--source-config one.json --target-config two.json --target-type dynamodb";
    refused(&place, words, &["dynamodb:data"]);
}

#[test]
fn files_through_a_link_and_through_a_detour() {
    for (store, other) in
        [("json:data", "json:link/data"), ("sqlite:data.db", "sqlite:link/data.db")]
    {
        let place = filled(store, 5);
        symlink(".", place.path("link")).unwrap();
        refused(&place, &format!("--source {store} --target {other}"), &[store, other]);
        let detour = store.replacen(':', ":./link/./", 1);
        refused(&place, &format!("--source {detour} --target {store}"), &[store, other]);
    }
}

/// Unmounts what a test mounted.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Only root may mount; elsewhere the links above stand for it, which lead to
/// the same device and inode.
#[test]
fn files_through_a_mount() {
    for (store, other) in [("json:data", "json:twice"), ("sqlite:data/m.db", "sqlite:twice/m.db")] {
        let place = Place::new();
        fs::create_dir_all(place.path("data")).unwrap();
        fs::create_dir_all(place.path("twice")).unwrap();
        fill(&place, store);
        let twice = place.path("twice");
        let mount =
            Command::new("mount").arg("--bind").args([&place.path("data"), &twice]).output();
        if !mount.is_ok_and(|mount| mount.status.success()) {
            continue;
        }
        let _mounted = Mounted(&twice);
        refused(&place, &format!("--source {store} --target {other}"), &[store, other]);
    }
}

fn sqlite(place: &Place, file: &str, sql: &str) -> String {
    let run = Command::new("sqlite3").arg(place.path(file)).arg(sql).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap()
}

fn id_of(place: &Place, store: &str) -> String {
    if let Some(file) = store.strip_prefix("sqlite:") {
        return sqlite(place, file, "SELECT store_id FROM _repo_store").trim().to_owned();
    }
    let folder = store.strip_prefix("json:").unwrap();
    // The id stands behind magic, layout and generation, or in the journal.
    place.line(&format!("checkpoint --store {store}")).ok();
    let meta = fs::read(place.path(folder).join(".meta")).unwrap();
    meta[20..36].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_copy_of_files_is_another_store_and_gets_an_id_of_its_own() {
    for (store, other) in [("json:data", "json:copy"), ("sqlite:data.db", "sqlite:copy.db")] {
        let place = filled(store, 5);
        let [from, to] = [store, other].map(|store| store.split_once(':').unwrap().1);
        let done = Command::new("cp").arg("-r").args([place.path(from), place.path(to)]).status();
        assert!(done.unwrap().success());
        let id = id_of(&place, store);
        assert_eq!(id_of(&place, other), id);
        let words = format!("--source {store} --target {other} --cleanup-source --format json");
        place.migrate(&format!("{words} --dry-run")).ok();
        assert_eq!(id_of(&place, other), id, "a dry run gives no id");
        let run = place.migrate(&words).ok().json();
        assert_eq!(run["outcome"], "verified");
        // All was equal, and an archive was made and read back all the same.
        let archive = run["backup"].as_str().expect("an archive").to_owned();
        place.line(&format!("backups verify {archive}")).ok();
        assert_eq!((count(&place, store), count(&place, other)), (json!(0), json!(5)));
        assert_eq!(id_of(&place, store), id, "the source keeps its id");
        assert_ne!(id_of(&place, other), id);
        place.line(&format!("restore {archive} --store {store}")).ok();
        assert_eq!(count(&place, store), 5);
    }
}

#[test]
fn a_restored_dump_is_another_store_and_gets_an_id_of_its_own() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let (one, two) = (database(&place)("127.0.0.1"), database(&elsewhere)("127.0.0.1"));
    fill(&place, &one);
    let dump = Command::new("pg_dump").args(["--dbname", &one]).output().unwrap();
    assert!(dump.status.success(), "{dump:?}");
    place.write("dump.sql", &dump.stdout);
    let psql = |url: &str, words: &[&str]| {
        let mut psql = Command::new("psql");
        psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", url]).args(words);
        let run = psql.output().unwrap();
        assert!(run.status.success(), "{run:?}");
        String::from_utf8(run.stdout).unwrap()
    };
    psql(&two, &["-f", place.path("dump.sql").to_str().unwrap()]);
    let id = |url: &str| psql(url, &["-c", "SELECT store_id FROM _repo_store"]);
    assert_eq!(id(&one), id(&two));
    let before = id(&one);
    let run = place
        .migrate(&format!("--source {one} --target {two} --cleanup-source --format json"))
        .ok()
        .json();
    assert!(run["backup"].is_string(), "{run}");
    assert_eq!((count(&place, &one), count(&place, &two)), (json!(0), json!(5)));
    assert_eq!(id(&one), before);
    assert_ne!(id(&two), before);
}

#[test]
fn without_an_archive_nothing_is_removed() {
    let place = filled("sqlite:data.db", 3);
    let words = "--source sqlite:data.db --target json:other --cleanup-source";
    let before = place.contents();
    place.migrate(&format!("{words} --no-backup")).ends(2);
    place.write("repository.json", r#"{"migration": {"create_backup": false}}"#);
    place.migrate(words).ends(2).complains("only what is in an archive");
    fs::remove_file(place.path("repository.json")).unwrap();
    assert_eq!(place.contents(), before);
}

#[test]
fn a_store_of_an_older_layout_is_upgraded_by_init_alone() {
    let place = filled("sqlite:data.db", 3);
    let older = "DROP TABLE _repo_changes; DROP TABLE _repo_items; DROP TABLE _repo_attributions; ALTER TABLE _repo_store DROP COLUMN capture; ALTER TABLE _repo_store DROP COLUMN history; \
                 ALTER TABLE _repo_store DROP COLUMN trimmed; \
                 ALTER TABLE _repo_store DROP COLUMN store_id; \
                 UPDATE _repo_store SET layout_version = 1";
    sqlite(&place, "data.db", older);
    place.migrate("--source sqlite:data.db --target json:other").ok();
    place.migrate("--source json:other --target sqlite:data.db").ok();
    place.line("health --store sqlite:data.db").ok();
    let init = || place.line("init --store sqlite:data.db --format json").ok().json();
    assert_eq!(init()["layout"], json!({ "version": 3, "upgraded_from": 1 }));
    assert_eq!(init()["layout"], json!({ "version": 3, "upgraded_from": null }));
    assert_eq!(count(&place, "sqlite:data.db"), 3);
}
