//! The only place that turns errors of the databases into kinds of the
//! contract.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use repo_core::{Error, ErrorKind};

#[cfg(feature = "postgres")]
pub(crate) use postgres::{
    cannot_connect, foreign as foreign_relation, is_given_up_for_lock, is_lost, migration,
    no_free_connection, no_usage, not_owner, not_stored, outcome_unknown, postgres, timed_out, tls,
};
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::{commit_is_uncertain, foreign, io, repeat, sqlite};

/// What is said of a statement that only fits tables as we make them.
const FOREIGN: &str = "the database refused a statement: its tables are not as this program \
     made them";
/// Ends as [`Action::Health`](repo_core::strategy::Action) is written.
const FOREIGN_HINT: &str = "another tool changed the tables; run `health`";

/// What is said of a statement that failed for a reason that is not known here.
/// The words of the database stand beside it.
const UNEXPECTED: &str = "the database refused a statement";
const UNEXPECTED_HINT: &str = "the reason is in the database's own words; a trigger or a rule of \
     another tool may be behind it";

/// The error of reading tables of another program, for which the words about
/// ours are wrong.
pub(crate) fn theirs(error: Error) -> Error {
    let (message, hint) = match error.kind() {
        ErrorKind::Foreign => (
            "a table of another program is no longer as it was found",
            "its program may have changed it meanwhile: give the command again",
        ),
        ErrorKind::Unexpected => (
            "the database refused to read a table of another program",
            "the reason is in the database's own words; nothing was changed",
        ),
        _ => return error,
    };
    let mut reworded = Error::new(error.kind(), error.operation(), message);
    for (name, value) in error.context() {
        reworded = reworded.with(name, value);
    }
    reworded.hint(hint).caused_by(error)
}

/// What to do about a name that is taken by something that is not ours.
pub(crate) fn foreign_hint(other_place: &str) -> String {
    format!(
        "it was left as it is; rename or remove it, or name {other_place}; tables of another \
         program can be the source of a migration (--source)"
    )
}
