//! The only place that turns input/output errors and damaged bytes into
//! [`Error`]s.

use std::io;
use std::path::Path;

pub(crate) use plain_json::errors::{busy, corrupt, document, io, refused, with_figures};
use repo_core::strategy::Action;
use repo_core::{CollectionName, Error, ErrorKind};

/// Something that is no file of its own stands where a file of the store belongs.
pub(crate) fn no_file(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, "look at a file", why)
        .with("path", path.display())
        .hint("put the file itself there, or name the folder that holds it as base_path")
}

/// A file that is written in place, and that another folder holds as well.
pub(crate) fn second_name(path: &Path, names: u64) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "open the store",
        "the file has a second name (a hard link): it would belong to two stores",
    )
    .with("path", path.display())
    .with("names", names)
    .hint(
        "while no program has the store open, give this one a file of its own: copy the file, and \
         rename the copy to the name of the file (cp -p FILE FILE.own && mv FILE.own FILE)",
    )
}

/// A section of a data file that holds entities of several collections.
pub(crate) fn shared_section(path: &Path, byte: u64, section: &str) -> Error {
    let why = "another program keeps entities of several collections in one section of the file";
    Error::new(ErrorKind::Foreign, "read a data file", why)
        .with("file", path.display())
        .with("section", section)
        .with("byte", byte)
        .hint(
            "such files can be the source of a migration; a store that is written to needs a \
             section for each collection",
        )
}

/// A record of the store's own files that cannot be decoded although its
/// checksum holds.
pub(crate) fn undecodable(path: &Path, byte: u64) -> Error {
    corrupt("read the store", path, byte, "a record is malformed although its checksum holds")
        .hint("the file was written by another version of this software, or by something else")
}

/// A failed sync makes the handle unusable.
pub(crate) fn poisoned(operation: &'static str, location: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the store stopped after a failed write")
        .with("store", location)
        .with("reason", reason)
        .hint("find out why the disk failed, then open the store again")
}

/// A collection that this handle was opened without.
pub(crate) fn not_selected(
    operation: &'static str,
    collection: &CollectionName,
    location: &str,
) -> Error {
    let why = "the store was opened without this collection";
    Error::new(ErrorKind::Unsupported, operation, why)
        .with("collection", collection)
        .with("store", location)
        .hint("open it with this collection among the selected ones")
}

/// A background task or thread of this process ended without an answer.
pub(crate) fn interrupted(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the work was interrupted")
        .with("store", location)
}

/// The error for a data file that was edited while commits wait in the
/// journal.
pub(crate) fn edited(path: &Path) -> Error {
    corrupt(
        "open the store",
        path,
        0,
        "the data file was changed by something else while commits were not yet written into it",
    )
    .hint(format!(
        "run {} to take the file as it is, or {} to put the commits over it; nothing was changed \
         so far",
        Action::KeepFile,
        Action::KeepJournal
    ))
}

/// The error for a data file that is not there.
pub(crate) fn missing(path: &Path) -> Error {
    corrupt("open the store", path, 0, "a data file of the store is missing").hint(
        "put the file back; if all of its entities are meant to be gone, put a file with {} there",
    )
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
        .hint(format!("check the path; a new store is made with {}", Action::Prepare))
}

/// Data files are compressed, or are to be, and this program cannot do that.
pub(crate) fn without_compression(operation: &'static str) -> Error {
    let why = "this program is built without compression";
    Error::new(ErrorKind::Unsupported, operation, why).hint(
        "use a program that is built with the feature `compression`; such a one can also write \
         the data files of a store plain",
    )
}

/// A file that is called like a compressed one.
pub(crate) fn not_compressed(path: &Path, source: io::Error) -> Error {
    let why = "the file is not the zstd stream that its name promises, or it is damaged";
    corrupt("read a data file", path, 0, why)
        .with("reason", &source)
        .hint("put the file back from a backup; it was left as it was")
        .caused_by(source)
}

/// An error of reading a compressed file: of the disk, or of what stands in it.
pub(crate) fn unpacking(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::InvalidData => not_compressed(path, source),
        _ => plain_json::errors::io("read a data file", path, source),
    }
}
