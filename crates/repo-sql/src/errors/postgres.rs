//! Errors of PostgreSQL, of the connection and of diesel.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use repo_core::strategy::SystemLimit;
use repo_core::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

use super::{FOREIGN, FOREIGN_HINT, UNEXPECTED, UNEXPECTED_HINT};
use crate::layout::FENCED;

/// Where the database is, as errors name it: without user and password.
pub(crate) type Place = str;

type Said = (ErrorKind, &'static str, &'static str);

/// Turns an error of a statement in `operation` into one of ours. Nothing of
/// the statement was applied, unless the connection [`is_lost`].
pub(crate) fn postgres(operation: &'static str, place: &Place, source: DieselError) -> Error {
    let (kind, message, hint) = match &source {
        DieselError::DatabaseError(kind, said) => classify(kind, said.message()),
        DieselError::DeserializationError(_) => {
            (ErrorKind::Corrupt, "a stored value has the wrong type", "")
        }
        _ => UNKNOWN,
    };
    say(Error::new(kind, operation, message).with("store", place), hint)
        .with("reason", &source)
        .caused_by(source)
}

fn say(error: Error, hint: &str) -> Error {
    if hint.is_empty() { error } else { error.hint(hint) }
}

fn classify(kind: &DatabaseErrorKind, message: &str) -> Said {
    match kind {
        DatabaseErrorKind::SerializationFailure => COLLISION,
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => LOST,
        DatabaseErrorKind::ReadOnlyTransaction => (
            ErrorKind::PermissionDenied,
            "the server takes no writes",
            "it may be a standby; name the primary server",
        ),
        DatabaseErrorKind::Unknown => by_message(message),
        _ => UNKNOWN,
    }
}

const UNKNOWN: Said = (ErrorKind::Unexpected, UNEXPECTED, UNEXPECTED_HINT);

const COLLISION: Said = (
    ErrorKind::Unavailable,
    "the database gave up one of several transactions that met",
    "nothing was written; try again",
);
const DENIED: Said = (
    ErrorKind::PermissionDenied,
    "the database refuses this user",
    "grant the user what is needed on the schema and its tables",
);
const HIDDEN: Said = (
    ErrorKind::PermissionDenied,
    "a row-level security policy hides rows of a table from this user",
    "let the user see every row (ALTER ROLE … BYPASSRLS), or drop the policy: what is hidden would \
     be missing without a word",
);
const LOCKS: Said = (
    ErrorKind::LimitExceeded,
    "the server has no room for the locks of the transaction",
    "raise max_locks_per_transaction of the server, or prepare fewer collections at once",
);
const LOST: Said = (
    ErrorKind::Unavailable,
    "the connection to the database was lost",
    "try again when the server can be reached",
);

/// Diesel keeps the code of most errors to itself, so these are recognised by
/// their words. Connections ask the server for English ones.
fn by_message(message: &str) -> Said {
    let says = |part: &str| message.contains(part);
    if says(FENCED) {
        (ErrorKind::Locked, "the store takes no writes", "try again in a few seconds")
    } else if says("deadlock detected") || says("could not obtain lock") || says("lock timeout") {
        COLLISION
    } else if says("terminating connection") || says("server process") || says("shutting down") {
        LOST
    } else if says("statement timeout") || says("user request") {
        (ErrorKind::Unavailable, "the server broke the statement off", "try again")
    } else if says("row-level security") {
        HIDDEN
    } else if says("permission denied") || says("must be owner") {
        DENIED
    } else if says("out of shared memory") || says("max_locks_per_transaction") {
        LOCKS
    } else if says("No space left") || says("could not extend") || says("out of memory") {
        (ErrorKind::Unavailable, "the server has run out of room", "free some and try again")
    } else if says("exceeds") && says("maximum") || says("too large") {
        (
            ErrorKind::LimitExceeded,
            "a value is too large for the database",
            "an indexed field holds at most 1000 bytes of text",
        )
    } else if says("does not exist") || says("is not a table") {
        (ErrorKind::Foreign, FOREIGN, FOREIGN_HINT)
    } else {
        UNKNOWN
    }
}

/// Whether a statement was given up because of a lock of somebody else: it waited too long for
/// it, or that one waited for it in turn.
pub(crate) fn is_given_up_for_lock(error: &Error) -> bool {
    let reason = error.context_value("reason").unwrap_or_default();
    reason.contains("lock timeout") || reason.contains("deadlock detected")
}

/// The error of a user that may not use the schema.
pub(crate) fn no_usage(operation: &'static str, place: &Place, schema: &str) -> Error {
    let (kind, message, hint) = DENIED;
    Error::new(kind, operation, message)
        .with("store", place)
        .with("reason", format!("permission denied for schema {schema}"))
        .hint(hint)
}

/// The error of a user that may not alter a table.
pub(crate) fn not_owner(operation: &'static str, place: &Place, table: &str) -> Error {
    let (kind, message, hint) = DENIED;
    Error::new(kind, operation, message)
        .with("store", place)
        .with("reason", format!("must be owner of table {table}"))
        .hint(hint)
}

/// The error of making the store's own tables, of which diesel gives no more
/// than its words.
pub(crate) fn migration(
    operation: &'static str,
    place: &Place,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> Error {
    let (kind, message, hint) = match by_message(&source.to_string()) {
        (ErrorKind::Foreign | ErrorKind::Unexpected, ..) => (
            ErrorKind::Unexpected,
            "the store's own tables could not be made",
            "name another schema in storage.sql_strategy",
        ),
        said => said,
    };
    Error::new(kind, operation, message)
        .with("store", place)
        .with("reason", &source)
        .hint(hint)
        .caused_by(source)
}

/// Whether what was sent last may have been done nevertheless.
pub(crate) fn is_lost(source: &DieselError) -> bool {
    match source {
        DieselError::DatabaseError(kind, said) => classify(kind, said.message()) == LOST,
        _ => false,
    }
}

/// The error of a write that was sent over a connection that was lost.
pub(crate) fn outcome_unknown(
    operation: &'static str,
    place: &Place,
    source: DieselError,
) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        operation,
        "the connection was lost before the database answered: it may have been written",
    )
    .with("store", place)
    .with("reason", &source)
    .hint("read what is stored before you write again")
    .caused_by(source)
}

/// The error of a write that the database leaves out again and again, although
/// nothing stands against it.
pub(crate) fn not_stored(place: &Place) -> Error {
    Error::new(ErrorKind::Foreign, "commit", "the database stored less than it was given")
        .with("store", place)
        .hint("nothing was written; a trigger of another tool on the table may have refused it")
}

/// The error of a connection that could not be made.
pub(crate) fn cannot_connect(place: &Place, source: tokio_postgres::Error) -> Error {
    let (kind, message, hint) = match source.code() {
        Some(code) => refused(code, &whole(&source)),
        None => unreachable(&source),
    };
    let reason = deepest(&source);
    say(Error::new(kind, "connect", message).with("store", place).with("reason", reason), hint)
        .caused_by(source)
}

fn refused(code: &SqlState, words: &str) -> Said {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => (
            ErrorKind::PermissionDenied,
            "the server refused the login",
            "check `username` and `password` in storage.sql_strategy",
        ),
        SqlState::INVALID_CATALOG_NAME => (
            ErrorKind::NotFound,
            "the server has no such database",
            "check `name` in storage.sql_strategy, or make it with `createdb`",
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => (
            ErrorKind::PermissionDenied,
            "the user may not connect to the database",
            "grant CONNECT on the database to the user",
        ),
        SqlState::TOO_MANY_CONNECTIONS if words.contains("for role") => (
            ErrorKind::Unavailable,
            "the user has as many connections as it may",
            "raise the user's limit (ALTER ROLE … CONNECTION LIMIT) to 2 or more, or lower \
             `pool_size` and `max_overflow`",
        ),
        SqlState::TOO_MANY_CONNECTIONS if words.contains("for database") => (
            ErrorKind::Unavailable,
            "the database has as many connections as it may",
            "raise its limit (ALTER DATABASE … CONNECTION LIMIT) to 2 or more, or lower \
             `pool_size` and `max_overflow`",
        ),
        SqlState::TOO_MANY_CONNECTIONS => (
            ErrorKind::Unavailable,
            "the server has no connection left",
            "lower `pool_size` and `max_overflow`, or raise max_connections of the server",
        ),
        _ if words.contains("unsupported startup parameter") => (
            ErrorKind::ConfigInvalid,
            "a pooler of connections stands before the server, and the settings say there is none",
            "set `pooler` in storage.sql_strategy to its pool_mode: session or transaction",
        ),
        _ => (ErrorKind::Unavailable, "the server refused the connection", "try again later"),
    }
}

fn unreachable(source: &tokio_postgres::Error) -> Said {
    let reason = whole(source);
    let all: &(dyn std::error::Error + 'static) = source;
    let io = std::iter::successors(all.source(), |cause| cause.source())
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    if let Some(SystemLimit { kind, message, hint }) = io.and_then(SystemLimit::of) {
        return (kind, message, hint);
    }
    if reason.contains("TLS") && !io.is_some_and(is_cut_off) {
        return (
            ErrorKind::PermissionDenied,
            "no encrypted connection could be made",
            "check `sslmode` and `sslrootcert` in storage.sql_strategy, and the server's certificate",
        );
    }
    if reason.contains("password missing") {
        return (
            ErrorKind::PermissionDenied,
            "the server asks for a password, and none is set",
            "set `password` in storage.sql_strategy, for example to ${DB_PASSWORD}",
        );
    }
    (
        ErrorKind::Unavailable,
        "the server cannot be reached",
        "check `host` and `port` in storage.sql_strategy, and that the server runs",
    )
}

/// Whether the connection ended, in the middle of a handshake for example.
fn is_cut_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// All that an error says, down to its cause.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// What lies beneath, which says more than \"error connecting to server\".
fn deepest(source: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = source;
    while let Some(inner) = deepest.source() {
        deepest = inner;
    }
    deepest.to_string()
}

/// The error of a server that does not answer.
pub(crate) fn timed_out(place: &Place, after: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, "connect", "the server does not answer")
        .with("store", place)
        .with("seconds", after.as_secs())
        .hint("check `host` and `port`, or raise `timeout` in storage.sql_strategy")
}

/// The error of a pool whose connections are all in use.
pub(crate) fn no_free_connection(place: &Place, connections: usize) -> Error {
    Error::new(ErrorKind::Unavailable, "connect", "every connection is in use")
        .with("store", place)
        .with("connections", connections)
        .hint("try again, or raise `pool_size`, `max_overflow` or `pool_timeout`")
}

/// The error of a certificate file that cannot be used.
pub(crate) fn tls(file: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "connect", "the root certificates cannot be used")
        .with("at", "storage.sql_strategy.sslrootcert")
        .with("file", file)
        .with("reason", why)
        .hint("name a file of certificates in PEM form")
}

/// Something that is not ours, or no longer as we made it, stands in a place
/// that a collection needs.
pub(crate) fn foreign(operation: &'static str, place: &Place, name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, operation, why.to_owned())
        .with("name", name)
        .with("store", place)
        .hint("it was left as it is; rename or remove it, or name another schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_the_caller_may_do() {
        let kind = |kind: DatabaseErrorKind, text: &str| {
            let source = DieselError::DatabaseError(kind, Box::new(text.to_owned()));
            let lost = is_lost(&source);
            (postgres("commit", "postgresql://h/d", source).kind(), lost)
        };
        use DatabaseErrorKind as Kind;
        for (source, text, expected) in [
            (Kind::SerializationFailure, "x", (ErrorKind::Unavailable, false)),
            (Kind::Unknown, "deadlock detected", (ErrorKind::Unavailable, false)),
            (Kind::UnableToSendCommand, "connection closed", (ErrorKind::Unavailable, true)),
            (
                Kind::Unknown,
                "terminating connection due to administrator command",
                (ErrorKind::Unavailable, true),
            ),
            (Kind::ReadOnlyTransaction, "x", (ErrorKind::PermissionDenied, false)),
            (
                Kind::Unknown,
                "permission denied for table m_records",
                (ErrorKind::PermissionDenied, false),
            ),
            (
                Kind::Unknown,
                "index row size 2800 exceeds btree version 4 maximum 2704 for index \"i\"",
                (ErrorKind::LimitExceeded, false),
            ),
            (Kind::Unknown, "relation \"x\" does not exist", (ErrorKind::Foreign, false)),
            (Kind::CheckViolation, "x", (ErrorKind::Unexpected, false)),
            (Kind::Unknown, "no writes on Sundays", (ErrorKind::Unexpected, false)),
        ] {
            assert_eq!(kind(source, text), expected, "{text}");
        }
    }
}
