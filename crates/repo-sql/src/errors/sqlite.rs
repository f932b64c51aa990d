//! Errors of SQLite and of the file system.

use std::path::Path;

use repo_core::strategy::SystemLimit;
use repo_core::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};

use super::{FOREIGN, FOREIGN_HINT, UNEXPECTED, UNEXPECTED_HINT};

const CORRUPT_HINT: &str = "nothing was changed; restore the file from a backup, or save what can \
     be read with `sqlite3 FILE .recover`";

/// Turns an error of SQLite in `operation` on `file` into one of ours.
pub(crate) fn sqlite(operation: &'static str, file: &Path, source: rusqlite::Error) -> Error {
    let (kind, message, hint) = match &source {
        rusqlite::Error::SqliteFailure(failure, text) => {
            classify(failure, text.as_deref().unwrap_or_default(), file)
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => classify(error, msg, file),
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => {
            (ErrorKind::Corrupt, "a stored value has the wrong type", "")
        }
        _ => UNKNOWN,
    };
    let error =
        Error::new(kind, operation, message).with("file", file.display()).with("reason", &source);
    let error = match (kind, &source) {
        (
            ErrorKind::Unexpected | ErrorKind::Foreign,
            rusqlite::Error::SqliteFailure(why, _)
            | rusqlite::Error::SqlInputError { error: why, .. },
        ) => error.with("sqlite_code", why.extended_code),
        _ => error,
    };
    let error = error.caused_by(source);
    if hint.is_empty() { error } else { error.hint(hint) }
}

type Said = (ErrorKind, &'static str, &'static str);

const UNKNOWN: Said = (ErrorKind::Unexpected, UNEXPECTED, UNEXPECTED_HINT);

/// How SQLite begins its words about a table that is not as we made it. Its
/// code for these is that of every error in a statement.
const ALTERED: [&str; 4] = ["no such table", "no such column", "no such view", "table "];

fn classify(failure: &ffi::Error, text: &str, file: &Path) -> Said {
    if let Some(said) = by_extended_code(failure.extended_code) {
        return said;
    }
    match failure.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Unavailable,
            "another process holds the lock of the database",
            "try again, or raise `timeout` in storage.sql_strategy",
        ),
        ErrorCode::DiskFull => {
            (ErrorKind::Unavailable, "the disk is full", "free some space and try again")
        }
        ErrorCode::DatabaseCorrupt => {
            let hint = if lost_its_log(file) { LOST_LOG_HINT } else { CORRUPT_HINT };
            (ErrorKind::Corrupt, "the database file is damaged", hint)
        }
        ErrorCode::NotADatabase => {
            (ErrorKind::Corrupt, "the file is not a SQLite database", CORRUPT_HINT)
        }
        ErrorCode::CannotOpen => cannot_open(file),
        ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::AuthorizationForStatementDenied => (
            ErrorKind::PermissionDenied,
            "the database file may not be written",
            "check the owner and the mode of the file and of its folder",
        ),
        ErrorCode::SystemIoFailure => {
            (ErrorKind::Unavailable, "reading or writing the file failed", "")
        }
        ErrorCode::SchemaChanged => (
            ErrorKind::Unavailable,
            "another process changes the tables again and again",
            "try again",
        ),
        ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => {
            (ErrorKind::Unavailable, "the database gave up", "")
        }
        ErrorCode::TooBig => (ErrorKind::LimitExceeded, "a value is too large for SQLite", ""),
        ErrorCode::Unknown if text.contains("malformed JSON") => (
            ErrorKind::Corrupt,
            "a stored document is not JSON",
            "repair the row, or restore the file from a backup",
        ),
        ErrorCode::Unknown if text.starts_with("no such collation sequence") => (
            ErrorKind::Unsupported,
            "the database sorts by a collation that only its own program has",
            "in a copy, drop the index, or make the column anew without the collation",
        ),
        ErrorCode::Unknown if ALTERED.iter().any(|words| text.starts_with(words)) => {
            (ErrorKind::Foreign, FOREIGN, FOREIGN_HINT)
        }
        _ => UNKNOWN,
    }
}

/// What only SQLite's extended code distinguishes.
fn by_extended_code(code: i32) -> Option<Said> {
    match code {
        ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY => Some(UNFINISHED),
        ffi::SQLITE_IOERR_LOCK
        | ffi::SQLITE_IOERR_RDLOCK
        | ffi::SQLITE_IOERR_UNLOCK
        | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK => {
            let SystemLimit { kind, message, hint } = SystemLimit::no_locks();
            Some((kind, message, hint))
        }
        _ => None,
    }
}

const UNFINISHED: Said = (
    ErrorKind::PermissionDenied,
    "a program broke off in the middle of a write; only a writer can undo that, and this is a \
     reader",
    "open the database once with its own program, or copy the file with the -journal or -wal \
     beside it to where this user may write, and read the copy",
);

const LOST_LOG_HINT: &str = "nothing was changed; the file says that it is used with a -wal file, \
     and none is beside it: if it was copied, copy both while nobody writes (or use `sqlite3 FILE \
     .backup`)";

/// Whether the header says that the database is written by way of a log, and
/// none is there: it may have been left behind when the file was copied.
fn lost_its_log(file: &Path) -> bool {
    use std::io::Read as _;
    let mut header = [0; 20];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    // A reader may have made an empty one.
    let holds_any = std::fs::metadata(&log).is_ok_and(|found| found.len() > 0);
    read.is_ok() && header[18] == 2 && !holds_any
}

/// SQLite says no more than that it cannot; the file system knows why.
fn cannot_open(file: &Path) -> Said {
    match std::fs::File::open(file) {
        Err(error) if SystemLimit::of(&error).is_some() => {
            let SystemLimit { kind, message, hint } = SystemLimit::open_files();
            (kind, message, hint)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (ErrorKind::NotFound, "there is no such file", "check the path")
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            (ErrorKind::PermissionDenied, "the file may not be opened", "check its mode")
        }
        Ok(_) if file.is_dir() => {
            (ErrorKind::ConfigInvalid, "the path is a folder, not a file", "name a file in it")
        }
        _ => (
            ErrorKind::PermissionDenied,
            "the database cannot be opened",
            "SQLite makes files beside the database; check the mode of the folder",
        ),
    }
}

/// Turns an error of the file system into one of ours.
pub(crate) fn io(operation: &'static str, file: &Path, source: std::io::Error) -> Error {
    if let Some(limit) = SystemLimit::of(&source) {
        return Error::new(limit.kind, operation, limit.message)
            .with("file", file.display())
            .with("reason", &source)
            .hint(limit.hint)
            .caused_by(source);
    }
    let kind = match source.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, operation, "the file system refused")
        .with("file", file.display())
        .with("reason", &source)
        .caused_by(source)
}

/// Whether a COMMIT that failed so may be on disk nevertheless: the write of
/// the log may have reached it before its sync failed.
pub(crate) fn commit_is_uncertain(source: &rusqlite::Error) -> bool {
    source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// The same error again: one failure of a group is the answer to each of its
/// commits.
pub(crate) fn repeat(source: &rusqlite::Error) -> rusqlite::Error {
    match source {
        rusqlite::Error::SqliteFailure(failure, text) => {
            rusqlite::Error::SqliteFailure(*failure, text.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    }
}

/// Something that is not ours, or no longer as we made it, stands in a place
/// that a collection needs.
pub(crate) fn foreign(operation: &'static str, file: &Path, name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, operation, why.to_owned())
        .with("name", name)
        .with("file", file.display())
        .hint("it was left as it is; rename or remove it, or name another database file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_the_caller_may_do() {
        let kind = |code: i32, text: &str| {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(text.into()));
            sqlite("commit", Path::new("/srv/m.db"), failure).kind()
        };
        for (code, expected) in [
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_BUSY_SNAPSHOT, ErrorKind::Unavailable),
            (ffi::SQLITE_LOCKED, ErrorKind::Unavailable),
            (ffi::SQLITE_PROTOCOL, ErrorKind::Unavailable),
            (ffi::SQLITE_FULL, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_NOMEM, ErrorKind::Unavailable),
            (ffi::SQLITE_SCHEMA, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_RDLOCK, ErrorKind::Unsupported),
            (ffi::SQLITE_READONLY_ROLLBACK, ErrorKind::PermissionDenied),
            (ffi::SQLITE_CORRUPT_INDEX, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_READONLY_DIRECTORY, ErrorKind::PermissionDenied),
            (ffi::SQLITE_PERM, ErrorKind::PermissionDenied),
            (ffi::SQLITE_CANTOPEN, ErrorKind::NotFound),
            (ffi::SQLITE_TOOBIG, ErrorKind::LimitExceeded),
            (ffi::SQLITE_ERROR, ErrorKind::Unexpected),
            (ffi::SQLITE_CONSTRAINT_CHECK, ErrorKind::Unexpected),
        ] {
            assert_eq!(kind(code, "why"), expected, "{code}");
        }
        assert_eq!(kind(ffi::SQLITE_ERROR, "malformed JSON"), ErrorKind::Corrupt);
        let collation = "no such collation sequence: THEIRS";
        assert_eq!(kind(ffi::SQLITE_ERROR, collation), ErrorKind::Unsupported);
        for altered in [
            "no such table: main.audit",
            "no such column: x",
            "table machines has no column named x",
        ] {
            assert_eq!(kind(ffi::SQLITE_ERROR, altered), ErrorKind::Foreign, "{altered}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_in_the_words_of_sqlite_and_with_its_code() {
        let failure = ffi::Error::new(ffi::SQLITE_CONSTRAINT_TRIGGER);
        let source = rusqlite::Error::SqliteFailure(failure, Some("no writes on Sundays".into()));
        let error = sqlite("commit", Path::new("/srv/m.db"), source);
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert_eq!(error.context_value("reason"), Some("no writes on Sundays"));
        assert_eq!(error.context_value("sqlite_code"), Some("1811"));
    }

    #[test]
    fn a_commit_that_may_be_on_disk_is_told_apart() {
        let failure =
            |code: i32| rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("x".into()));
        assert!(commit_is_uncertain(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(!commit_is_uncertain(&failure(ffi::SQLITE_FULL)));
        assert!(!commit_is_uncertain(&failure(ffi::SQLITE_BUSY)));
        let again = repeat(&failure(ffi::SQLITE_FULL));
        assert_eq!(again.to_string(), failure(ffi::SQLITE_FULL).to_string());
    }
}
