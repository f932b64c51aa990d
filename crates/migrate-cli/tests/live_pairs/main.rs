//! Every ordered pair of stores: a store moves there and back and there, while several
//! processes write to it, and writers and the mover are killed at random. No acknowledged
//! write is lost, no version is acknowledged twice, no read is older than what was
//! acknowledged before it, both stores are equal in the end, a consumer of the changes has seen
//! every record in its last version, and the history has every version that was acknowledged.
//!
//! `REPO_TESTKIT_SECONDS` says how long a pair takes, 8 seconds without it, and
//! `REPO_LIVE_WRITERS` how many write, 4 without it; with `REPO_LIVE_KILL=0` nobody is killed,
//! and with `REPO_LIVE_CUT=1` connections to servers are cut.
//! `scripts/live-pairs` runs all sixteen for five minutes each.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../cli_support/mod.rs"]
mod cli_support;

mod check;
mod cutter;
mod logs;
mod older;
mod operator;
mod pair;
mod watcher;
mod writer;

use pair::move_there_and_back;

/// A process of a pair. The name says which.
#[tokio::test]
#[ignore = "a process of the tests below"]
async fn process() {
    let told = |variable: &str| std::env::var(variable).ok();
    let Some(part) = told("LIVE_PAIRS_PART") else { return };
    let stores = [told("LIVE_PAIRS_SOURCE").unwrap(), told("LIVE_PAIRS_TARGET").unwrap()];
    let logs = logs::Logs::new(told("LIVE_PAIRS_LOGS").unwrap());
    match part.as_str() {
        "writer" => writer::write(stores, &logs).await,
        "watcher" => watcher::watch(stores, &logs).await,
        "reader" => check::read(&stores[0]).await,
        other => panic!("no part {other}"),
    }
}

macro_rules! pairs {
    ($($(#[$attribute:meta])* $name:ident: $source:literal to $target:literal;)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            move_there_and_back($source, $target);
        }
    )*};
}

pairs! {
    json_to_sqlite: "json" to "sqlite";
    sqlite_to_postgresql: "sqlite" to "postgresql";
    postgresql_to_dynamodb: "postgresql" to "dynamodb";
    dynamodb_to_json: "dynamodb" to "json";
    #[ignore = "long"]
    json_to_json: "json" to "json";
    #[ignore = "long"]
    json_to_postgresql: "json" to "postgresql";
    #[ignore = "long"]
    json_to_dynamodb: "json" to "dynamodb";
    #[ignore = "long"]
    sqlite_to_json: "sqlite" to "json";
    #[ignore = "long"]
    sqlite_to_sqlite: "sqlite" to "sqlite";
    #[ignore = "long"]
    sqlite_to_dynamodb: "sqlite" to "dynamodb";
    #[ignore = "long"]
    postgresql_to_json: "postgresql" to "json";
    #[ignore = "long"]
    postgresql_to_sqlite: "postgresql" to "sqlite";
    #[ignore = "long"]
    postgresql_to_postgresql: "postgresql" to "postgresql";
    #[ignore = "long"]
    dynamodb_to_sqlite: "dynamodb" to "sqlite";
    #[ignore = "long"]
    dynamodb_to_postgresql: "dynamodb" to "postgresql";
    #[ignore = "long"]
    dynamodb_to_dynamodb: "dynamodb" to "dynamodb";
}
