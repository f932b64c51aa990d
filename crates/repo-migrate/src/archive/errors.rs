//! The one place that turns file errors of archives into kinds.

use std::io;
use std::path::Path;

use repo_core::{Error, ErrorKind};

use crate::remedy::Remedy;

/// A file or folder could not be used.
pub(crate) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> Error {
    use io::ErrorKind as Io;
    let source = match source.downcast::<Error>() {
        Ok(error) => return error,
        Err(source) => source,
    };
    let (kind, remedy) = match source.kind() {
        Io::NotFound => (ErrorKind::NotFound, None),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, Some(Remedy::WritableArchives))
        }
        Io::StorageFull | Io::QuotaExceeded => {
            (ErrorKind::Unavailable, Some(Remedy::RoomForArchives))
        }
        _ => (ErrorKind::Unavailable, None),
    };
    let error = Error::new(kind, operation, "the file system refused")
        .with("path", path.display())
        .with("reason", &source)
        .caused_by(source);
    match remedy {
        Some(remedy) => error.remedy(remedy),
        None => error,
    }
}

/// An archive does not hold what was written into it.
pub(crate) fn corrupt(path: &Path, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, "read an archive", why)
        .with("file", path.display())
        .hint("the archive is damaged; use another one")
}

/// Reading a file of an archive failed: damage, unless the system refused.
pub(crate) fn read_error(path: &Path, source: io::Error) -> Error {
    use io::ErrorKind as Io;
    // What an object store reports is an error of ours already.
    let source = match source.downcast::<Error>() {
        Ok(error) if error.kind() == ErrorKind::NotFound => {
            return corrupt(path, "a file that belongs to the archive is missing");
        }
        Ok(error) => return error,
        Err(source) => source,
    };
    match source.kind() {
        Io::NotFound => corrupt(path, "a file that belongs to the archive is missing"),
        Io::PermissionDenied => io_error("read an archive", path, source)
            .hint("archives belong to the user that made them; run as that user"),
        Io::UnexpectedEof => corrupt(path, "the file ends too early").caused_by(source),
        _ => corrupt(path, "the file cannot be decompressed")
            .with("reason", &source)
            .caused_by(source),
    }
}
