//! The main job from the outside: `migrateRepository`, `repoctl migrate` and
//! `repoctl verify`.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::cli_support::{Place, Run, STORES, filled, machine, machine_lines, pairs};
use serde_json::{Map, Value as Json, json};

/// A folder with a JSON file as another tool writes it, and a configuration
/// that names it and a SQLite file.
fn broker() -> Place {
    let place = Place::new();
    let machines: Map<String, Json> =
        (1..=7).map(|n| (format!("m-{n}"), machine(&format!("m-{n}"), "running"))).collect();
    let file = json!({
        "templates": { "t-1": { "template_id": "t-1", "name": "one", "max_price": 0.235 } },
        "requests": { "r-1": { "request_id": "r-1", "template_id": "t-1", "metadata": {} } },
        "machines": machines,
    });
    place.write("data/request_database.json", file.to_string());
    let config = json!({
        "storage": {
            "strategy": "json",
            "json_strategy": { "base_path": "data" },
            "sql_strategy": { "type": "sqlite", "name": "target.db" },
        },
        "migration": { "backup_location": "kept" },
    });
    place.write("repository.json", config.to_string());
    place
}

/// The rows of the table, by collection: read, applied, equal, older, diverged.
fn rows(run: &Run) -> BTreeMap<String, Vec<u64>> {
    run.stdout
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
            (numbers.len() == 5).then_some((name, numbers))
        })
        .collect()
}

fn sqlite(place: &Place, file: &str, query: &str) -> String {
    let mut command = Command::new("sqlite3");
    let output = command.current_dir(place.path(".")).args([file, query]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_main_job_ends_with_a_table_a_backup_and_verified() {
    let place = broker();
    let source = place.read("data/request_database.json");
    let first = place.migrate("--source-type json --target-type sql").ok();
    let expected = [("machines", 7), ("requests", 1), ("templates", 1), ("total", 9)];
    for (name, count) in expected {
        assert_eq!(rows(&first)[name], [count, count, 0, 0, 0], "{first:#?}");
    }
    let backup = first.stdout.lines().find_map(|line| line.strip_prefix("backup")).unwrap().trim();
    assert!(backup.contains("kept"), "{backup}");
    assert!(place.path(backup).join("manifest.json").exists(), "{backup}");
    assert!(first.stdout.contains("\nverified"), "{first:#?}");
    assert!(first.stdout.contains("time "), "{first:#?}");
    assert_eq!(sqlite(&place, "target.db", "SELECT count(*) FROM machines"), "7\n");
    assert_eq!(place.read("data/request_database.json"), source);

    let stored = std::fs::read(place.path("target.db")).unwrap();
    let second = place.line("migrate --source-type json --target-type sql").ok();
    for (name, count) in expected {
        assert_eq!(rows(&second)[name], [count, 0, count, 0, 0], "{second:#?}");
    }
    assert!(second.stdout.contains("\nverified"), "{second:#?}");
    assert!(stored == std::fs::read(place.path("target.db")).unwrap(), "the target was written");
    assert_eq!(sqlite(&place, "target.db", "SELECT max(_version) FROM machines"), "1\n");
}

#[test]
fn json_output_holds_every_figure_of_the_table() {
    for format in ["json", "ndjson"] {
        let (people, program) = (broker(), broker());
        // The first run writes everything, the second nothing.
        for written in [true, false] {
            let table = people.migrate("--target-type sqlite").ok();
            let report = program.migrate(&format!("--target-type sqlite --format {format}"));
            // With NDJSON the report is the last of the lines.
            let report = report.ok();
            let report = match format {
                "json" => report.json(),
                _ => report.ndjson().pop().unwrap(),
            };
            let mut figures: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for row in report["collections"].as_array().unwrap() {
                figures.insert(row["name"].as_str().unwrap().to_owned(), numbers(row));
            }
            figures.insert("total".to_owned(), numbers(&report["totals"]));
            assert_eq!(figures, rows(&table));
            assert_eq!(report["outcome"], "verified");
            assert!(report["source"].as_str().unwrap().starts_with("json:"));
            assert!(report["target"].as_str().unwrap().starts_with("sqlite:"));
            assert!(report["started_at"].is_string() && report["finished_at"].is_string());
            assert!(!report["phases"].as_array().unwrap().is_empty());
            assert_eq!(report["verification"]["equal"], true);
            assert_eq!(report["backup"].is_string(), written, "{report}");
        }
    }
}

fn numbers(row: &Json) -> Vec<u64> {
    let names = ["read", "applied", "equal", "older", "diverged"];
    names.map(|name| row[name].as_u64().unwrap()).to_vec()
}

#[test]
fn documents_return_equal_from_a_round_trip() {
    let place = broker();
    place.migrate("--target sqlite:middle.db").ok();
    place.migrate("--source sqlite:middle.db --target json:returned").ok();
    let returned: Json =
        serde_json::from_str(&place.read("returned/request_database.json")).unwrap();
    let original: Json = serde_json::from_str(&place.read("data/request_database.json")).unwrap();
    assert_eq!(returned, original);
    place.line("verify --target json:returned").ok().prints("equal in ids and documents");
}

#[test]
fn a_dry_run_makes_nothing() {
    let place = broker();
    for target in ["--target-type sql", "--target json:other"] {
        let before = place.contents();
        let run = place.migrate(&format!("{target} --dry-run")).ok();
        assert_eq!(rows(&run)["machines"][..2], [7, 7], "{run:#?}");
        assert!(run.stdout.contains("dry run: nothing was written"));
        assert!(place.contents() == before, "{:?}", place.contents().keys());
        let told = place.migrate(&format!("{target} --dry-run --format json")).ok().json();
        assert_eq!(told["outcome"], "dry_run");
    }
    place.migrate("--target-type sql").ok();
    let before = place.contents();
    let run = place.migrate("--target-type sql --dry-run").ok();
    assert_eq!(rows(&run)["machines"], [7, 0, 7, 0, 0], "{run:#?}");
    assert!(place.contents() == before);
}

#[test]
fn a_dry_run_between_any_two_stores_changes_neither() {
    let others = ["json:other", "sqlite:other.db", "postgresql:///?schema=other", "dynamodb:other"];
    for (from, into) in pairs(&STORES, &others) {
        let place = filled(from, 12);
        place.postgres();
        let export = || place.line(&format!("export machines --store {from}")).ok().stdout;
        let (before, records) = (place.contents(), export());
        let words = format!("--source {from} --target {into} --dry-run");
        let run = place.migrate(&words).ok().prints("dry run: nothing was written");
        assert_eq!(rows(&run)["machines"], [12, 12, 0, 0, 0], "{from} {into}");
        let aside = place.migrate(&format!("{words} --quarantine aside.jsonl")).ok();
        assert!(aside.stdout.contains("dry run"));
        assert!(place.contents() == before, "{from} {into}");
        assert_eq!(export(), records, "{from} {into}");
        place.line(&format!("count machines --store {into}")).ends(1);

        place.migrate(&format!("--source {from} --target {into}")).ok();
        let before = place.contents();
        let run = place.migrate(&words).ok();
        assert_eq!(rows(&run)["machines"], [12, 0, 12, 0, 0], "{from} {into}");
        assert!(place.contents() == before, "{from} {into}");
    }
}

#[test]
fn a_dry_run_from_or_into_split_files_changes_neither() {
    let split = json!({"storage": {"strategy": "json", "json_strategy":
        {"base_path": "split", "storage_type": "split_files"}}});
    for other in STORES {
        let place = filled(other, 12);
        place.write("split.json", split.to_string());
        let export = || place.line(&format!("export machines --store {other}")).ok().stdout;
        let (before, records) = (place.contents(), export());
        let words = format!("--source {other} --target-config split.json --target-type json");
        let run = place.migrate(&format!("{words} --dry-run")).ok();
        assert_eq!(rows(&run)["machines"], [12, 12, 0, 0, 0], "{other}");
        assert!(place.contents() == before && export() == records, "{other} into split files");

        place.migrate(&words).ok();
        assert!(place.path("split/machines.json").exists());
        for target in
            ["json:again", "sqlite:again.db", "postgresql:///?schema=again", "dynamodb:again"]
        {
            place.postgres();
            let before = place.contents();
            let words = format!("--source-config split.json --source-type json --target {target}");
            let run = place.migrate(&format!("{words} --dry-run")).ok();
            assert_eq!(rows(&run)["machines"], [12, 12, 0, 0, 0], "{target}");
            assert!(place.contents() == before, "split files into {target}");
            place.line(&format!("count machines --store {target}")).ends(1);
        }
    }
}

#[test]
fn flags_stand_over_the_migration_section() {
    let place = broker();
    let run = place.migrate("--target-type sql --backup-location elsewhere").ok();
    run.prints("elsewhere");
    assert!(place.path("elsewhere").exists() && !place.path("kept").exists());

    let place = broker();
    let run = place.migrate("--target-type sql --no-backup --no-verify").ok();
    assert!(!place.path("kept").exists() && !place.path("backups").exists());
    run.prints("done, not verified");

    let place = broker();
    let run = place.migrate("--target-type sql --collections machines,templates").ok();
    assert_eq!(rows(&run).len(), 3, "{run:#?}");
    place.line("count requests --strategy sql").ends(1).complains("repoctl init");

    let place = broker();
    let mut config: Json = serde_json::from_str(&place.read("repository.json")).unwrap();
    config["migration"] = json!({"create_backup": false, "validate_after_migration": false});
    place.write("repository.json", config.to_string());
    let run = place.migrate("--target-type sql").ok().prints("done, not verified");
    assert!(!run.stdout.contains("backups/"));
}

#[test]
fn each_side_can_have_a_configuration_of_its_own() {
    let place = broker();
    std::fs::rename(place.path("repository.json"), place.path("source.json")).unwrap();
    let target = json!({"storage": {"strategy": "sqlite", "sql_strategy": {"name": "own.db"}}});
    place.write("target.json", target.to_string());
    place.migrate("--source-config source.json --target-config target.json").ok();
    assert_eq!(sqlite(&place, "own.db", "SELECT count(*) FROM machines"), "7\n");
    let types = "--source-type json --target-type sql";
    let files = "--source-config source.json --target-config source.json";
    place.migrate(&format!("{types} {files}")).ok();
    assert_eq!(sqlite(&place, "target.db", "SELECT count(*) FROM machines"), "7\n");
    place.line(&format!("verify {types} {files}")).ok();
    place.line("verify --source sqlite:own.db --target sqlite:target.db").ok();
    place.migrate(types).ends(2).complains("--config");
}

#[test]
fn a_conflict_is_refused_kept_or_overwritten() {
    let place = broker();
    place.migrate("--target-type sql").ok();
    let changed = machine("m-2", "changed").to_string();
    place.run_with_input("put machines --strategy sql", &changed).ok();
    place.migrate("--target-type sql").ends(1).complains("m-2").complains("--on-conflict");

    let run = place.migrate("--target-type sql --on-conflict newer").ends(3);
    // Plain JSON has no versions, so neither side is newer.
    assert_eq!(rows(&run)["machines"], [7, 0, 6, 0, 1], "{run:#?}");
    let run = run.prints("m-2").prints("partly done");
    assert!(!run.stdout.contains("\nverified"));

    let run = place.migrate("--target-type sql --on-conflict overwrite");
    assert!(matches!(run.code, Some(0 | 3)), "{run:#?}");
    let got = place.line("get machines m-2 --strategy sql --format json").ok().json();
    assert_eq!((&got["status"], &got["_version"]), (&json!("running"), &json!(3)));
}

#[test]
fn what_the_target_cannot_hold_is_refused_or_put_aside() {
    for target in ["sqlite", "json"] {
        let place = filled("json:source", 40);
        let mut large = machine("m-large", "running");
        large["text"] = json!("x".repeat(3_000));
        place.run_with_input("put machines --store json:source", &large.to_string()).ok();
        let config = json!({"storage": {
            "strategy": target,
            "json_strategy": { "base_path": "held" },
            "sql_strategy": { "name": "held.db" },
            "limits": { "max_entity_bytes": 2_000 },
        }});
        place.write("target.json", config.to_string());
        let words = "--source json:source --target-config target.json";
        let before = place.contents();
        let run = place.migrate(words).ends(1).complains("machines/m-large (");
        run.complains("nothing was written");
        assert!(place.contents() == before, "{:?}", place.contents().keys());

        let run = place.migrate(&format!("{words} --quarantine aside.jsonl")).ends(3);
        run.prints("quarantined").prints("aside.jsonl").prints("m-large").prints("partly done");
        let line: Json = serde_json::from_str(&place.read("aside.jsonl")).unwrap();
        assert_eq!((&line["id"], &line["record"]["_version"]), (&json!("m-large"), &json!(1)));
        place.line("count machines --config target.json").ok().prints("40");
    }
}

#[test]
fn verify_names_every_difference() {
    let place = broker();
    place.migrate("--target-type sql").ok();
    let verify = |flags: &str| place.line(&format!("verify --target-type sql {flags}"));
    verify("").ok().prints("equal in ids and documents");
    assert_eq!(verify("--format json").ok().json()["equal"], true);

    place.line("delete machines m-1 --strategy sql").ok();
    place.run_with_input("put machines --strategy sql", &machine("m-2", "x").to_string()).ok();
    place.run_with_input("put machines --strategy sql", &machine("m-new", "x").to_string()).ok();
    let run = verify("").ends(4);
    let run = run.prints("- machines/m-new").prints("* machines/m-2").prints("machines/m-1");
    run.prints("DIFFERENT");
    let told = verify("--format json").ends(4).json();
    let machines = &told["collections"][0];
    // Plain JSON keeps no tombstones, so one that only the target has is no record.
    let counts = ["missing", "unexpected", "differs"].map(|name| machines[name].as_u64());
    assert_eq!(counts, [Some(1); 3], "{told}");
    assert_eq!(machines["differences"].as_array().unwrap().len(), 3);
    verify("--collections templates").ok();
}

#[test]
fn progress_goes_to_standard_error_and_quiet_stops_it() {
    let run = broker().migrate("--target-type sql --format json").ok();
    assert!(run.stderr.contains("verifying"), "{run:#?}");
    run.json();
    let run = broker().migrate("--target-type sql --quiet").ok();
    assert_eq!(run.stderr, "");
}

#[test]
fn an_interrupted_run_goes_on_with_the_same_command() {
    let place = filled("json:data", 0);
    let line = "import machines --store json:data";
    place.run_with_input(line, &machine_lines(3_000)).ok();
    let words = "migrate --source json:data --target sqlite:t.db --batch-size 1 --format json";
    let mut child = place
        .command("repoctl")
        .args(words.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("copying")));
    // Some records are to be there already, and by far not all.
    while place.line("count machines --store sqlite:t.db").stdout.trim().parse().unwrap_or(0) < 5 {}
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let drained = std::thread::spawn(move || lines.count());
    let output = child.wait_with_output().unwrap();
    drained.join().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"], "interrupted");
    let purge = "purge machines --older-than 0s --store sqlite:t.db";
    place.line(purge).ends(5).complains("unfinished");

    let words = "migrate --source json:data --target sqlite:t.db --format json";
    let report = place.line(words).ok().json();
    assert_eq!(report["outcome"], "verified");
    assert_eq!(report["totals"]["read"], 3_002);
    assert!(report["totals"]["applied"].as_u64().unwrap() > 0, "{}", report["totals"]);
    place.line(purge).ok();
}
