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

/// What to do about a name that is taken by something that is not ours.
pub(crate) fn foreign_hint(other_place: &str) -> String {
    format!(
        "it was left as it is; rename or remove it, or name {other_place}; tables of another \
         program can be the source of a migration (--source)"
    )
}
