//! The benchmark itself works: a tiny run of the rows that need no server.
//! No time is asserted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use repo_bench::{Figures, Options, Report, Scale, Selection, all_rows, run, to_table};
use repo_core::ErrorKind;

fn options(folder: &Path, rows: &[&str]) -> Options {
    let names: Vec<String> = rows.iter().map(|&name| name.to_owned()).collect();
    Options {
        scale: Scale::tiny(),
        selection: Selection::of(&names, repo_bench::all_rows).unwrap(),
        pairs: 2,
        folder: folder.to_owned(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_bench")),
        replica: None,
        progress: false,
    }
}

/// Every row of the groups is measured, once for each size, and printed.
fn check(report: &Report, groups: &[&str]) {
    let expected: Vec<&str> =
        all_rows().filter(|row| groups.contains(&row.group())).map(|row| row.name).collect();
    let measured: Vec<&str> = report.lines.iter().map(|line| line.row.name).collect();
    assert_eq!(measured, expected);
    let table = to_table(report);
    for line in &report.lines {
        assert!(table.contains(line.row.name), "{table}");
        let figure = match line.figures {
            Figures::Compared { ratio, .. } => ratio,
            Figures::Seconds { each } | Figures::Bytes { each } => each,
        };
        assert!(figure.median > 0.0 && figure.median.is_finite(), "{line:?}");
        assert!(figure.low <= figure.median && figure.median <= figure.high, "{line:?}");
        assert_eq!(line.holds, line.row.bound.map(|bound| bound.holds(figure.median)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_json_and_sqlite_is_measured_and_printed() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(options(folder.path(), &["json", "sqlite"])).await.unwrap();
    check(&report, &["json", "sqlite"]);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "everything that was made is removed");

    let json = serde_json::to_value(&report).unwrap();
    let line = &json["lines"][0];
    assert_eq!((&line["name"], &line["bound"]), (&"json.commit".into(), &"≤ 1.3".into()));
    assert!(line["figures"]["ratio"]["median"].as_f64().unwrap() > 0.0, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_objects_in_a_folder_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(options(folder.path(), &["object_folder"])).await.unwrap();
    check(&report, &["object_folder"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_the_cache_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(options(folder.path(), &["cache"])).await.unwrap();
    check(&report, &["cache"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(options(folder.path(), &["migration.json_to_sqlite"])).await.unwrap();
    let names: Vec<&str> = report.lines.iter().map(|line| line.row.name).collect();
    assert_eq!(names, ["migration.json_to_sqlite"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_servers_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(options(folder.path(), &["postgresql", "dynamodb"])).await.unwrap();
    check(&report, &["postgresql", "dynamodb"]);
}

/// A replica of the server of `scripts/services`, removed on drop.
struct Replica(String);

impl Replica {
    fn is(what: &str, name: &str) -> std::process::Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services");
        std::process::Command::new(script).args(["replica", what, name]).output().unwrap()
    }

    /// Starts it: itself, and its address.
    fn up() -> (Self, String) {
        let replica = Self(format!("bench{}", std::process::id()));
        let done = Self::is("up", &replica.0);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
        (replica, String::from_utf8(done.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(Self::is("down", &self.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_from_a_replica_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (_replica, address) = Replica::up();
    let options = Options { replica: Some(address), ..options(folder.path(), &["replica"]) };
    check(&run(options).await.unwrap(), &["replica"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_replica_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let server = std::env::var("REPO_TEST_POSTGRES_URL").unwrap();
    let host = server.rsplit('@').next().unwrap().split('/').next().unwrap();
    let address = Some(format!("postgresql://{host}"));
    let options = Options { replica: address, ..options(folder.path(), &["replica"]) };
    let error = run(options).await.unwrap_err();
    assert!(error.hint_text().unwrap().contains("replica up"), "{error}");
}

/// Nothing else is asked for, so no server is needed to say so.
#[test]
fn without_a_replica_its_row_is_left_out_in_words() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--rows", "replica"])
        .env_remove("REPO_TEST_POSTGRES_URL")
        .env_remove("REPO_TEST_POSTGRES_REPLICA_URL")
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("replica.get") && said.contains("services replica up"), "{said}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_refused_in_words() {
    let error = run(options(Path::new("/nowhere/at/all"), &["json"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

/// A missing server is an error in words, but only if one of its rows is asked
/// for.
#[test]
fn a_missing_server_is_named_and_what_to_do() {
    let bench = |rows: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(["--quick", "--rows", rows])
            .env_remove("REPO_TEST_POSTGRES_URL")
            .env_remove("REPO_TEST_DYNAMODB_URL")
            .output()
            .unwrap()
    };
    for (rows, variable) in [
        ("postgresql.get", "REPO_TEST_POSTGRES_URL"),
        ("dynamodb", "REPO_TEST_DYNAMODB_URL"),
        ("migration.sqlite_to_postgresql", "REPO_TEST_POSTGRES_URL"),
    ] {
        let done = bench(rows);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(variable) && said.contains("scripts/services"), "{said}");
        assert!(done.stdout.is_empty());
    }
    let unknown = bench("sqlit");
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{said}");
    assert!(said.contains("sqlite.update"), "{said}");
}
