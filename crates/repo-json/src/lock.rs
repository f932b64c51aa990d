//! The lock between processes: `flock` on a file that is never renamed.
//!
//! A lock belongs to the open file, not to the process, so two handles in one
//! process exclude each other as two processes do. Local file systems only:
//! network file systems give `flock` other meanings.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::Result;

use crate::errors;
use crate::folder;

/// An open lock file.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    /// Opens the lock file and makes it where it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = folder::open_or_create(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens the lock file for reading; `None` when there is none, and so no
    /// writer ever was here.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let file = folder::open_if_there(path)?;
        Ok(file.map(|file| Self { file, path: path.to_owned() }))
    }

    /// Waits until this handle alone holds the store.
    pub(crate) fn exclusive(self: &Arc<Self>) -> Result<LockGuard> {
        self.take(fs2::FileExt::lock_exclusive)
    }

    /// Waits until no writer holds the store.
    pub(crate) fn shared(self: &Arc<Self>) -> Result<LockGuard> {
        self.take(fs2::FileExt::lock_shared)
    }

    fn take(self: &Arc<Self>, lock: impl Fn(&File) -> io::Result<()>) -> Result<LockGuard> {
        loop {
            match lock(&self.file) {
                Ok(()) => return Ok(LockGuard(Arc::clone(self))),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(errors::io("lock the store", &self.path, e)),
            }
        }
    }
}

/// A held lock, given back on drop.
#[derive(Debug)]
pub(crate) struct LockGuard(Arc<LockFile>);

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Err(error) = fs2::FileExt::unlock(&self.0.file) {
            tracing::error!(%error, "the lock of a JSON store could not be given back");
        }
    }
}
