//! What an error of the file system means.

use std::io;
use std::path::Path;

use repo_core::{Error, ErrorKind};

/// The error of an operation on a path.
pub(super) fn fault(operation: &'static str, path: &Path, error: io::Error) -> Error {
    let (kind, message) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "there is no such file"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, "the system refuses access")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Unavailable, "there is no room left on the disk")
        }
        io::ErrorKind::FileTooLarge => {
            (ErrorKind::LimitExceeded, "the file would be larger than the system allows")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            return foreign(operation, path).caused_by(error);
        }
        // Files of a process are few; another one may free some.
        _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            (ErrorKind::Unavailable, "too many files are open")
        }
        _ if error.raw_os_error() == Some(libc::ELOOP) => {
            return foreign(operation, path).caused_by(error);
        }
        _ => (ErrorKind::Unexpected, "the file system reports an error"),
    };
    Error::new(kind, operation, message).with("file", path.display()).caused_by(error)
}

/// Something in the place is not ours.
pub(super) fn foreign(operation: &'static str, path: &Path) -> Error {
    let message = "a link, or another thing than expected, stands in the place";
    Error::new(ErrorKind::Foreign, operation, message)
        .with("file", path.display())
        .hint("find out who put it there; nothing was read or changed behind it")
}
