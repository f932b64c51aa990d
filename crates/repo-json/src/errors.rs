//! The only place that turns input/output errors and damaged bytes into
//! [`Error`]s.

use std::io;
use std::path::Path;

use repo_core::{Error, ErrorKind, Rule, SyntaxError};

/// An input/output error on a file of the store. Nothing was applied.
pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorKind::Foreign,
        _ => ErrorKind::Unavailable,
    };
    let error = Error::new(kind, operation, message(&source)).with("path", path.display());
    let error = match hint(&source) {
        Some(hint) => error.hint(hint),
        None => error,
    };
    error.with("reason", &source).caused_by(source)
}

fn message(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "the file or folder is not there",
        io::ErrorKind::PermissionDenied => "the operating system refused access",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::NotADirectory => "something that is not a folder stands in the place",
        io::ErrorKind::IsADirectory => "a folder stands in the place of a file",
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up",
        io::ErrorKind::FileTooLarge => "the file would become too large",
        _ => "a file of the store cannot be read or written",
    }
}

fn hint(source: &io::Error) -> Option<&'static str> {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            Some("run as a user that may read and write the folder, or open the store read-only")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free space on the disk and try again")
        }
        _ => None,
    }
}

/// Something that is no file of its own stands where a file of the store belongs.
pub(crate) fn no_file(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, "look at a file", why)
        .with("path", path.display())
        .hint("put the file itself there, or name the folder that holds it as base_path")
}

/// Damaged bytes in a file of the store.
pub(crate) fn corrupt(operation: &'static str, path: &Path, byte: u64, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, operation, what).with("file", path.display()).with("byte", byte)
}

/// Well-formed content of a data file that breaks a rule of the contract.
pub(crate) fn refused(path: &Path, byte: u64, pointer: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a data file", what)
        .with("file", path.display())
        .with("pointer", pointer)
        .with("byte", byte)
        .hint("correct the file at that place; it was left as it is")
}

/// A document in a data file that cannot be read: malformed text is `Corrupt`,
/// a broken rule of the contract is `Invalid`.
pub(crate) fn document(path: &Path, byte: u64, pointer: &str, error: &SyntaxError) -> Error {
    let at = byte.saturating_add(error.offset as u64);
    let pointer = format!("{pointer}{}", error.pointer);
    match error.rule {
        Rule::Syntax | Rule::Truncated | Rule::TrailingText | Rule::NotUtf8 => {
            damaged_data(path, at, &error.rule.to_string()).with("pointer", pointer)
        }
        _ => refused(path, at, &pointer, &error.rule.to_string()),
    }
}

/// A data file that is not well-formed JSON.
pub(crate) fn damaged_data(path: &Path, byte: u64, what: &str) -> Error {
    corrupt("read a data file", path, byte, what)
        .hint("the file was left as it is: repair it at that place, or put a backup in its place")
}

/// A record of the store's own files that cannot be decoded although its
/// checksum holds.
pub(crate) fn undecodable(path: &Path, byte: u64) -> Error {
    corrupt("read the store", path, byte, "a record is malformed although its checksum holds")
        .hint("the file was written by another version of this software, or by something else")
}

/// The handle was closed.
pub(crate) fn closed(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Closed, operation, "this handle of the store is closed")
        .with("store", location)
}

/// A failed sync makes the handle unusable.
pub(crate) fn poisoned(operation: &'static str, location: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the store stopped after a failed write")
        .with("store", location)
        .with("reason", reason)
        .hint("find out why the disk failed, then open the store again")
}

/// A write on a store that is open for reading only.
pub(crate) fn read_only(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Unsupported, operation, "the store is open for reading only")
        .with("store", location)
}

/// A background task or thread of this process ended without an answer.
pub(crate) fn interrupted(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the work was interrupted")
        .with("store", location)
}

/// A data file changes while it is being read.
pub(crate) fn busy(path: &Path) -> Error {
    Error::new(ErrorKind::Unavailable, "read a data file", "the file changes while it is read")
        .with("file", path.display())
        .hint("let the tool that writes it finish, then try again")
}

/// The same error once more: a failed group answers each of its commits.
pub(crate) fn repeat(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.operation(), error.message());
    for (name, value) in error.context() {
        copy = copy.with(name, value);
    }
    match error.hint_text() {
        Some(hint) => copy.hint(hint),
        None => copy,
    }
}

/// A sync that failed: what was written may be on the disk or not.
pub(crate) fn sync_failed(path: &Path, source: io::Error) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "commit",
        "the journal could not be synced; the commit may be on the disk or not",
    )
    .with("file", path.display())
    .with("reason", &source)
    .hint("open the store again and read before writing again")
    .caused_by(source)
}

/// The writer ended while it worked: what it was asked for may be on the disk
/// or not.
pub(crate) fn unanswered(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, operation, "the writer ended without an answer")
        .with("store", location)
        .hint("open the store again and read before writing again")
}

/// There is no store to write to.
pub(crate) fn no_store(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "there is no store in this folder")
        .with("store", location)
        .hint("check the path; a new store is made with `repoctl init`")
}
