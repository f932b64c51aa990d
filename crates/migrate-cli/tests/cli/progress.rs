//! What a run shows while it is under way: on a terminal, in a pipe, and to a
//! program.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::path::PathBuf;
use std::process::Command;

use crate::cli_support::{Place, Run, filled};
use serde_json::Value as Json;

/// Runs a shell's line in a pseudo-terminal of its own (`script` is part of
/// every Debian) and returns what the terminal showed.
fn on_a_terminal(place: &Place, line: &str) -> Run {
    on_a_terminal_of(120, place, line)
}

fn on_a_terminal_of(columns: usize, place: &Place, line: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_migrateRepository");
    let mut command = Command::new("script");
    command.current_dir(place.path("."));
    command.env("TERM", "xterm").env_remove("COLUMNS");
    command.args(["--quiet", "--return", "--command"]);
    command.args([&format!("stty rows 24 cols {columns}; {program} {line}"), "/dev/null"]);
    Run::of(&mut command)
}

#[test]
fn bars_on_a_terminal_lines_in_a_pipe_and_json_alone_on_standard_output() {
    let place = filled("json:data", 600);
    let words = "--source json:data --target sqlite:one.db --batch-size 1 --format json";
    let run = on_a_terminal(&place, &format!("{words} > out.json")).ok();
    let shown = run.stdout;
    for part in ["copying [", "of about ", "/s", "about ", " to go", "verifying ["] {
        assert!(shown.contains(part), "{part:?} in {shown:?}");
    }
    assert!(shown.contains('\r') && shown.contains("\u{1b}["), "a bar is drawn over itself");
    let report: Json = serde_json::from_str(&place.read("out.json")).unwrap();
    assert_eq!(report["outcome"], "verified");

    let words = words.replace("one.db", "two.db");
    let run = place.migrate(&words).ok();
    assert!(run.stderr.contains("copying about 602 records\n"), "{run:#?}");
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\r'), "{run:#?}");
    assert_eq!(run.json()["outcome"], "verified");

    let quiet = words.replace("two.db", "three.db");
    let run = on_a_terminal(&place, &format!("{quiet} --quiet > out.json")).ok();
    assert_eq!(run.stdout, "");

    // A person at a terminal reads the table after the bars.
    let run = on_a_terminal(&place, "--source json:data --target sqlite:four.db").ok();
    assert!(run.stdout.contains("verified: both sides hold the same"), "{}", run.stdout);
}

/// What stands between two movements of the cursor.
fn frames(shown: &str) -> Vec<String> {
    let mut frames = vec![String::new()];
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                // An escape sequence ends with a letter.
                let _ = characters.by_ref().find(char::is_ascii_alphabetic);
            }
            '\r' | '\n' => frames.push(String::new()),
            other => frames.last_mut().unwrap().push(other),
        }
    }
    frames
}

#[test]
fn a_bar_is_one_line_of_its_terminal_and_its_rate_is_whole() {
    let place = filled("json:data", 600);
    for columns in [40, 80, 100, 200] {
        let words = format!(
            "--source json:data --target sqlite:{columns}.db --batch-size 1 --format json >out.json"
        );
        let shown = on_a_terminal_of(columns, &place, &words).ok().stdout;
        assert!(shown.contains("copying") && shown.contains("/s"), "{shown:?}");
        for frame in frames(&shown) {
            // At the edge the cursor waits for what comes; a further character wraps.
            assert!(frame.trim_end().chars().count() <= columns, "{columns}: {frame:?}");
            if let Some(rate) = frame.split("/s").next().filter(|_| frame.contains("/s")) {
                let number = rate.rsplit(' ').next().unwrap();
                assert!(!number.contains('.'), "{frame:?}");
            }
        }
    }
}

#[test]
fn the_table_and_the_report_have_rates_and_times() {
    let place = filled("json:data", 100);
    let run = place.migrate("--source json:data --target sqlite:one.db").ok();
    let time = run.stdout.lines().find(|line| line.starts_with("time ")).unwrap();
    for phase in ["backing up ", "checking the backup ", "copying ", "verifying "] {
        assert!(time.contains(phase), "{time}");
    }
    // Not counted in records.
    assert!(time.contains("making indexes "), "{time}");
    assert_eq!(time.matches("/s").count(), 4, "{time}");
    let run = place.migrate("--source json:data --target sqlite:two.db --format json").ok().json();
    let records: Vec<(&str, u64)> = run["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| (phase["phase"].as_str().unwrap(), phase["records"].as_u64().unwrap()))
        .collect();
    // Nobody wrote to the source, so it is not read again.
    assert_eq!(
        records,
        [("backup", 102), ("backup_check", 102), ("copy", 102), ("index", 0), ("verify", 102)]
    );
}

fn schema() -> jsonschema::Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/events.schema.json");
    let text = std::fs::read_to_string(path).unwrap();
    jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

#[test]
fn a_program_reads_events_and_the_report_last() {
    let place = filled("json:data", 300);
    // Slow enough for events in between.
    let words = "--source json:data --target sqlite:one.db --batch-size 20 --rate-limit 200 \
                 --format ndjson";
    let lines = place.migrate(words).ok().ndjson();
    let schema = schema();
    for line in &lines {
        let errors: Vec<String> = schema.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {line}");
    }
    let phases: Vec<&str> = lines
        .iter()
        .filter(|line| line["event"] == "phase")
        .map(|line| line["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["backup", "backup_check", "copy", "index", "verify"]);
    let copied: Vec<u64> = lines
        .iter()
        .filter(|line| line["event"] == "progress" && line["phase"] == "copy")
        .map(|line| line["records"].as_u64().unwrap())
        .collect();
    assert!(!copied.is_empty() && copied.is_sorted(), "{copied:?}");
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["outcome"]), (&"report".into(), &"verified".into()));

    // What goes wrong is the last line as well.
    let run = place.migrate("--source json:nowhere --target sqlite:two.db --format ndjson").ends(1);
    assert_eq!(run.ndjson().last().unwrap()["error"]["kind"], "NotFound");
}

/// With `UPDATE_SCHEMAS=1` the file is written instead.
#[test]
fn the_published_schema_of_events_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/events.schema.json");
    let schema = migrate_cli::cli::events_schema();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == text, "schemas/events.schema.json is out of date: UPDATE_SCHEMAS=1");
}
