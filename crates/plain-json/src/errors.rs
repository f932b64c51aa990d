//! The only place that turns input/output errors and damaged bytes of such files into
//! [`Error`]s.

use std::io;
use std::path::Path;

use repo_core::strategy::SystemLimit;
use repo_core::{Error, ErrorKind, Rule, SyntaxError};

use crate::spot;

/// An input/output error on a file. Nothing was applied.
#[must_use]
pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorKind::Foreign,
        _ => SystemLimit::of(&source).map_or(ErrorKind::Unavailable, |limit| limit.kind),
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
        _ => SystemLimit::of(source)
            .map_or("a file of the store cannot be read or written", |limit| limit.message),
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
        _ if SystemLimit::of(source) == Some(SystemLimit::no_locks()) => Some(
            "a JSON store needs a local file system that locks files: move the folder to one; on \
             NFS the server's lock service may be down",
        ),
        _ if SystemLimit::of(source).is_some() => Some(
            "raise the limit, `ulimit -n 4096`, or keep the collections in a single file; a store \
             of split files keeps each of them open",
        ),
        _ => None,
    }
}

/// Damaged bytes in a file of the store.
#[must_use]
pub fn corrupt(operation: &'static str, path: &Path, byte: u64, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, operation, what).with("file", path.display()).with("byte", byte)
}

/// Well-formed content of a data file that breaks a rule of the contract.
#[must_use]
pub fn refused(path: &Path, byte: u64, pointer: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a data file", what)
        .with("file", path.display())
        .with("pointer", pointer)
        .with("byte", byte)
        .hint("correct the file at that place; it was left as it is")
}

/// Adds to a refusal what the rule says in figures, and its hint: how large the
/// document is, how large it may be, and which option says so.
#[must_use]
pub fn with_figures(refused: Error, rule: &Error) -> Error {
    let figures = rule.context().iter().filter(|(name, _)| matches!(*name, "bytes" | "limit"));
    let refused = figures.fold(refused, |refused, (name, value)| refused.with(name, value));
    match rule.hint_text() {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

/// A document in a data file that cannot be read: malformed text is `Corrupt`,
/// a broken rule of the contract is `Invalid`.
///
/// `of_many`: one of any number that are set aside; its line is then not looked
/// for, which reads the file from its front.
#[must_use]
pub fn document(
    path: &Path,
    byte: u64,
    pointer: &str,
    error: &SyntaxError,
    of_many: bool,
) -> Error {
    let at = byte.saturating_add(error.offset as u64);
    let pointer = format!("{pointer}{}", error.pointer);
    match error.rule {
        Rule::Syntax | Rule::Truncated | Rule::TrailingText | Rule::NotUtf8 => {
            let what = error.rule.to_string();
            let damaged = if of_many {
                corrupt("read a data file", path, at, &what).hint(spot::USUAL_CAUSES)
            } else {
                damaged_data(path, at, &what)
            };
            damaged.with("pointer", pointer)
        }
        _ => refused(path, at, &pointer, &error.rule.to_string()),
    }
}

/// A data file that is not well-formed JSON.
#[must_use]
pub fn damaged_data(path: &Path, byte: u64, what: &str) -> Error {
    let error = corrupt("read a data file", path, byte, what);
    let spot = spot::look(path, byte);
    let cause = spot.as_ref().and_then(|spot| spot.cause).unwrap_or(spot::USUAL_CAUSES);
    let error = match &spot {
        Some(spot) => {
            error.with("line", spot.line).with("column", spot.column).with("text", &spot.text)
        }
        None => error,
    };
    error.hint(format!(
        "{cause}; the file was left as it is: repair it at that place, or put a backup in its place"
    ))
}

/// A data file changes while it is being read.
#[must_use]
pub fn busy(path: &Path) -> Error {
    let why = "another program rewrites the file while it is read";
    Error::new(ErrorKind::Unavailable, "read a data file", why)
        .with("file", path.display())
        .hint("let the tool that writes it finish, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_lacks_is_called_that() {
        let no_locks = if cfg!(target_os = "linux") { 37 } else { 77 };
        for (code, kind, what, hint) in [
            (no_locks, ErrorKind::Unsupported, "no locks", "local file system"),
            (24, ErrorKind::LimitExceeded, "too many files", "ulimit -n"),
        ] {
            let error = io("lock the store", Path::new("f"), io::Error::from_raw_os_error(code));
            assert!(error.message().contains(what), "{error}");
            assert!(error.hint_text().unwrap().contains(hint), "{error}");
            assert_eq!(error.kind(), kind);
        }
    }
}
