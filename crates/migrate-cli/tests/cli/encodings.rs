//! Databases whose text is not UTF-8.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, Run, filled, postgres_variables};
use repo_testkit::servers;
use serde_json::{Value as Json, json};

/// A database of this encoding, removed at the end.
struct Database(String);

impl Database {
    fn new(encoding: &str) -> Self {
        let name = servers::unique_name();
        let make = format!(
            "CREATE DATABASE \"{name}\" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' \
             LOCALE_PROVIDER libc TEMPLATE template0"
        );
        Run::of(Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &make])).ok();
        Self(name)
    }

    fn run(&self, sql: &str) {
        let mut command = Command::new("psql");
        command.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command.env("PGCLIENTENCODING", "SQL_ASCII");
        Run::of(command.envs(postgres_variables(&self.0))).ok();
    }

    /// A line with this database as `postgresql:///`.
    fn line(&self, place: &Place, line: &str) -> Run {
        place.line_with(line, |command| {
            command.envs(postgres_variables(&self.0));
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.0);
        Run::of(Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &drop])).ok();
    }
}

#[test]
fn a_store_is_not_made_where_text_may_not_fit() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let (place, database) = (filled("json:data", 3), Database::new(encoding));
        let before = place.contents();
        let migrate = "migrate --source json:data --target postgresql:///";
        for line in ["init --store postgresql:///", migrate, &format!("{migrate} --dry-run")] {
            database.line(&place, line).ends(2).complains(encoding).complains("ENCODING 'UTF8'");
        }
        assert_eq!(place.contents(), before, "{encoding}");
    }
}

#[test]
fn such_a_database_is_read() {
    let table = "CREATE TABLE templates (template_id TEXT NOT NULL PRIMARY KEY, name TEXT);";
    let (place, database) = (Place::new(), Database::new("LATIN1"));
    database.run(&format!("{table} INSERT INTO templates VALUES ('t-1', E'Gr\\xf6\\xdfe')"));
    let line = "migrate --source postgresql:/// --target json:other";
    database.line(&place, line).ok();
    place.line("get templates t-1 --store json:other").ok().prints("Größe");

    let (place, database) = (Place::new(), Database::new("SQL_ASCII"));
    database.run(&format!(
        "{table} INSERT INTO templates VALUES ('t-1', E'Gr\\xf6\\xdfe'), ('t-2', 'plain')"
    ));
    for dry in [" --dry-run", ""] {
        let run = database.line(&place, &format!("{line}{dry}")).ends(1);
        run.complains("templates/t-1").complains("name").complains("--quarantine");
    }
    database.line(&place, &format!("{line} --quarantine aside.jsonl")).ends(3);
    let entry: Json = serde_json::from_str(place.read("aside.jsonl").trim_end()).unwrap();
    let stored: Json = serde_json::from_str(entry["stored"].as_str().unwrap()).unwrap();
    assert_eq!(stored["name"], json!({"base64": "R3L232U="}), "{entry}");
    place.line("get templates t-2 --store json:other").ok().prints("plain");
}

#[test]
fn a_sqlite_file_in_utf_16_is_a_source_and_no_store() {
    let place = filled("json:data", 3);
    let sqlite = |sql: &str| {
        Run::of(Command::new("sqlite3").arg(place.path("wide.db")).arg(sql)).ok();
    };
    sqlite(
        "PRAGMA encoding = 'UTF-16'; CREATE TABLE templates (template_id TEXT NOT NULL PRIMARY \
         KEY, name TEXT); INSERT INTO templates VALUES ('t-1', 'Größe'), ('t-2', 'zwei')",
    );
    place.line("migrate --source sqlite:wide.db --target json:other").ok();
    place.line("verify --source sqlite:wide.db --target json:other").ok();
    place.line("get templates t-1 --store json:other").ok().prints("Größe");
    sqlite("DROP TABLE templates");
    let migrate = "migrate --source json:data --target sqlite:wide.db";
    for line in ["init --store sqlite:wide.db", migrate, &format!("{migrate} --dry-run")] {
        place.line(line).ends(2).complains("UTF-16");
    }
}
