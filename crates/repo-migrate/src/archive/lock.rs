//! Holding a folder, so that others can tell one that is being written from
//! one that a killed process left.
//!
//! The lock is on the folder itself: it stays with it when the folder gets
//! another name, and the operating system drops it with the process.

use std::fs::File;
use std::io;
use std::path::Path;

/// A held folder; given back when dropped.
#[derive(Debug)]
pub(crate) struct ArchiveLock {
    _folder: File,
}

impl ArchiveLock {
    /// Holds a folder, and waits while another does. `None` where folders
    /// cannot be locked.
    pub(crate) fn wait(folder: &Path) -> io::Result<Option<Self>> {
        let Some(file) = open(folder)? else { return Ok(None) };
        fs2::FileExt::lock_exclusive(&file)?;
        Ok(Some(Self { _folder: file }))
    }

    /// Holds a folder, unless another does: then `None`.
    pub(crate) fn attempt(folder: &Path) -> io::Result<Option<Self>> {
        let Some(file) = open(folder)? else { return Ok(None) };
        match fs2::FileExt::try_lock_exclusive(&file) {
            Ok(()) => Ok(Some(Self { _folder: file })),
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
fn open(folder: &Path) -> io::Result<Option<File>> {
    File::open(folder).map(Some)
}

#[cfg(not(unix))]
fn open(_folder: &Path) -> io::Result<Option<File>> {
    Ok(None)
}
