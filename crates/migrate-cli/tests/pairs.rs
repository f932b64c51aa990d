//! Every ordered pair of stores: there and back, and the same at the end.
//!
//! `scripts/pairs` runs this and shows the matrix; `REPO_TEST_PAIRS_DATA` names
//! another folder of data than the project's sample.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb", feature = "object"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cli_support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cli_support::{Place, Run, postgres_variables};
use serde_json::{Value as Json, json};

const KINDS: [&str; 6] =
    ["json single", "json split", "sqlite", "postgresql", "dynamodb", "object"];
/// Pairs that run at the same time.
const AT_ONCE: usize = 4;

/// The configuration of one store of a kind, by a name of its own.
fn config(place: &Place, kind: &str, name: &str) -> Json {
    let storage = match kind {
        "json single" => json!({"strategy": "json", "json_strategy": {"base_path": name}}),
        "json split" => json!({"strategy": "json",
            "json_strategy": {"base_path": name, "storage_type": "split_files"}}),
        "sqlite" => json!({"strategy": "sqlite", "sql_strategy": {"name": format!("{name}.db")}}),
        "postgresql" => {
            let [(_, host), (_, port), (_, user), (_, password), (_, database)] =
                postgres_variables(place.postgres());
            let port: u16 = port.parse().unwrap();
            json!({"strategy": "postgresql", "sql_strategy": {"type": "postgresql",
                "host": host, "port": port, "username": user, "password": password,
                "name": database, "schema": name}})
        }
        "dynamodb" => {
            json!({"strategy": "dynamodb", "dynamodb_strategy": {"table_prefix": name}})
        }
        "object" => {
            let location = format!("file:{name}-objects");
            json!({"strategy": "object", "object_strategy": {"location": location}})
        }
        other => panic!("no kind {other}"),
    };
    json!({ "storage": storage, "migration": { "create_backup": false } })
}

/// Writes the configuration of a store and returns the file.
fn store(place: &Place, kind: &str, name: &str) -> String {
    let file = format!("{name}.json");
    place.write(&file, config(place, kind, name).to_string());
    file
}

fn kind_name(kind: &str) -> &str {
    kind.split(' ').next().unwrap()
}

fn copy(place: &Place, from: (&str, &str), to: (&str, &str)) {
    let line = format!(
        "migrate --source-type {} --source-config {} --target-type {} --target-config {}",
        kind_name(from.0),
        from.1,
        kind_name(to.0),
        to.1
    );
    Run::of(place.command("repoctl").args(line.split(' '))).ok().prints("verified");
}

fn same(place: &Place, one: (&str, &str), other: (&str, &str)) {
    let line = format!(
        "verify --source-type {} --source-config {} --target-type {} --target-config {}",
        kind_name(one.0),
        one.1,
        kind_name(other.0),
        other.1
    );
    Run::of(place.command("repoctl").args(line.split(' '))).ok();
}

/// From a store of the first kind to one of the second and back into a new one
/// of the first, which is the same as the first and as the data.
fn there_and_back(place: &Place, data: &str, first: &str, second: &str) {
    let at = |kind: &str| KINDS.iter().position(|known| *known == kind).unwrap();
    let pair = format!("{}to{}", at(first), at(second));
    let start = format!("start{}.json", at(first));
    let there = store(place, second, &format!("there{pair}"));
    let back = store(place, first, &format!("back{pair}"));
    copy(place, (first, &start), (second, &there));
    copy(place, (second, &there), (first, &back));
    same(place, (first, &start), (first, &back));
    same(place, ("json single", data), (first, &back));
}

/// The folder of the data: the sample, or the one that was asked for.
fn data_folder() -> String {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/host-factory/data");
    std::env::var("REPO_TEST_PAIRS_DATA").unwrap_or_else(|_| sample.to_owned())
}

#[test]
fn every_pair_of_stores_goes_there_and_back() {
    let place = Place::new();
    let folder = data_folder();
    let data = json!({"storage": {"strategy": "json", "json_strategy": {"base_path": folder}}});
    place.write("data.json", data.to_string());
    for (at, kind) in KINDS.iter().enumerate() {
        let start = store(&place, kind, &format!("start{at}"));
        copy(&place, ("json", "data.json"), (kind, &start));
    }
    let count = KINDS.len();
    let pairs: Vec<(usize, usize)> =
        (0..count).flat_map(|a| (0..count).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(vec![vec!["·"; count]; count]));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((a, b)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = || there_and_back(&place, "data.json", KINDS[*a], KINDS[*b]);
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
                    let mark = if outcome.is_ok() { "equal" } else { "FAILED" };
                    results.lock().unwrap()[*a][*b] = mark;
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    println!("{:<14}{}", "from \\ to", KINDS.map(|kind| format!("{kind:<14}")).concat());
    for (kind, row) in KINDS.iter().zip(&results) {
        let cells: String = row.iter().map(|cell| format!("{cell:<14}")).collect();
        println!("{kind:<14}{cells}");
    }
    let equal = results.iter().flatten().filter(|cell| **cell == "equal").count();
    println!("{equal} of {} pairs equal after there and back", pairs.len());
    assert_eq!(equal, pairs.len());
}
