//! The names of the file: one, and not that of a link which leads nowhere.
//!
//! SQLite keeps what was committed last in files that are named after the
//! database. A second name of the file (a hard link) has others: what was
//! committed by way of one name is not seen by way of the other, and the two
//! overwrite each other.

use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};

use crate::errors;

/// The path of the file, the same for every way to name it. A symbolic link
/// is followed, as SQLite does, so that the log stands beside the file itself.
///
/// # Errors
/// `Foreign` for a link that leads nowhere: what it stands for may be on a disk
/// that is not mounted.
pub(super) fn real(file: &Path) -> Result<PathBuf> {
    let failed = |source| errors::io("open", file, source);
    if let Ok(path) = file.canonicalize() {
        return Ok(path);
    }
    if file.is_symlink() && !file.exists() {
        let why = "the path of the database is a link that leads nowhere";
        return Err(Error::new(ErrorKind::Foreign, "open", why)
            .with("file", file.display())
            .hint("mount what it leads to, or name the file itself"));
    }
    let path = std::path::absolute(file).map_err(failed)?;
    // The file is not there yet, but its folder may be, under another name.
    Ok(match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// Refuses a file with a second name, for reading too: what was committed by
/// way of the other name may be missing. A file that is not there has none.
///
/// # Errors
/// `Unsupported`, with what to do.
pub(super) fn refuse_second(operation: &'static str, file: &Path) -> Result<()> {
    let names = count(file);
    if names <= 1 {
        return Ok(());
    }
    let why = "the file has a second name (a hard link), and each name has a log of its own: \
               commits through one are not seen through the other";
    Err(Error::new(ErrorKind::Unsupported, operation, why)
        .with("file", file.display())
        .with("names", names)
        .hint(
            "end every program that uses it, run `find FOLDER -samefile FILE` for the other \
             names, and remove all but one; or copy the file with its -wal and use the copy",
        ))
}

#[cfg(unix)]
fn count(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).map_or(0, |found| if found.is_file() { found.nlink() } else { 1 })
}

#[cfg(not(unix))]
fn count(_file: &Path) -> u64 {
    1
}
