//! A byte of a store changed under its file's back: same size, same time. No
//! command that reads everything may pass over it.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::fs::{File, FileTimes, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::cli_support::{Place, filled, machine};
use serde_json::json;

/// Changes bytes where they stand, and sets the time of the file back.
fn rot(path: &Path, offset: usize, bytes: &[u8]) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(bytes, offset as u64).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    drop(file);
    assert_eq!(File::open(path).unwrap().metadata().unwrap().modified().unwrap(), modified);
}

fn rot_text(path: &Path, old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let text = std::fs::read_to_string(path).unwrap();
    rot(path, text.find(old).unwrap(), new.as_bytes());
}

/// A store of JSON files with 30 machines, with one changed text in the file.
fn rotten(settings: &str, file: &str, old: &str, new: &str) -> Place {
    let place = Place::new();
    let config = format!(
        r#"{{"storage": {{"strategy": "json", "json_strategy": {{"base_path": "data"{settings}}}}}}}"#
    );
    place.write("repository.json", config);
    place.line("init").ok();
    let machines: Vec<String> =
        (0..30).map(|n| machine(&format!("m-{n:04}"), "running").to_string()).collect();
    place.run_with_input("import machines", &machines.join("\n")).ok();
    rot_text(&place.path(file), old, new);
    place
}

const ALL: [&str; 6] = [
    "health",
    "health --deep",
    "backup --backup-location archives",
    "verify --source json:data --target sqlite:copy.db",
    "migrate --source json:data --target sqlite:new.db --backup-location archives",
    "migrate --source json:data --target sqlite:other.db --no-backup",
];

/// Every command that reads all of a store finds it, says which file, and
/// leaves everything as it is.
fn found_by_all(place: &Place, file: &str, record: Option<&str>) {
    let was = std::fs::read(place.path(file)).unwrap();
    for line in ALL.into_iter().chain(["export machines"]) {
        let run = place.line(line).ends(1);
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains(file), "{line}: {run:#?}");
        if let Some(record) = record {
            assert!(told.contains(record), "{line}: {run:#?}");
        }
    }
    assert_eq!(std::fs::read(place.path(file)).unwrap(), was);
    let archives = place.path("archives");
    let left = std::fs::read_dir(archives).map_or(0, Iterator::count);
    assert_eq!(left, 0, "an archive of a damaged store was kept");
}

fn copied(place: Place) -> Place {
    // What `verify` compares with: a copy made before, as far as it goes.
    place.line("init --store sqlite:copy.db").ok();
    place
}

#[test]
fn a_changed_byte_of_a_document_is_found() {
    let cases = [
        ("", "data/request_database.json"),
        (r#", "pretty_print": false"#, "data/request_database.json"),
        (r#", "storage_type": "split_files""#, "data/machines.json"),
    ];
    for (settings, file) in cases {
        // A value that is as good as the one before.
        let place = copied(rotten(settings, file, "running", "runninG"));
        found_by_all(&place, file, Some("m-0000"));
        // The record itself, too.
        place.line("get machines m-0000").ends(1).complains(file);
        place.line("get machines m-0001").ok();
    }
}

#[test]
fn a_changed_byte_outside_of_every_document_is_found() {
    for (settings, file) in [
        ("", "data/request_database.json"),
        (r#", "storage_type": "split_files", "pretty_print": false"#, "data/machines.json"),
    ] {
        // The key under which the document stands.
        let place = copied(rotten(settings, file, "\"m-0007\":", "\"m-0077\":"));
        found_by_all(&place, file, None);
    }
}

#[test]
fn a_byte_that_breaks_the_syntax_is_found() {
    let file = "data/request_database.json";
    let place = copied(rotten("", file, "\"m-0029\": {", "\"m-0029\": ["));
    found_by_all(&place, file, None);
}

#[test]
fn a_damaged_record_goes_to_quarantine_and_the_others_arrive() {
    let file = "data/request_database.json";
    let place = rotten("", file, "running", "runninG");
    let run = place
        .line(
            "migrate --source json:data --target sqlite:new.db --backup-location archives \
             --quarantine bad.ndjson --format json",
        )
        .ends(3);
    assert_eq!(run.json()["collections"][0]["quarantined"], json!(1), "{run:#?}");
    assert!(place.read("bad.ndjson").contains("m-0000"), "{}", place.read("bad.ndjson"));
    let count = place.line("count machines --store sqlite:new.db --format json").ok().json();
    assert_eq!(count["count"], json!(29));
}

/// A SQLite store of 30 machines with a changed byte in a value of `m-0007`.
fn rotten_database() -> Place {
    let place = filled("sqlite:data.db", 30);
    // No index holds the value: pages and indexes alone would not show it.
    let mut noted = machine("m-0007", "running");
    noted["note"] = json!("spot");
    place.run_with_input("put machines --store sqlite:data.db -", &noted.to_string()).ok();
    place.line("checkpoint --store sqlite:data.db").ok();
    let path = place.path("data.db");
    let bytes = std::fs::read(&path).unwrap();
    // The page may hold what is left of a copy from before it was split, too.
    let whole = "\"note\":\"spot\"";
    let at = whole.find("spot").unwrap();
    let places = bytes.windows(whole.len()).enumerate();
    let found: Vec<usize> =
        places.filter(|(_, b)| *b == whole.as_bytes()).map(|(n, _)| n).collect();
    assert!(!found.is_empty(), "the document is stored as text");
    found.iter().for_each(|place| rot(&path, place + at, b"S"));
    place
}

#[test]
fn a_changed_byte_in_a_sqlite_file_is_found() {
    let place = rotten_database();
    place.line("init --store sqlite:copy.db").ok();
    let was = std::fs::read(place.path("data.db")).unwrap();
    for line in [
        "health --deep --store sqlite:data.db",
        "export machines --store sqlite:data.db",
        "backup --store sqlite:data.db --backup-location archives",
        "verify --source sqlite:data.db --target sqlite:copy.db",
        "migrate --source sqlite:data.db --target json:new --backup-location archives",
        "migrate --source sqlite:data.db --target json:other --no-backup",
    ] {
        let run = place.line(line).ends(1);
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains("m-0007") && told.contains("digest"), "{line}: {run:#?}");
    }
    assert_eq!(std::fs::read(place.path("data.db")).unwrap(), was);
    let left = std::fs::read_dir(place.path("archives")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "an archive of a damaged store was kept");
}

#[test]
fn a_damaged_record_of_a_sqlite_file_goes_to_quarantine() {
    let place = rotten_database();
    let words = "migrate --source sqlite:data.db --target json:new --backup-location archives \
                 --quarantine bad.ndjson";
    place.line(words).ends(3);
    let bad = place.read("bad.ndjson");
    assert!(bad.lines().count() == 1 && bad.contains("m-0007") && bad.contains("Spot"), "{bad}");
    let count = place.line("count machines --store json:new --format json").ok().json();
    assert_eq!(count["count"], json!(29));
    // What was put aside is written again as it should be, and all is well.
    let whole = machine("m-0007", "running").to_string();
    place.run_with_input("put machines --store sqlite:data.db -", &whole).ok();
    place.line("health --deep --store sqlite:data.db").ok();
}

#[test]
fn the_files_beside_the_data_are_checked_as_well() {
    for name in ["data/.meta", "data/.journal"] {
        let place = filled("json:data", 30);
        place.write(
            "repository.json",
            r#"{"storage": {"strategy": "json", "json_strategy": {"base_path": "data"}}}"#,
        );
        if name.ends_with("journal") {
            journalled(&place);
        }
        let path = place.path(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x04;
        rot(&path, at, &bytes[at..=at]);
        for line in ALL {
            let run = place.line(&line.replace("copy.db", "new.db")).ends(1);
            assert!(format!("{}{}", run.stdout, run.stderr).contains("data/"), "{line}: {run:#?}");
        }
    }
}

/// Leaves two commits in the journal: the handle that made them was killed.
fn journalled(place: &Place) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut child = place.start("import machines --store json:data --batch-size 1 --format ndjson");
    let mut input = child.stdin.take().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in ["m-j1", "m-j2", "m-j3", "m-j4"] {
        writeln!(input, "{}", machine(id, "running")).unwrap();
        input.flush().unwrap();
        told.next().unwrap().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_edit_in_the_tick_of_a_checkpoint_is_an_edit() {
    let place = filled("json:data", 3);
    let path = place.path("data/request_database.json");
    // Time as it goes: no time is set back.
    let text = place.read("data/request_database.json").replacen("running", "stopped", 1);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
    drop(file);
    place.line("health --store json:data").ok().prints("taken in");
    let found = place.line("get machines m-0001 --store json:data --format json").ok().json();
    assert_eq!((&found["_version"], &found["status"]), (&json!(2), &json!("stopped")));
}
