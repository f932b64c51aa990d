//! The only place that turns errors of the databases into kinds of the
//! contract.

mod postgres;
mod sqlite;

pub(crate) use postgres::{
    cannot_connect, foreign as foreign_relation, is_lost, migration, no_free_connection, no_usage,
    outcome_unknown, postgres, timed_out, tls,
};
pub(crate) use sqlite::{commit_is_uncertain, foreign, io, repeat, sqlite};

/// What is said of a statement that only fits tables as we make them.
const FOREIGN: &str = "the database refused a statement: its tables are not as this program \
     made them";
const FOREIGN_HINT: &str = "another tool changed the tables; run `repoctl health`";
