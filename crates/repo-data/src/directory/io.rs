//! What an error of the system means.

use std::io;
use std::path::Path;

use repo_core::{Error, ErrorKind};

/// The error of a file or folder.
pub(super) fn io_error(operation: &'static str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::LimitExceeded,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, operation, error.to_string())
        .with("file", format!("{:?}", path.to_string_lossy()))
        .caused_by(error)
}
