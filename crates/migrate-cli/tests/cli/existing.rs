//! Tables of another program as the source of a migration, from the outside.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli_support::{Place, Run, STORES, postgres_variables};
use serde_json::{Value as Json, json};

/// A broker's tables, as another program made them: nested values are JSON as
/// text, truth values numbers.
const TABLES: &str = "
    CREATE TABLE templates (template_id VARCHAR(255) NOT NULL, name VARCHAR(255),
        is_active BOOLEAN NOT NULL, max_price TEXT, subnet_ids TEXT, metadata TEXT,
        created_at TIMESTAMP, version INTEGER, PRIMARY KEY (template_id));
    CREATE TABLE requests (request_id VARCHAR(255) NOT NULL, template_id VARCHAR(255) NOT NULL,
        status VARCHAR(50), machine_ids TEXT, PRIMARY KEY (request_id));
    CREATE TABLE machines (machine_id VARCHAR(255) NOT NULL, request_id VARCHAR(255),
        template_id VARCHAR(255), status VARCHAR(50), return_request_id VARCHAR(255),
        tags TEXT, metadata TEXT, rack TEXT, PRIMARY KEY (machine_id));
    CREATE TABLE migrations (number INTEGER);";

const MACHINES: usize = 1_234;

/// What the tables hold.
fn rows(truth: &str) -> String {
    let machines: Vec<String> = (0..MACHINES)
        .map(|n| {
            format!(
                "('m-{n:04}', 'r-1', 't-1', 'running', NULL, '{{\"Owner\": \"Größe {n}\"}}', \
                 '{{\"spot_price\": 0.{n:04}1}}', NULL)"
            )
        })
        .collect();
    format!(
        "INSERT INTO templates VALUES ('t-1', 'One', {truth}, '0.10', '[\"s-1\"]', NULL, \
         '2026-03-01 08:00:00', 3); \
         INSERT INTO requests VALUES ('r-1', 't-1', 'complete', '[\"m-0001\", \"m-0002\"]'); \
         INSERT INTO machines VALUES {}",
        machines.join(", ")
    )
}

/// A SQLite file of the broker.
fn broker(place: &Place, name: &str) {
    run_sqlite(place, name, &format!("{TABLES}{}", rows("1")));
}

fn run_sqlite(place: &Place, name: &str, sql: &str) {
    place.write("script.tmp", sql);
    let script = std::fs::File::open(place.path("script.tmp")).unwrap();
    Run::of(Command::new("sqlite3").arg("-bail").arg(place.path(name)).stdin(script)).ok();
    std::fs::remove_file(place.path("script.tmp")).unwrap();
}

fn run_postgres(place: &Place, sql: &str) {
    place.write("script.tmp", sql);
    let script = place.path("script.tmp");
    let mut command = Command::new("psql");
    command.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&script);
    Run::of(command.envs(postgres_variables(place.postgres()))).ok();
    std::fs::remove_file(script).unwrap();
}

fn machine(n: usize) -> Json {
    json!({
        "machine_id": format!("m-{n:04}"), "request_id": "r-1", "template_id": "t-1",
        "status": "running", "return_request_id": null, "tags": {"Owner": format!("Größe {n}")},
        "metadata": {"spot_price": format!("0.{n:04}1").parse::<f64>().unwrap()},
    })
}

/// The documents of a collection by id, each of version 1.
pub(crate) fn documents(
    place: &Place,
    store: &str,
    collection: &str,
    id: &str,
) -> BTreeMap<String, Json> {
    let exported = place.line(&format!("export {collection} --store {store}")).ok();
    let mut documents = BTreeMap::new();
    for mut line in exported.ndjson() {
        let object = line.as_object_mut().unwrap();
        assert_eq!(object.remove("_version"), Some(json!(1)));
        object.retain(|name, _| !name.starts_with('_'));
        documents.insert(line[id].as_str().unwrap().to_owned(), line);
    }
    documents
}

fn assert_moved(place: &Place, target: &str) {
    let machines = documents(place, target, "machines", "machine_id");
    assert_eq!(machines.len(), MACHINES);
    for n in 0..MACHINES {
        assert_eq!(machines[&format!("m-{n:04}")], machine(n));
    }
    assert_eq!(
        documents(place, target, "templates", "template_id")["t-1"],
        json!({
            "template_id": "t-1", "name": "One", "is_active": true, "max_price": "0.10",
            "subnet_ids": ["s-1"], "metadata": null, "created_at": "2026-03-01T08:00:00",
            "version": 3,
        })
    );
    assert_eq!(
        documents(place, target, "requests", "request_id")["r-1"],
        json!({
            "request_id": "r-1", "template_id": "t-1", "status": "complete",
            "machine_ids": ["m-0001", "m-0002"],
        })
    );
}

#[test]
fn the_tables_of_a_sqlite_file_migrate_into_each_store() {
    for target in STORES {
        let place = Place::new();
        broker(&place, "broker.sqlite");
        let before = std::fs::read(place.path("broker.sqlite")).unwrap();
        if target.starts_with("postgresql") {
            place.postgres();
        }
        let command =
            format!("--source sqlite:broker.sqlite --target {target} --parallel-workers 4");
        let run = place.migrate(&command).ok().prints("verified");
        let run = run.complains("the source is tables of another program, read as version 1");
        let run = run.complains("not read, since no collection names them: \"migrations\"");
        assert!(!run.stderr.contains("error:"), "{run:?}");
        assert_moved(&place, target);
        let verify = format!("verify --source sqlite:broker.sqlite --target {target}");
        place.line(&verify).ok().prints("equal");
        // A second run writes nothing.
        let again = place.migrate(&format!("{command} --format json")).ok().json();
        assert_eq!(again["totals"]["equal"], json!(MACHINES + 2));
        assert_eq!(again["totals"]["applied"], json!(0));
        assert_eq!(again["warnings"].as_array().unwrap().len(), 1);
        assert_eq!(std::fs::read(place.path("broker.sqlite")).unwrap(), before);
    }
}

#[test]
fn the_tables_of_a_postgresql_schema_migrate() {
    let place = Place::new();
    run_postgres(&place, &format!("{TABLES}{}", rows("TRUE")));
    for target in ["json:data", "sqlite:data.db", "dynamodb:data"] {
        let sides = format!("--source postgresql:/// --target {target}");
        place.line(&format!("migrate {sides}")).ok().prints("verified");
        assert_moved(&place, target);
        place.line(&format!("verify {sides}")).ok().prints("equal");
    }
    let health = place.line("health --store postgresql:///").ok();
    health.prints("tables of another program").prints("is healthy");
}

/// One archive, one report: as from any other source.
#[test]
fn dry_run_backup_and_comparison_are_the_same() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    let sides = "--source sqlite:broker.sqlite --target json:data";
    let before = place.contents();
    let dry = place.line(&format!("migrate {sides} --dry-run --format json")).ok().json();
    assert_eq!(dry["outcome"], json!("dry_run"));
    assert_eq!(dry["totals"]["applied"], json!(MACHINES + 2));
    assert_eq!(place.contents(), before);

    place.line("backup --store sqlite:broker.sqlite --backup-location kept").ok();
    let kept = std::fs::read_dir(place.path("kept")).unwrap().next().unwrap().unwrap();
    place.line(&format!("restore kept/{} --store json:restored", kept.file_name().display())).ok();
    assert_moved(&place, "json:restored");

    place.line(&format!("migrate {sides} --no-backup --collections machines")).ok();
    run_sqlite(
        &place,
        "broker.sqlite",
        "UPDATE machines SET status = 'gone' WHERE machine_id = 'm-0007'",
    );
    let verify = place.line(&format!("verify {sides} --collections machines"));
    verify.ends(4).prints("machines/m-0007");
}

/// Copied entities are not copied again after a kill.
#[test]
fn a_run_that_was_killed_goes_on() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    let sides = "--source sqlite:broker.sqlite --target sqlite:data.db";
    let slow = format!("{sides} --batch-size 20 --rate-limit 200");
    let mut child = place.start(&format!("migrate {slow}"));
    let began = Instant::now();
    let copied = || {
        let run = place.line("migrate status --target sqlite:data.db --format json");
        let status = if run.code == Some(0) { run.json() } else { Json::Null };
        status["unfinished"]["copied"][0]["read"].as_u64().unwrap_or(0)
    };
    while copied() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing was copied");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let report = place.migrate(&format!("{sides} --batch-size 20 --format json")).ok().json();
    assert_eq!(report["outcome"], json!("verified"));
    assert!(report["resumed"]["records"].as_u64().unwrap() > 0, "{report}");
    assert_moved(&place, "sqlite:data.db");
}

#[test]
fn reading_commands_work_on_the_tables() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    let store = "--store sqlite:broker.sqlite";
    let before = place.contents();
    assert_eq!(place.line(&format!("count machines {store}")).ok().stdout, "1234\n");
    place.line(&format!("get machines m-0003 {store}")).ok().prints("Größe 3");
    place.line(&format!("get machines m-9999 {store}")).ends(1).complains("m-9999");
    let filter = r#"{"metadata.spot_price": {"$lt": 0.0003}}"#;
    let run =
        place.run(["count", "machines", "--filter", filter, "--store", "sqlite:broker.sqlite"]);
    assert_eq!(run.ok().stdout, "3\n");
    let query =
        format!("query machines {store} --order-by machine_id:desc --limit 2 --format ndjson");
    place.line(&query).ok().prints("m-1233").prints("m-1232");
    place.line(&format!("schema validate {store}")).ok();
    for command in ["init", "put machines x.json --create", "delete machines m-0001", "checkpoint"]
    {
        place.write("x.json", r#"{"machine_id": "x"}"#);
        let run = place.line(&format!("{command} {store}")).ends(1).one_message();
        run.complains("taken by something that is not ours").complains("source of a migration");
    }
    std::fs::remove_file(place.path("x.json")).unwrap();
    assert_eq!(place.contents(), before);
}

#[test]
fn what_cannot_be_read_stops_the_run_before_it_writes() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    run_sqlite(
        &place,
        "broker.sqlite",
        "UPDATE machines SET tags = '{' WHERE machine_id = 'm-0100'",
    );
    let migrate = "migrate --source sqlite:broker.sqlite --target sqlite:data.db";
    let before = place.contents();
    for flags in ["--dry-run", "--no-backup"] {
        let run = place.line(&format!("{migrate} {flags}")).ends(1).complains("machines/m-0100");
        run.complains("tags: it should be JSON")
            .complains("side: source")
            .complains("--quarantine");
    }
    assert_eq!(place.contents(), before);
    run_sqlite(
        &place,
        "broker.sqlite",
        "UPDATE machines SET tags = '{}' WHERE machine_id = 'm-0100'",
    );
    place.line(migrate).ok();
}

/// Pages that end with such a row, or hold nothing else, are passed as well.
#[test]
fn what_cannot_be_read_is_put_aside_and_the_others_arrive() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    run_postgres(&place, &TABLES.replace("is_active BOOLEAN", "is_active INTEGER"));
    run_postgres(&place, &rows("1"));
    let damage = "UPDATE machines SET tags = '{' WHERE machine_id < 'm-0700'";
    run_sqlite(&place, "broker.sqlite", damage);
    run_postgres(&place, damage);
    for (source, target) in [("sqlite:broker.sqlite", "json:one"), ("postgresql:///", "json:two")] {
        let left = format!("{}.jsonl", &target[5..]);
        let words = format!("migrate --source {source} --target {target} --quarantine {left}");
        let report = place.line(&format!("{words} --format json")).ends(3).json();
        assert_eq!(
            (&report["totals"]["read"], &report["totals"]["quarantined"]),
            (&json!(1_236), &json!(700))
        );
        assert_eq!(report["verification"]["equal"], true);
        let kept = place.read(&left);
        assert_eq!(kept.lines().count(), 700);
        let first: Json = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
        assert!(first["rule"].as_str().unwrap().contains("tags"), "{first}");
        let stored: Json = serde_json::from_str(first["stored"].as_str().unwrap()).unwrap();
        assert_eq!((&stored["tags"], &stored["status"]), (&json!("{"), &json!("running")));
        assert_eq!(place.line(&format!("count machines --store {target}")).ok().stdout, "534\n");
    }
    // Of a row without an id nobody could say which it is.
    run_sqlite(
        &place,
        "broker.sqlite",
        "UPDATE machines SET machine_id = 'a' || char(7) WHERE machine_id = 'm-0001'",
    );
    let words =
        "migrate --source sqlite:broker.sqlite --target json:three --quarantine three.jsonl";
    place.line(words).ends(1).complains("no id that can be used");
}

/// What the target cannot hold is put aside, as from any other source.
#[test]
fn what_the_target_cannot_hold_goes_into_quarantine() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    let long = "x".repeat(2_000);
    let sql = format!("UPDATE machines SET status = '{long}' WHERE machine_id = 'm-0100'");
    run_sqlite(&place, "broker.sqlite", &sql);
    let migrate = "migrate --source sqlite:broker.sqlite --target dynamodb:data";
    place.line(migrate).ends(1).complains("m-0100");
    place.line(&format!("{migrate} --quarantine left.jsonl")).ends(3);
    assert!(place.read("left.jsonl").contains("\"id\":\"m-0100\""));
    assert_eq!(place.line("count machines --store dynamodb:data").ok().stdout, "1233\n");
}

#[test]
fn tables_of_another_program_are_never_a_target() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    place.line("init --store json:data").ok();
    let before = place.contents();
    for flags in ["", "--dry-run"] {
        let line = format!("migrate --source json:data --target sqlite:broker.sqlite {flags}");
        place.line(&line).ends(1).one_message().complains("of another program");
    }
    assert_eq!(place.contents(), before);
}

#[test]
fn tables_of_another_program_are_never_cleaned_up() {
    let place = Place::new();
    broker(&place, "broker.sqlite");
    let before = place.contents();
    let words = "migrate --source sqlite:broker.sqlite --target json:data --cleanup-source";
    for flags in ["", "--dry-run"] {
        place.line(&format!("{words} {flags}")).ends(2).complains("never cleaned up");
    }
    assert_eq!(place.contents(), before);
}

/// A table of another name is named by the schema, and one that does not fit
/// says why.
#[test]
fn a_schema_names_the_table() {
    let place = Place::new();
    let schema = |table: &str| {
        json!({
            "type": "object",
            "x-repository": {"collection": "hosts", "idField": "host_id", "table": table},
            "properties": {"host_id": {"type": "string"}, "cores": {"type": "integer"}},
        })
    };
    place.write("schemas/hosts.schema.json", schema("Host Table").to_string());
    let sql = "CREATE TABLE \"Host Table\" (host_id TEXT PRIMARY KEY, cores TEXT); \
               INSERT INTO \"Host Table\" VALUES ('h-1', '64'); CREATE TABLE loose (host_id TEXT)";
    run_sqlite(&place, "hosts.sqlite", sql);
    let migrate = "migrate --schemas schemas --source sqlite:hosts.sqlite --target json:data";
    place.line(migrate).ok().complains("hosts (table \"Host Table\")");
    let hosts = place.line("get hosts h-1 --schemas schemas --store json:data --format json").ok();
    assert_eq!(hosts.json()["cores"], json!(64));
    place.write("schemas/hosts.schema.json", schema("loose").to_string());
    let run = place.line(migrate).ends(1).one_message();
    let run = run.complains("as_a_source").complains("may hold an id twice");
    // Not the words for a store of ours whose names are taken.
    assert!(!run.stderr.contains("is taken") && !run.stderr.contains("remove it"), "{run:#?}");
    place.write("schemas/hosts.schema.json", schema("").to_string());
    place.line(migrate).ends(2).complains("table names a table");
}

#[test]
fn a_database_without_a_known_table_says_what_is_there_and_what_was_looked_for() {
    let place = Place::new();
    run_sqlite(&place, "broker.sqlite", "CREATE TABLE hosts (id TEXT PRIMARY KEY);");
    run_postgres(&place, "CREATE TABLE hosts (id TEXT PRIMARY KEY);");
    for source in ["sqlite:broker.sqlite", "postgresql:///"] {
        let run = place.line(&format!("migrate --source {source} --target json:new")).ends(1);
        run.complains("tables: hosts").complains("machines").complains("--schemas DIR");
    }
}

#[test]
fn a_table_that_is_not_chosen_is_not_looked_at() {
    let place = Place::new();
    let tables = "CREATE TABLE templates (template_id VARCHAR(50) PRIMARY KEY, name TEXT); \
         INSERT INTO templates VALUES ('t-1', 'one'); \
         CREATE TABLE machines (machine_id VARCHAR(50), host VARCHAR(50), \
         PRIMARY KEY (machine_id, host));";
    run_sqlite(&place, "broker.sqlite", tables);
    run_postgres(&place, tables);
    for (source, target) in [("sqlite:broker.sqlite", "json:a"), ("postgresql:///", "json:b")] {
        let sides = format!("--source {source} --target {target}");
        place.line(&format!("migrate {sides}")).ends(1).complains("machines");
        place.line(&format!("migrate {sides} --collections templates")).ok();
        place.line(&format!("verify {sides} --collections templates")).ok();
        place.line(&format!("export templates --store {source}")).ok().prints("t-1");
    }
}
