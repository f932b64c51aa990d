//! A PostgreSQL store from the outside: what goes wrong is said once, clearly,
//! in time.
#![cfg(feature = "sql")]

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli_support::{Place, Run, filled, postgres_variables};

/// `repoctl` with some variables of PostgreSQL's tools set otherwise.
fn with(place: &Place, variables: &[(&str, &str)], line: &str) -> Run {
    let mut command = place.command("repoctl");
    command.args(line.split(' '));
    command.envs(variables.iter().copied());
    Run::of(&mut command)
}

/// One message: what happened and what to do, and nothing secret.
fn one_message(run: &Run) {
    let errors = run.stderr.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "{run:?}");
    assert!(run.stderr.contains("hint:"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn what_the_server_refuses_is_named() {
    let place = filled("postgresql:///", 3);
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("PGPASSWORD", "hunter2")], "refused the login"),
        (&[("PGUSER", "nobody_of_that_name")], "refused the login"),
        (&[("PGDATABASE", "no_such_database")], "no such database"),
        (&[("PGPORT", "1")], "cannot be reached"),
    ];
    for (variables, words) in cases {
        let run = with(&place, variables, "get machines m-0001 --store postgresql:///");
        one_message(&run.ends(1).complains(words));
    }
    place.line("get machines m-0001 --store postgresql:///").ok();
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let place = Place::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgresql://me:hunter2@127.0.0.1:{port}/d?connect_timeout=1");
    let started = Instant::now();
    let run = place.run(["health", "--store", &url]).ends(1).complains("does not answer");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    one_message(&run);
}

#[test]
fn wrong_settings_are_wrong_usage() {
    let place = Place::new();
    for (url, words) in [
        ("postgresql://me:hunter2@127.0.0.1", "names no database"),
        ("postgresql://127.0.0.1/d", "username is not set"),
        ("postgresql://me:hunter2@127.0.0.1/d?sslmode=maybe", "sslmode"),
        ("postgresql://me:hunter2@127.0.0.1/d?sslrootcert=/ca.pem", "verify-full only"),
        ("postgresql://me:hunter2@127.0.0.1/d?schema=pg_own", "schema"),
        ("postgresql://me:hunter2@127.0.0.1/d?application_name=x", "application_name"),
        ("postgresql://me:hunter2@127.0.0.1:99999/d", "malformed"),
    ] {
        let run = place.run(["health", "--store", url]).ends(2).complains(words);
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
}

#[test]
fn a_table_that_is_gone_is_named() {
    let place = filled("postgresql:///", 3);
    sql(&place, "DROP TABLE machines_records CASCADE");
    let run = place.line("get machines m-0001 --store postgresql:///").ends(1);
    one_message(&run.complains("machines_records"));
    let empty = Place::new();
    let run = empty.line("get machines m-0001 --store postgresql:///").ends(1);
    one_message(&run.complains("repoctl init"));
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    let place = Place::new();
    place.postgres();
    sql(&place, "CREATE TABLE machines (name text); INSERT INTO machines VALUES ('theirs')");
    let run = place.line("init --store postgresql:///").ends(1).complains("machines");
    one_message(&run);
    assert_eq!(sql(&place, "SELECT * FROM machines"), "theirs\n");
    assert_eq!(sql(&place, "SELECT to_regclass('machines_records')"), "\n");
}

#[test]
fn the_definitions_can_be_printed_and_run_by_hand() {
    let place = Place::new();
    let script = place.line("schema ddl --strategy postgresql").ok().stdout;
    place.postgres();
    sql(&place, &script);
    assert_eq!(sql(&place, "SELECT count(*) FROM machines"), "0\n");
    let plan = "SET enable_seqscan = off; EXPLAIN SELECT * FROM machines WHERE status = 'x'";
    assert!(sql(&place, plan).contains("machines-status-index"));
}

/// What `psql` prints in the place's database.
fn sql(place: &Place, statements: &str) -> String {
    let mut command = Command::new("psql");
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements]);
    Run::of(command.envs(postgres_variables(place.postgres()))).ok().stdout
}
