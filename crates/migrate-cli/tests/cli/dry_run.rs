//! A dry run is the run without its writes: it ends with the same code, and a
//! run that cannot begin leaves nothing behind.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, Run, filled, postgres_variables};
use repo_testkit::servers::call_dynamodb;
use serde_json::json;

fn psql(place: &Place, sql: &str) -> String {
    let mut command = Command::new("psql");
    command.args(["-Xqt", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    command.env("PGOPTIONS", "-c default_transaction_read_only=off");
    Run::of(command.envs(postgres_variables(place.postgres()))).ok().stdout
}

/// A dry run and two runs into this target: all are refused in the same way
/// and leave nothing, no archive either.
fn all_are_refused(place: &Place, target: &str, words: &str) {
    let before = place.contents();
    for dry in [" --dry-run", "", ""] {
        let run = place.line(&format!("migrate --source json:data --target {target}{dry}"));
        run.ends(1).complains(words);
        assert_eq!(place.contents(), before, "{target}{dry}: something was left");
    }
}

/// What a run is refused with, without the warnings before it.
fn refusal(run: &Run) -> &str {
    let at = run.stderr.find("error: ").unwrap();
    &run.stderr[at..]
}

/// A dry run and the run are refused in the same words, and leave nothing.
fn refused_alike(place: &Place, line: &str, words: &[&str]) {
    let before = place.contents();
    let [dry, run] = [" --dry-run", ""].map(|flag| {
        let run = place.line(&format!("{line}{flag}")).ends(1);
        assert_eq!(place.contents(), before, "{line}{flag}: something was left");
        words.iter().fold(run, |run, words| run.complains(words))
    });
    assert_eq!(refusal(&dry), refusal(&run), "{line}");
}

/// A dry run and the run after it end alike.
fn both_end(place: &Place, words: &str, code: i32) {
    let before = place.contents();
    place.line(&format!("migrate {words} --dry-run")).ends(code);
    assert_eq!(place.contents(), before, "{words}");
    place.line(&format!("migrate {words}")).ends(code);
}

#[test]
fn a_table_of_somebody_else_in_dynamodb() {
    for (table, key) in
        [("data_machines", "machine_id"), ("data_requests", "other"), ("data__store", "id")]
    {
        let place = filled("json:data", 3);
        create_table(&place, table, key);
        let named = format!("table: {table}");
        let words = ["is there already and is not ours", &named];
        refused_alike(&place, "migrate --source json:data --target dynamodb:data", &words);
        let tables = call_dynamodb(&place.aws_access_key, "ListTables", &json!({}));
        assert_eq!(tables["TableNames"], json!([table]), "half-made tables");
    }
}

/// Makes an empty table as another program would.
fn create_table(place: &Place, table: &str, key: &str) {
    let input = json!({
        "TableName": table,
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call_dynamodb(&place.aws_access_key, "CreateTable", &input);
}

/// Its tables have other names than ours: a source to who reads, and room to who writes.
#[test]
fn tables_of_a_broker_in_dynamodb_leave_room() {
    let place = filled("json:data", 3);
    create_table(&place, "data-machines", "id");
    both_end(&place, "--source json:data --target dynamodb:data", 0);
    place.line("count machines --store dynamodb:data").ok().prints("3");
}

/// What a migration could read is no better a target for it.
#[test]
fn what_another_program_keeps() {
    let place = filled("json:data", 3);
    let table = "CREATE TABLE machines (machine_id TEXT PRIMARY KEY, status TEXT)";
    Run::of(Command::new("sqlite3").arg(place.path("theirs.db")).arg(table)).ok();
    psql(&place, table);
    place.write(
        "broker/request_database.json",
        r#"{"generic": {"m-1": {"machine_id": "m-1", "status": "running"}}}"#,
    );
    for (target, words) in [
        ("sqlite:theirs.db", "taken by something that is not ours"),
        ("postgresql:///", "taken by something that is not ours"),
        ("json:broker", "generic"),
    ] {
        let line = format!("migrate --source json:data --target {target} --no-backup");
        refused_alike(&place, &line, &[words]);
    }
}

#[test]
fn a_database_that_takes_no_writes() {
    let place = filled("json:data", 3);
    let name = place.postgres().to_owned();
    psql(&place, &format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"));
    all_are_refused(&place, "postgresql:///", "takes no writes");
    // The same for a store that is there and holds something.
    let set = |to: &str| {
        let sql = format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = {to}");
        psql(&place, &sql);
    };
    set("off");
    place.line("migrate --source json:data --target postgresql:/// --no-backup").ok();
    place.line("delete machines m-0001 --store postgresql:///").ok();
    set("on");
    let before = place.contents();
    for words in [" --dry-run", ""] {
        let run = format!("migrate --source json:data --target postgresql:///{words}");
        place.line(&format!("{run} --on-conflict overwrite")).ends(1).complains("takes no writes");
    }
    assert_eq!(place.contents(), before);
}

/// A role of the test server, removed at the end.
struct Role<'a>(&'a Place, String);

impl<'a> Role<'a> {
    fn new(place: &'a Place) -> Self {
        let name = format!("{}_role", place.postgres());
        psql(place, &format!("CREATE ROLE \"{name}\" LOGIN PASSWORD 'not-a-secret'"));
        Self(place, name)
    }

    /// A line with this role's login.
    fn line(&self, line: &str) -> Run {
        self.0.line_with(line, |command| {
            command.env("PGUSER", &self.1).env("PGPASSWORD", "not-a-secret");
        })
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        psql(self.0, &format!("DROP OWNED BY \"{0}\" CASCADE; DROP ROLE \"{0}\"", self.1));
    }
}

#[test]
fn a_role_that_may_not_make_tables_or_write_to_them() {
    let place = filled("json:data", 3);
    let role = Role::new(&place);
    psql(&place, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let refused = |words: &str| {
        let before = place.contents();
        for dry in [" --dry-run", ""] {
            let line = format!("migrate --source json:data --target postgresql:///{words}{dry}");
            role.line(&line).ends(1).complains("the database refuses this user");
            assert_eq!(place.contents(), before, "{line}");
        }
    };
    refused("");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(psql(&place, tables).trim(), "0", "half-made tables");
    place.line("migrate --source json:data --target postgresql:/// --no-backup").ok();
    place.line("delete machines m-0001 --store postgresql:///").ok();
    psql(&place, &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{}\"", role.1));
    refused(" --on-conflict overwrite");
    let write =
        format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"{}\"", role.1);
    psql(&place, &write);
    let line = "migrate --source json:data --target postgresql:/// --on-conflict overwrite";
    role.line(&format!("{line} --dry-run")).ends(3);
    role.line(line).ends(3);
}

#[test]
fn names_that_are_taken() {
    let place = filled("json:data", 3);
    psql(&place, "CREATE VIEW machines AS SELECT 1 AS one");
    all_are_refused(&place, "postgresql:///", "not ours");
    let make = "CREATE VIEW requests AS SELECT 1 AS one";
    Run::of(Command::new("sqlite3").arg(place.path("data.db")).arg(make)).ok();
    all_are_refused(&place, "sqlite:data.db", "not ours");
}

#[test]
fn two_collections_that_need_one_name() {
    for (target, is_sql) in [
        ("sqlite:new.db", true),
        ("postgresql:///", true),
        ("dynamodb:new", false),
        ("json:new", false),
    ] {
        let place = Place::new();
        place.write(
            "data/request_database.json",
            r#"{"near": {"a": {"id": "a"}}, "near_records": {"b": {"id": "b"}}}"#,
        );
        if target.starts_with("postgresql") {
            place.postgres();
        }
        if is_sql {
            all_are_refused(&place, target, "need the same name");
            assert!(!place.path("new.db").exists());
        } else {
            both_end(&place, &format!("--source json:data --target {target}"), 0);
        }
    }
}

#[test]
fn places_that_may_not_be_written() {
    let place = filled("json:data", 3);
    place.write("file", "in the way");
    for target in ["json:file/new", "sqlite:file/new.db"] {
        all_are_refused(&place, target, "file");
    }
    for target in ["json:there", "sqlite:there/a.db"] {
        place.line(&format!("init --store {target}")).ok();
        let folder = place.path("there");
        let set = |mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o555);
        all_are_refused(&place, target, "read-only");
        set(0o755);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn what_only_quarantine_can_take() {
    let place = Place::new();
    place.write(
        "data/request_database.json",
        r#"{"machines": {"m-1": {"machine_id": "m-1"}, "m-2": {"machine_id": "other"}}}"#,
    );
    let sides = "--source json:data --target sqlite:new.db";
    for dry in [" --dry-run", ""] {
        let run = place.line(&format!("migrate {sides}{dry}")).ends(1);
        run.complains("m-2").complains("--quarantine");
    }
    both_end(&place, &format!("{sides} --quarantine aside.jsonl"), 3);
    place.write("theirs", "something else");
    for dry in [" --dry-run", ""] {
        place.line(&format!("migrate {sides} --quarantine theirs{dry}")).ends(1);
    }
}

#[test]
fn what_is_left_differing() {
    let place = filled("json:data", 3);
    place.line("migrate --source json:data --target sqlite:new.db --no-backup").ok();
    let put = "put machines --store sqlite:new.db";
    place.run_with_input(put, &crate::cli_support::machine("m-0001", "other").to_string()).ok();
    place.run_with_input(put, &crate::cli_support::machine("m-9999", "only here").to_string()).ok();
    let sides = "--source json:data --target sqlite:new.db";
    both_end(&place, sides, 1);
    both_end(&place, &format!("{sides} --on-conflict newer"), 3);
}
